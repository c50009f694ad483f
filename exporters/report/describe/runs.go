package describe

import (
	"fmt"
	"math"

	"latlab/bench/compare"
	"latlab/exporters/report"
	"latlab/internal/ui"
)

// Runs names two runs: "Run 1 and run 2 on cpu, xnnpack, float32".
func Runs(d *report.Data, r report.Runs) string {
	return fmt.Sprintf("Run %d and run %d on %s", d.Sweeps[r.Before].Manifest.Run+1, d.Sweeps[r.After].Manifest.Run+1, request(&d.Sweeps[r.Before]))
}

// RunsFacts says what the comparison of two runs found.
func RunsFacts(d *report.Data, r report.Runs) []Fact {
	c := r.Comparison
	slower, faster := c.Count()
	leftOut := "no network: all were measured in both runs, and none is INVALID"
	if n := len(c.LeftOut); n > 0 {
		leftOut = ui.Plural(n, "network") + " not measured in both runs, or INVALID"
	}
	return []Fact{
		{"A, before", fmt.Sprintf("run %d, sweep %s, created %s, noise %s", c.A.Sweep.Run+1, c.A.Sweep.ID, Time(c.A.Sweep.Created), Noise(&d.Sweeps[r.Before]))},
		{"B, after", fmt.Sprintf("run %d, sweep %s, created %s, noise %s", c.B.Sweep.Run+1, c.B.Sweep.ID, Time(c.B.Sweep.Created), Noise(&d.Sweeps[r.After]))},
		{"overall", fmt.Sprintf("B/A %s (geometric mean), %s interval %s", Ratio(c.Overall.Ratio), ChosenPercent(1-c.Level), RatioInterval(c.Overall))},
		{"changed", fmt.Sprintf("%d slower, %d faster of %s (Benjamini-Hochberg at %s)", slower, faster, ui.Plural(len(c.Pairs), "network"), ChosenPercent(c.Level))},
		{"left out", leftOut},
	}
}

// Ratio is a ratio with as many decimals as 0.1 % needs.
func Ratio(x float64) string { return fmt.Sprintf("%.3f", x) }

// RatioInterval is the interval of a ratio.
func RatioInterval(c compare.Change) string {
	if c.Low == nil || math.IsNaN(*c.Low) {
		return ui.NotComputed
	}
	return Ratio(*c.Low) + " to " + Ratio(*c.High)
}

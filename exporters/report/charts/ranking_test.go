package charts

import (
	"math"
	"testing"

	"latlab/bench/verdict"
	"latlab/exporters/report"
	"latlab/internal/ui"
)

// TestRankedFrame: the fastest is at the top, an overlapping interval is marked, a network without a
// latency has no row.
func TestRankedFrame(t *testing.T) {
	nan := math.NaN()
	d := &report.Data{Sweeps: []report.Sweep{{Networks: report.Networks{
		Index: []int{0, 1, 2, 3}, Name: []string{"slow", "fast", "planned", "close"}, ID: make([]string, 4),
		Verdict: []verdict.Verdict{verdict.Valid, verdict.Valid, "", verdict.Invalid},
		Seconds: []float64{0.03, 0.01, nan, 0.0101}, Low: []float64{0.029, 0.0099, nan, 0.0098}, High: []float64{0.031, 0.0101, nan, 0.0104},
	}}}}
	f := rankedFrame(d, 0, newScale(true, []float64{0.01, 0.03}), ui.SecondsScale(0.01, 0.03))
	var names []string
	for i, tick := range f.Y.Ticks {
		names = append(names, tick.Text)
		if i > 0 && (tick.At <= f.Y.Ticks[i-1].At || f.Marks[i].X < f.Marks[i-1].X) {
			t.Errorf("row %d is at %v, its dot at %v", i, tick.At, f.Marks[i].X)
		}
	}
	if len(names) != 3 || names[0] != "fast" || names[1] != "≈ close" || names[2] != "slow" {
		t.Errorf("rows %q", names)
	}
	if f.Marks[1].Class != "bad" || f.Marks[1].Tip != "close: 10.10 ms, 1.01 times the fastest" || len(f.Paths[0].Lines) != 3 {
		t.Errorf("%+v", f)
	}
	if !isRanked(&d.Sweeps[0]) || isRanked(&report.Sweep{}) {
		t.Error("few networks are ranked, none are not")
	}
}

package page

import (
	"fmt"

	"latlab/bench/verdict"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
	"latlab/regress"
)

// summary is the first part of the page: a row for each sweep and each cost model, with the figures
// that decide whether to use it.
type summary struct {
	Unit   string // of latencies
	Sweeps []sweepSummary
	Fits   []fitSummary
}

type sweepSummary struct {
	Href, Title, Of      string
	Kind                 kindView
	Valid, Imprecise     int
	Invalid, Failed      int
	Median, Range, Noise cell // of VALID networks
}

type fitSummary struct {
	Href, Title, Of             string
	Kind                        kindView
	R2, MAPE, Within10, Ceiling cell
}

func summarize(d *report.Data) summary {
	quartiles := make([][5]float64, len(d.Sweeps)) // 0 without a VALID network
	var ends []float64
	for i := range d.Sweeps {
		if valid := d.Sweeps[i].Networks.Latencies(verdict.Valid); len(valid) > 0 {
			q := describe.Quartiles(valid)
			quartiles[i], ends = q, append(ends, q[0], q[4])
		}
	}
	latency := ui.SecondsScale(ends...)
	x := summary{Unit: latency.Unit()}
	for i := range d.Sweeps {
		s := summarizeSweep(&d.Sweeps[i])
		s.Href = fmt.Sprintf("#s%d", i)
		if q := quartiles[i]; q[4] > 0 {
			s.Median = cell{sortable(q[2]), latency.Number(q[2])}
			s.Range = cell{s.Median.Sort, latency.Number(q[0]) + " to " + latency.Number(q[4])}
		}
		x.Sweeps = append(x.Sweeps, s)
	}
	for i := range d.Fits {
		x.Fits = append(x.Fits, summarizeFit(&d.Fits[i], fmt.Sprintf("#f%d", i)))
	}
	return x
}

func summarizeSweep(s *report.Sweep) sweepSummary {
	t := &s.Tally
	x := sweepSummary{
		Title: describe.Sweep(s), Of: s.Manifest.Space, Kind: kindOf(s.Manifest.Device.Kind),
		Valid: t.Valid, Imprecise: t.Imprecise, Invalid: t.Invalid, Failed: t.Failed, Median: cell{"", "-"}, Range: cell{"", "-"},
		Noise: optional(t.NoiseCV, ui.Percent),
	}
	if s.Manifest.Space == "" && s.Networks.Len() != 1 { // a single network's name is in the title
		x.Of = "listed models"
	}
	if s.Manifest.Device.Deterministic {
		x.Noise = cell{"0", "none"}
	}
	return x
}

func summarizeFit(f *report.Fit, href string) fitSummary {
	g := f.Model.Figures
	return fitSummary{
		Href: href, Title: describe.CostTitle(f), Of: f.Model.Space + " on " + f.Model.Device, Kind: kindOf(f.Model.Kind),
		R2: optional(g.R2, ui.Fixed4), MAPE: optional(g.MAPE, ui.Percent), Within10: optional(g.Within10, ui.Percent), Ceiling: ceiling(g),
	}
}

func ceiling(g regress.Figures) cell {
	x := optional(g.NoiseCeilingR2, ui.Fixed4)
	x.Text, _ = describe.Ceiling(g)
	return x
}

// cell is a number of a table, with the value to sort by and the text to show.
type cell struct{ Sort, Text string }

func optional(x *float64, format func(float64) string) cell {
	if x == nil {
		return cell{"", ui.NotComputed}
	}
	return cell{sortable(*x), ui.Optional(x, format)}
}

// sortable is a number as the script reads it; unknown ones come last.
func sortable(x float64) string {
	if describe.Unknown(x) {
		return ""
	}
	return fmt.Sprint(x)
}

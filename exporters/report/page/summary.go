package page

import (
	"fmt"

	"latlab/devices"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// summary is what the page says first: a row a sweep and a row a cost model, with the figures
// that decide whether to use it.
type summary struct {
	Unit   string // of latencies
	Sweeps []sweepSummary
	Fits   []fitSummary
}

type sweepSummary struct {
	Href, Title, Of        string
	Kind                   kindView
	Valid, Invalid, Failed int
	Sort, Median, Range    string // of VALID networks; Sort is the median to sort by
	Noise, NoiseSort       string
}

type fitSummary struct {
	Href, Title                             string
	Kind                                    kindView
	R2, R2Sort, MAPE, MAPESort, Within10    string
	Within10Sort, Ceiling, CeilingSort, Who string
}

func summarize(d *report.Data) summary {
	quartiles := make([][5]float64, len(d.Sweeps)) // 0 = no VALID network
	var ends []float64
	for i := range d.Sweeps {
		if valid, _ := d.Sweeps[i].Networks.Latencies(); len(valid) > 0 {
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
			s.Sort, s.Median = sortable(q[2]), latency.Number(q[2])
			s.Range = latency.Number(q[0]) + " to " + latency.Number(q[4])
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
		Valid: t.Valid, Invalid: t.Invalid, Failed: t.Failed, Median: "-", Range: "-",
		Noise: ui.Optional(t.NoiseCV, ui.Percent), NoiseSort: sortableFigure(t.NoiseCV),
	}
	if s.Manifest.Space == "" && s.Networks.Len() != 1 { // the title has the name of a single one
		x.Of = "listed models"
	}
	if s.Manifest.Device.Deterministic {
		x.Noise, x.NoiseSort = "none", "0"
	}
	return x
}

func summarizeFit(f *report.Fit, href string) fitSummary {
	g := f.Model.Figures
	return fitSummary{
		Href: href, Title: describe.CostTitle(f), Who: f.Model.Space + " on " + f.Model.Device, Kind: kindOf(devices.Kind(f.Model.Kind)),
		R2: ui.Optional(g.R2, ui.Fixed4), R2Sort: sortableFigure(g.R2), MAPE: ui.Optional(g.MAPE, ui.Percent), MAPESort: sortableFigure(g.MAPE),
		Within10: ui.Optional(g.Within10, ui.Percent), Within10Sort: sortableFigure(g.Within10),
		Ceiling: ui.Optional(g.NoiseCeilingR2, ui.Fixed4), CeilingSort: sortableFigure(g.NoiseCeilingR2),
	}
}

func sortableFigure(x *float64) string {
	if x == nil {
		return ""
	}
	return sortable(*x)
}

package report

import (
	"fmt"
	"path/filepath"
)

// glance is what a page says first: a row a sweep and a row a cost model, with the figures by
// which one is taken or left.
type glance struct {
	Sweeps []sweepGlance
	Fits   []fitGlance
}

type sweepGlance struct {
	Href, Title, Of        string
	Kind                   kindView
	Valid, Invalid, Failed int
	Median, MS, Range      string // of VALID networks; Median to sort by
	Noise, NoiseSort       string
}

type fitGlance struct {
	Href, Title                             string
	Kind                                    kindView
	R2, R2Sort, MAPE, MAPESort, Within10    string
	Within10Sort, Ceiling, CeilingSort, Who string
}

func (v *view) glance() glance {
	var g glance
	for i := range v.data.Sweeps {
		g.Sweeps = append(g.Sweeps, sweepAtAGlance(&v.data.Sweeps[i], fmt.Sprintf("#s%d", i)))
	}
	for i := range v.data.Fits {
		g.Fits = append(g.Fits, fitAtAGlance(&v.data.Fits[i], fmt.Sprintf("#f%d", i)))
	}
	return g
}

func sweepAtAGlance(s *Sweep, href string) sweepGlance {
	t := &s.Tally
	x := sweepGlance{
		Href: href, Title: sweepName(s), Of: ofWhat(s), Kind: kindOf(s.Manifest.Device.Kind),
		Valid: t.Valid, Invalid: t.Invalid, Failed: t.Failed, MS: "–", Range: "–",
		Noise: figure(t.NoiseCV, percent), NoiseSort: sortableFigure(t.NoiseCV),
	}
	if s.Manifest.Device.Deterministic {
		x.Noise, x.NoiseSort = "none", "0"
	}
	if valid, _ := byVerdict(&s.Networks); len(valid) > 0 {
		q := quantiles(valid)
		x.Median, x.MS = sortable(q[2]), millis(q[2])
		if len(valid) > 1 {
			x.Range = millis(q[0]) + " to " + millis(q[4])
		}
	}
	return x
}

// ofWhat says where the networks are from.
func ofWhat(s *Sweep) string {
	switch n := &s.Networks; {
	case s.Manifest.Space != "":
		return s.Manifest.Space
	case n.Len() == 1: // the sweep's name has it
		return ""
	default:
		return "listed models"
	}
}

func fitAtAGlance(f *Fit, href string) fitGlance {
	g := f.Model.Figures
	return fitGlance{
		Href: href, Title: filepath.Base(f.File) + ": " + f.Model.Method, Who: f.Model.Space + " on " + f.Model.Device, Kind: kindOf(f.Model.Kind),
		R2: figure(g.R2, fourDecimals), R2Sort: sortableFigure(g.R2), MAPE: figure(g.MAPE, percent), MAPESort: sortableFigure(g.MAPE),
		Within10: figure(g.Within10, percent), Within10Sort: sortableFigure(g.Within10),
		Ceiling: figure(g.NoiseCeilingR2, fourDecimals), CeilingSort: sortableFigure(g.NoiseCeilingR2),
	}
}

func sortableFigure(x *float64) string {
	if x == nil {
		return ""
	}
	return sortable(*x)
}

package regress

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A few networks leave the indicator method with many negative weights. The fit says so; with
// NonNegative there are none, and predictions are still about as good.
func TestNegativeWeights(t *testing.T) {
	s := builtin(t, "mobiledet_edgetpu_tucker")
	d := cpuRoofline().measure(t, s, 300, 0.015, 1)
	free := fit(t, d, Options{Method: Indicator})
	negative, used := 0, 0
	for _, p := range free.Table {
		for e, w := range p.Weights {
			if p.Seen[e] > 0 {
				used++
			}
			if w < 0 {
				negative++
			}
		}
	}
	want := fmt.Sprintf("%d of the %d table entries that the fit's networks use are negative, by 0.000", negative, used)
	if negative == 0 || !slices.ContainsFunc(free.Warnings, func(w string) bool { return strings.HasPrefix(w, want) }) {
		t.Errorf("warnings %q, want %q", free.Warnings, want)
	}
	clipped := fit(t, d, Options{Method: Indicator, NonNegative: true})
	for _, p := range clipped.Table {
		if least := slices.Min(p.Weights); least < 0 {
			t.Errorf("%s has a weight of %v", p.Name, least)
		}
	}
	if clipped.Negative() != "" || len(clipped.Warnings) != 0 {
		t.Errorf("clipped: %q, warnings %q", clipped.Negative(), clipped.Warnings)
	}
	if *clipped.Figures.RMSPE > 1.2**free.Figures.RMSPE {
		t.Errorf("RMSPE %v without negative weights, %v with", *clipped.Figures.RMSPE, *free.Figures.RMSPE)
	}
	t.Logf("%d negative; RMSPE %.3f, clipped %.3f; r2 %.3f, clipped %.3f", negative, *free.Figures.RMSPE, *clipped.Figures.RMSPE, *free.Figures.R2, *clipped.Figures.R2)
}

func TestNegativeBias(t *testing.T) {
	m := &CostModel{Bias: -0.001, Table: []TablePosition{{Name: "a", Weights: []float64{0, 1}}}}
	if got := m.Negative(); !strings.HasPrefix(got, "the bias is negative, -0.001 s") {
		t.Errorf("got %q", got)
	}
	m.Table[0].Weights[0] = -0.5
	if got := m.Negative(); !strings.HasPrefix(got, "1 of the 2 table entries") || !strings.Contains(got, "; the bias is negative, -0.001 s") {
		t.Errorf("got %q", got)
	}
}

package main

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKeep: which samples a rule uses.
func TestKeep(t *testing.T) {
	r := row{Block: samples{Wall: []float64{1, 2, 3, 4, 5}, CPU: []float64{1, 1.8, 3, 4, 4.9}}}
	for name, tc := range map[string]struct {
		by      rule
		stopped float64
		want    []float64
	}{
		"all":                        {rule{0, 1, true}, 0, []float64{1, 2, 3, 4, 5}},
		"undisturbed":                {rule{0.95, 3, true}, 0, []float64{1, 3, 4, 5}},
		"nor after a disturbed one":  {rule{0.95, 3, false}, 0, []float64{1, 4, 5}},
		"a higher share":             {rule{0.99, 3, false}, 0, []float64{1, 4}},
		"stopped by a quota":         {rule{0.95, 3, false}, 0.5, nil},
		"stopped, all samples count": {rule{0, 1, true}, 0.5, []float64{1, 2, 3, 4, 5}},
	} {
		r.Stopped = tc.stopped
		if diff := cmp.Diff(tc.want, tc.by.keep(r)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestEvaluate: ratios are to the quiet block beside each, and a block without enough samples is lost.
func TestEvaluate(t *testing.T) {
	quiet := samples{Wall: []float64{2, 2, 2}, CPU: []float64{2, 2, 2}}
	slower := row{Network: "a", Block: samples{Wall: []float64{3, 3, 3, 9}, CPU: []float64{3, 3, 3, 1}}, Quiet: quiet}
	lost := row{Network: "a", Block: samples{Wall: []float64{3, 3}, CPU: []float64{3, 1}}, Quiet: quiet}
	x := evaluate([]row{slower, lost}, rule{0.98, 3, false})
	if x.off != 0.5 || x.lost != 0.5 || x.samples != 0.5 || x.worst != 0.5 || !math.IsNaN(x.noise) {
		t.Errorf("%+v", x)
	}
}

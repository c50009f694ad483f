package choose_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/regress"
	"latlab/regress/choose"
	"latlab/sampler"
)

// TestSpread: one network of each eighth of the predicted latencies, the same ones each time.
func TestSpread(t *testing.T) {
	sp, err := sampler.Builtin("mobiledet_cpu_tucker")
	if err != nil {
		t.Fatal(err)
	}
	m := &regress.CostModel{Space: sp.Name}
	for i, p := range sp.Positions() {
		w := make([]float64, p.Slots())
		for j := range w {
			w[j] = float64((i*7+j*13)%29) / 1000
		}
		m.Table = append(m.Table, regress.TablePosition{Name: p.Name, Weights: w})
	}
	p, err := regress.NewPredictor(m, sp)
	if err != nil {
		t.Fatal(err)
	}
	archs, err := choose.Spread(p, sp, 8)
	if err != nil || len(archs) != 8 {
		t.Fatalf("%d networks, %v", len(archs), err)
	}
	again, err := choose.Spread(p, sp, 8)
	if diff := cmp.Diff(archs, again); err != nil || diff != "" {
		t.Errorf("the second time (-first +second):\n%s\n%v", diff, err)
	}
	random, err := sampler.Sample(sp, 1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range archs {
		if err := sp.Check(a); err != nil {
			t.Fatal(err)
		}
		below := 0
		for _, r := range random {
			if p.Predict(r.Indices) < p.Predict(a.Indices) {
				below++
			}
		}
		if share := float64(below) / float64(len(random)); share < float64(i)/8-0.06 || share > float64(i+1)/8+0.06 {
			t.Errorf("network %d is slower than %.0f %% of random ones", i, 100*share)
		}
	}
}

package regress

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCurveSizes(t *testing.T) {
	for n, want := range map[int][]int{
		104: nil, 105: {5}, 149: {5, 10, 20}, 150: {5, 10, 20, 50}, 1100: {5, 10, 20, 50, 100, 200, 500, 1000},
	} {
		if d := cmp.Diff(want, curveSizes(n)); d != "" {
			t.Errorf("%d networks (-want +got):\n%s", n, d)
		}
	}
}

func TestCurve(t *testing.T) {
	s := builtin(t, "mobiledet_cpu_ibn")
	data := cpuRoofline().measure(t, s, 125, 0.01, 1)
	c, err := Curve(context.Background(), data, []Method{Ops, MACs}, Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	var got [][3]any
	for _, p := range c.Points {
		got = append(got, [3]any{p.Train, p.Test, p.Method})
		if p.R2.Mean == nil || !(*p.R2.Low <= *p.R2.Mean && *p.R2.Mean <= *p.R2.High) || p.Splits != 5 {
			t.Errorf("%+v", p)
		}
	}
	want := [][3]any{{5, 120, Ops}, {5, 120, MACs}, {10, 115, Ops}, {10, 115, MACs}, {20, 105, Ops}, {20, 105, MACs}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// The splits are those of Train: with as many networks, the mean of ten is near the mean of the first five.
	whole := fit(t, data, Options{Method: MACs, Seed: 3, Train: 20})
	if p := c.Points[5]; !near(*p.MAPE.Mean, *whole.Figures.MAPE, 0.3) {
		t.Errorf("MAPE %v, of ten splits %v", *p.MAPE.Mean, *whole.Figures.MAPE)
	}
}

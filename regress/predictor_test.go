package regress

import (
	"testing"

	"latlab/sampler"
)

func TestPredictorEqualsPredict(t *testing.T) {
	for _, s := range []*sampler.Space{load(t, tiny), builtin(t, "mobiledet_cpu_tucker"), builtin(t, "mobiledet_gpu_ibn")} {
		m := randomTable(s, 1)
		p, err := NewPredictor(m, s)
		if err != nil {
			t.Fatal(err)
		}
		archs := sample(t, s, 300, 2)
		got, err := p.PredictAll(nil, archs)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range archs {
			if want := m.Predict(s, a); got[i] != want {
				t.Errorf("%s %s: %v, want %v", s.Name, a, got[i], want)
			}
		}
	}
}

func TestPredictorRefuses(t *testing.T) {
	s := load(t, tiny)
	if _, err := NewPredictor(randomTable(s, 1), builtin(t, "mobiledet_cpu_ibn")); err == nil {
		t.Error("a predictor for another space")
	}
	p, err := NewPredictor(randomTable(s, 1), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []sampler.Arch{{Space: "other", Indices: make([]int, 8)}, {Space: "tiny", Indices: []int{0}}} {
		if _, err := p.PredictAll(nil, []sampler.Arch{a}); err == nil {
			t.Errorf("predicted %s of space %s", a, a.Space)
		}
	}
}

func BenchmarkPredictAll(b *testing.B) {
	s := builtin(b, "mobiledet_edgetpu_tucker")
	p, err := NewPredictor(randomTable(s, 1), s)
	if err != nil {
		b.Fatal(err)
	}
	archs := sample(b, s, 10_000, 1)
	dst := make([]float64, len(archs))
	n := 0
	for b.Loop() {
		if _, err := p.PredictAll(dst, archs); err != nil {
			b.Fatal(err)
		}
		n += len(archs)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "predictions/s")
}

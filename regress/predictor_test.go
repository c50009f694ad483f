package regress

import (
	"testing"

	"latlab/sampler"
)

func TestPredictorEqualsPredict(t *testing.T) {
	for _, s := range []*sampler.Space{
		load(t, tiny), builtin(t, "mobiledet_cpu_tucker"), builtin(t, "mobiledet_gpu_ibn"),
		builtin(t, "proxylessnas_enlarged_search"), builtin(t, "mobilenet_v3_like_search"),
	} {
		m := randomTable(s, 1)
		p, err := NewPredictor(m, s)
		if err != nil {
			t.Fatal(err)
		}
		archs := sample(t, s, 300, 2)
		for _, a := range archs {
			if got, want := p.Predict(a.Indices), m.Predict(s, a); got != want {
				t.Errorf("%s %s: %v, want %v", s.Name, a, got, want)
			}
		}
	}
}

func TestPredictorRefuses(t *testing.T) {
	s := load(t, tiny)
	if _, err := NewPredictor(randomTable(s, 1), builtin(t, "mobiledet_cpu_ibn")); err == nil {
		t.Error("a predictor for another space")
	}
}

func BenchmarkPredict(b *testing.B) {
	s := builtin(b, "mobiledet_edgetpu_tucker")
	p, err := NewPredictor(randomTable(s, 1), s)
	if err != nil {
		b.Fatal(err)
	}
	archs := sample(b, s, 10_000, 1)
	n := 0
	for b.Loop() {
		for _, a := range archs {
			p.Predict(a.Indices)
		}
		n += len(archs)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "predictions/s")
}

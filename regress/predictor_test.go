package regress

import (
	"testing"

	"latlab/sampler"
	"latlab/sampler/graph"
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

// MACs added up over the table are those of the whole graph, to the last.
func TestMACsEqualTheGraphs(t *testing.T) {
	for _, s := range []*sampler.Space{load(t, tiny), builtin(t, "mobiledet_cpu_tucker"), builtin(t, "mobiledet_gpu_fused"), builtin(t, "mobilenet_v3_like_search")} {
		p, err := NewMACs(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range sample(t, s, 100, 3) {
			g, err := graph.Lower(s, a)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := p.Predict(a.Indices), float64(g.TotalMACs()); got != want {
				t.Errorf("%s %s: %v MACs, want %v", s.Name, a, got, want)
			}
		}
	}
}

func TestPredictAllocatesNothing(t *testing.T) {
	s := builtin(t, "mobiledet_edgetpu_tucker")
	p, err := NewPredictor(randomTable(s, 1), s)
	if err != nil {
		t.Fatal(err)
	}
	indices := sample(t, s, 1, 1)[0].Indices
	if n := testing.AllocsPerRun(100, func() { p.Predict(indices) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func benchmarked(b *testing.B) (*Predictor, []sampler.Arch) {
	b.Helper()
	s := builtin(b, "mobiledet_edgetpu_tucker")
	p, err := NewPredictor(randomTable(s, 1), s)
	if err != nil {
		b.Fatal(err)
	}
	return p, sample(b, s, 10_000, 1)
}

// One network after another: which is next depends on the latency of the last, so a processor cannot work on several at
// once.
func BenchmarkPredictOne(b *testing.B) {
	p, archs := benchmarked(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i += 1 + int(1e-300*p.Predict(archs[i].Indices)) // always 1
		if i == len(archs) {
			i = 0
		}
	}
}

// 10,000 networks, whose indices are read from the cache's second or third level.
func BenchmarkPredict10000(b *testing.B) {
	p, archs := benchmarked(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, a := range archs {
			p.Predict(a.Indices)
		}
	}
	b.ReportMetric(float64(b.N*len(archs))/b.Elapsed().Seconds(), "predictions/s")
}

func BenchmarkNewMACs(b *testing.B) {
	s := builtin(b, "mobiledet_edgetpu_tucker")
	for b.Loop() {
		if _, err := NewMACs(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

package exporttest

import (
	"testing"

	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// Space is a space by its name or file.
func Space(t testing.TB, name string) *sampler.Space {
	t.Helper()
	s, err := sampler.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Fit is the cost model of 40 networks of a space; seconds is the latency of one on a made-up device.
func Fit(t testing.TB, s *sampler.Space, method regress.Method, seconds func(*graph.Graph) float64) *regress.CostModel {
	t.Helper()
	archs, err := sampler.Sample(s, 40, 1)
	must(t, err)
	d := regress.Data{Space: s, Provenance: regress.Provenance{Device: "sim", Kind: "simulated", Precision: "int8", Estimator: "median"}}
	for _, a := range archs {
		g, err := graph.Lower(s, a)
		must(t, err)
		d.Observations = append(d.Observations, regress.Observation{Arch: a, Seconds: seconds(g)})
	}
	m, err := regress.Fit(t.Context(), d, regress.Options{Method: method})
	must(t, err)
	return m
}

package bench_test

import (
	"strings"
	"testing"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
)

func TestEstimator(t *testing.T) {
	of := func(name, estimator string, v verdict.Verdict) bench.Estimate {
		return bench.Estimate{Network: bench.Network{Name: name}, M: &verdict.Measurement{Estimator: estimator, Verdict: v}}
	}
	var s bench.Estimator
	for _, e := range []bench.Estimate{
		{Network: bench.Network{Name: "failed"}}, of("disturbed", stats.MedianOfMedians, verdict.Invalid),
		of("a", stats.MedianOfUndisturbed, verdict.Valid), of("b", stats.MedianOfUndisturbed, verdict.Imprecise),
		of("disturbed too", stats.MedianOfMedians, verdict.Invalid),
	} {
		if err := s.Add(e); err != nil {
			t.Errorf("%s: %v", e.Network.Name, err)
		}
	}
	if s.Name != stats.MedianOfUndisturbed {
		t.Errorf("the estimator is %q", s.Name)
	}
	err := s.Add(of("c", stats.MedianOfMedians, verdict.Valid))
	want := "the latency of network a is the median of block medians of undisturbed samples v2, that of network c the median of block medians v1"
	if devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

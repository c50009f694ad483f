package regress

import (
	"math"
	"testing"

	"latlab/sampler"
)

// All of a small space: nothing is below or above, and both ends are reached.
func TestRange(t *testing.T) {
	s := load(t, tiny)
	n := int(s.Size().Int64())
	for seed := range uint64(5) {
		m := randomTable(s, seed)
		low, high := math.Inf(1), math.Inf(-1)
		for _, a := range sample(t, s, n, 1) {
			y := m.Predict(s, a)
			low, high = min(low, y), max(high, y)
		}
		least, greatest, err := m.Range(s)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(least-low) > 1e-12 || math.Abs(greatest-high) > 1e-12 {
			t.Errorf("seed %d: range %v to %v, want %v to %v", seed, least, greatest, low, high)
		}
		fastest, err := m.Fastest(s)
		if err != nil || s.Check(fastest) != nil {
			t.Fatalf("fastest %v, error %v", fastest, err)
		}
		if y := m.Predict(s, fastest); math.Abs(y-least) > 1e-12 {
			t.Errorf("seed %d: the fastest takes %v, want %v", seed, y, least)
		}
	}
}

func TestRangeOfAnotherSpace(t *testing.T) {
	other, err := sampler.Builtin("mobiledet_cpu_ibn")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := randomTable(load(t, tiny), 1).Range(other); err == nil {
		t.Error("a range over another space")
	}
}

// In TuNAS's spaces a layer is several decisions.
func TestFastestOfSeveralDecisions(t *testing.T) {
	for _, name := range []string{"proxylessnas_search", "proxylessnas_enlarged_search", "mobilenet_v3_like_search"} {
		s := builtin(t, name)
		m := randomTable(s, 3)
		least, _, err := m.Range(s)
		if err != nil {
			t.Fatal(err)
		}
		fastest, err := m.Fastest(s)
		if err := s.Check(fastest); err != nil {
			t.Fatal(err)
		}
		if y := m.Predict(s, fastest); err != nil || math.Abs(y-least) > 1e-9*math.Abs(least) {
			t.Errorf("%s: the fastest takes %v, want %v; error %v", name, y, least, err)
		}
	}
}

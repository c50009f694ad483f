package regress

import (
	"math"
	"math/rand/v2"
	"testing"

	"latlab/bench/verdict"
)

// sdOf is the standard error of a case's measurements: unknown unless they are noisy.
func sdOf(name string) *float64 {
	if name == "noisy measurements" {
		return new(0.09)
	}
	return nil
}

// TestConclude draws verified networks of models that hold, that are off by a factor, and that are wrong. A true
// conclusion comes in at least nine of ten draws.
func TestConclude(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	m := &CostModel{Figures: Figures{RMSPE: new(0.04), NTrain: 80, NTest: 20, Split: foldsRule}}
	for name, tt := range map[string]struct {
		factor, spread float64
		n              int
		want           Conclusion
	}{
		"holds":              {1, 0.04, 10, Holds},
		"better than before": {1, 0.01, 10, Holds},
		"a slower clock":     {1.3, 0.04, 10, Scaled},
		"another device":     {1.3, 0.25, 10, Broken},
		"two networks":       {1.3, 0.04, 2, TooFew},
		"noisy measurements": {1, 0.10, 10, Holds},
	} {
		right := 0
		for range 100 {
			var rows []Verified
			for range tt.n {
				p := math.Exp(rng.NormFloat64())
				rows = append(rows, Verified{sd: sdOf(name), Predicted: p, Seconds: new(p * tt.factor * math.Exp(tt.spread*rng.NormFloat64())), Verdict: new(verdict.Valid)})
			}
			rows = append(rows, Verified{Predicted: 1, Seconds: new(100.0), Verdict: new(verdict.Invalid)}, Verified{Predicted: 1})
			c := m.Conclude(rows)
			if c.Conclusion == tt.want {
				right++
			}
			if c.Networks != tt.n {
				t.Fatalf("%s: %d networks", name, c.Networks)
			}
		}
		if right < 90 {
			t.Errorf("%s: %d of 100 are %s", name, right, tt.want)
		}
	}
	if c := (&CostModel{}).Conclude(nil); c.Conclusion != TooFew {
		t.Error(c)
	}
}

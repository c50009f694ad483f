package regress

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCeiling: on simulated measurements the figures of the true latencies lie within the ceiling's bounds about
// as often as the bounds say, although the noise is only estimated from the blocks.
func TestCeiling(t *testing.T) {
	const runs, networks, blocks, noise = 200, 60, 3, 0.04
	rng := rand.New(rand.NewPCG(1, 2))
	inR2, inMAPE := 0, 0
	for run := range runs {
		var v pairs
		var measured, sd []float64
		ss := 0.0
		for range networks {
			truth := math.Exp(0.5 * rng.NormFloat64())
			logs := [blocks]float64{}
			mean := 0.0
			for b := range logs {
				logs[b] = noise * rng.NormFloat64()
				mean += logs[b] / blocks
			}
			for _, x := range logs {
				ss += (x - mean) * (x - mean)
			}
			y := truth * math.Exp(mean)
			v.add(y, truth)
			measured = append(measured, y)
		}
		df := networks * (blocks - 1)
		for range networks {
			sd = append(sd, math.Sqrt(ss/float64(df)/blocks))
		}
		c := ceiling(measured, sd, df, uint64(run))
		if r := v.r2(); r >= c.R2Low && r <= c.R2High {
			inR2++
		}
		if m := v.mape(); m >= c.MAPELow && m <= c.MAPEHigh {
			inMAPE++
		}
	}
	// Of 200 draws at 0.95, 178 and fewer have a probability of 0.0002.
	if inR2 < 179 || inMAPE < 179 {
		t.Errorf("the bounds hold the figures of the truth in %d (r2) and %d (MAPE) of %d runs", inR2, inMAPE, runs)
	}
}

func TestCeilingIsUnknown(t *testing.T) {
	for name, c := range map[string]*Ceiling{
		"one network":       ceiling([]float64{1}, []float64{.1}, 4, 1),
		"no standard error": ceiling([]float64{1, 2}, []float64{.1, math.NaN()}, 4, 1),
		"beyond numbers":    ceiling([]float64{1, 2, 3}, []float64{400, 400, 400}, 1, 1),
		"equal latencies":   ceiling([]float64{2, 2}, []float64{.1, .1}, 4, 1),
	} {
		if c != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := ceiling([]float64{1, 2, 3}, []float64{0, 0, 0}, 0, 1); c == nil || c.R2 != 1 || c.MAPE != 0 || c.R2Low != 1 {
		t.Errorf("without noise: %+v", c)
	}
}

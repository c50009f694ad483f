package stats

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
)

var stoppingSweeps = flag.Int("sweeps", 6, "sweeps of TestStoppingKeepsCoverage, of 50 networks each")

// stopping simulates sweeps of 50 networks with a latency of 1, whose blocks are added in rounds to those that have not
// reached a half-width. It returns the share of the 95 % intervals that cover 1, and the mean number of blocks.
func stopping(sweeps int, target float64, draw func(*rand.Rand) float64, reached func(values []float64, noise Noise) bool) (coverage, blocks float64) {
	const networks = 50
	rng := rand.New(rand.NewPCG(1, 2))
	covered, total := 0, 0
	for range sweeps {
		values := make([][]float64, networks)
		for i := range values {
			for range 3 {
				values[i] = append(values[i], math.Exp(draw(rng)))
			}
		}
		pool := poolOf(values)
		for more := true; more; pool = poolOf(values) {
			more = false
			for i, v := range values {
				noise, _ := pool.NoiseFor(NoiseOf(v))
				if !reached(v, noise) && len(v) < 400 {
					values[i], more = append(v, math.Exp(draw(rng))), true
				}
			}
		}
		for _, v := range values {
			noise, _ := pool.NoiseFor(NoiseOf(v))
			total += len(v)
			if iv := NewInterval(v, noise, 0.95); iv.Low != nil && *iv.Low <= 1 && 1 <= *iv.High {
				covered++
			}
		}
	}
	return float64(covered) / float64(sweeps*networks), float64(total) / float64(sweeps*networks)
}

func poolOf(values [][]float64) Pool {
	var all []Noise
	for _, v := range values {
		all = append(all, NoiseOf(v))
	}
	return NewPool(all)
}

// TestStoppingKeepsCoverage: sampling that stops as soon as the half-width is reached keeps 95 %, within what chance does
// to so many networks. docs/measuring.md has its table, of 2,000 networks a row:
//
//	go test ./bench/stats -run TestStoppingKeepsCoverage -v -sweeps 40
func TestStoppingKeepsCoverage(t *testing.T) {
	sweeps := *stoppingSweeps
	normal := func(sd float64) func(*rand.Rand) float64 {
		return func(rng *rand.Rand) float64 { return sd * rng.NormFloat64() }
	}
	// One block of ten is 5 times as far off, so that the spread is that of sd all in all.
	heavy := func(sd float64) func(*rand.Rand) float64 {
		return func(rng *rand.Rand) float64 {
			x := sd / math.Sqrt(0.9+0.1*25) * rng.NormFloat64()
			if rng.Float64() < 0.1 {
				x *= 5
			}
			return x
		}
	}
	for _, c := range []struct {
		noise  string
		draw   func(*rand.Rand) float64
		target float64
	}{
		{"1 %", normal(0.01), 0.01}, {"1 %", normal(0.01), 0.02}, {"2 %", normal(0.02), 0.01}, {"4 %", normal(0.04), 0.02}, {"4 %", normal(0.04), 0.05},
		{"2 %, heavy tails", heavy(0.02), 0.01}, {"4 %, heavy tails", heavy(0.04), 0.05},
	} {
		coverage, blocks := stopping(sweeps, c.target, c.draw, func(v []float64, noise Noise) bool { return Reached(v, noise, 0.95, c.target) })
		alone, fewer := stopping(sweeps, c.target, c.draw, func(v []float64, noise Noise) bool { return HalfWidth(v, noise, 0.95) <= c.target })
		t.Logf("| %s | %.0f %% | %.1f %% | %.1f | %.1f %% | %.1f |", c.noise, 100*c.target, 100*coverage, blocks, 100*alone, fewer)
		if low := 0.95 - 3*math.Sqrt(0.95*0.05/float64(50*sweeps)); coverage < low {
			t.Errorf("noise %s, target %v: %.1f %% of intervals cover the truth, at least %.1f %% are wanted", c.noise, c.target, 100*coverage, 100*low)
		}
	}
}

package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sweepOf are the blocks of networks in batches of 50, three rounds of each, with one of the first three in every 50
// blocks. level is the logarithm of the device's.
func sweepOf(rng *rand.Rand, networks int, noise float64, level func(order int) float64) []Timed {
	var all []Timed
	add := func(n int) {
		order := len(all)
		all = append(all, Timed{n, order, math.Exp(math.Log(0.01*float64(1+n%7)) + level(order) + noise*rng.NormFloat64())})
	}
	for from := 0; from < networks; from += 50 {
		for round := range 3 {
			if from > 0 {
				add((from + round) % 3)
			}
			for _, i := range rng.Perm(min(50, networks-from)) {
				add(from + i)
			}
		}
	}
	return all
}

func steady(int) float64 { return 0 }

// TestNoTrend: where nothing changes, nothing is corrected, but for one sweep in a hundred.
func TestNoTrend(t *testing.T) {
	const sweeps = 300
	rng := rand.New(rand.NewPCG(1, 1))
	seen := 0
	for range sweeps {
		if NewTrend(sweepOf(rng, 100, 0.03, steady), TrendLimits{0.05, 0.15}).Seen() {
			seen++
		}
	}
	if seen > sweeps/50 {
		t.Errorf("%d of %d sweeps on a steady device show a trend", seen, sweeps)
	}
}

// TestNoTrendOfConsecutiveBlocks: blocks of one network after the other, of which every ninth throttles, are no trend.
func TestNoTrendOfConsecutiveBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var all []Timed
	for i := range 120 {
		s := 0.01 * math.Exp(0.01*rng.NormFloat64())
		if i%27 == 26 {
			s *= 1.04
		}
		all = append(all, Timed{i / 3, i, s})
	}
	if trend := NewTrend(all, TrendLimits{0.05, 0.15}); trend.Seen() {
		t.Errorf("levels %.3f", trend.logs)
	}
}

// near: a step is located to a window, and its level to 8 %.
func near(a, b Stretch) bool {
	return max(a.First-b.First, b.First-a.First, a.Last-b.Last, b.Last-a.Last) < windowBlocks && math.Abs(a.Level/b.Level-1) < 0.08
}

// TestTrend: levels of many shapes are found, so that what is left of them is less than the noise of a block.
func TestTrend(t *testing.T) {
	const networks, blocks = 200, 612
	shapes := map[string]struct {
		level func(order int) float64
		noise float64
		steps []Stretch
	}{
		"a slow drift":                      {func(i int) float64 { return 0.04 * float64(i) / blocks }, 0.01, nil},
		"a wave":                            {func(i int) float64 { return 0.03 * math.Sin(float64(i)/60) }, 0.02, nil},
		"a drift beyond the limit of steps": {func(i int) float64 { return 0.14 * float64(i) / blocks }, 0.01, nil},
		"another day after 456 blocks": {func(i int) float64 {
			if i >= 456 {
				return 0.3
			}
			return 0
		}, 0.02, []Stretch{{456, 608, math.Exp(0.3)}}},
		"a neighbour comes and goes": {func(i int) float64 {
			if i >= 204 && i < 257 {
				return 0.15
			}
			return 0
		}, 0.02, []Stretch{{204, 256, math.Exp(0.15)}}},
		"a lower level to the end": {func(i int) float64 {
			if i >= 397 {
				return -0.2
			}
			return 0
		}, 0.02, []Stretch{{397, 608, math.Exp(-0.2)}}},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(2, 3))
			all := sweepOf(rng, networks, shape.noise, shape.level)
			trend := NewTrend(all, TrendLimits{0.05, 0.15})
			if !trend.Seen() {
				t.Fatal("no trend")
			}
			if d := cmp.Diff(shape.steps, trend.steps, cmp.Comparer(near)); d != "" {
				t.Error(d)
			}
			var left []float64
			for i := range all {
				if !trend.Off(i) {
					left = append(left, trend.Log(i)-shape.level(i))
				}
			}
			middle, ss := Median(left), 0.0
			for _, l := range left {
				ss += (l - middle) * (l - middle) / float64(len(left))
			}
			// Across a joint there are few blocks to see a level by.
			uncorrected, _ := offOf(all, Trend{})
			if sd := math.Sqrt(ss); sd > max(0.6*shape.noise, uncorrected/2) {
				t.Errorf("the correction leaves %.2f %% of the level, and the noise is %.2f %%", 100*sd, 100*shape.noise)
			}
		})
	}
}

// offOf is how far, as a root mean square, the medians of networks are from the truth and one common level, without the
// correction and with it.
func offOf(all []Timed, trend Trend) (plain, corrected float64) {
	rms := func(value func(Timed) float64) float64 {
		of := map[int][]float64{}
		for _, b := range all {
			if !trend.Off(b.Order) {
				of[b.Network] = append(of[b.Network], math.Log(value(b)/(0.01*float64(1+b.Network%7))))
			}
		}
		var offs []float64
		for _, xs := range of {
			offs = append(offs, Median(xs))
		}
		middle, ss := Median(offs), 0.0
		for _, o := range offs {
			ss += (o - middle) * (o - middle)
		}
		return math.Sqrt(ss / float64(len(offs)))
	}
	plain = rms(func(b Timed) float64 { return b.Seconds })
	corrected = rms(func(b Timed) float64 { return b.Seconds * math.Exp(-trend.Log(b.Order)) })
	return plain, corrected
}

// TestTrendDoesNoHarm: what is no drift of the device over the sweep does not become one.
func TestTrendDoesNoHarm(t *testing.T) {
	of := func(level func(i int) float64, alone func(network, order int) float64) func(*rand.Rand) []Timed {
		return func(rng *rand.Rand) []Timed {
			all := sweepOf(rng, 1000, 0.01, level)
			for i := range all {
				all[i].Seconds *= math.Exp(alone(all[i].Network, i))
			}
			return all
		}
	}
	none := func(int, int) float64 { return 0 }
	for name, sweep := range map[string]func(*rand.Rand) []Timed{
		"warmer in every batch": of(func(i int) float64 { return 0.04 * float64(i%153) / 153 }, none),
		"the first round is slower": of(func(i int) float64 {
			if i%153 < 51 {
				return 0.02
			}
			return 0
		}, none),
		"a reference changes alone": of(steady, func(network, order int) float64 {
			if network == 0 && order > 1500 {
				return 0.1
			}
			return 0
		}),
		"a reference drifts alone": of(steady, func(network, order int) float64 {
			if network == 0 {
				return 0.2 * float64(order) / 3000
			}
			return 0
		}),
		"a noisy reference": func(rng *rand.Rand) []Timed {
			all := sweepOf(rng, 1000, 0.02, steady)
			for i := range all {
				if all[i].Network == 0 {
					all[i].Seconds *= math.Exp(0.1 * rng.NormFloat64())
				}
			}
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			var plain, corrected float64
			off := 0
			const sweeps = 10
			for i := range uint64(sweeps) {
				all := sweep(rand.New(rand.NewPCG(i, 5)))
				trend := NewTrend(all, TrendLimits{0.05, 0.15})
				p, c := offOf(all, trend)
				plain, corrected = plain+p/sweeps, corrected+c/sweeps
				for _, s := range trend.steps {
					off += s.Last - s.First + 1
				}
			}
			t.Logf("%.2f %% uncorrected, %.2f %% corrected, %d blocks off", 100*plain, 100*corrected, off)
			if corrected > 1.1*plain || off > 100*sweeps {
				t.Errorf("networks are off by %.2f %%, and by %.2f %% with the correction, which leaves out %d blocks", 100*plain, 100*corrected, off)
			}
		})
	}
}

// TestTrendOfTornNetwork: two blocks of a network that are far apart count for nothing, and break nothing.
func TestTrendOfTornNetwork(t *testing.T) {
	all := sweepOf(rand.New(rand.NewPCG(2, 3)), 200, 0.01, func(i int) float64 { return 0.04 * float64(i) / 612 })
	all = slices.DeleteFunc(all, func(b Timed) bool { return b.Network == 199 })
	last := len(all)
	all = append(all, Timed{199, last, 0.01}, Timed{199, last - 60, 0.02})
	if trend := NewTrend(all, TrendLimits{0.05, 0.15}); !trend.Seen() {
		t.Error("no trend is seen")
	}
}

// TestTrendOfExactTimes: times that differ by their rounding are no trend.
func TestTrendOfExactTimes(t *testing.T) {
	if trend := NewTrend(sweepOf(rand.New(rand.NewPCG(1, 1)), 100, 1e-16, steady), TrendLimits{0.05, 0.15}); trend.Seen() {
		t.Errorf("levels %g", trend.logs)
	}
}

func BenchmarkTrend(b *testing.B) {
	all := sweepOf(rand.New(rand.NewPCG(1, 1)), 10_000, 0.02, func(i int) float64 { return 1e-6 * float64(i) })
	for b.Loop() {
		NewTrend(all, TrendLimits{0.05, 0.15})
	}
}

package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sweepOf are the blocks of networks in batches of 50, three rounds of each, with the first network in every 50
// blocks. level is the logarithm of the device's.
func sweepOf(rng *rand.Rand, networks int, noise float64, level func(order int) float64) []Timed {
	var all []Timed
	add := func(n int) {
		order := len(all)
		all = append(all, Timed{n, order, math.Exp(math.Log(0.01*float64(1+n%7)) + level(order) + noise*rng.NormFloat64())})
	}
	for from := 0; from < networks; from += 50 {
		for range 3 {
			if from > 0 {
				add(0)
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
		if NewTrend(sweepOf(rng, 100, 0.03, steady), 0.05).Seen() {
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
	if trend := NewTrend(all, 0.05); trend.Seen() {
		t.Errorf("levels %.3f", trend.logs)
	}
}

// near: a step is located to a window, and its level to 3 %.
func near(a, b Stretch) bool {
	return max(a.First-b.First, b.First-a.First, a.Last-b.Last, b.Last-a.Last) < windowBlocks && math.Abs(a.Level/b.Level-1) < 0.03
}

// TestTrend: levels of many shapes are found, so that what is left of them is less than half the noise of a block.
func TestTrend(t *testing.T) {
	const networks, blocks = 200, 612
	shapes := map[string]struct {
		level func(order int) float64
		noise float64
		steps []Stretch
	}{
		"a slow drift": {func(i int) float64 { return 0.04 * float64(i) / blocks }, 0.01, nil},
		"a wave":       {func(i int) float64 { return 0.03 * math.Sin(float64(i)/60) }, 0.02, nil},
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
			trend := NewTrend(all, 0.05)
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
			if sd := math.Sqrt(ss); sd > shape.noise/2 {
				t.Errorf("the correction leaves %.2f %% of the level, half the noise is %.2f %%", 100*sd, 50*shape.noise)
			}
		})
	}
}

func BenchmarkTrend(b *testing.B) {
	all := sweepOf(rand.New(rand.NewPCG(1, 1)), 10_000, 0.02, func(i int) float64 { return 1e-6 * float64(i) })
	for b.Loop() {
		NewTrend(all, 0.05)
	}
}

package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/stat/distuv"

	"latlab/devices"
)

func close(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*math.Abs(b) }

// TestSeconds: samples that something disturbed are left out where CPU times show them, and nowhere else.
func TestSeconds(t *testing.T) {
	block := func(cpu ...float64) *devices.Block {
		b := &devices.Block{CPUSamples: cpu}
		for range cpu {
			b.Samples = append(b.Samples, float64(len(b.Samples)+1))
		}
		return b
	}
	quota := func(b *devices.Block, share float64) *devices.Block {
		b.Elapsed, b.Before.QuotaSeconds, b.After.QuotaSeconds = 10, new(5.0), new(5+share*10)
		return b
	}
	for name, tc := range map[string]struct {
		info  devices.Info
		block *devices.Block
		want  float64 // 0 = disturbed
		by    string
	}{
		"undisturbed":          {devices.Info{}, block(1, 2, 3, 4), 2.5, MedianOfUndisturbed},
		"one disturbed":        {devices.Info{}, block(0.9, 2, 3, 4, 5), 4, MedianOfUndisturbed},
		"at the threshold":     {devices.Info{}, block(0.97, 1.97, 3, 4, 5), 4, MedianOfUndisturbed},
		"too few left":         {devices.Info{}, block(0.9, 1.8, 3, 4), 0, MedianOfUndisturbed},
		"few samples":          {devices.Info{}, block(1, 2), 1.5, MedianOfUndisturbed},
		"few, one disturbed":   {devices.Info{}, block(1, 1.5), 0, MedianOfUndisturbed},
		"stopped by a quota":   {devices.Info{}, quota(block(1, 2, 3, 4), 0.02), 0, MedianOfUndisturbed},
		"a short stop":         {devices.Info{}, quota(block(1, 2, 3, 4), 0.005), 2.5, MedianOfUndisturbed},
		"no CPU times":         {devices.Info{}, &devices.Block{Samples: []float64{1, 2, 3}}, 2, MedianOfMedians},
		"an accelerator waits": {devices.Info{Accelerator: true}, block(0.1, 0.1, 0.1), 2, MedianOfMedians},
		"two threads":          {devices.Info{Threads: 2}, block(0.1, 0.1, 0.1), 2, MedianOfMedians},
		"a tool prints a mean": {devices.Info{}, &devices.Block{Summary: &devices.Summary{Count: 3, Mean: 2}}, 2, MedianOfMeans},
	} {
		t.Run(name, func(t *testing.T) {
			got, by, ok := Seconds(tc.info, tc.block)
			if got != tc.want && !(tc.want == 0 && !ok) || by != tc.by || ok != (tc.want > 0) || (Rule{Info: tc.info}).Disturbed(tc.block) == ok {
				t.Errorf("%v %q %v, disturbed %v", got, by, ok, Rule{Info: tc.info}.Disturbed(tc.block))
			}
		})
	}
	if len(Undisturbed(devices.Info{}, block(0.9, 2, 3))) != 1 {
		t.Error("the disturbed sample, or the one after it, is in the list")
	}
}

func TestBlockSeconds(t *testing.T) {
	for _, tc := range []struct {
		name  string
		block devices.Block
		want  float64
		by    string
		ok    bool
	}{
		{"odd", devices.Block{Samples: []float64{3, 1, 2}}, 2, MedianOfMedians, true},
		{"even", devices.Block{Samples: []float64{4, 1, 2, 3}}, 2.5, MedianOfMedians, true},
		{"summary", devices.Block{Summary: &devices.Summary{Mean: 0.5}}, 0.5, MedianOfMeans, true},
		{"summary with a median", devices.Block{Summary: &devices.Summary{Mean: 0.5, Median: new(0.4)}}, 0.4, MedianOfToolMedians, true},
		{"a median of zero", devices.Block{Summary: &devices.Summary{Mean: 0.5, Median: new(0.0)}}, 0, MedianOfToolMedians, false},
		{"a median without a mean", devices.Block{Summary: &devices.Summary{Median: new(0.4)}}, 0, MedianOfMeans, false},
		{"none", devices.Block{}, 0, MedianOfMeans, false},
		{"negative", devices.Block{Samples: []float64{1, -1}}, 0, MedianOfMedians, false},
		{"zero", devices.Block{Samples: []float64{0}}, 0, MedianOfMedians, false},
		{"nan", devices.Block{Samples: []float64{math.NaN()}}, 0, MedianOfMedians, false},
		{"infinite", devices.Block{Summary: &devices.Summary{Mean: math.Inf(1)}}, 0, MedianOfMeans, false},
	} {
		got, by, ok := BlockSeconds(&tc.block)
		if got != tc.want || by != tc.by || ok != tc.ok {
			t.Errorf("%s: got %g %q %v", tc.name, got, by, ok)
		}
	}
}

// The intervals of values 1, 1, 1 with a pooled log sd of 1 are exp(+-t sqrt(0.448671)).
// Quantiles of t: Fisher and Yates, "Statistical Tables" (1963), table III.
func TestPooledIntervalAgainstTables(t *testing.T) {
	for _, tc := range []struct {
		df         int
		confidence float64
		t          float64
	}{
		{1, 0.95, 12.706}, {2, 0.95, 4.303}, {10, 0.95, 2.228}, {120, 0.95, 1.980},
		{2, 0.99, 9.925}, {10, 0.90, 1.812}, {30, 0.99, 2.750},
	} {
		iv := NewInterval([]float64{1, 1, 1}, Noise{SumSquares: float64(tc.df), DF: tc.df}, tc.confidence)
		got := math.Log(*iv.High) / math.Sqrt(0.448671)
		if !close(got, tc.t, 3e-4) || !close(-math.Log(*iv.Low), math.Log(*iv.High), 1e-12) {
			t.Errorf("df %d, %g: t = %.4f, the table has %g", tc.df, tc.confidence, got, tc.t)
		}
		if iv.Confidence != tc.confidence || iv.Method != PooledT {
			t.Errorf("df %d: %+v", tc.df, iv)
		}
	}
}

func TestNoBoundsWithoutData(t *testing.T) {
	for name, iv := range map[string]Interval{
		"one block, no others": NewInterval([]float64{1}, Noise{}, 0.95),
		"no block":             NewInterval(nil, Noise{1, 5}, 0.95),
		"confidence too high":  NewInterval([]float64{1, 2, 3, 4, 5, 6}, Noise{}, 0.99),
	} {
		if iv.Low != nil || iv.High != nil || iv.Confidence != 0 {
			t.Errorf("%s: %+v", name, iv)
		}
	}
}

// Printed by stats.QuantileCI(n, 0.5, 0.95), to 6 digits, of go-moremath 2021-01-12, on which
// golang.org/x/perf/benchmath rests.
func TestOrderIntervalIsThatOfQuantileCI(t *testing.T) {
	want := []string{
		6: "1 6 0.968750", 7: "1 7 0.984375", 8: "1 7 0.960938", 9: "2 8 0.960938",
		10: "2 9 0.978516", 11: "2 9 0.961426", 12: "3 10 0.961426", 13: "3 11 0.977539",
		14: "3 11 0.964844", 15: "4 12 0.964844", 16: "4 12 0.950958", 17: "5 13 0.950958",
		18: "5 14 0.969116", 19: "5 14 0.958611", 20: "6 15 0.958611",
	}
	for n := OrderBlocks; n <= 20; n++ {
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(i + 1) // the k-th order statistic is k
		}
		iv := orderInterval(values, 0.95)
		if got := fmt.Sprintf("%.0f %.0f %.6f", *iv.Low, *iv.High, iv.Confidence); got != want[n] {
			t.Errorf("n = %d: got %s, want %s", n, got, want[n])
		}
	}
}

func TestMedianVariance(t *testing.T) {
	const reps = 200_000
	rng := rand.New(rand.NewPCG(1, 1))
	for n := 1; n < len(medianVariance); n++ {
		var ss float64
		for range reps {
			m := Median(normals(rng, n))
			ss += m * m
		}
		// The relative standard error of a variance is sqrt(2/reps) = 0.3 %.
		if got := ss / reps; !close(got, medianVariance[n], 0.012) {
			t.Errorf("n = %d: simulated %.4f, table %.4f", n, got, medianVariance[n])
		}
	}
}

func normals(rng *rand.Rand, n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = rng.NormFloat64()
	}
	return xs
}

// Sweeps of 20 networks with log-normal noise: the intervals hold the true median as
// often as they say.
func TestIntervalsCover(t *testing.T) {
	for _, tc := range []struct {
		blocks int
		want   float64
	}{{3, 0.95}, {4, 0.95}, {5, 0.95}, {6, 0.96875}, {10, 0.978515625}} {
		rng := rand.New(rand.NewPCG(5, uint64(tc.blocks)))
		hit, total := 0, 0
		for range 500 {
			var pooled Noise
			var nets [][]float64
			for range 20 {
				xs := normals(rng, tc.blocks)
				for i := range xs {
					xs[i] = math.Exp(0.05 * xs[i])
				}
				nets = append(nets, xs)
				pooled = pooled.Add(NoiseOf(xs))
			}
			for _, xs := range nets {
				iv := NewInterval(xs, pooled, 0.95)
				if total++; *iv.Low <= 1 && 1 <= *iv.High {
					hit++
				}
				if m := Median(xs); m < *iv.Low || m > *iv.High {
					t.Fatalf("the value %g lies outside of %g to %g", m, *iv.Low, *iv.High)
				}
			}
		}
		// 10,000 intervals: a standard error of 0.22 %.
		if got := float64(hit) / float64(total); math.Abs(got-tc.want) > 0.008 {
			t.Errorf("%d blocks: %.4f of the intervals hold the truth, want %.4f", tc.blocks, got, tc.want)
		}
	}
}

func TestNoise(t *testing.T) {
	// Logs 0, 1, 2: mean 1, sum of squares 2. Logs 0, 2: mean 1, sum of squares 2.
	a := NoiseOf([]float64{1, math.E, math.E * math.E})
	b := NoiseOf([]float64{1, math.E * math.E})
	pooled := a.Add(b)
	if !close(pooled.SumSquares, 4, 1e-12) || pooled.DF != 3 || !close(pooled.SD(), math.Sqrt(4.0/3), 1e-12) {
		t.Errorf("pooled %+v", pooled)
	}
	if diff := cmp.Diff(a, pooled.Sub(b)); !close(pooled.Sub(b).SumSquares, a.SumSquares, 1e-12) || pooled.Sub(b).DF != a.DF {
		t.Error(diff)
	}
	if (Noise{}).CV() != nil || !math.IsNaN((Noise{}).SD()) || NoiseOf([]float64{1}).DF != 0 {
		t.Error("noise of nothing has a figure")
	}
	if cv := *(Noise{SumSquares: 0.0004, DF: 4}).CV(); !close(cv, 0.01, 1e-4) {
		t.Errorf("cv %g, want about the sd of 0.01", cv)
	}
}

// F(0.95; 2, 10) = 4.10 and F(0.999; 2, 20) = 9.95: Snedecor and Cochran (1989), table A 14.
func TestUnlikeSpread(t *testing.T) {
	for _, tc := range []struct {
		f    float64
		df   int
		want float64
	}{{4.103, 10, 0.05}, {9.953, 20, 0.001}} {
		if got := unlikeSpread(Noise{2 * tc.f, 2}, Noise{float64(tc.df), tc.df}); !close(got, tc.want, 0.01) {
			t.Errorf("F = %g: p = %g, want %g", tc.f, got, tc.want)
		}
	}
	if unlikeSpread(Noise{100, 2}, Noise{9, 9}) != 1 || unlikeSpread(Noise{}, Noise{50, 50}) != 1 {
		t.Error("too few degrees of freedom prove nothing")
	}
}

func TestTheilSen(t *testing.T) {
	if got := TheilSen([]float64{1, 3, 5, 100, 9}); got != 2 {
		t.Errorf("slope %g, want 2 in spite of the outlier", got)
	}
}

// TestTQuantile compares the series with the inverted integral on both sides of the limit.
func TestTQuantile(t *testing.T) {
	for _, df := range []int{1, 2, 10, asymptoticDF - 1, asymptoticDF, asymptoticDF + 1, 1000, 6000, 100000} {
		for _, p := range []float64{0.6, 0.9, 0.95, 0.975, 0.995, 0.9995} {
			want := distuv.StudentsT{Sigma: 1, Nu: float64(df)}.Quantile(p)
			if got := tQuantile(p, df); !(math.Abs(got/want-1) < 1e-9) {
				t.Errorf("t(%d) at %v is %v, the integral says %v", df, p, got, want)
			}
		}
	}
}

// TestHalfWidth: planning's short cut is what the interval will say.
func TestHalfWidth(t *testing.T) {
	values := []float64{1, 1.02, 0.97, 1.01, 0.99, 1.03, 1.0, 0.98}
	for n := range len(values) + 1 {
		for _, pooled := range []Noise{{}, {SumSquares: 0.002, DF: 2}, {SumSquares: 1, DF: 4000}} {
			iv := NewInterval(values[:n], pooled, 0.95)
			got, want := HalfWidth(values[:n], pooled, 0.95), iv.HalfWidth(Median(values[:n]))
			if got != want && !close(got, want, 1e-12) {
				t.Errorf("%d values, %+v: %v, the interval says %v", n, pooled, got, want)
			}
		}
	}
}

package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
)

// drawn is a sweep of networks with the given latencies, as read returns it: each has so many blocks with
// log-normal noise, whose standard deviation differs between networks by uneven.
func drawn(rng *rand.Rand, seconds []float64, blocks int, noise float64, uneven func(i int) float64) sweep {
	var s sweep
	for i, at := range seconds {
		values := make([]float64, blocks)
		for k := range values {
			values[k] = at * math.Exp(noise*uneven(i)*rng.NormFloat64())
		}
		n := network{
			Network: bench.Network{Index: i, Name: fmt.Sprint("net-", i), Model: fmt.Sprint("id-", i), Status: bench.Measured},
			seconds: stats.Median(values), noise: stats.NoiseOf(values), blocks: blocks, verdict: verdict.Valid,
		}
		s.noise.pooled = s.noise.pooled.Add(n.noise)
		s.networks = append(s.networks, n)
	}
	return s
}

func compared(a, b sweep) *Comparison {
	c := &Comparison{Level: Level}
	c.test(a.noise, b.noise, c.pair(a, b, Options{}))
	return c
}

func latencies(n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = 0.005 * float64(i+1)
	}
	return all
}

func alike(int) float64 { return 1 }

// halves is a sweep in which a tenth of the networks is four times as noisy as the others.
func halves(i int) float64 {
	if i%10 == 0 {
		return 4
	}
	return 1
}

// TestNoChange: of networks called changed at most the level's share is unchanged, on average over sweeps,
// however the noise is distributed; without any change that is the share of sweeps with a false call. The
// interval of the overall ratio holds the truth in 95 % of them.
func TestNoChange(t *testing.T) {
	const sims = 400
	for _, c := range []struct {
		name              string
		networks, blocks  int
		changed           int // of the networks, by 10 %
		uneven            func(int) float64
		noiseA, noiseB    float64
		wantFound         float64
		most, mostOutside float64
	}{
		{"alike", 40, 3, 0, alike, 0.01, 0.01, 0, 0.08, 0.085},
		{"one side is noisier", 40, 3, 0, alike, 0.01, 0.03, 0, 0.08, 0.085},
		{"a tenth is four times as noisy", 40, 3, 0, halves, 0.01, 0.01, 0, 0.08, 0.085},
		{"six blocks", 40, 6, 0, halves, 0.01, 0.01, 0, 0.08, 0.085},
		{"few networks", 4, 3, 0, alike, 0.01, 0.01, 0, 0.08, 0.085},
		{"one network", 1, 3, 0, alike, 0.01, 0.01, 0, 0.08, 0.085},
		{"two networks, ten blocks", 2, 10, 0, alike, 0.01, 0.01, 0, 0.08, 0.085},
		{"half changed", 40, 3, 20, halves, 0.01, 0.01, 0.85, 0.08, 0.085},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			falseShare, found, outside := 0.0, 0.0, 0.0
			before, after := latencies(c.networks), latencies(c.networks)
			for i := range c.changed {
				after[2*i] *= 1.1
			}
			truth := math.Exp(math.Log(1.1) * float64(c.changed) / float64(c.networks))
			for range sims {
				x := compared(drawn(rng, before, c.blocks, c.noiseA, c.uneven), drawn(rng, after, c.blocks, c.noiseB, c.uneven))
				wrong := 0
				for i, p := range x.Pairs {
					switch {
					case p.Changed && before[i] == after[i]:
						wrong++
					case p.Changed:
						found += 1 / float64(c.changed) / sims
					}
				}
				if x.Changed > 0 {
					falseShare += float64(wrong) / float64(x.Changed) / sims
				}
				if truth < *x.Overall.Low || truth > *x.Overall.High {
					outside += 1.0 / sims
				}
			}
			t.Logf("false discovery rate %.3f, found %.3f, overall interval misses in %.3f", falseShare, found, outside)
			if falseShare > c.most || outside > c.mostOutside || found < c.wantFound {
				t.Errorf("want at most %.3f, at least %.3f, at most %.3f", c.most, c.wantFound, c.mostOutside)
			}
		})
	}
}

// TestPooledVarianceIsNotEnough is why networks keep part of their own noise: with the pooled variance for
// all, sweeps without any change have false calls far too often.
func TestPooledVarianceIsNotEnough(t *testing.T) {
	const sims = 300
	rng := rand.New(rand.NewPCG(3, 4))
	wrong := 0.0
	for range sims {
		a, b := drawn(rng, latencies(40), 3, 0.01, halves), drawn(rng, latencies(40), 3, 0.01, halves)
		x := compared(a, b)
		v := (a.noise.variance() + b.noise.variance()) * stats.MedianVariance(3)
		for i := range x.Pairs {
			x.Pairs[i].Change = changeOf(math.Log(x.Pairs[i].Ratio), spread{v, float64(a.noise.pooled.DF + b.noise.pooled.DF)}, Level)
		}
		adjust(x.Pairs)
		if slices.ContainsFunc(x.Pairs, func(p Pair) bool { return *p.Q <= Level }) {
			wrong += 1.0 / sims
		}
	}
	if wrong < 0.2 {
		t.Errorf("only %.2f of the sweeps have a false call: the simpler test would do", wrong)
	}
}

// TestFivePercent: with 1 % noise and three blocks, networks that are 5 % slower are found, and so is
// a threshold of 3 %, which 2 % does not reach.
func TestFivePercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	slower := func(by float64) *Comparison {
		after := latencies(60)
		for i := range after {
			after[i] *= 1 + by
		}
		return compared(drawn(rng, latencies(60), 3, 0.01, alike), drawn(rng, after, 3, 0.01, alike))
	}
	c := slower(0.05)
	if failed, all := c.Fails(0.03); c.Changed < 58 || len(failed) < 50 || !all {
		t.Errorf("%d changed, %d of 60 fail, overall %v", c.Changed, len(failed), all)
	}
	if _, all := slower(0.02).Fails(0.03); all {
		t.Error("2 % is taken for more than 3 %")
	}
	if failed, all := slower(-0.05).Fails(0.03); len(failed) > 0 || all {
		t.Error("faster networks fail")
	}
}

// TestTheOtherWayRound: B against A is the inverse of A against B.
func TestTheOtherWayRound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		n, blocks := rapid.IntRange(1, 30).Draw(rt, "networks"), rapid.IntRange(1, 8).Draw(rt, "blocks")
		after := latencies(n)
		for i := range after {
			after[i] *= math.Exp(0.1 * rng.NormFloat64())
		}
		a, b := drawn(rng, latencies(n), blocks, 0.01, halves), drawn(rng, after, 3, 0.02, alike)
		x, y := compared(a, b), compared(b, a)
		same := func(what string, p, q Change) {
			near := func(u, v float64) bool { return math.Abs(u/v-1) < 1e-9 }
			switch {
			case !near(p.Ratio, 1/q.Ratio):
				rt.Errorf("%s: ratios %v and %v", what, p.Ratio, q.Ratio)
			case (p.Low == nil) != (q.Low == nil):
				rt.Errorf("%s: one way alone has an interval", what)
			case p.Low != nil && (!near(*p.Low, 1 / *q.High) || !near(*p.High, 1 / *q.Low) || math.Abs(*p.P-*q.P) > 1e-9):
				rt.Errorf("%s: %v..%v (p %v) and %v..%v (p %v)", what, *p.Low, *p.High, *p.P, *q.Low, *q.High, *q.P)
			case p.Low != nil && (*p.Low > p.Ratio || *p.High < p.Ratio || *p.P < 0 || *p.P > 1):
				rt.Errorf("%s: %v is not in %v..%v, or p is %v", what, p.Ratio, *p.Low, *p.High, *p.P)
			}
		}
		same("overall", x.Overall, y.Overall)
		for i := range x.Pairs {
			same(x.Pairs[i].Network, x.Pairs[i].Change, y.Pairs[i].Change)
			if x.Pairs[i].Changed != y.Pairs[i].Changed {
				rt.Errorf("%s is changed one way alone", x.Pairs[i].Network)
			}
		}
	})
}

// TestAdjust is the example of R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.5), "BH").
func TestAdjust(t *testing.T) {
	pairs := []Pair{{}, {}, {}, {}, {}, {}}
	for i, p := range []float64{0.5, 0.01, 0.02, 0.04, 0.03} {
		pairs[i].P = new(p)
	}
	adjust(pairs)
	var got []float64
	for _, p := range pairs[:5] {
		got = append(got, math.Round(1e6**p.Q)/1e6)
	}
	if diff := cmp.Diff([]float64{0.5, 0.05, 0.05, 0.05, 0.05}, got); diff != "" || pairs[5].Q != nil {
		t.Error(diff)
	}
}

func TestInverseTrigamma(t *testing.T) {
	for _, x := range []float64{0.01, 0.5, 1, 3, 100} {
		if got := inverseTrigamma(trigamma(x)); math.Abs(got/x-1) > 1e-6 {
			t.Errorf("%g comes back as %g", x, got)
		}
	}
}

// stored is a sweep in memory. change alters what is stored of a network; 0 seconds = it failed. The only CPU time
// of a block is that of all its samples, as a share of their wall time.
func stored(t *testing.T, m bench.Sweep, n int, change func(i int, net *bench.Network, b *devices.Block) (seconds float64)) Side {
	t.Helper()
	st := memory.New()
	m.SchemaVersion, m.Sampling, m.Networks, m.Created = bench.SweepSchema, bench.Uniform, n, time.Unix(0, 0).UTC()
	m.ID = m.Identity()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(st.CreateSweep(t.Context(), m))
	rng := rand.New(rand.NewPCG(7, m.Seed))
	for i := range n {
		net := bench.Network{Index: i, Name: fmt.Sprint("net-", i), Space: m.Space, Indices: fmt.Sprint(i), Model: fmt.Sprint("id-", i)}
		block := devices.Block{Runtime: "1", Elapsed: 1, Before: devices.State{Governor: "performance", TemperaturesC: map[string]*float64{"cpu": new(40.0)}}}
		seconds := change(i, &net, &block)
		var slots []bench.Slot
		var done []bench.Finished
		for round := range 3 {
			slot, b := bench.Slot{Order: 3*i + round, Network: i, Round: round}, block
			for range 10 {
				b.Samples = append(b.Samples, seconds*math.Exp(0.001*rng.NormFloat64()))
			}
			if share := block.CPUSamples; len(share) == 1 {
				b.CPUSamples = nil
				for _, wall := range b.Samples {
					b.CPUSamples = append(b.CPUSamples, share[0]*wall)
				}
			}
			slots, done = append(slots, slot), append(done, bench.Finished{Slot: slot, Block: &b})
		}
		check(st.Plan(t.Context(), m.ID, []bench.Network{net}, slots))
		if seconds == 0 {
			check(st.Fail(t.Context(), m.ID, bench.Failure{Network: i, Fault: devices.FaultModel, Reason: "rejected", Final: true}))
			continue
		}
		check(st.Finish(t.Context(), m.ID, done))
	}
	return Side{Store: st, Sweep: m, File: "lab.db"}
}

func manifest() bench.Sweep {
	p, err := protocol.Named("quick")
	if err != nil {
		panic(err)
	}
	return bench.Sweep{
		Space: "s", SpaceFile: "name: s\n", Format: "tflite", Precision: "float32", Protocol: p,
		Device: devices.Info{Name: "fake", Kind: devices.Simulated, Harness: "fake", Threads: 1, Fingerprint: map[string]string{"runtime": "1.0"}},
	}
}

// TestWhatIsPairedAndNoted: what differs between the sweeps is noted, and what cannot be compared is counted.
func TestWhatIsPairedAndNoted(t *testing.T) {
	before := stored(t, manifest(), 6, func(i int, _ *bench.Network, b *devices.Block) float64 {
		b.Delegation = devices.Delegation{Name: "xnnpack", Nodes: 10, Delegated: 10, Partitions: 1}
		return 0.01 * float64(i+1)
	})
	m := manifest()
	m.Precision, m.Device.Threads, m.Device.Fingerprint = "int8", 2, map[string]string{"runtime": "2.0"}
	after := stored(t, m, 6, func(i int, net *bench.Network, b *devices.Block) float64 {
		net.Model += "-int8"
		b.Before.Governor = "powersave"
		b.Before.TemperaturesC = map[string]*float64{"cpu": new(80.0)}
		b.Delegation = devices.Delegation{Name: "xnnpack", Nodes: 10, Delegated: 5, Partitions: 1}
		b.Before.Turbo = new(true)
		switch i {
		case 3:
			return 0
		case 4:
			net.Indices, net.Name = "99", "net-99"
		case 5:
			b.Doubts = []devices.Doubt{{Code: "odd", Text: "odd"}}
		}
		return 0.012 * float64(i+1)
	})
	c, err := Sweeps(t.Context(), before, after, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, p := range c.Pairs {
		pairs = append(pairs, fmt.Sprintf("%s %.2f %v %v", p.Network, p.Ratio, p.Changed, p.ByName))
	}
	if diff := cmp.Diff([]string{"net-0 1.20 true true", "net-1 1.20 true true", "net-2 1.20 true true"}, pairs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]LeftOut{{"net-3", FailedB}, {"net-4", OnlyA}, {"net-5", Invalid}, {"net-99", OnlyB}}, c.LeftOut); diff != "" {
		t.Error(diff)
	}
	var notes []string
	for _, n := range c.Notes {
		notes = append(notes, n.Text)
	}
	want := []string{
		"number of threads differs: 1 in A, 2 in B",
		"precision differs: float32 in A, int8 in B",
		"runtime differs: 1.0 in A, 2.0 in B",
		"3 of 3 pairs are of different model files, paired by their indices or name",
		"of 3 of 3 networks the delegate took a different share of the nodes",
		"clock governor differs: performance in A, powersave in B",
		"temperature differs: 40 C in A, 80 C in B (median of the hottest sensor)",
		"doubt partly_delegated: of 0 networks in A, of 3 in B",
		"doubt turbo: of 0 networks in A, of 3 in B",
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Error(diff)
	}

	c, err = Sweeps(t.Context(), before, after, Options{IncludeInvalid: true})
	if err != nil || len(c.Pairs) != 4 {
		t.Fatal(len(c.Pairs), err)
	}
}

func TestRefusals(t *testing.T) {
	plain := func(i int, _ *bench.Network, _ *devices.Block) float64 { return 0.01 }
	before := stored(t, manifest(), 2, plain)
	real, other, means := manifest(), manifest(), manifest()
	real.Device.Kind, other.SpaceFile = devices.Measured, "name: s\nother: 1\n"
	for _, c := range []struct {
		b    Side
		want string
	}{
		{stored(t, real, 2, plain), "never compared"},
		{stored(t, other, 2, func(_ int, n *bench.Network, _ *devices.Block) float64 { n.Model += "x"; return 0.01 }), "no network in common"},
		{stored(t, means, 2, func(_ int, _ *bench.Network, b *devices.Block) float64 {
			b.Doubts = []devices.Doubt{{Code: "odd"}}
			return 0.01
		}), "--include-invalid"},
		{stored(t, means, 2, func(int, *bench.Network, *devices.Block) float64 { return 0 }), "no network is measured"},
		{stored(t, means, 2, withCPUTime(1, 1)), "different estimators are never compared"},
		{stored(t, means, 2, withCPUTime(1, 0)), "the latency of network net-0 is the median of block medians of undisturbed samples v2, that of network net-1 the median of block medians v1"},
	} {
		if _, err := Sweeps(t.Context(), before, c.b, Options{}); devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// withCPUTime gives networks CPU time, 0 none.
func withCPUTime(shares ...float64) func(int, *bench.Network, *devices.Block) float64 {
	return func(i int, _ *bench.Network, b *devices.Block) float64 {
		if shares[i] > 0 {
			b.CPUSamples = []float64{shares[i]}
		}
		return 0.01
	}
}

// TestDisturbedNetworks: a network whose every block was disturbed has the median of all samples. Its sweep is
// compared with others all the same.
func TestDisturbedNetworks(t *testing.T) {
	a, b := stored(t, manifest(), 2, withCPUTime(1, 1)), stored(t, manifest(), 2, withCPUTime(1, 0.5))
	for _, sides := range [][2]Side{{a, b}, {b, a}} {
		c, err := Sweeps(t.Context(), sides[0], sides[1], Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Pairs) != 1 || len(c.LeftOut) != 1 || c.LeftOut[0].Why != Invalid {
			t.Errorf("pairs %+v, left out %+v", c.Pairs, c.LeftOut)
		}
		if _, err := Sweeps(t.Context(), sides[0], sides[1], Options{IncludeInvalid: true}); err != nil {
			t.Error(err)
		}
	}
}

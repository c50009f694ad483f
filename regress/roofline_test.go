package regress

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"latlab/sampler"
	"latlab/sampler/graph"
)

// roofline is a simulated device: an op takes the longer of computing and moving, plus a
// dispatch cost. Accelerators pad channels to a tile and are slow at depthwise ops.
type roofline struct {
	macsPerSecond      float64
	depthwiseSlowdown  float64
	elementsPerSecond  float64
	dispatch, overhead float64
	tile               int
}

func cpuRoofline() roofline {
	return roofline{macsPerSecond: 1.5e10, depthwiseSlowdown: 3, elementsPerSecond: 1.5e9, dispatch: 5e-6, overhead: 1e-3, tile: 8}
}

func acceleratorRoofline() roofline {
	return roofline{macsPerSecond: 1e12, depthwiseSlowdown: 20, elementsPerSecond: 4e9, dispatch: 1e-5, overhead: 2e-4, tile: 32}
}

func (r roofline) latency(t testing.TB, s *sampler.Space, a sampler.Arch) float64 {
	t.Helper()
	g, err := graph.Lower(s, a)
	if err != nil {
		t.Fatal(err)
	}
	y := r.overhead
	for _, o := range g.Ops {
		y += r.op(g.PaidOp(o))
	}
	return y
}

func (r roofline) op(p graph.PaidOp) float64 {
	work := float64(p.MACs) / r.macsPerSecond * roundUp(p.Out[3], r.tile) / float64(p.Out[3])
	if p.Kind == graph.DepthwiseConv {
		work *= r.depthwiseSlowdown
	} else {
		work *= roundUp(p.In[3], r.tile) / float64(p.In[3])
	}
	move := float64(p.InputElements+p.OutputElements+p.WeightElements) / r.elementsPerSecond
	return max(work, move) + r.dispatch
}

// profile has a row for each op, but for additions, which run with the op before them; the rest is the overhead.
func (r roofline) profile(t testing.TB, s *sampler.Space, a sampler.Arch, noise func() float64) OpProfile {
	t.Helper()
	g, err := graph.Lower(s, a)
	if err != nil {
		t.Fatal(err)
	}
	p := OpProfile{Arch: a, Rest: r.overhead}
	for _, o := range g.Ops {
		op := g.PaidOp(o)
		if last := len(p.Rows) - 1; op.Kind == graph.Add {
			p.Rows[last].Ops = append(p.Rows[last].Ops, op)
			p.Rows[last].Seconds += r.op(op)
			continue
		}
		p.Rows = append(p.Rows, OpRow{Kernel: "kernel of " + string(op.Kind), Ops: []graph.PaidOp{op}, Seconds: r.op(op) * noise()})
	}
	return p
}

func roundUp(n, multiple int) float64 { return float64((n + multiple - 1) / multiple * multiple) }

func builtin(t testing.TB, name string) *sampler.Space {
	t.Helper()
	s, err := sampler.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample(t testing.TB, s *sampler.Space, n int, seed uint64) []sampler.Arch {
	t.Helper()
	archs, err := sampler.Sample(s, n, seed)
	if err != nil {
		t.Fatal(err)
	}
	return archs
}

// profiles of a sweep.
const profiles = 10

// measure is a sweep on the roofline with multiplicative noise. Some of its networks are profiled, at least three.
func (r roofline) measure(t testing.TB, s *sampler.Space, n int, noise float64, seed uint64) Data {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	d := Data{Space: s, Provenance: simulated()}
	for i, a := range sample(t, s, n, seed) {
		y := r.latency(t, s, a) * math.Exp(noise*random.NormFloat64())
		d.Observations = append(d.Observations, Observation{Arch: a, Seconds: y})
		if i < profiles {
			// A stream of its own, so that latencies do not depend on it.
			own := rand.New(rand.NewPCG(seed, 2+uint64(i)))
			d.Profiles = append(d.Profiles, r.profile(t, s, a, func() float64 { return math.Exp(3 * noise * own.NormFloat64()) }))
		}
	}
	return d
}

func simulated() Provenance {
	return Provenance{Device: "sim", Kind: "simulated", Precision: "float32", Estimator: "median"}
}

func fit(t testing.TB, d Data, o Options) *CostModel {
	t.Helper()
	m, err := Fit(context.Background(), d, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// At 100 networks the op-level features must be far ahead of MACs, and MACs of the
// indicators: that order is why ops is the default.
func TestMethodsOnRoofline(t *testing.T) {
	for _, tc := range []struct {
		name   string
		device roofline
		space  string
	}{
		{"cpu", cpuRoofline(), "mobiledet_cpu_tucker"},
		{"accelerator", acceleratorRoofline(), "mobiledet_edgetpu_tucker"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := tc.device.measure(t, builtin(t, tc.space), 100, 0.015, 1)
			mape := map[Method]float64{}
			for _, m := range []Method{Ops, Indicator, MACs} {
				f := fit(t, d, Options{Method: m}).Figures
				mape[m] = *f.MAPE
				t.Logf("%-9s r2 %.4f MAPE %.2f%% RMSPE %.2f%% within 5%% %.2f 10%% %.2f spearman %.4f kendall %.4f",
					m, *f.R2, 100**f.MAPE, 100**f.RMSPE, *f.Within5, *f.Within10, *f.Spearman, *f.Kendall)
			}
			if !(mape[Ops] < 0.03) {
				t.Errorf("ops MAPE %.4f, want below 3 %% on 1.5 %% noise", mape[Ops])
			}
			if !(1.5*mape[Ops] < mape[MACs] && 1.5*mape[MACs] < mape[Indicator]) {
				t.Errorf("MAPE ops %.4f, macs %.4f, indicator %.4f: want each far below the next", mape[Ops], mape[MACs], mape[Indicator])
			}
		})
	}
}

// Package reporttest makes sweeps for the tests of reports: a store in memory whose networks
// take what their MACs say, with every oddity that a report has to show.
package reporttest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"latlab/bench"
	"latlab/bench/profile"
	"latlab/bench/protocol"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Spec says what a sweep is like. The zero value is an empty sweep of the tiny space on
// "device", simulated.
type Spec struct {
	Space    *sampler.Space // nil = Tiny
	Listed   bool           // networks are points of no space
	Networks int
	Device   string
	Kind     devices.Kind
	Seed     uint64
	Name     func(i int) string // of a network; nil = its id
	// InvalidEvery makes each k-th network INVALID: the device says that it slows itself down,
	// and its last block is slower, yet not so much that the pooled noise would tell of it.
	// 1 = all of them.
	InvalidEvery int
	// ImpreciseEvery makes each k-th network IMPRECISE: its blocks spread more than the others'.
	ImpreciseEvery int
	// DisturbedEvery gives all blocks CPU times and a measured clock, and each k-th network a first block that
	// is disturbed.
	DisturbedEvery int
	FailEvery      int // each k-th network fails
	PlannedEvery   int // each k-th network is not done yet
	NoSensor       bool
	Delegate       string // took all nodes; empty = none was asked for
	Run            int    // of the sweep, with noise of its own
	// Slower is by what share all latencies are higher.
	Slower       float64
	ProfileEvery int    // each k-th network has a profile
	Kernel       string // of the rows of profiles
}

// Began is when the sweeps begin.
func Began() time.Time { return time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC) }

// Tiny is the small space of the tests.
func Tiny(t testing.TB) *sampler.Space {
	t.Helper()
	s, err := sampler.Load([]byte(tiny), "tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const tiny = `
name: tiny
doc: 32x32 detector with inverted bottlenecks and Tucker convolutions
input: {height: 32, width: 32, channels: 3}
activation: relu6
multipliers: [0.5, 1, 1.5, 2]
choices:
  - {name: conv_k3, type: conv, kernel: 3}
  - {name: ibn_k3_e1, type: ibn, kernel: 3, expansion: 1}
  - {name: ibn_k3_e2, type: ibn, kernel: 3, expansion: 2}
  - {name: ibn_k5_e2_se, type: ibn, kernel: 5, expansion: 2, se: 0.25}
  - {name: fused_k3_e2, type: fused, kernel: 3, expansion: 2}
  - {name: tucker_k3, type: tucker, kernel: 3, in_ratio: 0.5, out_ratio: 0.75}
  - {name: skip, type: skip}
stages:
  - name: stem
    widths: [8]
    layers:
      - {stride: 2, choices: [conv_k3]}
  - name: stage1
    base_width: 8
    layers:
      - {stride: 1, choices: [ibn_k3_e1, tucker_k3]}
  - name: stage2
    base_width: 16
    layers:
      - {stride: 2, choices: &block [ibn_k3_e2, ibn_k5_e2_se, fused_k3_e2, tucker_k3]}
      - {stride: 1, residual: true, repeat: 2, choices: [ibn_k3_e2, fused_k3_e2, skip]}
  - name: stage3
    widths: [16, 24, 40]
    layers:
      - {stride: 2, choices: *block}
head:
  type: ssdlite
  classes: 3
  taps: [stage2, stage3]
  extra: [32]
  anchors: [3, 6, 6]
`

// Add puts a sweep into a store.
func Add(t testing.TB, st bench.Store, s Spec) bench.Sweep {
	t.Helper()
	if s.Space == nil {
		s.Space = Tiny(t)
	}
	b := &builder{t: t, st: st, spec: s, random: rand.New(rand.NewPCG(s.Seed, 1+uint64(s.Run)))}
	b.manifest()
	archs, err := sampler.Sample(s.Space, s.Networks, s.Seed)
	b.check(err)
	for i, a := range archs {
		b.network(i, a)
	}
	return b.sweep
}

type builder struct {
	t      testing.TB
	st     bench.Store
	spec   Spec
	random *rand.Rand
	sweep  bench.Sweep
	order  int
}

func (b *builder) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *builder) manifest() {
	protocol, err := protocol.Named("default")
	b.check(err)
	name, kind := b.spec.Device, b.spec.Kind
	if name == "" {
		name = "device"
	}
	if kind == "" {
		kind = devices.Simulated
	}
	b.sweep = bench.Sweep{
		SchemaVersion: bench.SweepSchema, Sampling: bench.Uniform, Seed: b.spec.Seed,
		Format: "tflite", Precision: "int8", Protocol: protocol, Networks: b.spec.Networks,
		Device: devices.Info{
			Name: name, Kind: kind, Harness: "simulator", Delegate: b.spec.Delegate, Threads: 1,
			Fingerprint: map[string]string{"soc": "one of the tests'"},
		},
		Run: b.spec.Run, Created: Began().Add(time.Duration(b.spec.Run) * time.Hour), Tools: map[string]string{"latlab": "test"},
	}
	if b.spec.Listed {
		b.sweep.Sampling, b.sweep.ModelsHash = bench.Listed, "0123456789ab"
	} else {
		file, err := b.spec.Space.YAML()
		b.check(err)
		b.sweep.Space, b.sweep.SpaceFile = b.spec.Space.Name, string(file)
	}
	b.sweep.ID = b.sweep.Identity()
	b.check(b.st.CreateSweep(context.Background(), b.sweep))
}

func every(k, i int) bool { return k > 0 && i%k == k-1 }

func (b *builder) network(i int, a sampler.Arch) {
	ctx := context.Background()
	n := bench.Network{Index: i, Name: a.ID(), Space: a.Space, Indices: a.String(), Model: "identity " + a.ID()}
	if b.spec.Listed {
		n.Name, n.Space, n.Indices = fmt.Sprintf("model-%d.tflite", i), "", ""
	}
	if b.spec.Name != nil {
		n.Name = b.spec.Name(i)
	}
	var slots []bench.Slot
	for round := range b.sweep.Protocol.MinBlocks {
		slots = append(slots, bench.Slot{Order: b.order, Network: i, Round: round})
		b.order++
	}
	b.check(b.st.Plan(ctx, b.sweep.ID, []bench.Network{n}, slots))
	switch {
	case every(b.spec.FailEvery, i):
		b.check(b.st.Fail(ctx, b.sweep.ID, bench.Failure{
			Network: i, Fault: devices.FaultModel, Reason: devices.ReasonRejected,
			Message: "the tool refuses <b>this</b> model", Final: true, Time: Began(),
		}))
		return
	case every(b.spec.PlannedEvery, i):
		return
	}
	seconds := b.seconds(a)
	var done []bench.Finished
	for _, slot := range slots {
		done = append(done, bench.Finished{Slot: slot, Block: b.block(slot, seconds)})
	}
	b.check(b.st.Finish(ctx, b.sweep.ID, done))
	if every(b.spec.ProfileEvery, i) {
		b.check(b.st.AddProfile(ctx, b.sweep.ID, b.profile(i, a)))
	}
}

// profile has a row for each op, whose time follows from its MACs and bytes, a row for the call, and a fused row.
func (b *builder) profile(i int, a sampler.Arch) bench.Profiled {
	g, err := graph.Lower(b.spec.Space, a)
	b.check(err)
	m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Int8}, nil)
	b.check(err)
	p := bench.Profiled{Network: i, Ops: profile.Ops(m, b.spec.Space)}
	p.Profile = devices.Profile{Runs: 20, Started: Began(), Runtime: "test", WholeSeconds: new(0.0103), PlainSeconds: new(0.0100)}
	for k := 0; k < len(g.Ops); k++ {
		op := g.Ops[k]
		l := devices.Layer{Name: op.Name, Op: string(op.Kind), Kernel: b.spec.Kernel, Where: "CPU", Nodes: []int{k}}
		if fused := k+1 < len(g.Ops) && g.Ops[k+1].Kind == graph.Add; fused {
			k++
			l.Nodes = append(l.Nodes, k)
		}
		bytes := g.InputElements(op) + g.OutputElements(op) + g.WeightBytes(op, 1)
		l.Seconds = 2e-7 + max(float64(g.MACs(op))/5e9, float64(bytes)/2e9)*math.Exp(0.2*b.random.Float64())
		p.Profile.Layers = append(p.Profile.Layers, l)
	}
	p.Profile.Layers = append(p.Profile.Layers, devices.Layer{Name: "call", Op: "overhead", Seconds: 1e-5})
	return p
}

func (b *builder) seconds(a sampler.Arch) float64 {
	g, err := graph.Lower(b.spec.Space, a)
	b.check(err)
	return (1e-3 + float64(g.TotalMACs())/1e9) * (1 + b.spec.Slower)
}

func (b *builder) block(slot bench.Slot, seconds float64) *devices.Block {
	seconds *= math.Exp(0.01 * b.random.NormFloat64())
	throttled := every(b.spec.InvalidEvery, slot.Network)
	if throttled && slot.Round == b.sweep.Protocol.MinBlocks-1 {
		seconds *= 1.04
	}
	if every(b.spec.ImpreciseEvery, slot.Network) {
		seconds *= []float64{1, 1.08, 0.95}[slot.Round%3]
	}
	at := Began().Add(time.Duration(slot.Order) * time.Second)
	block := &devices.Block{
		Started: at, Elapsed: 1, Runtime: "test", ModelSHA256: "00",
		Before: b.state(at, slot.Order, false), After: b.state(at.Add(time.Second), slot.Order, throttled),
	}
	if b.spec.Delegate != "" {
		block.Delegation = devices.Delegation{Name: b.spec.Delegate, Nodes: 60, Delegated: 60, Partitions: 1}
	}
	for range b.sweep.Protocol.MinRuns {
		block.Samples = append(block.Samples, seconds*math.Exp(0.002*b.random.NormFloat64()))
	}
	if b.spec.DisturbedEvery > 0 {
		block.Clock = []devices.Clock{{Hz: 2.4e9 - 1e6*float64(slot.Order), CPU: slot.Order % 2}}
		disturb(block, every(b.spec.DisturbedEvery, slot.Network) && slot.Round == 0)
	}
	return block
}

// disturb adds CPU times: one sample of a block waited for its core, or all of them.
func disturb(block *devices.Block, all bool) {
	for i, s := range block.Samples {
		block.CPUSamples = append(block.CPUSamples, s)
		if all || i == 0 {
			block.Samples[i] *= 1.5
		}
	}
}

func (b *builder) state(at time.Time, order int, throttled bool) devices.State {
	st := devices.State{Time: at}
	if !b.spec.NoSensor {
		st.TemperaturesC = map[string]*float64{"soc": new(30 + 15*(1-math.Exp(-float64(order)/200)))}
	}
	if throttled {
		st.ThermalStatus = new(3)
	}
	return st
}

// Fit fits a cost model to a sweep's networks that are not INVALID, with the fast baseline method.
func Fit(t testing.TB, st bench.Reader, m bench.Sweep, s *sampler.Space) *regress.CostModel {
	t.Helper()
	data := regress.Data{Space: s, Provenance: regress.ProvenanceOf(m)}
	for e, err := range bench.Estimates(context.Background(), st, m.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if e.M == nil || e.M.Verdict == verdict.Invalid {
			continue
		}
		a, err := s.ParseArch(e.Network.Indices)
		if err != nil {
			t.Fatal(err)
		}
		data.Estimator, data.NoiseDF = e.M.Estimator, e.M.NoiseDF
		data.Observations = append(data.Observations, regress.Observation{Arch: a, Seconds: e.M.Seconds, SD: e.M.StandardError})
	}
	model, err := regress.Fit(context.Background(), data, regress.Options{Method: regress.MACs, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

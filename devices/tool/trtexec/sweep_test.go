package trtexec_test

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/devices/sim"
	"latlab/devices/tool/trtexec"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testboard/trtfake"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// networks is a source, the same every time.
type networks struct {
	space *sampler.Space
	archs []sampler.Arch
	cache *model.Cache
}

func newNetworks(t *testing.T, n int) networks {
	t.Helper()
	s, err := sampler.LoadFile("../../../sampler/testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, n, 7)
	if err != nil {
		t.Fatal(err)
	}
	return networks{s, archs, model.NewCache(t.TempDir(), 1<<30)}
}

func (s networks) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	g, err := graph.Lower(s.space, s.archs[i])
	if err != nil {
		return bench.Network{}, nil, err
	}
	m, err := model.New(g, model.Form{Format: model.ONNX, Precision: model.Float32}, s.cache)
	if err != nil {
		return bench.Network{}, nil, err
	}
	return bench.Network{Name: m.Name, Space: s.space.Name, Indices: s.archs[i].String(), Model: m.Identity}, m, nil
}

func (s networks) sweep(t *testing.T, d devices.Device, st bench.Store) bench.Result {
	t.Helper()
	p, err := bench.NamedProtocol("default")
	if err != nil {
		t.Fatal(err)
	}
	p.MaxBlocks, p.MinRuns, p.MaxRuns, p.MinSeconds, p.WarmUpRuns, p.WarmUpSeconds = 3, 10, 10, 0, 1, 0
	p.Retries, p.RetryDelaySeconds, p.TimeoutSeconds = 3, 0.001, 10
	res, err := bench.Run(t.Context(), bench.Options{
		Sweep:    bench.Sweep{Space: s.space.Name, SpaceFile: "name: tiny\n", Sampling: bench.Uniform, Seed: 7, Format: model.ONNX, Precision: model.Float32, Protocol: p},
		Networks: len(s.archs), Source: s, Device: d, Store: st,
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (s networks) fit(t *testing.T, st bench.Store, id string) *regress.CostModel {
	t.Helper()
	d := regress.Data{Space: s.space, Provenance: regress.Provenance{Device: "jetson", Kind: "measured", Precision: "float32"}}
	for e, err := range bench.Estimates(t.Context(), st, id) {
		if err != nil {
			t.Fatal(err)
		}
		if e.M != nil {
			d.Estimator = e.M.Estimator
			d.Observations = append(d.Observations, regress.Observation{Arch: s.archs[e.Network.Index], Seconds: e.M.Seconds})
		}
	}
	m, err := regress.Fit(t.Context(), d, regress.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pulled is a cable that is out now and then, for one call.
type pulled struct {
	transport.Transport
	cable  *cable
	random *rand.Rand
}

func (p *pulled) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	p.cable.armed.Store(p.random.Float64() < 0.003) // a dozen commands a block
	return p.cable.Start(ctx, c)
}

// TestFaultySweepOverSSH: a sweep through a real sshd on a board of whose blocks one in twenty
// goes wrong ends with every network measured or accounted for, none twice; and its cost model
// says what one of the simulator itself does.
func TestFaultySweepOverSSH(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 40 // too few for every fault to come
	}
	src := newNetworks(t, n)
	exact, err := sim.Open(sim.Options{Name: "sim-jetson-xavier:exact"})
	if err != nil {
		t.Fatal(err)
	}
	c := trtfake.Control{Version: 8502, Seed: 5, BlockNoise: 0.015, SampleNoise: 0.005, Rate: 0.045,
		Faults: []string{trtfake.Garbage, trtfake.Zero, trtfake.Mismatch, trtfake.NoPass, trtfake.Torn, trtfake.NoFile, trtfake.CUDA}}
	for i := range n {
		_, m, err := src.Network(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Add(t.Context(), exact, m); err != nil {
			t.Fatal(err)
		}
	}
	s := sshtest.Start(t, sshtest.Options{})
	d, wire := overSSHWith(t, s, board(t, c), trtexec.Options{})
	defer closes(t, d)
	random := rand.New(rand.NewPCG(3, 4))
	away := &pulled{Transport: wire.Transport, cable: &cable{Transport: wire.Transport, server: s}, random: random}
	wire.Transport = away
	st, start := bench.NewMemory(), time.Now()
	res := src.sweep(t, d, st)
	reasons := accounted(t, st, res, n)
	t.Logf("%d networks measured, %d given up, %d blocks in %v; failed attempts: %v", res.Measured, res.Failed, res.Blocks, time.Since(start).Round(time.Second), reasons)
	for _, want := range []string{devices.ReasonGarbage, devices.ReasonOffline} {
		if reasons[want] == 0 && !testing.Short() {
			t.Errorf("no attempt failed for %q: %v", want, reasons)
		}
	}
	src.sameFit(t, src.fit(t, st, res.Sweep.ID))
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if found := left(t, filepath.Join(s.Dir, "latlab-board")); found != "" {
		t.Errorf("left on the board:\n%s", found)
	}
}

// accounted checks that every network has its blocks once, or a reason why not, and returns
// failed attempts by reason.
func accounted(t *testing.T, st bench.Store, res bench.Result, n int) map[string]int {
	t.Helper()
	seen, byNetwork := map[[2]int]bool{}, map[int]int{}
	for b, err := range st.Blocks(t.Context(), res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		slot := [2]int{b.Slot.Network, b.Slot.Round}
		if seen[slot] || len(b.Block.Samples) == 0 || slices.Min(b.Block.Samples) <= 0 {
			t.Errorf("network %d, round %d: twice, or no time: %v", slot[0], slot[1], b.Block.Samples)
		}
		seen[slot] = true
		byNetwork[b.Slot.Network]++
	}
	reasons, final := map[string]int{}, map[int]bool{}
	for f, err := range st.Failures(t.Context(), res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		reasons[f.Reason]++
		final[f.Network] = final[f.Network] || f.Final
	}
	for i := range n {
		if byNetwork[i] < 3 && !final[i] {
			t.Errorf("network %d has %d blocks, and nothing says why", i, byNetwork[i])
		}
	}
	if res.Measured+res.Failed != n {
		t.Errorf("%d measured and %d failed of %d", res.Measured, res.Failed, n)
	}
	return reasons
}

// sameFit compares predictions with those of the simulator's own sweep.
func (s networks) sameFit(t *testing.T, board *regress.CostModel) {
	t.Helper()
	own, err := sim.Open(sim.Options{Name: "sim-jetson-xavier"})
	if err != nil {
		t.Fatal(err)
	}
	st := bench.NewMemory()
	want := s.fit(t, st, s.sweep(t, own, st).Sweep.ID)
	others, err := sampler.Sample(s.space, 2*len(s.archs), 99)
	if err != nil {
		t.Fatal(err)
	}
	var off []float64
	for _, a := range others {
		off = append(off, math.Abs(board.Predict(s.space, a)/want.Predict(s.space, a)-1))
	}
	if m := bench.Median(off); m > 0.02 || slices.Max(off) > 0.06 {
		t.Errorf("predictions differ by %.2f %% in the middle, %.2f %% at most", 100*m, 100*slices.Max(off))
	}
}

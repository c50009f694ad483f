package benchmarkmodel_test

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/devices/sim"
	"latlab/devices/tool/benchmarkmodel"
	"latlab/devices/transport"
	"latlab/internal/testphone"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// space is a source of networks, the same every time.
type space struct {
	s     *sampler.Space
	archs []sampler.Arch
	cache *model.Cache
}

func newSpace(t *testing.T, n int) space {
	t.Helper()
	s, err := sampler.LoadFile("../../../sampler/testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, n, 7)
	if err != nil {
		t.Fatal(err)
	}
	return space{s, archs, model.NewCache(t.TempDir(), 1<<30)}
}

func (s space) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	g, err := graph.Lower(s.s, s.archs[i])
	if err != nil {
		return bench.Network{}, nil, err
	}
	m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Int8}, s.cache)
	if err != nil {
		return bench.Network{}, nil, err
	}
	return bench.Network{Name: m.Name, Space: s.s.Name, Indices: s.archs[i].String(), Model: m.Identity}, m, nil
}

// protocol waits little between attempts: nothing here gets better by waiting.
func protocol(t *testing.T) bench.Protocol {
	t.Helper()
	p, err := bench.NamedProtocol("default")
	if err != nil {
		t.Fatal(err)
	}
	p.MaxBlocks, p.MinRuns, p.MaxRuns, p.MinSeconds, p.WarmUpRuns, p.WarmUpSeconds = 3, 10, 10, 0, 1, 0
	p.Retries, p.RetryDelaySeconds, p.TimeoutSeconds = 3, 0.001, 2
	return p
}

func sweep(t *testing.T, s space, d devices.Device, st bench.Store) bench.Result {
	t.Helper()
	res, err := bench.Run(t.Context(), bench.Options{
		Sweep:    bench.Sweep{Space: s.s.Name, SpaceFile: "name: tiny\n", Sampling: bench.Uniform, Seed: 7, Format: model.TFLite, Precision: model.Int8, Protocol: protocol(t)},
		Networks: len(s.archs), Source: s, Device: d, Store: st,
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// fit is the cost model of a sweep.
func fit(t *testing.T, s space, st bench.Store, id string) *regress.CostModel {
	t.Helper()
	d := regress.Data{Space: s.s, Provenance: regress.Provenance{Device: "phone", Kind: "measured", Precision: "int8"}}
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

// accounted checks that every network has its blocks once, or a reason why not, and returns
// failed attempts by reason.
func accounted(t *testing.T, st bench.Store, res bench.Result, networks int) map[string]int {
	t.Helper()
	seen := map[[2]int]int{}
	byNetwork := map[int]int{}
	for b, err := range st.Blocks(t.Context(), res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		seen[[2]int{b.Slot.Network, b.Slot.Round}]++
		byNetwork[b.Slot.Network]++
		if u := b.Block.Summary; u == nil || !(u.Mean > 0) || b.Block.Delegation.Delegated != b.Block.Delegation.Nodes {
			t.Errorf("network %d: block %+v, %+v", b.Slot.Network, u, b.Block.Delegation)
		}
	}
	for slot, n := range seen {
		if n != 1 {
			t.Errorf("network %d, round %d was measured %d times", slot[0], slot[1], n)
		}
	}
	reasons, final := map[string]int{}, map[int]bool{}
	for f, err := range st.Failures(t.Context(), res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		reasons[f.Reason]++
		final[f.Network] = final[f.Network] || f.Final
	}
	for i := range networks {
		if byNetwork[i] < 3 && !final[i] {
			t.Errorf("network %d has %d blocks, and nothing says why", i, byNetwork[i])
		}
	}
	if res.Measured+res.Failed != networks {
		t.Errorf("%d measured and %d failed of %d", res.Measured, res.Failed, networks)
	}
	return reasons
}

// hexagon is an accelerator's configuration and the files that it needs.
func hexagonOptions(t *testing.T) benchmarkmodel.Options {
	t.Helper()
	o := benchmarkmodel.Options{Delegate: benchmarkmodel.Hexagon}
	dir := t.TempDir()
	for _, name := range []string{"libhexagon_interface.so", "libhexagon_nn_skel_v66.so"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
		o.Libraries = append(o.Libraries, filepath.Join(dir, name))
	}
	return o
}

// flaky is a cable that now and then is out when a command is to be started.
type flaky struct {
	transport.Transport
	away  func() bool
	leave func(transport.Transport)
}

func (f *flaky) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	if f.away != nil && f.away() {
		f.leave(f.Transport)
	}
	return f.Transport.Start(ctx, c)
}

// A sweep through the real adb on a phone of whose blocks one in twenty goes wrong, in every way there is, ends
// with every network measured or accounted for; and its cost model says what one of the
// simulator itself does.
func TestFaultySweep(t *testing.T) {
	networks := 200
	if testing.Short() {
		networks = 40 // too few for every fault to come
	}
	c := testphone.Today("sim-pixel4-dsp")
	c.Host, c.Seed = "sim-pixel1-cpu", 11
	c.Faults = map[string]float64{"crash": 0.004, "killed": 0.004, "hang": 0.004, "exit": 0.004, "endless": 0.003, "garbage": 0.004, "truncated": 0.004, "zero": 0.004, "fall-back": 0.005, "delegate-error": 0.004} // of a run
	p := newPhone(t, "adb", c)
	random := rand.New(rand.NewPCG(3, 4))
	tr := &flaky{Transport: p.reach(t), leave: p.leave}
	d := p.open(t, tr, hexagonOptions(t))
	tr.away = func() bool { return random.Float64() < 0.003 } // five commands a block
	s, st := newSpace(t, networks), bench.NewMemory()
	start := time.Now()
	res := sweep(t, s, d, st)
	reasons := accounted(t, st, res, networks)
	t.Logf("%d networks measured, %d given up, %d blocks in %v; failed attempts: %v", res.Measured, res.Failed, res.Blocks, time.Since(start).Round(time.Second), reasons)
	for _, want := range []string{devices.ReasonCrashed, devices.ReasonKilled, devices.ReasonHung, devices.ReasonExited, devices.ReasonGarbage, devices.ReasonFallBack, devices.ReasonDelegate, devices.ReasonOffline} {
		if reasons[want] == 0 && !testing.Short() {
			t.Errorf("no attempt failed for %q: %v", want, slices.Sorted(maps.Keys(reasons)))
		}
	}
	tr.away = nil
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if left := p.Files(phoneDir+"/models") + p.Files(phoneDir+"/tmp"); left != "" || inPhone(t, p.Root) != 0 {
		t.Errorf("left on the phone: %q, %d programs", left, inPhone(t, p.Root))
	}
	sameFit(t, s, fit(t, s, st, res.Sweep.ID))
}

// sameFit compares a cost model with that of the simulator's own sweep: predictions agree
// within the noise of their networks' values.
func sameFit(t *testing.T, s space, phone *regress.CostModel) {
	t.Helper()
	own, err := sim.Open(sim.Options{Name: "sim-pixel4-dsp"})
	if err != nil {
		t.Fatal(err)
	}
	st := bench.NewMemory()
	want := fit(t, s, st, sweep(t, s, own, st).Sweep.ID)
	others, err := sampler.Sample(s.s, 2*len(s.archs), 99)
	if err != nil {
		t.Fatal(err)
	}
	var off []float64
	for _, a := range others {
		off = append(off, math.Abs(phone.Predict(s.s, a)/want.Predict(s.s, a)-1))
	}
	if m := bench.Median(off); m > 0.01 || slices.Max(off) > 0.05 {
		t.Errorf("predictions differ by %.2f %% in the middle, %.2f %% at most", 100*m, 100*slices.Max(off))
	}
}

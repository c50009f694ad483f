package bench_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/sampler/model"
)

// fakeDevice times networks by a formula and fails on demand. It keeps no clock.
type fakeDevice struct {
	mu       sync.Mutex
	info     devices.Info
	noise    float64
	rng      *rand.Rand
	fail     func(name string, run int) error // run counts calls of that model
	during   func(ctx context.Context, n int) // called in the n-th Run
	alter    func(b *devices.Block, name string, run int)
	runs     map[string]int
	prepared map[string]int
	total    int
	log      []string
}

func newDevice() *fakeDevice {
	return &fakeDevice{
		info: devices.Info{
			Name: "fake", Kind: devices.Simulated, Harness: "fake", Threads: 1,
			Formats: []model.Format{model.TFLite}, Precisions: []model.Precision{model.Float32},
			Fingerprint: map[string]string{"runtime": "1.0", "cpu": "abacus"},
		},
		noise: 0.01, rng: rand.New(rand.NewPCG(1, 2)), runs: map[string]int{}, prepared: map[string]int{},
	}
}

func (d *fakeDevice) Info() devices.Info { return d.info }
func (d *fakeDevice) Close() error       { return nil }

func (d *fakeDevice) Prepare(_ context.Context, m *model.Model) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prepared[m.Name]++
	return nil
}

func (d *fakeDevice) Run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total++
	d.runs[m.Name]++
	d.log = append(d.log, m.Name)
	if d.during != nil {
		d.during(ctx, d.total)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.fail != nil {
		if err := d.fail(m.Name, d.runs[m.Name]); err != nil {
			return nil, err
		}
	}
	var i int
	_, _ = fmt.Sscanf(m.Name, "net-%d", &i)
	base := 0.010 * float64(i+1) * (1 + d.noise*d.rng.NormFloat64())
	b := &devices.Block{Runtime: "fake 1.0", ModelSHA256: m.Identity, Elapsed: 1, CPUSamples: []float64{}}
	for range p.MinRuns {
		b.Samples = append(b.Samples, base)
	}
	if d.alter != nil {
		d.alter(b, m.Name, d.runs[m.Name])
	}
	return b, nil
}

func fault(f devices.Fault, reason string) error {
	return &devices.Error{Fault: f, Op: "time", Reason: reason, Err: errors.New("it " + reason), Output: "tool said\nno"}
}

type fakeSource struct {
	fail  func(i int) error
	asked int
}

func (s *fakeSource) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	s.asked++
	name := fmt.Sprintf("net-%d", i)
	if s.fail != nil {
		if err := s.fail(i); err != nil {
			return bench.Network{Name: name}, nil, err
		}
	}
	m := &model.Model{Name: name, Form: model.Form{Format: model.TFLite, Precision: model.Float32}, Identity: "id-" + name}
	return bench.Network{Name: name, Space: "s", Indices: fmt.Sprint(i)}, m, nil
}

func options(d *fakeDevice, st bench.Store, n int) bench.Options {
	p, err := protocol.Named("default")
	if err != nil {
		panic(err)
	}
	p.Batch = 4
	return bench.Options{
		Sweep:    bench.Sweep{Space: "s", SpaceFile: "name: s\n", Sampling: bench.Uniform, Seed: 7, Format: model.TFLite, Precision: model.Float32, Protocol: p},
		Networks: n, Source: &fakeSource{}, Device: d, Store: st,
	}
}

type counts struct{ Measured, Failed, Invalid, Blocks int }

func count(r bench.Result) counts { return counts{r.Measured, r.Failed, r.Invalid, r.Blocks} }

func TestRunMeasuresResumesAndExtends(t *testing.T) {
	ctx, d, st := t.Context(), newDevice(), memory.New()
	for _, step := range []struct {
		n    int
		want counts
	}{
		{10, counts{10, 0, 0, 30}},
		{10, counts{10, 0, 0, 0}}, // all done: ends at once
		{15, counts{15, 0, 0, 15}},
		{6, counts{6, 0, 0, 0}}, // fewer: those are there
	} {
		o := options(d, st, step.n)
		res, err := bench.Run(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, count(res)); diff != "" {
			t.Errorf("n = %d: %s", step.n, diff)
		}
	}
	sweeps, err := st.Sweeps(ctx)
	if err != nil || len(sweeps) != 1 || sweeps[0].Networks != 15 {
		t.Fatalf("one sweep of 15 networks expected: %v, %v", sweeps, err)
	}
	for name, n := range d.prepared {
		if n != 1 {
			t.Errorf("%s was prepared %d times in one batch", name, n)
		}
	}
	checkSchedule(t, st, sweeps[0].ID)
}

// checkSchedule verifies what holds of every store: orders without gap, every done slot
// has its block and no other has one.
func checkSchedule(t *testing.T, st bench.Reader, sweep string) {
	t.Helper()
	done := map[bench.Slot]int{}
	next := 0
	for s, err := range st.Schedule(t.Context(), sweep) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Order != next {
			t.Fatalf("slot %d follows %d", s.Order, next-1)
		}
		next++
		if s.State == bench.SlotDone {
			done[s.Slot]++
		}
	}
	for b, err := range st.Blocks(t.Context(), sweep) {
		if err != nil {
			t.Fatal(err)
		}
		done[b.Slot]--
	}
	for s, n := range done {
		if n != 0 {
			t.Errorf("slot %+v: blocks differ from done rows by %d", s, -n)
		}
	}
}

func TestBatchesAreInterleavedRounds(t *testing.T) {
	d := newDevice()
	if _, err := bench.Run(t.Context(), options(d, memory.New(), 8)); err != nil {
		t.Fatal(err)
	}
	var orders []string
	for batch := range 2 {
		first := map[string]bool{}
		for round := range 3 {
			at := batch*12 + round*4
			seen := map[string]bool{}
			for _, name := range d.log[at : at+4] {
				seen[name] = true
			}
			if len(seen) != 4 {
				t.Errorf("batch %d round %d has not every network once: %v", batch, round, d.log[at:at+4])
			}
			if round == 0 {
				first = seen
			} else if diff := cmp.Diff(first, seen); diff != "" {
				t.Errorf("batch %d mixes: %s", batch, diff)
			}
			orders = append(orders, fmt.Sprint(d.log[at:at+4]))
		}
	}
	if orders[0] == orders[1] && orders[1] == orders[2] {
		t.Error("rounds are not shuffled")
	}
	e := newDevice()
	if _, err := bench.Run(t.Context(), options(e, memory.New(), 8)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.log, e.log); diff != "" {
		t.Errorf("the same seed gives another order: %s", diff)
	}
}

func TestExtraBlocksWhereTooWide(t *testing.T) {
	d, st := newDevice(), memory.New()
	d.noise = 0.08
	o := options(d, st, 8)
	res, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Blocks <= 8*3 || res.Blocks > 8*o.Sweep.Protocol.MaxBlocks {
		t.Errorf("%d blocks; expected extra ones within the budget", res.Blocks)
	}
	checkSchedule(t, st, res.Sweep.ID)
	again, err := bench.Run(t.Context(), o)
	if err != nil || again.Blocks != 0 {
		t.Errorf("the finished sweep ran %d more blocks (%v)", again.Blocks, err)
	}
	if again.Invalid == 0 || again.Invalid != res.Invalid {
		t.Errorf("8 %% noise cannot reach 5 %%: %d then %d INVALID", res.Invalid, again.Invalid)
	}
}

// TestFallbackIsNotNoise: a network that once fell back to the CPU is INVALID, but does not raise
// the sweep's noise or the other networks' number of blocks.
func TestFallbackIsNotNoise(t *testing.T) {
	d, st := newDevice(), memory.New()
	d.info.Accelerator = true
	d.alter = func(b *devices.Block, name string, run int) {
		b.Delegation = devices.Delegation{Name: "npu", Nodes: 10, Delegated: 10, Partitions: 1}
		if name == "net-5" && run == 2 {
			b.Delegation.Delegated = 4
			for i := range b.Samples {
				b.Samples[i] *= 8
			}
		}
	}
	o := options(d, st, 12)
	res, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(counts{12, 0, 1, 36}, count(res)); diff != "" {
		t.Error(diff)
	}
	if cv := res.NoiseCV(); cv == nil || *cv > 0.03 || res.Noise.DF != 11*2 {
		t.Errorf("noise is %v with %d degrees of freedom, want that of the other 11", cv, res.Noise.DF)
	}
	again, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	together, err := bench.Together(t.Context(), st, res.Sweep.ID)
	if err != nil {
		t.Fatal(err)
	}
	if again.Blocks != 0 || again.Noise.DF != res.Noise.DF || together.Pool.All.DF != res.Noise.DF {
		t.Errorf("resumed: %d blocks, %d degrees of freedom; read back: %d; want 0, %d", again.Blocks, again.Noise.DF, together.Pool.All.DF, res.Noise.DF)
	}
}

func TestModelFaultSkipsTheNetwork(t *testing.T) {
	d, st := newDevice(), memory.New()
	d.fail = func(name string, run int) error {
		if name == "net-3" && run == 2 {
			return fault(devices.FaultModel, "crashed")
		}
		return nil
	}
	o := options(d, st, 8)
	o.Source = &fakeSource{fail: func(i int) error {
		if i == 5 {
			return fault(devices.FaultModel, "rejected")
		}
		return nil
	}}
	res, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(counts{6, 2, 0, 19}, count(res)); diff != "" {
		t.Error(diff)
	}
	got := map[int]string{}
	for f, err := range st.Failures(t.Context(), res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		got[f.Network] = fmt.Sprintf("%s %s %v %q", f.Fault, f.Reason, f.Final, f.Output)
	}
	want := map[int]string{3: `model crashed true "tool said\nno"`, 5: `model rejected true "tool said\nno"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again, err := bench.Run(t.Context(), o); err != nil || again.Blocks != 0 || again.Failed != 2 {
		t.Errorf("resume tried failed networks again: %+v %v", again, err)
	}
}

func TestDeviceFaultIsRetriedWithBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, st := newDevice(), memory.New()
		d.fail = func(name string, run int) error {
			if name == "net-0" && run <= 2 {
				return fault(devices.FaultDevice, "hung")
			}
			return nil
		}
		start := time.Now()
		res, err := bench.Run(t.Context(), options(d, st, 2))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(counts{2, 0, 0, 6}, count(res)); diff != "" {
			t.Error(diff)
		}
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("waited %v, want 1 s + 2 s", got)
		}
	})
}

func TestPoisonousNetworkIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, st := newDevice(), memory.New()
		d.fail = func(name string, _ int) error {
			if name == "net-2" {
				return fault(devices.FaultDevice, "hung")
			}
			return nil
		}
		res, err := bench.Run(t.Context(), options(d, st, 4))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(counts{3, 1, 0, 9}, count(res)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDeadDeviceStopsAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, st := newDevice(), memory.New()
		dead := false
		d.fail = func(string, int) error {
			if dead = dead || d.total == 10; dead {
				return fault(devices.FaultDevice, "exited")
			}
			return nil
		}
		o := options(d, st, 8)
		res, err := bench.Run(t.Context(), o)
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != "quarantined" || e.Output == "" {
			t.Fatalf("error is %v", err)
		}
		if res.Blocks != 9 || res.Failed != 0 {
			t.Errorf("%d blocks, %d networks blamed for a dead device", res.Blocks, res.Failed)
		}
		if res, err = bench.Run(t.Context(), o); err == nil || res.Failed != 0 {
			t.Errorf("still dead: %v, %d networks blamed", err, res.Failed)
		}
		d.fail = nil
		res, err = bench.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(counts{8, 0, 0, 15}, count(res)); diff != "" {
			t.Error(diff)
		}
	})
}

// Bad networks side by side, alone in their batch, or first of all: the good ones are
// measured, the bad ones are blamed, and the same call ends.
func TestBadNetworksDoNotStopASweep(t *testing.T) {
	for name, bad := range map[string][]string{
		"two":      {"net-1", "net-2"},
		"a batch":  {"net-0", "net-1", "net-2", "net-3"},
		"the last": {"net-7"},
		"most":     {"net-0", "net-1", "net-2", "net-4", "net-5", "net-6", "net-7"},
	} {
		for seed := range uint64(6) {
			synctest.Test(t, func(t *testing.T) {
				d, st := newDevice(), memory.New()
				d.fail = func(name string, _ int) error {
					if slices.Contains(bad, name) {
						return fault(devices.FaultDevice, "killed")
					}
					return nil
				}
				o := options(d, st, 8)
				o.Sweep.Seed = seed
				// A stop is no loss: the same command goes on, and must come to an end.
				for range 3 {
					if _, err := bench.Run(t.Context(), o); err == nil {
						break
					}
				}
				res, err := bench.Run(t.Context(), o)
				if err != nil || res.Measured != 8-len(bad) || res.Failed != len(bad) {
					t.Errorf("%s, seed %d: %d measured, %d failed, %v", name, seed, res.Measured, res.Failed, err)
				}
			})
		}
	}
}

// One network, and a device that never works: the network is recorded, not retried for ever.
func TestTheOnlyNetworkIsBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.fail = func(string, int) error { return fault(devices.FaultDevice, "killed") }
		res, err := bench.Run(t.Context(), options(d, memory.New(), 1))
		if err != nil || res.Failed != 1 {
			t.Errorf("%d failed, %v", res.Failed, err)
		}
	})
}

func TestOtherFaultsStopAtOnce(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want devices.Fault
	}{
		{fault(devices.FaultLab, "broken"), devices.FaultLab},
		{fault(devices.FaultUser, "usage"), devices.FaultUser},
		{errors.New("nobody said"), devices.FaultLab},
	} {
		d := newDevice()
		d.fail = func(string, int) error { return tc.err }
		_, err := bench.Run(t.Context(), options(d, memory.New(), 4))
		if !errors.Is(err, tc.err) || devices.FaultOf(err) != tc.want || d.total != 1 {
			t.Errorf("%v: got %v after %d runs", tc.err, err, d.total)
		}
	}
}

func TestGarbageBlockIsTheDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.noise = -1e9 // negative times
		d.rng = rand.New(rand.NewPCG(3, 4))
		_, err := bench.Run(t.Context(), options(d, memory.New(), 1))
		if devices.FaultOf(err) != devices.FaultDevice && err != nil {
			t.Errorf("error is %v", err)
		}
	})
}

func TestStopFinishesTheBlock(t *testing.T) {
	d, st := newDevice(), memory.New()
	stop := make(chan struct{})
	d.during = func(_ context.Context, n int) {
		if n == 5 {
			close(stop)
		}
	}
	o := options(d, st, 4)
	o.Stop, o.Flush = stop, 100
	res, err := bench.Run(t.Context(), o)
	if !errors.Is(err, bench.ErrStopped) || res.Blocks != 5 {
		t.Fatalf("%d blocks, %v", res.Blocks, err)
	}
	stored := 0
	for _, err := range st.Blocks(t.Context(), res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		stored++
	}
	if stored != 5 {
		t.Errorf("%d of 5 blocks are stored", stored)
	}
	o.Stop = nil
	if res, err = bench.Run(t.Context(), o); err != nil || res.Blocks != 7 || res.Measured != 4 {
		t.Errorf("resume: %+v, %v", count(res), err)
	}
}

func TestStopEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		o := options(d, memory.New(), 2)
		o.Sweep.Protocol.PauseSeconds = 3600
		stop := make(chan struct{})
		o.Stop = stop
		time.AfterFunc(90*time.Minute, func() { close(stop) })
		start := time.Now()
		res, err := bench.Run(t.Context(), o)
		if !errors.Is(err, bench.ErrStopped) || res.Blocks != 1 || time.Since(start) != 90*time.Minute {
			t.Errorf("%d blocks, %v, after %v", res.Blocks, err, time.Since(start))
		}
	})
}

func TestCancelKillsTheBlock(t *testing.T) {
	d, st := newDevice(), memory.New()
	ctx, cancel := context.WithCancel(t.Context())
	d.during = func(_ context.Context, n int) {
		if n == 3 {
			cancel()
		}
	}
	res, err := bench.Run(ctx, options(d, st, 4))
	if !errors.Is(err, context.Canceled) || res.Blocks != 2 {
		t.Fatalf("%d blocks, %v", res.Blocks, err)
	}
	for _, err := range st.Failures(t.Context(), res.Sweep.ID) {
		t.Error(err, "a cancelled block has no fault")
	}
}

func TestChangedDeviceIsRefused(t *testing.T) {
	d, st := newDevice(), memory.New()
	if _, err := bench.Run(t.Context(), options(d, st, 2)); err != nil {
		t.Fatal(err)
	}
	d.info.Fingerprint = map[string]string{"runtime": "2.0", "cpu": "abacus"}
	_, err := bench.Run(t.Context(), options(d, st, 3))
	want := `device fake has changed since this sweep began: runtime was "1.0", is "2.0"`
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultUser || e.Err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestChangedNetworkIsRefused(t *testing.T) {
	d, st := newDevice(), memory.New()
	d.fail = func(string, int) error { return fault(devices.FaultLab, "broken") }
	o := options(d, st, 2)
	if _, err := bench.Run(t.Context(), o); err == nil {
		t.Fatal("no error")
	}
	o.Source = otherSource{}
	if _, err := bench.Run(t.Context(), o); devices.FaultOf(err) != devices.FaultUser {
		t.Errorf("got %v", err)
	}
}

type otherSource struct{}

func (otherSource) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	return bench.Network{}, &model.Model{Name: fmt.Sprintf("net-%d", i), Identity: "other"}, nil
}

func TestUnfitDeviceIsTheUsersFault(t *testing.T) {
	o := options(newDevice(), memory.New(), 1)
	o.Sweep.Precision = "int8"
	if _, err := bench.Run(t.Context(), o); devices.FaultOf(err) != devices.FaultUser {
		t.Errorf("got %v", err)
	}
}

func TestProgress(t *testing.T) {
	d := newDevice()
	o := options(d, memory.New(), 6)
	var all []bench.Progress
	o.Progress = func(p bench.Progress) { all = append(all, p) }
	if _, err := bench.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	first, last := all[0], all[len(all)-1]
	if first.BlocksLeft != 18 || first.ETASeconds != nil || first.Done != 0 {
		t.Errorf("first report %+v", first)
	}
	if last.BlocksLeft != 0 || last.Done != 6 || last.Blocks != 18 || last.LastSeconds == nil || last.NoiseCV == nil {
		t.Errorf("last report %+v", last)
	}
	if len(all) != 19 {
		t.Errorf("%d reports for 18 blocks", len(all))
	}
}

// TestClockThatJumps: the wall clock is set forwards and back between blocks, by an hour, a day and ten years. Nothing
// but the times of the blocks is different: the same blocks in the same order, values, verdicts and progress.
func TestClockThatJumps(t *testing.T) {
	jumps := []time.Duration{0, time.Hour, -time.Hour, 24 * time.Hour, -10 * 365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour}
	run := func(jumping bool) (log []string, ests []bench.Estimate) {
		d := newDevice()
		st := memory.New()
		d.alter = func(b *devices.Block, _ string, _ int) {
			b.Started = time.Date(2026, 3, 14, 9, 26, d.total, 0, time.UTC)
			if jumping {
				b.Started = b.Started.Add(jumps[d.total%len(jumps)])
			}
			b.Before.Time, b.After.Time = b.Started, b.Ended()
		}
		stop := make(chan struct{})
		o := options(d, st, 12)
		o.Stop = stop
		o.Progress = func(p bench.Progress) {
			for _, eta := range []*float64{p.ETASeconds, p.ETALowSeconds, p.ETAHighSeconds} {
				if eta != nil && *eta < 0 {
					t.Errorf("%v s are left after %d blocks", *eta, p.Blocks)
				}
			}
			if p.Blocks == 17 {
				close(stop)
			}
		}
		if _, err := bench.Run(t.Context(), o); !errors.Is(err, bench.ErrStopped) {
			t.Fatal(err)
		}
		o.Stop, o.Progress = nil, nil
		res, err := bench.Run(t.Context(), o)
		if err != nil || res.Measured != 12 {
			t.Fatal(res, err)
		}
		for e, err := range bench.Estimates(t.Context(), st, res.Sweep.ID) {
			if err != nil {
				t.Fatal(err)
			}
			e.Blocks = nil
			ests = append(ests, e)
		}
		return d.log, ests
	}
	log, ests := run(false)
	jumped, after := run(true)
	if diff := cmp.Diff(log, jumped); diff != "" {
		t.Errorf("other blocks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ests, after); diff != "" {
		t.Errorf("other measurements (-want +got):\n%s", diff)
	}
}

// TestProgressOfExtraBlocks: while extra blocks are planned or needed, some are left, no network becomes
// undone, here and in the store, and the time left has no upper bound of 0.
func TestProgressOfExtraBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, st := newSlow(1), memory.New()
		var last bench.Progress
		o := parallelOptions(d, st, 6)
		o.Sweep.Protocol.HalfWidth = 1e-9 // all get their whole budget
		ranges := 0
		check := func(p bench.Progress) {
			total := 6 * o.Sweep.Protocol.MaxBlocks
			if p.Done < last.Done || p.BlocksBefore+p.Blocks < last.BlocksBefore+last.Blocks || p.MinimumDone < last.MinimumDone {
				t.Errorf("progress goes back from %+v to %+v", last, p)
			}
			if all := 6 * o.Sweep.Protocol.MinBlocks; p.MinimumBlocks != all || p.Done == 6 && p.MinimumDone != all || p.Done < 6 && p.MinimumDone >= all {
				t.Errorf("%d of %d blocks of the minimum are done with %d networks, want %d in all", p.MinimumDone, p.MinimumBlocks, p.Done, all)
			}
			if work := p.BlocksBefore+p.Blocks < total; work != (p.BlocksLeft > 0) {
				t.Errorf("%d of %d blocks are done, %d left", p.BlocksBefore+p.Blocks, total, p.BlocksLeft)
			}
			if p.ETAHighSeconds != nil {
				ranges++
				if p.BlocksLeft > 0 && (*p.ETALowSeconds <= 0 || *p.ETAHighSeconds < *p.ETASeconds || *p.ETALowSeconds > *p.ETASeconds) {
					t.Errorf("time left %v, %v to %v", *p.ETASeconds, *p.ETALowSeconds, *p.ETAHighSeconds)
				}
			}
			measured := 0
			tally, err := bench.Count(t.Context(), st, o.Sweep.ID)
			if err == nil {
				measured = tally.Measured
			}
			if o.Sweep.ID != "" && measured != p.Done {
				t.Errorf("the bar says %d networks, the store %d", p.Done, measured)
			}
			last = p
		}
		o.Progress = check
		stop := make(chan struct{})
		o.Stop = stop
		o.Progress = func(p bench.Progress) {
			if check(p); p.Blocks == 25 {
				close(stop)
			}
		}
		res, err := bench.Run(t.Context(), o)
		if !errors.Is(err, bench.ErrStopped) {
			t.Fatal(err)
		}
		o.Sweep.ID, o.Stop, o.Progress = res.Sweep.ID, nil, check
		if res, err = bench.Run(t.Context(), o); err != nil || res.Measured != 6 || ranges == 0 {
			t.Errorf("%+v, %v, %d ranges", count(res), err, ranges)
		}
	})
}

func offline() error { return fault(devices.FaultDevice, devices.ReasonOffline) }

// awayFor makes Runs number first to last fail, counted over all models.
func awayFor(d *fakeDevice, first, last int) {
	d.fail = func(string, int) error {
		if d.total >= first && d.total <= last {
			return offline()
		}
		return nil
	}
}

// TestAbsentDeviceBlamesNoNetwork: networks that ran while the device was away are not blamed
// later.
func TestAbsentDeviceBlamesNoNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, d := memory.New(), newDevice()
		awayFor(d, 2, 1<<30)
		for range 5 {
			if _, err := bench.Run(t.Context(), options(d, st, 4)); err == nil {
				t.Fatal("the device is away, but there is no error")
			}
		}
		d.fail = nil
		res, err := bench.Run(t.Context(), options(d, st, 4))
		if err != nil || res.Failed != 0 || res.Measured != 4 {
			t.Errorf("%+v, %v", count(res), err)
		}
		var reasons []string
		for f, err := range st.Failures(t.Context(), res.Sweep.ID) {
			if err != nil {
				t.Fatal(err)
			}
			reasons = append(reasons, f.Reason)
		}
		if len(reasons) != 15 || slices.ContainsFunc(reasons, func(r string) bool { return r != devices.ReasonOffline }) {
			t.Errorf("failures are %q; every attempt is on record", reasons)
		}
	})
}

// TestSlowBlocks: a block at a low clock is run again, unless the device stays at that clock; if it recovers,
// the networks get their blocks after all.
func TestSlowBlocks(t *testing.T) {
	const networks = 16
	for name, tc := range map[string]struct {
		slow func(run, total int) bool
		want counts
	}{
		"never":             {func(int, int) bool { return false }, counts{networks, 0, 0, 3 * networks}},
		"the second block":  {func(run, _ int) bool { return run == 2 }, counts{networks, 0, 0, 4 * networks}},
		"after some blocks": {func(_, total int) bool { return total > 12 }, counts{networks, 0, networks - 4, 3 * networks}},
		"for a while":       {func(_, total int) bool { return total > 12 && total <= 36 }, counts{networks, 0, 0, 3*networks + 24 + 1}}, // 1 of the reference network
	} {
		d, st := newDevice(), memory.New()
		d.alter = func(b *devices.Block, _ string, run int) {
			c := devices.Clock{Hz: 2e9}
			if tc.slow(run, d.total) {
				c.Hz = 1e9
				for i := range b.Samples {
					b.Samples[i] *= 2
				}
			}
			b.Clock = []devices.Clock{c, c}
		}
		res, err := bench.Run(t.Context(), options(d, st, networks))
		if diff := cmp.Diff(tc.want, count(res)); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		again, err := bench.Run(t.Context(), options(d, st, networks))
		if most := 4 * tc.want.Invalid; err != nil || again.Blocks > min(most, 4) { // a batch sees whether the device has recovered
			t.Errorf("%s: the same sweep again ran %d blocks: %v", name, again.Blocks, err)
		}
	}
}

// between is a level of 1.3 from one block to another.
func between(from, to int) func(total int) float64 {
	return func(total int) float64 {
		if total >= from && total <= to {
			return 1.3
		}
		return 1
	}
}

// TestDrift: a device that becomes slower over the sweep is corrected, so that networks timed at its end compare with
// those at its beginning; a step is found, and its blocks are run again. The reference network links the batches.
func TestDrift(t *testing.T) {
	const networks = 40
	for name, tc := range map[string]struct {
		level   func(total int) float64
		again   bool // blocks are run again
		invalid bool // in vain
	}{
		"steady":            {func(int) float64 { return 1 }, false, false},
		"slow drift":        {func(total int) float64 { return 1 + 0.0008*float64(total) }, false, false},
		"neighbour":         {between(40, 60), true, false},
		"slower to the end": {between(100, 1000), true, true},
	} {
		d, st := newDevice(), memory.New()
		d.alter = func(b *devices.Block, _ string, _ int) {
			for i := range b.Samples {
				b.Samples[i] *= tc.level(d.total)
			}
		}
		o := options(d, st, networks)
		o.Sweep.Protocol.Batch, o.Sweep.Protocol.ReferenceEvery = 10, 10
		res, err := bench.Run(t.Context(), o)
		if err != nil || res.Measured != networks || (res.Invalid > 0) != tc.invalid {
			t.Errorf("%s: %+v, %v", name, count(res), err)
		}
		var first, last []float64 // of the latencies, over what they are at level 1
		unused := 0
		for e, err := range bench.Estimates(t.Context(), st, res.Sweep.ID) {
			if err != nil {
				t.Fatal(err)
			}
			ratio := e.M.Seconds / (0.010 * float64(e.Network.Index+1))
			switch {
			case e.M.Verdict == verdict.Invalid:
				if r := e.M.Reasons[0]; r.Code != verdict.ReasonDrift || *r.Value < 0.25 || *r.Value > 0.35 {
					t.Errorf("%s: INVALID for %+v, want drift by 30 %%", name, r)
				}
				continue
			case e.Blocks[0].Order < 33:
				first = append(first, ratio)
			case e.Blocks[0].Order > 99:
				last = append(last, ratio)
			}
			unused += e.M.OffBlocks
			if seen := name != "steady"; (e.M.UncorrectedSeconds != nil) != seen {
				t.Errorf("%s: the uncorrected latency is %v", name, e.M.UncorrectedSeconds)
			}
		}
		if ratio := stats.Median(last) / stats.Median(first); !tc.invalid && !(math.Abs(ratio-1) < 0.015) {
			t.Errorf("%s: the last networks are at %.3f of the first, want 1", name, ratio)
		}
		if (unused > 0) != tc.again {
			t.Errorf("%s: %d blocks are not used", name, unused)
		}
	}
}

// TestReference: one of the three networks that were planned first is timed again after so many blocks of others, and a
// resumed sweep plans the same.
func TestReference(t *testing.T) {
	const networks, every = 24, 7
	orders := func(stops int) []string {
		d, st := newDevice(), memory.New()
		for n := stops; ; n = max(0, n-20) {
			o := options(d, st, networks)
			o.Sweep.Protocol.ReferenceEvery = every
			if n > 0 {
				stop := make(chan struct{})
				d.during = func(_ context.Context, total int) {
					if total == n {
						close(stop)
					}
				}
				o.Stop = stop
			}
			if _, err := bench.Run(t.Context(), o); err == nil {
				return d.log
			} else if !errors.Is(err, bench.ErrStopped) {
				t.Fatal(err)
			}
		}
	}
	whole := orders(0)
	since, most := 0, 0
	for _, name := range whole {
		if since++; slices.Contains(whole[:3], name) {
			since = 0
		}
		most = max(most, since)
	}
	if most > every || len(whole) == 3*networks {
		t.Errorf("%d blocks of others in a row, want at most %d, in %q", most, every, whole)
	}
	if diff := cmp.Diff(whole, orders(50)); diff != "" {
		t.Errorf("stopped and resumed (-whole +resumed):\n%s", diff)
	}
}

// TestRecovered: a sweep that ended while the device was slower goes on by the same command once it has recovered, and
// references that are not asked for are left alone.
func TestRecovered(t *testing.T) {
	const networks = 40
	d, st := newDevice(), memory.New()
	slower := between(80, 1000)
	d.alter = func(b *devices.Block, _ string, _ int) {
		for i := range b.Samples {
			b.Samples[i] *= slower(d.total)
		}
	}
	o := options(d, st, networks)
	o.Sweep.Protocol.Batch = networks
	res, err := bench.Run(t.Context(), o)
	if err != nil || res.Invalid == 0 {
		t.Fatalf("%+v, %v", count(res), err)
	}
	slower = func(int) float64 { return 1 }
	if res, err = bench.Run(t.Context(), o); err != nil || res.Invalid > 0 {
		t.Errorf("after it recovered: %+v, %v", count(res), err)
	}
	o.Networks, o.Sweep.Protocol.ReferenceEvery = 3, 0
	o.Until = bench.Until{HalfWidth: 0.003, Budget: time.Hour}
	if res, err = bench.Run(t.Context(), o); err != nil || res.Blocks < 10 {
		t.Errorf("three of the networks: %+v, %v", count(res), err)
	}
}

package benchmarkmodel_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"latlab/bench/memory"
	"latlab/devices"
	"latlab/devices/sim"
	"latlab/devices/tool/benchmarkmodel"
	"latlab/devices/transport"
	"latlab/internal/testphone"
	"latlab/internal/testsweep"
	"latlab/sampler/model"
)

// hexagonOptions are an accelerator's configuration and the files that it needs.
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

// flaky is a connection that sometimes fails when a command is to be started.
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

// A sweep through the real adb on a phone where one block in ten fails, in every possible way, ends
// with every network measured or reported as failed; and its cost model agrees with that of a sweep on
// the simulator itself.
func TestFaultySweep(t *testing.T) {
	networks := 100
	if testing.Short() {
		networks = 40 // too few for every fault to come
	}
	c := testphone.Today("sim-pixel4-dsp")
	c.Host, c.Seed = "sim-pixel1-cpu", 12
	c.Faults = map[string]float64{"crash": 0.008, "killed": 0.008, "hang": 0.008, "exit": 0.008, "endless": 0.006, "garbage": 0.008, "truncated": 0.008, "zero": 0.008, "fall-back": 0.010, "delegate-error": 0.008} // of a run
	p := newPhone(t, "adb", c)
	random := rand.New(rand.NewPCG(3, 4))
	tr := &flaky{Transport: p.reach(t), leave: p.leave}
	d := p.open(t, tr, hexagonOptions(t))
	tr.away = func() bool { return random.Float64() < 0.006 } // five commands a block
	src := testsweep.New(t, testsweep.Options{Networks: networks, Form: model.Form{Format: model.TFLite, Precision: model.Int8}, TimeoutSeconds: 2})
	st, start := memory.New(), time.Now()
	res := src.Sweep(t, d, st)
	reasons := src.Accounted(t, st, res, func(b *devices.Block) bool {
		return b.Summary != nil && b.Summary.Mean > 0 && b.Delegation.Delegated == b.Delegation.Nodes
	})
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
	own, err := sim.Open(sim.Options{Name: "sim-pixel4-dsp"})
	if err != nil {
		t.Fatal(err)
	}
	if middle, most := src.Differences(t, st, res.Sweep.ID, own); middle > 0.01 || most > 0.05 {
		t.Errorf("predictions differ by %.2f %% in the middle, %.2f %% at most", 100*middle, 100*most)
	}
}

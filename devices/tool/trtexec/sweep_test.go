package trtexec_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"latlab/bench/memory"
	"latlab/devices"
	"latlab/devices/sim"
	"latlab/devices/tool/trtexec"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testboard/trtfake"
	"latlab/internal/testsweep"
	"latlab/sampler/model"
)

// pulled interrupts the connection now and then, for one call.
type pulled struct {
	transport.Transport
	cable  *cable
	random *rand.Rand
}

func (p *pulled) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	p.cable.armed.Store(p.random.Float64() < 0.006) // a dozen commands a block
	return p.cable.Start(ctx, c)
}

// TestFaultySweepOverSSH: a sweep through a real sshd, on a board where one block in ten fails, ends
// with every network measured or reported as failed, none twice; and its cost model agrees with that
// of a sweep on the simulator itself.
func TestFaultySweepOverSSH(t *testing.T) {
	n := 100
	if testing.Short() {
		n = 40 // too few for every fault to come
	}
	src := testsweep.New(t, testsweep.Options{Networks: n, Form: model.Form{Format: model.ONNX, Precision: model.Float32}, TimeoutSeconds: 10})
	exact, err := sim.Open(sim.Options{Name: "sim-jetson-xavier:exact"})
	if err != nil {
		t.Fatal(err)
	}
	c := trtfake.Control{Version: 8502, Seed: 5, BlockNoise: 0.015, SampleNoise: 0.005, Rate: 0.09,
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
	st, start := memory.New(), time.Now()
	res := src.Sweep(t, d, st)
	reasons := src.Accounted(t, st, res, func(b *devices.Block) bool { return len(b.Samples) > 0 && slices.Min(b.Samples) > 0 })
	t.Logf("%d networks measured, %d given up, %d blocks in %v; failed attempts: %v", res.Measured, res.Failed, res.Blocks, time.Since(start).Round(time.Second), reasons)
	for _, want := range []string{devices.ReasonGarbage, devices.ReasonOffline} {
		if reasons[want] == 0 && !testing.Short() {
			t.Errorf("no attempt failed for %q: %v", want, reasons)
		}
	}
	own, err := sim.Open(sim.Options{Name: "sim-jetson-xavier"})
	if err != nil {
		t.Fatal(err)
	}
	if middle, most := src.Differences(t, st, res.Sweep.ID, own); middle > 0.02 || most > 0.06 {
		t.Errorf("predictions differ by %.2f %% in the middle, %.2f %% at most", 100*middle, 100*most)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if found := left(t, filepath.Join(s.Dir, "latlab-board")); found != "" {
		t.Errorf("left on the board:\n%s", found)
	}
}

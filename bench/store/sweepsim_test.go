package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/fleet"
	"latlab/bench/protocol"
	"latlab/devices"
	"latlab/devices/sim"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// lowered makes networks when their turn comes, as `latlab sweep` does.
type lowered struct {
	space *sampler.Space
	archs []sampler.Arch
	form  model.Form
}

func (s lowered) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	a := s.archs[i]
	n := bench.Network{Index: i, Name: a.ID(), Space: a.Space, Indices: a.String()}
	g, err := graph.Lower(s.space, a)
	if err != nil {
		return n, nil, err
	}
	m, err := model.New(g, s.form, nil)
	return n, m, err
}

// BenchmarkSweepSim is a sweep on a simulator from arch to store, as `latlab sweep` opens
// both; 1,000 networks a second are what is wanted. Models have no cache: were their bytes
// asked for, every block would fail.
func BenchmarkSweepSim(b *testing.B) {
	const networks = 3000
	for b.Loop() {
		o := simSweep(b, "sim-pixel1-cpu", networks)
		s, err := Open(context.Background(), filepath.Join(b.TempDir(), "store.db"), Options{Relaxed: true})
		if err != nil {
			b.Fatal(err)
		}
		o.Store = s
		res, err := bench.Run(context.Background(), o)
		if err == nil && res.Measured != networks {
			err = fmt.Errorf("%d of %d networks measured", res.Measured, networks)
		}
		if err := errors.Join(err, s.Close()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(networks*float64(b.N)/b.Elapsed().Seconds(), "networks/s")
}

// simSweep is a sweep of the space's first networks on a simulator.
func simSweep(t testing.TB, device string, networks int) bench.Options {
	t.Helper()
	space, err := sampler.Builtin("mobiledet_cpu_tucker")
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(space, networks, 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := protocol.Named("default")
	if err != nil {
		t.Fatal(err)
	}
	d, err := sim.Open(sim.Options{Name: device})
	if err != nil {
		t.Fatal(err)
	}
	form := model.Form{Format: model.TFLite, Precision: model.Float32}
	return bench.Options{
		Sweep:    bench.Sweep{Space: space.Name, Sampling: bench.Uniform, Seed: 1, Format: form.Format, Precision: form.Precision, Protocol: p},
		Networks: networks, Source: lowered{space, archs, form}, Device: d, Flush: 100,
	}
}

// TestSimResumes: a sweep that was stopped and resumed by another process has every block
// of an undisturbed one, with the same numbers.
func TestSimResumes(t *testing.T) {
	ctx := context.Background()
	const networks = 120
	samples := func(s *Store, id string) map[[2]int]float64 {
		got := map[[2]int]float64{}
		for b, err := range s.Blocks(ctx, id) {
			if err != nil {
				t.Fatal(err)
			}
			got[[2]int{b.Slot.Network, b.Slot.Round}] = b.Block.Samples[0]
		}
		return got
	}
	whole := openStore(t, filepath.Join(t.TempDir(), "whole.db"))
	o := simSweep(t, "sim-pixel1-cpu:quiet:4", networks)
	o.Store = whole
	res, err := bench.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	cut := openStore(t, filepath.Join(t.TempDir(), "cut.db"))
	for {
		o := simSweep(t, "sim-pixel1-cpu:quiet:4", networks) // a fresh device every time
		stop := make(chan struct{})
		o.Store, o.Stop, o.Progress = cut, stop, after(70, func() { close(stop) })
		if _, err = bench.Run(ctx, o); !errors.Is(err, bench.ErrStopped) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(samples(whole, res.Sweep.ID), samples(cut, res.Sweep.ID)); diff != "" {
		t.Errorf("the resumed sweep has other blocks (-whole +resumed):\n%s", diff)
	}
}

// after calls f once, when the run has done so many blocks.
func after(blocks int, f func()) func(bench.Progress) {
	return func(p bench.Progress) {
		if p.Blocks == blocks {
			f()
		}
	}
}

// TestSimHostile: sweeps on devices that misbehave in every way, several into one store at
// once, end by themselves, with every network measured or given up and none twice, and their
// failures have a culprit.
func TestSimHostile(t *testing.T) {
	ctx := context.Background()
	const networks = 300
	s := openStore(t, filepath.Join(t.TempDir(), "hostile.db"))
	var f fleet.Fleet
	for _, name := range []string{"sim-pixel1-cpu:hostile:4", "sim-pixel1-cpu:hostile:5", "sim-jetson-xavier:hostile:4"} {
		o := simSweep(t, name, networks)
		o.Store = s
		open := func(context.Context) (devices.Device, error) { return o.Device, nil }
		f.Members = append(f.Members, fleet.Member{Name: name, Open: open, Sweep: o, BackOff: fleet.DefaultBackOff()})
	}
	for _, out := range f.Run(ctx) {
		if out.Err != nil {
			t.Fatalf("%s: %v", out.Name, out.Err)
		}
		res := out.Result
		faults := faultsOf(t, s, res.Sweep.ID)
		t.Logf("%s: measured %d, failed %d, invalid %d, failures %v", out.Name, res.Measured, res.Failed, res.Invalid, faults)
		if res.Measured+res.Failed != networks || res.Measured < networks*9/10 || faults[devices.FaultDevice] == 0 {
			t.Errorf("%s: measured %d, failed %d of %d, failures %v", out.Name, res.Measured, res.Failed, networks, faults)
		}
	}
}

func faultsOf(t *testing.T, s *Store, sweep string) map[devices.Fault]int {
	t.Helper()
	faults := map[devices.Fault]int{}
	for f, err := range s.Failures(t.Context(), sweep) {
		if err != nil {
			t.Fatal(err)
		}
		faults[f.Fault]++
	}
	return faults
}

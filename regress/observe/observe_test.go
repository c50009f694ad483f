package observe

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/stats"
	"latlab/devices"
	"latlab/exporters/report/reporttest"
	"latlab/regress"
)

// TestInvalidMeasurements: they are counted, and taken on demand only; a failed network and one
// that is not measured yet are in no fit.
func TestInvalidMeasurements(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 30, InvalidEvery: 5, FailEvery: 7, PlannedEvery: 11, Kind: devices.Measured})
	without, err := Sampled(t.Context(), st, []bench.Sweep{m}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	with, err := Sampled(t.Context(), st, []bench.Sweep{m}, Options{WithInvalid: true})
	if err != nil {
		t.Fatal(err)
	}
	n, invalid := len(without.Observations), without.Invalid
	if invalid == 0 || len(with.Observations) != n+invalid || with.Invalid != invalid {
		t.Errorf("%d observations and %d INVALID; with them %d and %d", n, invalid, len(with.Observations), with.Invalid)
	}
	if until := without.MeasuredUntil; !until.After(reporttest.Began()) {
		t.Errorf("latencies until %v, the sweep began at %v", until, reporttest.Began())
	}
}

// TestClockThatWasAhead: blocks from the future do not make a cost model young for ever.
func TestClockThatWasAhead(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 3, Kind: devices.Measured})
	all, err := Sampled(t.Context(), st, []bench.Sweep{m}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for now, want := range map[time.Time]bool{all.MeasuredUntil: true, all.MeasuredUntil.Add(-time.Nanosecond): false, reporttest.Began(): false} {
		n, err := Sampled(t.Context(), st, []bench.Sweep{m}, Options{Now: now})
		if err != nil || n.MeasuredUntil.Equal(all.MeasuredUntil) != want || n.MeasuredUntil.After(now) || len(n.Observations) != 3 {
			t.Errorf("at %v: until %v of %v, %v", now, n.MeasuredUntil, all.MeasuredUntil, err)
		}
	}
}

// TestClocksOfSimulators are virtual, so nothing is known of when the latencies are from.
func TestClocksOfSimulators(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 3, Kind: devices.Simulated})
	n, err := Sampled(t.Context(), st, []bench.Sweep{m}, Options{})
	if err != nil || len(n.Observations) != 3 || !n.MeasuredUntil.IsZero() {
		t.Errorf("%d observations until %v, %v", len(n.Observations), n.MeasuredUntil, err)
	}
}

// TestListedModels have no space: Sampled refuses their sweep by its id, Listed reads it.
func TestListedModels(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 4, Listed: true, Kind: devices.Measured})
	var option *regress.OptionError
	if _, err := Sampled(t.Context(), st, []bench.Sweep{m}, Options{}); !errors.As(err, &option) || option.Option != "sweep "+m.ID {
		t.Errorf("error %v", err)
	}
	l, err := Listed(t.Context(), st, []bench.Sweep{m}, Options{})
	if err != nil || len(l.Rows) != 4 {
		t.Errorf("%d rows, %v", len(l.Rows), err)
	}
}

// withCPUTime is a store in which the CPU times of some networks are their wall times.
type withCPUTime struct {
	bench.Reader
	of func(network int) bool
}

func (r withCPUTime) with(all iter.Seq2[bench.StoredBlock, error]) iter.Seq2[bench.StoredBlock, error] {
	return func(yield func(bench.StoredBlock, error) bool) {
		for b, err := range all {
			if r.of(b.Slot.Network) {
				b.Block.CPUSamples = b.Block.Samples
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func (r withCPUTime) Blocks(ctx context.Context, sweep string) iter.Seq2[bench.StoredBlock, error] {
	return r.with(r.Reader.Blocks(ctx, sweep))
}

func (r withCPUTime) Values(ctx context.Context, sweep string) iter.Seq2[bench.StoredBlock, error] {
	return r.with(r.Reader.Values(ctx, sweep))
}

// TestMixedEstimators: latencies of undisturbed samples and of all samples are not fitted together, be they of one
// sweep or of two.
func TestMixedEstimators(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 6, Kind: devices.Measured})
	l := reporttest.Add(t, st, reporttest.Spec{Networks: 4, Listed: true, Kind: devices.Measured})
	for name, tt := range map[string]struct {
		of  func(int) bool
		bad bool
	}{
		"all": {func(int) bool { return true }, false}, "some": {func(i int) bool { return i%2 == 0 }, true},
	} {
		r := withCPUTime{st, tt.of}
		n, err := Sampled(t.Context(), r, []bench.Sweep{m}, Options{})
		_, listedErr := Listed(t.Context(), r, []bench.Sweep{l}, Options{})
		for _, err := range []error{err, listedErr} {
			if bad := devices.FaultOf(err) == devices.FaultUser && err != nil; bad != tt.bad {
				t.Errorf("CPU times of %s networks: %v", name, err)
			}
		}
		if !tt.bad && n.Estimator != stats.MedianOfUndisturbed {
			t.Errorf("the estimator is %q", n.Estimator)
		}
	}
}

// withProfiles is a store whose profiles are changed.
type withProfiles struct {
	bench.Reader
	change func(*bench.Profiled)
}

func (r withProfiles) Profiles(ctx context.Context, sweep string) iter.Seq2[bench.Profiled, error] {
	return func(yield func(bench.Profiled, error) bool) {
		for p, err := range r.Reader.Profiles(ctx, sweep) {
			p.Profile.Layers, p.Ops = slices.Clone(p.Profile.Layers), slices.Clone(p.Ops)
			r.change(&p)
			if !yield(p, err) {
				return
			}
		}
	}
}

// TestProfiles: rows are joined with the network's ops, and what is of another model or tells nothing of ops is refused.
func TestProfiles(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 6, ProfileEvery: 2, Kind: devices.Measured})
	for name, tc := range map[string]struct {
		change func(*bench.Profiled)
		want   string // of the error
	}{
		"as it is":           {func(*bench.Profiled) {}, ""},
		"a row in two parts": {func(p *bench.Profiled) { p.Profile.Layers = append(p.Profile.Layers, p.Profile.Layers[0]) }, ""},
		"another file": {func(p *bench.Profiled) { p.Profile.ModelSHA256 = "0123456789abcdef" },
			"it is of model 0123456789ab, and the latency of model 00: measure both anew"},
		"another network": {func(p *bench.Profiled) { p.Ops[3].Output[3]++ }, "ops are not those of the network"},
		"the whole as one": {func(p *bench.Profiled) {
			all := devices.Layer{Op: "DELEGATE", Seconds: 1}
			for _, o := range p.Ops {
				all.Nodes = append(all.Nodes, o.Node)
			}
			p.Profile.Layers = []devices.Layer{all}
		}, "its rows tell the times of 0 of the network's"},
		"no time": {func(p *bench.Profiled) {
			for i := range p.Profile.Layers {
				p.Profile.Layers[i].Seconds = 0
			}
		}, "all its rows take 0 s"},
		"no nodes": {func(p *bench.Profiled) {
			for i := range p.Profile.Layers {
				p.Profile.Layers[i].Nodes = nil
			}
		}, "its rows tell the times of 0 of the network's"},
	} {
		n, err := Sampled(t.Context(), withProfiles{st, tc.change}, []bench.Sweep{m}, Options{Profiles: true})
		if tc.want != "" {
			var option *regress.OptionError
			if !errors.As(err, &option) || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "sweep "+m.ID+", profile of network 1: ") {
				t.Errorf("%s: error %v", name, err)
			}
			continue
		}
		if err != nil || len(n.Profiles) != 3 {
			t.Fatalf("%s: %d profiles, %v", name, len(n.Profiles), err)
		}
		for _, p := range n.Profiles {
			if p.Rest != 1e-5 || len(p.Rows) == 0 || p.Rows[0].Kernel != "conv on CPU" || len(p.Rows[0].Ops) == 0 {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
}

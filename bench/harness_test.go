package bench_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/devices"
)

// TestHarness: a run of two blocks and, an hour after it was interrupted, one of a third.
func TestHarness(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	block := func(before float64) devices.Block {
		return devices.Block{
			Before: devices.State{Time: at(before)}, Started: at(before + .25), Elapsed: 8, After: devices.State{Time: at(before + 8.5)},
			InitSeconds: 1, FirstSeconds: .5, WarmUp: []float64{.5, .5}, Samples: []float64{2, 2},
		}
	}
	info := devices.Info{Harness: devices.AgentHarness, Kind: devices.Measured}
	runs := []time.Time{at(-3), at(3600)}
	blocks := [][]devices.Block{{block(3601)}, {block(0), block(10)}} // by network, not by time
	of := func(info devices.Info, blocks ...[]devices.Block) *bench.Harness {
		var s bench.HarnessOf
		for _, b := range blocks {
			s.Add(b)
		}
		return s.Harness(info, protocol.Protocol{PauseSeconds: 1}, runs)
	}
	want := &bench.Harness{
		Invoke: 12, WarmUp: 3, First: 1.5, Load: 3, Process: 4.5, State: .75, Pause: 3, Between: 2 + .5 + 0,
		Seconds: 30.25, Ratio: 13.75 / 30.25,
	}
	got := of(info, blocks...)
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}
	total, last := 0.0, 1.0
	for _, p := range got.Parts() {
		if p.Ratio > last {
			t.Errorf("%s with %g comes after %g", p.Name, p.Ratio, last)
		}
		total, last = total+p.Ratio, p.Ratio
	}
	if d := cmp.Diff(got.Ratio, total, cmpopts.EquateApprox(0, 1e-9)); d != "" {
		t.Errorf("the parts' sum (-want +got):\n%s", d)
	}
	noTimes := block(20)
	noTimes.After.Time = time.Time{}
	for name, h := range map[string]*bench.Harness{
		"no blocks": of(info), "another tool": of(devices.Info{Harness: "trtexec", Kind: devices.Measured}, blocks...),
		"a simulator":      of(devices.Info{Harness: devices.AgentHarness, Kind: devices.Simulated}, blocks...),
		"blocks at a time": of(devices.Info{Harness: devices.AgentHarness, Kind: devices.Measured, Parallel: 2}, blocks...),
		"an older block":   of(info, append(blocks, []devices.Block{noTimes})...),
	} {
		if h != nil {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

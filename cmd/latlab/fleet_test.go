package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"latlab/bench"
	"latlab/devices"
)

func TestWorstErrorDecides(t *testing.T) {
	invalid, partial, failed := exitSilently(exitInvalid), exitSilently(exitPartial), errors.New("disk")
	for _, tt := range []struct {
		a, b error
		want int
	}{
		{nil, nil, exitOK}, {nil, invalid, exitInvalid}, {invalid, nil, exitInvalid},
		{invalid, partial, exitPartial}, {partial, invalid, exitPartial},
		{partial, failed, exitFailed}, {failed, partial, exitFailed}, {failed, nil, exitFailed},
		{usagef("x"), failed, exitUsage}, // the first of two that stopped
	} {
		if got := exitCodeOf(worse(tt.a, tt.b)); got != tt.want {
			t.Errorf("worse(%v, %v) has exit code %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestWhatCanComeBackIsWaitedFor: this machine cannot be unplugged from itself.
func TestWhatCanComeBackIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		info devices.Info
		want bool
	}{
		{devices.Info{Kind: devices.Measured}, false},
		{devices.Info{Kind: devices.Estimated}, false},
		{devices.Info{Kind: devices.Measured, Transport: "adb"}, true},
		{devices.Info{Kind: devices.Simulated}, true},
	} {
		if got := len(backOff(tt.info)) > 0; got != tt.want {
			t.Errorf("%+v is waited for: %v", tt.info, got)
		}
	}
}

func TestFleetProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	infos := []devices.Info{{Name: "pixel", Kind: devices.Measured}, {Name: "jetson", Kind: devices.Measured}}
	p := &fleetProgress{infos: infos, now: make([]bench.Progress, 2), one: &bar{w: &out, kind: devices.Measured, devices: 2}, away: map[int]bool{}}
	p.update(0, bench.Progress{Networks: 10, Done: 4, Blocks: 12, BlocksLeft: 18, BlocksPerSec: 2, ETASeconds: new(9.0), LastSeconds: new(0.02), NoiseCV: new(0.021), TemperatureC: new(40.0)})
	p.update(1, bench.Progress{Networks: 10, Done: 1, Blocks: 3, BlocksLeft: 27, BlocksPerSec: 1, ETASeconds: new(27.0), LastSeconds: new(0.5), NoiseCV: new(0.013)})
	if got, want := describeProgress(together(p.now), devices.Measured, 2, 80), "5/20 3.0 blk/s left 0m27s noise max 2.1 % max 40 C"; got != want {
		t.Errorf("progress is %q, want %q", got, want)
	}
	ended := bench.Progress{Networks: 10, Done: 10, Blocks: 30, BlocksPerSec: 2}
	if got, want := together([]bench.Progress{ended, p.now[1]}).BlocksPerSec, 1.0; got != want {
		t.Errorf("beside a device that has ended %v blocks/s are done, want %v", got, want)
	}
	p.event(bench.Event{Member: 1, Name: "jetson", State: bench.BackingOff, Err: errors.New("no answer\x1b[2J"), Wait: 30 * time.Second})
	p.event(bench.Event{Member: 1, Name: "jetson", State: bench.Running})
	p.event(bench.Event{Member: 0, Name: "pixel", State: bench.Running}) // nothing to tell
	p.finish()
	for _, want := range []string{
		"jetson: backing off: no answer?[2J; it is tried again in 30s\n",
		"jetson: running\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown:\n%q", want, &out)
		}
	}
	if strings.Contains(out.String(), "pixel:") || strings.Contains(out.String(), "last") {
		t.Errorf("too much is shown: %q", &out)
	}
}

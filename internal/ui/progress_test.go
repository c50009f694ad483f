package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/fleet"
	"latlab/devices"
)

func TestProgressOnATerminalFits(t *testing.T) {
	half := bench.Progress{
		Networks: 12, Done: 6, Blocks: 18, BlocksLeft: 18, BlocksPerSec: 20.2,
		ETALowSeconds: new(61.2), ETAHighSeconds: new(75.0), LastSeconds: new(0.02034), NoiseCV: new(0.0123), TemperatureC: new(51.4),
	}
	long := bench.Progress{
		Networks: 10000, Done: 9999, Failed: 123, Blocks: 30000, BlocksLeft: 3, BlocksPerSec: 1234.5,
		ETALowSeconds: new(3e5), ETAHighSeconds: new(3e5), LastSeconds: new(1.2345), NoiseCV: new(0.1234), TemperatureC: new(101.0),
	}
	for _, tt := range []struct {
		p       bench.Progress
		kind    devices.Kind
		devices int
		columns int
		want    string
	}{
		{bench.Progress{Networks: 12, Done: 12, ETALowSeconds: new(0.0), ETAHighSeconds: new(0.0)}, devices.Measured, 1, 80, "12/12"},
		{half, devices.Measured, 1, 120, "6/12 20.2 blk/s left 1m02s-1m15s last 20.34 ms noise 1.2 % 51 C"},
		{half, devices.Measured, 1, 80, "6/12 20.2 blk/s left 1m02s-1m15s last 20.34 ms noise 1.2 % 51 C"},
		{half, devices.Simulated, 2, 80, "SIMULATED 6/12 left 1m02s-1m15s noise max 1.2 % max 51 C"},
		{half, devices.Measured, 1, 40, "6/12 left 1m02s-1m15s"},
		{half, mixedKinds, 2, 80, "6/12 20.2 blk/s left 1m02s-1m15s"},
		{long, devices.Measured, 1, 80, "9999/10000 123 failed left 83h20m noise 12.3 % 101 C"},
		{long, devices.Estimated, 1, 80, "ESTIMATED 9999/10000 123 failed left 83h20m noise 12.3 % 101 C"},
		{long, devices.Estimated, 1, 40, "ESTIMATED 9999/10000"},
		{long, devices.Estimated, 1, 20, "ESTIMATE"},
		{long, devices.Estimated, 1, 4, ""},
	} {
		got := describeProgress(tt.p, tt.kind, tt.devices, tt.columns)
		if got != tt.want {
			t.Errorf("%d columns, %s: %q, want %q", tt.columns, tt.kind, got, tt.want)
		}
	}
	for _, p := range []bench.Progress{half, long} {
		for _, columns := range []int{20, 40, 80, 120, 200} {
			if line := barLine(p, devices.Simulated, 1, columns, 0.5); len(line) > columns-1 {
				t.Errorf("in %d columns a line has %d: %q", columns, len(line), line)
			}
		}
	}
	want := "6/12 20.2 blk/s left 1m02s-1m15s last 20.34 ms noise 1.2 % 51 C  50% [====>   ]"
	if got := barLine(half, devices.Measured, 1, 80, 0.5); got != want || len(got) != 79 {
		t.Errorf("the line is %q, want %q", got, want)
	}
}

// TestBarNeverGoesBackwards: a resumed sweep begins where it was, extra blocks do not set the bar back,
// and it is not full while work is left.
func TestBarNeverGoesBackwards(t *testing.T) {
	t.Setenv("TERM", "dumb")
	var out bytes.Buffer
	b := &bar{w: &out, kind: devices.Measured, devices: 1}
	last := 0.0
	for i, p := range []bench.Progress{
		{Networks: 9, Done: 4, BlocksBefore: 13, BlocksLeft: 14, MinimumDone: 13, MinimumBlocks: 27},
		{Networks: 9, Done: 9, BlocksBefore: 13, Blocks: 14, BlocksLeft: 3, MinimumDone: 27, MinimumBlocks: 27},
		{Networks: 9, Done: 9, BlocksBefore: 13, Blocks: 15, BlocksLeft: 30, MinimumDone: 27, MinimumBlocks: 27},
		{Networks: 9, Done: 9, BlocksBefore: 13, Blocks: 17, MinimumDone: 27, MinimumBlocks: 27},
	} {
		b.update(p)
		if b.share < last || b.share < 0.4 || (b.share == 1) != (p.BlocksLeft == 0) {
			t.Errorf("report %d: the bar is at %v after %v", i, b.share, last)
		}
		last = b.share
		resumed := &bar{w: io.Discard, kind: devices.Measured, devices: 1}
		if resumed.update(p); resumed.share != b.share {
			t.Errorf("report %d: the bar of a run resumed there is at %v, not %v", i, resumed.share, b.share)
		}
	}
	b.finish()
	if !strings.HasPrefix(out.String(), "\r\r4/9  48% [==") || !strings.HasSuffix(out.String(), "\r") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("a dumb terminal gets %q", &out)
	}
}

// TestProgressOfALog: a plain line each ten seconds and the last one, none of a run that is shorter.
func TestProgressOfALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&out, ProgressOptions{}, []devices.Info{{Name: "sim-pixel1-cpu", Kind: devices.Simulated}})
		for i := range 9 {
			p.Update(0, bench.Progress{Networks: 40, Done: i, BlocksPerSec: 1})
			time.Sleep(time.Second)
		}
		if out.Len() > 0 {
			t.Errorf("within ten seconds: %q", &out)
		}
		for i := range 14 {
			time.Sleep(time.Second)
			p.Update(0, bench.Progress{Networks: 40, Done: 9 + i, Failed: i / 13, BlocksPerSec: 1})
		}
		p.Finish()
		want := "sim-pixel1-cpu: SIMULATED 9/40 1.0 blk/s\nsim-pixel1-cpu: SIMULATED 19/40 1.0 blk/s\nsim-pixel1-cpu: SIMULATED 22/40 1 failed 1.0 blk/s\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	})
	var out bytes.Buffer
	p := NewProgress(&out, ProgressOptions{}, []devices.Info{{Name: "jetson", Kind: devices.Measured}})
	p.Update(0, bench.Progress{Networks: 1, Done: 1})
	p.Event(fleet.Event{Name: "jetson", State: bench.BackingOff, Err: errors.New("no answer\x1b[2J"), Wait: 30 * time.Second})
	p.Finish()
	if got, want := out.String(), "jetson: backing off: no answer?[2J; retrying in 30s\n"; got != want {
		t.Errorf("a short run prints %q, want %q", got, want)
	}
}

func TestProgressElsewhereIsJSONLines(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, ProgressOptions{JSON: true}, []devices.Info{{Kind: devices.Simulated}})
	for i := range 100 {
		p.Update(0, bench.Progress{Networks: 100, Done: i})
	}
	p.Finish()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines in a moment, want the first and the last:\n%s", len(lines), &out)
	}
	var last struct {
		Type string `json:"message_type"`
		Kind string `json:"kind"`
		Done int    `json:"done"`
	}
	if err := json.Unmarshal([]byte(lines[1]), &last); err != nil || last.Type != "progress" || last.Kind != "simulated" || last.Done != 99 {
		t.Errorf("last line %s: %+v, %v", lines[1], last, err)
	}
	var none bytes.Buffer
	q := NewProgress(&none, ProgressOptions{Quiet: true, JSON: true}, []devices.Info{{Kind: devices.Measured}})
	q.Update(0, bench.Progress{Networks: 1})
	q.Finish()
	if none.Len() > 0 {
		t.Errorf("with --quiet: %q", &none)
	}
}

func TestProgressOfSeveralDevicesOnATerminal(t *testing.T) {
	var out bytes.Buffer
	infos := []devices.Info{{Name: "pixel", Kind: devices.Measured}, {Name: "jetson", Kind: devices.Measured}}
	p := &Progress{infos: infos, now: make([]bench.Progress, 2), bar: &bar{w: &out, kind: devices.Measured, devices: 2}, away: map[int]bool{}}
	p.Update(0, bench.Progress{Networks: 10, Done: 4, Blocks: 12, BlocksLeft: 18, BlocksPerSec: 2, ETALowSeconds: new(9.0), ETAHighSeconds: new(9.5), LastSeconds: new(0.02), NoiseCV: new(0.021), TemperatureC: new(40.0)})
	p.Update(1, bench.Progress{Networks: 10, Done: 1, Blocks: 3, BlocksLeft: 27, BlocksPerSec: 1, ETALowSeconds: new(27.0), ETAHighSeconds: new(31.0), LastSeconds: new(0.5), NoiseCV: new(0.013)})
	if got, want := describeProgress(together(p.now), devices.Measured, 2, 80), "5/20 3.0 blk/s left 0m27s-0m31s noise max 2.1 % max 40 C"; got != want {
		t.Errorf("progress is %q, want %q", got, want)
	}
	ended := bench.Progress{Networks: 10, Done: 10, Blocks: 30, BlocksPerSec: 2}
	if got, want := together([]bench.Progress{ended, p.now[1]}).BlocksPerSec, 1.0; got != want {
		t.Errorf("beside a device that has ended %v blocks/s are done, want %v", got, want)
	}
	p.Event(fleet.Event{Member: 1, Name: "jetson", State: bench.BackingOff, Err: errors.New("no answer\x1b[2J"), Wait: 30 * time.Second})
	p.Event(fleet.Event{Member: 1, Name: "jetson", State: bench.Running})
	p.Event(fleet.Event{Member: 0, Name: "pixel", State: bench.Running}) // nothing to tell
	p.Finish()
	for _, want := range []string{
		"jetson: backing off: no answer?[2J; retrying in 30s\n",
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

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"latlab/bench"
	"latlab/devices"
)

func TestProgressOnATerminalFits(t *testing.T) {
	half := bench.Progress{
		Networks: 12, Done: 6, Blocks: 18, BlocksLeft: 18, BlocksPerSec: 20.2,
		ETASeconds: new(75.0), LastSeconds: new(0.02034), NoiseCV: new(0.0123),
	}
	if got, want := describeProgress(half, devices.Measured), "6/12 20.2 blk/s left 1m15s last 20.34 ms noise 1.2 %"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	long := bench.Progress{
		Networks: 10000, Done: 9999, Failed: 123, Blocks: 30000, BlocksLeft: 3, BlocksPerSec: 1234.5,
		ETASeconds: new(3e5), LastSeconds: new(1.2345), NoiseCV: new(0.1234), TemperatureC: new(101.0),
	}
	if got, want := describeProgress(long, devices.Measured), "9999/10000 123 failed left 83h20m last 1234 ms noise 12.3 %"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := describeProgress(long, devices.Simulated); !strings.HasPrefix(got, "9999/10000 SIMULATED 123 failed") {
		t.Errorf("%q does not say what it is of", got)
	}
	for _, p := range []bench.Progress{half, long} {
		var out bytes.Buffer
		b := &bar{w: &out, kind: devices.Simulated}
		b.update(p)
		for line := range strings.SplitSeq(out.String(), "\r") {
			line = strings.NewReplacer("\x1b[0K", "", "\x1b[2K", "", "\n", "").Replace(line)
			if len(line) > 80 {
				t.Errorf("a line has %d columns: %q", len(line), line)
			}
		}
		b.finish()
	}
}

func TestProgressElsewhereIsJSONLines(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, false, devices.Simulated)
	for i := range 100 {
		p.update(bench.Progress{Networks: 100, Done: i})
	}
	p.finish()
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
	q := newProgress(&none, true, devices.Measured)
	q.update(bench.Progress{Networks: 1})
	q.finish()
	if none.Len() > 0 {
		t.Errorf("with --quiet: %q", &none)
	}
}

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
)

func TestDiffer(t *testing.T) {
	idle := map[string]row{
		"same": {Latency: 100, Low: 98, High: 102, Verdict: "VALID"}, "close": {Latency: 100, Low: 99, High: 101, Verdict: "VALID"},
		"smooth": {Latency: 100, Low: 99, High: 101, Verdict: "VALID"}, "found out": {Latency: 100, Low: 99, High: 101, Verdict: "VALID"},
		"idle invalid": {Latency: 100, Verdict: "INVALID"}, "failed": {Latency: 100, Low: 99, High: 101, Verdict: "VALID"},
	}
	got := differ(idle, map[string]row{
		"same": {Latency: 100, Low: 98, High: 102, Verdict: "VALID"}, "close": {Latency: 101.5, Low: 90, High: 110, Verdict: "IMPRECISE"},
		"smooth": {Latency: 200, Low: 199, High: 201, Verdict: "VALID"}, "found out": {Latency: 300, Low: 1, High: 900, Verdict: "INVALID"},
		"idle invalid": {Latency: 300, Verdict: "VALID"}, "failed": {}, "unknown": {Latency: 1, Verdict: "VALID"},
	})
	if d := cmp.Diff([]string{"smooth"}, got.smoothWrong); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"4", "1.50 %", "1.48 %", "100.00 %", "100.00 %", "2 of 3", "1", "1", "3 of 4"}, got.cells()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"0", "-", "-", "-", "-", "-", "0", "0", "0 of 0"}, differences{}.cells()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestBusyShare(t *testing.T) {
	a := procfs.CPUStat{User: 5, Idle: 10}
	for want, b := range map[float64]procfs.CPUStat{0: {User: 5, Idle: 16}, .25: {User: 6, System: 1, Idle: 15, Iowait: 1}, 1: {User: 6, Idle: 10}} {
		if got := busyShare(a, b); got != want {
			t.Errorf("busyShare is %g, want %g", got, want)
		}
	}
}

// TestLoad: a core that no machine has cannot be kept busy, and no cores are no error.
func TestLoad(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := load(ctx, []int{1023}); err == nil {
		t.Error("core 1023 is busy")
	}
	if err := load(ctx, nil); err != nil {
		t.Error(err)
	}
}

// TestRun drives a latlab that is a script: the fourth store has a network twice as slow without a doubt.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	latlab := filepath.Join(dir, "latlab")
	script := `#!/bin/sh
echo "$@" >> "` + dir + `/calls"
case "$*" in
export*same-core.db*) echo '{"id":"n","latency_seconds":2,"low_seconds":1.9,"high_seconds":2.1,"verdict":"VALID"}' ;;
export*) echo '{"id":"n","latency_seconds":1,"low_seconds":0.9,"high_seconds":1.1,"verdict":"VALID"}' ;;
compare*) echo '{"overall":{"ratio":1,"low":0.99,"high":1.01}}' ;;
sweep*) exit 4 ;;
esac
`
	if err := os.WriteFile(latlab, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{"-latlab", latlab, "-dir", filepath.Join(dir, "out"), "-device", "sim-pixel1-cpu", "-networks", "2", "-few", "1"}, &out)
	if err == nil || !strings.Contains(err.Error(), "1 of 1 latencies are neither INVALID nor within 2 % of the idle ones: n") {
		t.Errorf("error is %v", err)
	}
	for _, want := range []string{
		"| idle, again | 1 | 0.00 % | 0.00 % | 0.00 % | 0.00 % | 1 of 1 | 0 | 0 | 1 of 1 | 1.000 (0.990 to 1.010) |",
		"| the same core busy | 1 | 100.00 % |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(calls), "sweep --device sim-pixel1-cpu"); n != 5 {
		t.Errorf("%d sweeps:\n%s", n, calls)
	}
}

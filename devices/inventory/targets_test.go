package inventory

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/transport"
	"latlab/internal/testphone"
)

// TestTargets: all that can be looked at is listed by its name, and no form of a name is.
func TestTargets(t *testing.T) {
	adbServer(t, phonesList)
	l, err := New(Options{File: write(t, "devices.yml", "devices: [{name: mine, adb: SERIAL1}, {name: board, ssh: host}]"), LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	sources, kinds := map[string]string{}, map[devices.Kind]int{}
	for _, target := range l.Targets(t.Context()) {
		if sources[target.Name] != "" {
			t.Errorf("%s is listed twice", target.Name)
		}
		sources[target.Name] = target.Source
		kinds[target.Kind]++
	}
	for name, want := range map[string]string{
		"cpu": SourceBuiltIn, "mine": SourceFile, "board": SourceFile, "adb:SERIAL2": SourceAttached,
		"sim-pixel1-cpu": SourceBuiltIn, "vela:ethos-u65-512": SourceBuiltIn,
		"adb:SERIAL1": "", "adb:$(touch\x1b[2Jx)": "",
	} {
		if got := sources[name]; got != want {
			t.Errorf("%q comes from %q, want %q", name, got, want)
		}
	}
	if kinds[devices.Measured] < 4 || kinds[devices.Simulated] == 0 || kinds[devices.Estimated] == 0 {
		t.Errorf("kinds %v", kinds)
	}
}

// TestLookAsksADBForPhonesAlone: names that nothing has, of which there is no end, are no work for
// the adb server beside a sweep.
func TestLookAsksADBForPhonesAlone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 9)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			asked <- struct{}{}
			c.Close()
		}
	}()
	t.Setenv("ADB_SERVER_SOCKET", "")
	t.Setenv("ANDROID_ADB_SERVER_PORT", strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
	l, err := New(Options{LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu", "nothing", "sim-pixel1-cpu", "ssh:host", "adb:SERIAL1"} {
		_, _ = l.Look(t.Context(), name, true)
	}
	ln.Close()
	<-ended
	if n := len(asked); n != 1 {
		t.Errorf("the adb server was asked %d times, want once: for the phone", n)
	}
}

// TestLookTakesNamesAlone: what could choose a file, a host or a command is no device, and
// nothing is reached for it.
func TestLookTakesNamesAlone(t *testing.T) {
	adbServer(t, phonesList)
	l, err := New(Options{File: write(t, "devices.yml", "devices: [{name: mine, adb: SERIAL1}]"), LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l.dial = func(_ context.Context, e *entry) (transport.Transport, error) {
		t.Errorf("%s was reached", e.Name)
		return nil, errors.New("no")
	}
	spec := write(t, "own.yaml", "name: own")
	for _, name := range []string{
		"", "mine ", "Mine", "sim:" + spec, "sim-pixel1-cpu:exact", "sim-pixel1-cpu:quiet:7", "ssh:host", "ssh:-oProxyCommand=x",
		"adb:SERIAL1", "adb:SERIAL9", "adb:$(touch x)", "vela:../../x", "/etc/passwd", "../mine", "mine\x00", "hexagon:x",
	} {
		var unknown *UnknownError
		if s, err := l.Look(t.Context(), name, false); !errors.As(err, &unknown) {
			t.Errorf("Look(%q) = %+v, %v", name, s, err)
		}
	}
	if s, err := l.Look(t.Context(), "adb:SERIAL2", false); err != nil || s.State != Unauthorized || s.Source != SourceAttached {
		t.Errorf("%+v, %v", s, err)
	}
	// This one adb lists, so it may be asked for; it is not used.
	if s, err := l.Look(t.Context(), "adb:$(touch\x1b[2Jx)", false); err != nil || s.State != NotReady || strings.Contains(s.Name, "\x1b") {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestLookHereStartsNothing: the agent of this machine is a program that would be noticed.
func TestLookHereStartsNothing(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	agent := write(t, "latlab-agent", "#!/bin/sh\ntouch "+started+"\n")
	if err := os.Chmod(agent, 0o755); err != nil {
		t.Fatal(err)
	}
	l := lab(t, Options{AgentPath: agent})
	s, err := l.Look(t.Context(), Local, false)
	if err != nil || s.State != Ready || s.Now == nil || s.Now.Time.IsZero() || s.Kind != devices.Measured {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := os.Stat(started); err == nil {
		t.Error("the agent was started")
	}
	if s, _ := l.Look(t.Context(), Local, true); s.Now != nil {
		t.Errorf("its condition was read: %+v", s.Now)
	}
	l = lab(t, Options{AgentPath: started})
	if s, _ := l.Look(t.Context(), Local, true); s.State != NotReady || s.Type != "make build" {
		t.Errorf("without an agent: %+v", s)
	}
}

// TestLookAtAPhone: its condition is read at each look, who it is once, and with reachOnly
// nothing is asked.
func TestLookAtAPhone(t *testing.T) {
	l, p := phoneLab(t, testphone.Options{}, "")
	s, err := l.Look(t.Context(), "phone", true)
	if err != nil || s.State != Ready || s.Now != nil || s.Model != nil {
		t.Errorf("reached: %+v, %v", s, err)
	}
	s, err = l.Look(t.Context(), "phone", false)
	if err != nil || s.State != Ready || s.HottestC == nil || s.Battery == nil || s.Model == nil || s.SoC == nil || s.OS == nil {
		t.Errorf("%+v, %v", s, err)
	}
	p.Dumpsys("thermalservice", hotPhone)
	again, err := l.Look(t.Context(), "phone", false)
	if err != nil || again.State != Hot || *again.HottestC != 51.5 || *again.Model != *s.Model {
		t.Errorf("hot: %+v, %v", again, err)
	}
}

// TestLookLeavesABusyDeviceAlone: a connection to it may be what disturbs the block.
func TestLookLeavesABusyDeviceAlone(t *testing.T) {
	file, locks := write(t, "devices.yml", "devices: [{name: mine, adb: SERIAL1}]"), t.TempDir()
	sweep, err := machine.Open(t.Context(), transport.Local{}, machine.Options{Name: "mine", LockDir: locks, LockKey: "adb:SERIAL1"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(Options{File: file, LockDir: locks})
	if err != nil {
		t.Fatal(err)
	}
	reached := 0
	l.dial = func(context.Context, *entry) (transport.Transport, error) {
		reached++
		return nil, &devices.Error{Fault: devices.FaultDevice, Op: "open", Reason: devices.ReasonOffline, Err: errors.New("gone")}
	}
	if s, err := l.Look(t.Context(), "mine", false); err != nil || s.State != Busy || reached != 0 || s.Now != nil {
		t.Errorf("busy: %+v, %v, reached %d times", s, err, reached)
	}
	if err := sweep.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := l.Look(t.Context(), "mine", false); err != nil || s.State != Offline || reached != 1 {
		t.Errorf("free: %+v, %v, reached %d times", s, err, reached)
	}
}

// TestLookEnds: a device that never answers is offline when the time of a look is over.
func TestLookEnds(t *testing.T) {
	file := write(t, "devices.yml", "devices: [{name: board, ssh: host}]")
	synctest.Test(t, func(t *testing.T) {
		l, err := New(Options{File: file, LockDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		l.dial = func(ctx context.Context, _ *entry) (transport.Transport, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		s, err := l.Look(t.Context(), "board", true)
		if took := time.Since(start); err != nil || s.State != Offline || took != probeTimeout {
			t.Errorf("%+v, %v after %v", s, err, took)
		}
	})
}

// TestLookAsksForAToolOnce: an estimator's tool is looked at once, for all its names; a
// simulator has none.
func TestLookAsksForAToolOnce(t *testing.T) {
	calls := filepath.Join(t.TempDir(), "calls")
	python := write(t, "python3", "#!/bin/sh\necho call >>"+calls+"\nexit 1\n")
	if err := os.Chmod(python, 0o755); err != nil {
		t.Fatal(err)
	}
	l := lab(t, Options{Python: python})
	if s, err := l.Look(t.Context(), "sim-pixel1-cpu", false); err != nil || s.State != Ready || s.Kind != devices.Simulated {
		t.Errorf("%+v, %v", s, err)
	}
	var sizes []int64
	for _, name := range []string{"vela:ethos-u65-512", "vela:ethos-u65-512", "vela:ethos-u85-1024"} {
		s, err := l.Look(t.Context(), name, false)
		if err != nil || s.State != NotReady || s.Problem == "" || s.Name != name {
			t.Errorf("%+v, %v", s, err)
		}
		st, err := os.Stat(calls)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, st.Size())
	}
	if len(slices.Compact(sizes)) != 1 {
		t.Errorf("the tool was looked at again: %v", sizes)
	}
}

// TestAHungToolKeepsNobodyElse: while an estimator's tool hangs, phones are looked at, and whoever
// asks for another estimator of that tool waits no longer than he would.
func TestAHungToolKeepsNobodyElse(t *testing.T) {
	var r remembered
	r.identities = map[string]state.Identity{"phone": {Model: "Pixel 6"}}
	began, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	hangs := family{tool: "tool", check: func(context.Context, string) []Step {
		close(began)
		<-release
		return []Step{{Name: "tool", State: OK}}
	}}
	go func() { defer close(ended); r.tool(t.Context(), hangs) }()
	<-began
	others := make(chan struct{})
	go func() {
		defer close(others)
		if id, err := r.identify(t.Context(), "phone", nil); err != nil || id.Model != "Pixel 6" {
			t.Errorf("%+v, %v", id, err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if s := r.tool(over, hangs); s == nil || s.State != Missing {
			t.Errorf("nobody waited, and the tool is said to be %+v", s)
		}
	}()
	select {
	case <-others:
	case <-time.After(time.Minute): // of a fault alone
		t.Error("they wait for the tool")
	}
	close(release)
	<-ended
	<-others
	if s := r.tool(t.Context(), hangs); s != nil {
		t.Errorf("what was found in the end is not remembered: %+v", s)
	}
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/internal/version"
)

// The fake agent times nothing: a model's latency follows from its size, so that sweeps
// are quick and give the same figures every time. These variables tell it what to do.
const (
	// fakeMode is what it does wrong, see fakeTrouble; empty for nothing.
	fakeMode = "FAKE_AGENT"
	// fakeEvery, a number n, makes it misbehave on every nth model only.
	fakeEvery = "FAKE_AGENT_EVERY"
	// fakeLog is a file that gets a line, the model's name, for every block asked for.
	fakeLog = "FAKE_AGENT_LOG"
	// fakeGate is the address of a gate: a block is answered when that is open.
	fakeGate = "FAKE_AGENT_GATE"
)

func fakeAgent() {
	mode := os.Getenv(fakeMode)
	hello := wire.Hello{
		Type: "hello", Wire: wire.Revision, Version: version.Version, Runtime: "tflite 0.0.0 (fake)",
		Library: strings.Repeat("0123456789abcdef", 4), PID: os.Getpid(), Delegates: wire.XNNPACK,
	}
	switch mode {
	case "other version":
		hello.Version = "9.9.9"
	case "other runtime":
		hello.Runtime = "tflite 9.9.9 (fake)"
	case "no library":
		fmt.Fprintln(os.Stderr, "latlab-agent: error while loading shared libraries: libtensorflowlite_c.so: cannot open shared object file")
		os.Exit(127)
	case "garbage hello":
		fmt.Println("Welcome to the vendor's runtime!")
	}
	fakeSay(hello)
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return // only the hello was wanted
	}
	// Like the real one it leaves at once when its lab is gone.
	go func() {
		_, _ = in.ReadString('\n')
		os.Exit(0)
	}()
	var req wire.Request
	if err := json.Unmarshal(line, &req); err != nil {
		fmt.Fprintln(os.Stderr, "bad request:", err)
		os.Exit(9)
	}
	block, nth := fakeBlock(req.Model)
	fakeWait()
	profile := req.Type == wire.Profile
	if hit := os.Getenv(fakeEvery); (hit == "" || fmt.Sprint(nth%atoi(hit)) == "0") && (mode != "rejects profiles" || profile) {
		fakeTrouble(mode)
	} else {
		mode = ""
	}
	answer := wire.Response{Type: "result", Result: fakeResult(req, block, mode)}
	if profile {
		answer.Profile = &wire.Observed{Rows: []wire.Row{{Kind: wire.Operator, Name: "CONV_2D", Within: -1, Seconds: 1e-3, All: 1e-3, Times: 1}}}
	}
	fakeSay(answer)
	select {} // until stdin closes
}

// fakeBlock notes a block and returns how many there were before and the number of its
// model, from 1 in the order first seen.
func fakeBlock(model string) (block, nth int) {
	name := strings.TrimSuffix(filepath.Base(model), ".tflite")
	path := os.Getenv(fakeLog)
	if path == "" {
		return 0, 1
	}
	old, _ := os.ReadFile(path)
	var seen []string
	for line := range strings.Lines(string(old)) {
		line = strings.TrimSpace(line)
		block++
		if !slices.Contains(seen, line) {
			seen = append(seen, line)
		}
	}
	if !slices.Contains(seen, name) {
		seen = append(seen, name)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
	fmt.Fprintln(f, name)
	f.Close()
	return block, slices.Index(seen, name) + 1
}

// fakeWait waits at the gate, which may be open already.
func fakeWait() {
	address := os.Getenv(fakeGate)
	if address == "" {
		return
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_, _ = c.Read(make([]byte, 1))
		_ = c.Close()
	}
}

// gate keeps the blocks of fake agents from being answered until it opens.
type gate struct {
	t    *testing.T
	ln   *net.TCPListener
	held []net.Conn
}

func newGate(t *testing.T) *gate {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, ln: ln}
	t.Cleanup(g.open)
	return g
}

// variable tells an agent of the gate.
func (g *gate) variable() string { return fakeGate + "=" + g.ln.Addr().String() }

// waitForBlock waits until an agent was asked for a block.
func (g *gate) waitForBlock() {
	g.t.Helper()
	if err := g.ln.SetDeadline(time.Now().Add(patience)); err != nil {
		g.t.Fatal(err)
	}
	c, err := g.ln.Accept()
	if err != nil {
		g.t.Fatalf("no block begins: %v", err)
	}
	g.held = append(g.held, c)
}

// open has all blocks answered, from now on too.
func (g *gate) open() {
	_ = g.ln.Close()
	for _, c := range g.held {
		_ = c.Close()
	}
}

// fakeTrouble does not return where the mode ends the process or never answers.
func fakeTrouble(mode string) {
	switch mode {
	case "crash":
		fmt.Fprintln(os.Stderr, "ERROR: tensor 7 is not there")
		_ = syscall.Exec("/bin/sh", []string{"sh", "-c", "kill -SEGV $$"}, nil)
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "exit":
		fmt.Fprintln(os.Stderr, "giving up")
		os.Exit(7)
	case "hang":
		select {}
	case "garbage":
		fmt.Println("Average inference: 0.0 ms")
	case "rejects", "rejects profiles":
		fakeSay(wire.Response{Type: "error", Error: &wire.Error{
			Fault: devices.FaultModel, Reason: "rejected", Message: "the runtime refuses the model",
		}})
		os.Exit(0)
	}
}

// fakeResult is 1 ms and 1 ns a byte, with a per mille of noise between blocks.
func fakeResult(req wire.Request, block int, mode string) *wire.Result {
	seconds := 1e-3
	if st, err := os.Stat(req.Model); err == nil {
		seconds += 1e-9 * float64(st.Size())
	}
	noise := []float64{0, 1, -1, 0.5, -0.5, -1.5, 1.5}
	seconds *= 1 + 1e-3*noise[block%len(noise)]
	r := &wire.Result{
		WarmUp: []float64{seconds}, Init: 2e-3, First: 2 * seconds, PeakMemory: 10 << 20,
		Delegation: devices.Delegation{Name: "xnnpack", Nodes: 20, Delegated: 20, Partitions: 1}, CPUs: req.CPUs,
	}
	for i := range max(req.Plan.MinRuns, 10) {
		s := seconds * (1 + 1e-4*noise[i%len(noise)])
		r.Samples = append(r.Samples, s)
		r.CPUSamples = append(r.CPUSamples, 0.999*s*float64(req.Threads))
	}
	// No block takes less time than its samples.
	total := r.Init + r.First + seconds
	for _, s := range r.Samples {
		total += s
	}
	time.Sleep(time.Duration(total * float64(time.Second)))
	switch mode {
	case "zero":
		r.Samples[3] = 0
	case "slow cpu":
		for i := range r.CPUSamples {
			r.CPUSamples[i] /= 2
		}
	case "half delegated":
		r.Delegation.Delegated, r.Delegation.Partitions = 10, 4
	}
	return r
}

func atoi(s string) (n int) {
	if _, err := fmt.Sscan(s, &n); err != nil || n < 1 {
		fmt.Fprintf(os.Stderr, "fake-agent: bad number %q\n", s)
		os.Exit(9)
	}
	return n
}

func fakeSay(v any) {
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		os.Exit(9)
	}
}

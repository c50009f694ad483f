package agent_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/internal/version"
)

// The test binary plays the agent if this variable is set to what it should do.
const fakeEnv = "LATLAB_FAKE_AGENT"

// If this variable names a file, the fake misbehaves only while the file is missing, and creates
// it.
const onceEnv = "LATLAB_FAKE_AGENT_ONCE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeEnv); mode != "" {
		fakeAgent(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

func fakeAgent(mode string) {
	hello := wire.Hello{Type: "hello", Wire: wire.Revision, Version: version.Version, Runtime: "tflite 0", PID: os.Getpid(), Delegates: wire.XNNPACK}
	switch mode {
	case "no hello, exit 3":
		fmt.Fprintln(os.Stderr, "cannot load the library")
		os.Exit(3)
	case "garbage hello":
		fmt.Println("Welcome to the vendor's runtime!")
		time.Sleep(time.Hour)
	case "other version":
		hello.Version = "9.9.9"
	case "newer fields":
		fmt.Printf(`{"type":"hello","wire":2,"version":"9.9.9","features":["x"]}` + "\n")
		time.Sleep(time.Hour)
	case "other wire":
		hello.Wire = 99
	}
	library(mode, &hello)
	say(hello)
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	result := &wire.Result{
		Samples: []float64{.001, .002, .003}, CPUSamples: []float64{.001, .002, .003},
		Delegation: devices.Delegation{Name: "xnnpack", Nodes: 2, Delegated: 2, Partitions: 1},
	}
	time.Sleep(6 * time.Millisecond) // no block takes less time than its samples
	if now() {
		misbehave(mode, result)
	}
	resp := wire.Response{Type: "result", Result: result}
	if strings.Contains(line, `"profile"`) {
		resp.Type, resp.Profile = wire.Profile, profiled(mode)
	}
	say(resp)
	_, _ = in.ReadString('\n')
}

// library identifies the runtime's library as aa, with the mark 1, when the device is opened, and then
// by the mode.
func library(mode string, h *wire.Hello) {
	if !strings.HasPrefix(mode, "library") {
		return
	}
	h.Library, h.LibraryMark = "aa", "1"
	known := os.Getenv(wire.KnownLibrary)
	switch {
	case known == "":
	case mode == "library known":
		h.Library = ""
	case mode == "library touched":
		h.LibraryMark = "2"
	case mode == "library recent":
		h.LibraryMark = ""
	case mode == "library changed":
		h.Library, h.LibraryMark = "bb", "2"
	case mode == "library not hashed":
		h.Library, h.LibraryMark = "", "2"
	case mode == "library changed under its mark":
		h.Library = "bb"
	}
}

// profiled is what the fake reports of two operators, one of them in a kernel.
func profiled(mode string) *wire.Observed {
	o := &wire.Observed{
		Plain: []float64{.001},
		Rows: []wire.Row{
			{Kind: wire.KernelRow, Name: "XNN", Within: -1, Index: 2, Times: 1, Seconds: 1e-4, All: .001},
			{Kind: wire.Inside, Name: "Add (ND)", Within: 0, Times: 1, Seconds: 9e-4, All: 9e-4},
			{Kind: wire.Operator, Name: "ADD", Within: -1, Index: 1, Times: 1, Seconds: .001, All: .001},
		},
		Subgraphs: [][]wire.Node{{{Index: 0, Output: "x"}, {Index: 1, Output: "y"}}},
		Kernels:   []wire.Kernel{{Index: 2, Nodes: []int{0}}},
	}
	switch mode {
	case "rows far above the whole":
		o.Rows[1].Seconds, o.Rows[1].All = 4.9989, 4.9989
	case "a row of 1e300 s":
		o.Rows[2].Seconds = 1e300
	case "a negative row":
		o.Rows[0].Seconds = -1
	case "a row of NaN":
		fmt.Println(`{"type":"profile","result":{},"profile":{"rows":[{"seconds":NaN}]}}`)
	case "no rows":
		o.Rows = nil
	case "a row within itself":
		o.Rows[0].Within = 0
	case "kernels of nodes that are not there":
		o.Kernels[0].Nodes = []int{-7}
	case "an impossible plain inference":
		o.Plain[0] = -1
	case "a plain inference of an hour":
		o.Plain[0] = 3600
	case "steps of no number":
		o.Outside = -1
	case "no profile":
		return nil
	}
	return o
}

// now reports whether to misbehave.
func now() bool {
	file := os.Getenv(onceEnv)
	if file == "" {
		return true
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

func misbehave(mode string, r *wire.Result) {
	switch mode {
	case "samples longer than the block":
		r.Samples[1] = 3
	case "a sample of 1e300 s":
		r.Samples[1] = 1e300
	case "a negative sample":
		r.Samples[1] = -1
	case "an init longer than the block":
		r.Init = 5
	case "a negative init":
		r.Init = -1
	case "a negative first":
		r.First = -1
	case "a negative warm-up":
		r.WarmUp = []float64{.001, -1}
	case "negative CPU time":
		r.CPUSamples[0] = -1
	case "more CPU time than threads":
		r.CPUSamples[0] = .1
	case "more delegated than there are":
		r.Delegation.Delegated = 3
	case "negative delegated":
		r.Delegation.Delegated = -1
	case "no nodes":
		r.Delegation.Nodes, r.Delegation.Delegated, r.Delegation.Partitions = 0, 0, 0
	case "negative nodes":
		r.Delegation.Nodes, r.Delegation.Delegated = -2, -2
	case "negative partitions":
		r.Delegation.Partitions = -1
	case "more partitions than nodes":
		r.Delegation.Partitions = 3
	case "another delegate":
		r.Delegation.Name = "npu"
	case "no delegate":
		r.Delegation = devices.Delegation{}
	case "negative memory":
		r.PeakMemory = -1
	case "more samples than asked":
		for range 1000 {
			r.Samples, r.CPUSamples = append(r.Samples, 1e-9), append(r.CPUSamples, 1e-9)
		}
	case "CPUs that cannot be":
		r.CPUs = []int{-1}
	case "a negative wait":
		r.Waited = new(-1.0)
	case "more left than there are":
		r.Left = []wire.Left{{Builtin: 3, Count: 9, Type: "INT8"}}
	case "segfault":
		fmt.Fprintln(os.Stderr, "ERROR: tensor 7 is not there")
		die(syscall.SIGSEGV)
	case "abort":
		die(syscall.SIGABRT)
	case "killed":
		die(syscall.SIGKILL)
	case "hang":
		time.Sleep(time.Hour)
	case "stopped":
		die(syscall.SIGSTOP)
	case "exit 0":
		os.Exit(0)
	case "exit 7":
		fmt.Fprintln(os.Stderr, "giving up")
		os.Exit(7)
	case "garbage answer":
		fmt.Println("Average inference: 0.0 ms")
	case "half a line":
		fmt.Print(`{"type":"result","result":{"samples_sec`)
		os.Exit(0)
	case "unknown field":
		fmt.Println(`{"type":"result","surprise":1}`)
	case "zero latency":
		say(wire.Response{Type: "result", Result: &wire.Result{Samples: []float64{.001, 0, .003}, CPUSamples: make([]float64, 3)}})
	case "no samples":
		say(wire.Response{Type: "result", Result: &wire.Result{}})
	case "no result":
		say(wire.Response{Type: "result"})
	case "rejects":
		say(wire.Response{Type: "error", Error: &wire.Error{Fault: devices.FaultModel, Reason: "rejected", Message: "the runtime refuses the model"}})
	case "endless stderr":
		for range 2000 {
			fmt.Fprintln(os.Stderr, strings.Repeat("x", 1000))
		}
		die(syscall.SIGSEGV)
	case "grandchild":
		// It holds both streams open and would outlive the agent.
		c := exec.Command("sleep", "3600")
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Start(); err != nil {
			panic(err)
		}
		os.Exit(7)
	}
}

func say(v any) {
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		os.Exit(9)
	}
}

// die sends itself a signal that the Go runtime does not turn into a panic.
func die(s syscall.Signal) {
	_ = syscall.Exec("/bin/sh", []string{"sh", "-c", fmt.Sprintf("kill -%d $$", s)}, []string{})
}

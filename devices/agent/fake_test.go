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
	say(hello)
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return
	}
	result := &wire.Result{
		Samples: []float64{.001, .002, .003}, CPUSamples: []float64{.001, .002, .003},
		Delegation: devices.Delegation{Name: "xnnpack", Nodes: 2, Delegated: 2, Partitions: 1},
	}
	if now() {
		misbehave(mode, result)
	}
	say(wire.Response{Type: "result", Result: result})
	_, _ = in.ReadString('\n')
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
	case "segfault":
		fmt.Fprintln(os.Stderr, "ERROR: tensor 7 is not there")
		die(syscall.SIGSEGV)
	case "abort":
		die(syscall.SIGABRT)
	case "killed":
		die(syscall.SIGKILL)
	case "hang":
		time.Sleep(time.Hour)
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

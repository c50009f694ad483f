package agent_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/devicetest"
	"latlab/internal/testenv"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

// TestCrashIsASignal: unlike other Go programs, the real agent dies of the signal that its runtime
// raises. Only this shows that the crash is the model's fault and not the device's.
func TestCrashIsASignal(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGFPE} {
		cmd := exec.CommandContext(t.Context(), testenv.Agent(t))
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil { // its hello
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		_ = stdin.Close()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("%v: it ended with %v", s, err)
		}
		if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != s {
			t.Errorf("%v: it ended with %v", s, exit)
		}
	}
}

// TestInputsWithoutElements: inputs without elements, on which the runtime would crash or take no
// time, are refused with an error.
func TestInputsWithoutElements(t *testing.T) {
	d := openReal(t, agent.Options{})
	defer d.Close()
	for name, data := range map[string][]byte{
		"resource": tflitetest.Shown("resource", 0), "variant": tflitetest.Shown("variant", 0), "empty": tflitetest.Sized([]int{1, 0, 0, 3}, nil),
	} {
		path := filepath.Join(t.TempDir(), name+".tflite")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := model.FromFile(path, model.Call{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Run(t.Context(), m, devicetest.Plan())
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultModel || e.Reason != devices.ReasonRejected || !strings.Contains(err.Error(), "has no elements") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

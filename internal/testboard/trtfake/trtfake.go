// Package trtfake controls the stand-in for trtexec that tests put on a board: its TensorRT
// version, the latency of each network, and which faults happen when.
//
// The stand-in (internal/testboard/trtexec) reads a control file beside itself, which also works
// through ssh, where a test's environment is lost. This package refuses to parse or print
// trtexec's formats.
package trtfake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"latlab/devices"
	"latlab/devices/sim"
	"latlab/internal/atomicfile"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

// Faults to inject. Each happens at the next run that is not --help.
const (
	Crash    = "crash"    // dies of a segmentation fault
	Hang     = "hang"     // never ends
	Garbage  = "garbage"  // prints garbage, exit code 0
	Failed   = "failed"   // FAILED, exit code 1, an error of the network
	CUDA     = "cuda"     // FAILED, exit code 1, an error of the GPU
	Zero     = "zero"     // PASSED, and every time is 0
	Mismatch = "mismatch" // PASSED, and the exported times are not those printed
	NoPass   = "no-pass"  // everything but PASSED, exit code 0
	Torn     = "torn"     // PASSED, and the files it wrote end in the middle
	NoFile   = "no-file"  // PASSED, and it wrote no file
	Endless  = "endless"  // prints without end
	Full     = "full"     // the disk is full
)

// Control configures the stand-in.
type Control struct {
	Version int `json:"version"` // 8401; below 8000 the output is that of TensorRT 7
	// Seconds are the GPU's compute times by the model's sha256; other models are refused unless
	// there is a Default.
	Seconds map[string]float64 `json:"seconds"`
	Default float64            `json:"default_seconds"`
	Seed    uint64             `json:"seed"`
	// BlockNoise and SampleNoise are relative standard deviations between runs and within one.
	BlockNoise  float64 `json:"block_noise"`
	SampleNoise float64 `json:"sample_noise"`
	// With probability Rate, one of the Faults, chosen at random, happens at a timing run.
	Faults []string `json:"faults"`
	Rate   float64  `json:"rate"`
	// Left is the number of layers with weights that stay in float32, and on the GPU if a DLA was
	// requested; -1 means all.
	Left int `json:"left"`
	// Deaf ignores --shapes and chooses the shapes of open inputs itself.
	Deaf bool `json:"deaf"`
}

const (
	controlFile = "trtexec.json"
	faultFile   = "trtexec.fault"
	runsFile    = "trtexec.runs"
	inputsFile  = "trtexec.inputs"
)

// Build compiles the stand-in into dir and returns its path.
func Build(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "trtexec")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./internal/testboard/trtexec")
	cmd.Dir = testenv.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the stand-in for trtexec: %v\n%s", err, out)
	}
	return path
}

// Write writes the control file beside the stand-in.
func (c Control) Write(t testing.TB, dir string) {
	t.Helper()
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	// The stand-in may be reading it at this moment.
	err = atomicfile.Replace(filepath.Join(dir, controlFile), 0o600, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		t.Fatal(err)
	}
}

// Next makes a fault happen once, at the next run.
func Next(t testing.TB, dir, fault string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, faultFile), []byte(fault), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Taken reports whether a run has taken the fault of Next, and no later one will.
func Taken(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, faultFile))
	return os.IsNotExist(err)
}

// Forget cancels a fault of Next that has not happened yet.
func Forget(dir string) { _ = os.Remove(filepath.Join(dir, faultFile)) }

// Add sets the stand-in's time for a model to that of an exact simulator such as
// "sim-jetson-xavier:exact", and returns it in seconds.
func (c *Control) Add(ctx context.Context, simulator *sim.Device, m *model.Model) (float64, error) {
	b, err := simulator.Run(ctx, m, devices.Plan{MinRuns: 1, MaxRuns: 1})
	if err != nil {
		return 0, err
	}
	if len(b.Samples) != 1 {
		return 0, fmt.Errorf("%s gives %d samples, it is not exact", simulator.Info().Name, len(b.Samples))
	}
	f, err := m.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if c.Seconds == nil {
		c.Seconds = map[string]float64{}
	}
	c.Seconds[f.SHA256] = b.Samples[0]
	return b.Samples[0], nil
}

// Runs returns the number of timing runs and builds.
func Runs(dir string) int64 {
	info, err := os.Stat(filepath.Join(dir, runsFile))
	if err != nil {
		return 0
	}
	return info.Size()
}

// Inputs are the files that the last inference was given, in hex by the inputs' names.
func Inputs(t testing.TB, dir string) map[string]string {
	t.Helper()
	var got map[string]string
	data, err := os.ReadFile(filepath.Join(dir, inputsFile))
	if err == nil {
		err = json.Unmarshal(data, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Record is called by the stand-in with what Inputs returns.
func Record(dir string, inputs map[string]string) error {
	data, err := json.Marshal(inputs)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, inputsFile), data, 0o600)
}

// Load is called by the stand-in. It returns its control, the number of this run, and the fault
// that Next requested, "" if none.
func Load(dir string) (c Control, run int64, fault string, err error) {
	data, err := os.ReadFile(filepath.Join(dir, controlFile))
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return c, 0, "", err
	}
	f, err := os.OpenFile(filepath.Join(dir, runsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return c, 0, "", err
	}
	_, err = f.WriteString(".")
	if e := f.Close(); err == nil {
		err = e
	}
	taken := filepath.Join(dir, fmt.Sprintf("%s.%d", faultFile, os.Getpid()))
	if os.Rename(filepath.Join(dir, faultFile), taken) == nil {
		word, _ := os.ReadFile(taken)
		fault = string(word)
		_ = os.Remove(taken)
	}
	return c, Runs(dir), fault, err
}

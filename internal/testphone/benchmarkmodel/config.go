package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// config is fake_benchmark_model.json.
type config struct {
	Simulator string `json:"simulator"` // device name of devices/sim that gives the times
	Host      string `json:"host"`      // the same for the CPU that runs what falls back; default Simulator

	Prefix      bool `json:"prefix"`      // "INFO: " before the tool's own lines, since 2022
	Percentiles bool `json:"percentiles"` // percentiles after count= lines
	ResultFile  bool `json:"result_file"` // the flag result_file_path, since 2025
	Quiet       bool `json:"quiet"`       // the runtime does not print replaced nodes, as in builds for Linux

	Delegates []string `json:"delegates"` // delegates of this build: "xnnpack", "gpu", "nnapi", "hexagon", "external", "stable"
	Counter   string   `json:"counter"`   // a file that counts inferences of the accelerator

	// State is a folder with the number of runs so far, which seeds their noise. Without it every run
	// has the noise of the first.
	State string `json:"state"`
	// Fault happens at the next run. It is also read from the file "fault" in State, once.
	Fault string `json:"fault"`
	// Faults maps faults to their probabilities for a run, drawn by Seed and the run's number.
	Faults map[string]float64 `json:"faults"`
	Seed   uint64             `json:"seed"`
}

const configName = "fake_benchmark_model.json"

func loadConfig() (*config, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, file := range []string{os.Getenv("FAKE_BENCHMARK_MODEL"), filepath.Join(filepath.Dir(self), configName), "/data/local/tmp/" + configName} {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		c := &config{}
		if err := d.Decode(c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if c.Host == "" {
			c.Host = c.Simulator
		}
		return c, nil
	}
	return nil, errors.New("no " + configName)
}

// nextRun counts the runs of all processes that share State.
func (c *config) nextRun() int {
	if c.State == "" {
		return 0
	}
	return int(add(filepath.Join(c.State, "runs"), 1)) - 1
}

// add adds to the number in a file and returns the sum.
func add(file string, n int64) int64 {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake benchmark_model:", err)
		os.Exit(99)
	}
	defer f.Close()
	_ = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	var text [32]byte
	size, _ := f.ReadAt(text[:], 0)
	old, _ := strconv.ParseInt(strings.TrimSpace(string(text[:size])), 10, 64)
	sum := old + n
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.FormatInt(sum, 10)+"\n"), 0)
	return sum
}

// nextFault returns the fault of this run.
func (c *config) nextFault(run int) string {
	if c.State != "" {
		file := filepath.Join(c.State, "fault")
		taken := file + "." + strconv.Itoa(os.Getpid())
		if os.Rename(file, taken) == nil {
			text, _ := os.ReadFile(taken)
			_ = os.Remove(taken)
			return strings.TrimSpace(string(text))
		}
	}
	x := rand.New(rand.NewPCG(c.Seed, uint64(run))).Float64()
	for _, name := range faultNames {
		if x -= c.Faults[name]; x < 0 {
			return name
		}
	}
	return c.Fault
}

// faultNames are in the order in which they are drawn.
var faultNames = []string{"crash", "killed", "hang", "exit", "endless", "garbage", "truncated", "zero", "fall-back", "delegate-error"}

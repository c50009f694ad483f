package testphone

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Config is the configuration file of the fake benchmark_model, fake_benchmark_model.json. Package
// benchmarkmodel describes its fields.
type Config struct {
	Simulator   string             `json:"simulator"`
	Host        string             `json:"host,omitempty"`
	Prefix      bool               `json:"prefix"`
	Percentiles bool               `json:"percentiles"`
	ResultFile  bool               `json:"result_file"`
	Quiet       bool               `json:"quiet"`
	Delegates   []string           `json:"delegates"`
	Counter     string             `json:"counter,omitempty"`
	State       string             `json:"state,omitempty"`
	Fault       string             `json:"fault,omitempty"`
	Faults      map[string]float64 `json:"faults,omitempty"`
	Seed        uint64             `json:"seed,omitempty"`
}

// Today is the configuration of a current build with all delegates.
func Today(simulator string) Config {
	return Config{Simulator: simulator, Prefix: true, Percentiles: true, ResultFile: true,
		Delegates: []string{"xnnpack", "gpu", "nnapi", "hexagon", "external", "stable"}}
}

// ConfigName is the name of Config's file, which is beside the program or in /data/local/tmp of the
// phone.
const ConfigName = "fake_benchmark_model.json"

// Write writes the file into a folder.
func (c Config) Write(t testing.TB, dir string) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ConfigName)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// NextFault makes the next run of a benchmark_model whose State is the folder fail once: "crash",
// "killed", "hang", "exit", "endless", "garbage", "truncated", "zero", "fall-back" or
// "delegate-error".
func NextFault(t testing.TB, state, fault string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(state, "fault"), []byte(fault), 0o644); err != nil {
		t.Fatal(err)
	}
}

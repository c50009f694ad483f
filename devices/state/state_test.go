package state_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"latlab/devices"
	"latlab/devices/state"
)

// tree unpacks a recorded /proc and /sys.
func tree(t *testing.T, name string) string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, f := range a.Files {
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		want devices.State
	}{
		{"laptop.txtar", devices.State{
			LoadAverage: new(0.52), StealSeconds: new(0.0),
			FrequenciesHz:  map[string]float64{"0": 1.2e9, "1": 4.3e9},
			MaxFrequencyHz: map[string]float64{"0": 4.6e9, "1": 4.6e9},
			Governor:       "powersave,performance", Turbo: new(true),
			TemperaturesC: map[string]float64{"x86_pkg_temp.1": 52}, ThrottleCount: new(int64(7)), OnBattery: new(true),
		}},
		{"virtual.txtar", devices.State{LoadAverage: new(3.5), StealSeconds: new(12.34)}},
		{"acpi.txtar", devices.State{LoadAverage: new(0.0), Turbo: new(false), OnBattery: new(false)}},
		{"nothing.txtar", devices.State{}},
		{"garbage.txtar", devices.State{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := time.Now()
			got := state.Read(tree(t, tt.name))
			if got.Time.Before(before) {
				t.Errorf("Time is %v, want now", got.Time)
			}
			got.Time = time.Time{}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadThisMachine(t *testing.T) {
	if s := state.Read("/"); s.LoadAverage == nil {
		t.Error("a Linux machine has a load average")
	}
}

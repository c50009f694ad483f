package serve

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/devices"
	"latlab/exporters/prom"
)

// TestComputedDevices: a simulator is listed once, however many sweeps are on it; a phone is polled instead.
func TestComputedDevices(t *testing.T) {
	on := func(name string, kind devices.Kind) *prom.Sweep {
		return &prom.Sweep{Manifest: bench.Sweep{Device: devices.Info{Name: name, Kind: kind}}}
	}
	lab := prom.Lab{Sweeps: []*prom.Sweep{on("sim", devices.Simulated), on("phone", devices.Measured), on("vela", devices.Estimated), on("sim", devices.Simulated)}}
	var names []string
	for _, d := range computedDevices(lab) {
		names = append(names, d.Info.Name)
	}
	if d := cmp.Diff([]string{"sim", "vela"}, names); d != "" {
		t.Error(d)
	}
}

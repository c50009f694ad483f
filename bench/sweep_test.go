package bench_test

import (
	"testing"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/devices"
)

func TestSweepIdentity(t *testing.T) {
	p, _ := protocol.Named("default")
	base := func() bench.Sweep {
		return bench.Sweep{Space: "s", SpaceFile: "y", Sampling: bench.Uniform, Seed: 1, Format: "tflite", Precision: "float32", Protocol: p,
			Device: devices.Info{Name: "cpu", Threads: 1, CPUs: []int{1, 0}}}
	}
	a := base()
	for name, change := range map[string]func(s *bench.Sweep){
		"space": func(s *bench.Sweep) { s.Space = "t" }, "space file": func(s *bench.Sweep) { s.SpaceFile = "z" },
		"models": func(s *bench.Sweep) { s.ModelsHash = "h" }, "sampling": func(s *bench.Sweep) { s.Sampling = bench.Coverage },
		"seed": func(s *bench.Sweep) { s.Seed = 2 }, "precision": func(s *bench.Sweep) { s.Precision = "int8" },
		"device": func(s *bench.Sweep) { s.Device.Name = "gpu" }, "threads": func(s *bench.Sweep) { s.Device.Threads = 2 },
		"cpus": func(s *bench.Sweep) { s.Device.CPUs = []int{0} }, "protocol": func(s *bench.Sweep) { s.Protocol.MaxBlocks = 99 },
	} {
		b := base()
		if change(&b); a.Identity() == b.Identity() {
			t.Errorf("%s is not part of the identity", name)
		}
	}
	for name, change := range map[string]func(s *bench.Sweep){
		"networks": func(s *bench.Sweep) { s.Networks = 9 }, "fingerprint": func(s *bench.Sweep) { s.Device.Fingerprint = map[string]string{"a": "b"} },
		"order of cpus": func(s *bench.Sweep) { s.Device.CPUs = []int{0, 1} }, "tools": func(s *bench.Sweep) { s.Tools = map[string]string{"a": "b"} },
	} {
		b := base()
		if change(&b); a.Identity() != b.Identity() {
			t.Errorf("%s is part of the identity", name)
		}
	}
	if id := a.Identity(); len(id) != 12 {
		t.Errorf("identity %q", id)
	}
}

package qnnrun

import (
	"context"
	"path"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

// Tool is qnn-net-run for the inventory.
func Tool() tool.Tool {
	return tool.Tool{Name: program, Precisions: []model.Precision{model.Int8}, New: func() tool.Setup { return &setup{} }}
}

// setup holds the inventory's settings of one device.
type setup struct {
	binary string
	o      Options
}

func (s *setup) Fields() []tool.Field {
	return []tool.Field{
		tool.Binary(&s.binary),
		tool.Libraries(&s.o.Libraries),
		{Name: "soc", Form: "word", Means: "the chip: sm8650, or the compiler's own number of it",
			Read: tool.Into(&s.o.SoC, func(v strictyaml.Value) string { return v.Matching(tool.WordForm, "a chip's name") })},
		tool.HostPath("sdk", "folder of Qualcomm's AI Runtime SDK on this host, which has binary, libraries and viewer in it", &s.o.SDK),
		tool.HostPath("viewer", "qnn-profile-viewer, a file of this host; default: the SDK's, or from PATH", &s.o.Viewer),
		{Name: "perf_profile", Form: "word", Means: "clocks of the Hexagon; default: burst",
			Read: tool.Into(&s.o.PerfProfile, func(v strictyaml.Value) string { return v.OneOf(PerfProfiles()...) })},
	}
}

func (s *setup) Check(o strictyaml.Object, d tool.Device) {
	switch {
	case s.binary == "" && s.o.SDK == "":
		o.Fail("sdk", "is missing: give Qualcomm's SDK, or where %s is as binary", program)
	case s.o.SoC == "":
		o.Fail("soc", "is missing: which chip is it? sm8650, for example")
	case d.Local():
		o.Fail("tool", "qnn-net-run times on phones and boards (adb, ssh), not on this machine")
	}
}

func (s *setup) options(d tool.Device) Options {
	o := s.o
	o.Name, o.Python, o.CPUs, o.Budget = d.Name, d.Host.Python, d.CPUs, d.Budget
	if there, ok := strings.CutPrefix(s.binary, tool.OnDevice); ok {
		o.There = path.Dir(there)
	} else {
		o.NetRun = s.binary
	}
	return o
}

func (s *setup) Describe(d tool.Device) (devices.Info, error) { return Describe(s.options(d)) }

func (s *setup) Open(ctx context.Context, m *machine.Machine, d tool.Device) (devices.Device, error) {
	return tool.Opened(Open(ctx, m, s.options(d)))
}

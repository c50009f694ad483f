package trtexec

import (
	"context"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

// Tool is trtexec for the inventory.
func Tool() tool.Tool {
	return tool.Tool{
		Name: "trtexec", New: func() tool.Setup { return &setup{} },
		Precisions: []model.Precision{model.Precision(Float16), model.Precision(Float32), model.Precision(Int8)},
	}
}

// setup holds the inventory's settings of one device.
type setup struct {
	binary        string
	flags         map[string]string
	mixed, copies bool
}

func (s *setup) Fields() []tool.Field {
	return []tool.Field{
		tool.Binary(&s.binary),
		tool.Texts("flags", "more flags of the tool, of those that are known not to change the latency", &s.flags),
		tool.Switch("mixed", "engines of which layers are computed in another type than asked for are a warning, not INVALID", &s.mixed),
		tool.Switch("copies", "samples have the copies to and from the GPU in them", &s.copies),
	}
}

func (s *setup) Check(o strictyaml.Object, d tool.Device) {
	s.binary = d.LocalPath(s.binary)
	switch {
	case d.Transport == "adb":
		o.Fail("tool", "trtexec runs on boards and PCs (ssh, local), not on Android")
	case s.binary != "" && !d.Local() && !strings.HasPrefix(s.binary, tool.OnDevice):
		o.Fail("binary", "TensorRT is of the board's own installation: %s/PATH, not a file of this host", tool.OnDevice)
	}
}

func (s *setup) options(d tool.Device) Options {
	return Options{
		Name: d.Name, Path: strings.TrimPrefix(s.binary, tool.OnDevice), Precision: Precision(d.Precision), CPUs: d.CPUs,
		Flags: s.flags, Mixed: s.mixed, Latency: s.copies, EngineBudget: d.Budget,
	}
}

func (s *setup) Describe(d tool.Device) (devices.Info, error) { return Describe(s.options(d)) }

func (s *setup) Open(ctx context.Context, m *machine.Machine, d tool.Device) (devices.Device, error) {
	return tool.Opened(Open(ctx, m, s.options(d)))
}

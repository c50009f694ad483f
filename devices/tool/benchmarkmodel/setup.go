package benchmarkmodel

import (
	"context"
	"path"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// Tool is benchmark_model for the inventory.
func Tool() tool.Tool {
	return tool.Tool{
		Name: program, Threads: true, Precisions: []model.Precision{f32, i8}, New: func() tool.Setup { return &setup{} },
		Delegates: []tool.Delegate{
			{Name: XNNPACK}, {Name: None}, {Name: GPU}, {Name: NNAPI}, {Name: Hexagon, Precisions: []model.Precision{i8}},
			{Name: External, Library: true}, {Name: Stable, Library: true},
		},
	}
}

// setup holds the inventory's settings of one device.
type setup struct {
	binary   string
	plugin   tool.Plugin
	flags    map[string]string
	env      map[string]string
	counter  string
	harmless []string
}

func (s *setup) Fields() []tool.Field {
	return append(s.plugin.Fields(),
		tool.Binary(&s.binary),
		tool.Texts("flags", "more flags of the tool, of those that are known not to change the latency", &s.flags),
		tool.Texts("env", "environment variables of the tool", &s.env),
		tool.Field{Name: "counter", Form: "path", Means: "a file of the driver on the device that counts inferences: a block whose runs it did not count is no measurement",
			Read: func(v strictyaml.Value) {
				if s.counter = v.Word(); !path.IsAbs(s.counter) {
					v.Fail("must be absolute, not %q", text.Clip(s.counter))
				}
			}},
		tool.Words("harmless", "parts of the vendor's ERROR lines that are known to mean nothing; others make a block doubtful", &s.harmless))
}

func (s *setup) Check(o strictyaml.Object, d tool.Device) {
	if s.binary == "" {
		o.Fail("binary", "is missing: where is %s?", program)
	}
	s.binary = d.LocalPath(s.binary)
	s.plugin.Check(o, d)
	// The tool takes them as NAME:VALUE;NAME:VALUE (external_delegate_provider.cc).
	for name, value := range s.plugin.Options {
		if strings.ContainsAny(value, ":;") {
			o.Get("delegate_options").At(name).Fail("benchmark_model takes no ':' and no ';' in an option: %q", text.Clip(value))
		}
	}
}

func (s *setup) options(d tool.Device) Options {
	o := Options{
		Name: d.Name, Binary: fileOf(s.binary), Libraries: s.plugin.Libraries, Delegate: d.Delegate.Name, LibraryOptions: s.plugin.Options,
		Flags: s.flags, Threads: d.Threads, CPUs: d.CPUs, Counter: s.counter, Harmless: s.harmless, Transport: d.Transport,
	}
	for name, value := range s.env {
		o.Env = append(o.Env, name+"="+value)
	}
	slices.Sort(o.Env)
	switch {
	case d.Delegate.Name == Stable:
		o.Settings = fileOf(s.plugin.Library)
	case d.Delegate.Library:
		// The tool has a flag only for an external library: an Edge TPU's is loaded like any other.
		o.Delegate, o.Library, o.Precisions = External, fileOf(s.plugin.Library), d.Delegate.Precisions
	}
	return o
}

func fileOf(p string) File {
	if there, ok := strings.CutPrefix(p, tool.OnDevice); ok {
		return File{Device: there}
	}
	return File{Host: p}
}

func (s *setup) Describe(d tool.Device) (devices.Info, error) { return Describe(s.options(d)) }

func (s *setup) Open(ctx context.Context, m *machine.Machine, d tool.Device) (devices.Device, error) {
	return tool.Opened(Open(ctx, m, s.options(d)))
}

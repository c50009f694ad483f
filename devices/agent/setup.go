package agent

import (
	"cmp"
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

// Tool is latlab-agent in the inventory: with XNNPACK, the runtime's own kernels or a delegate's library.
func Tool() tool.Tool {
	return tool.Tool{
		Name: "agent", Threads: true, Precisions: []model.Precision{model.Float32, model.Int8}, New: func() tool.Setup { return &setup{} },
		Delegates: []tool.Delegate{{Name: wire.XNNPACK}, {Name: wire.None}, {Name: wire.External, Library: true}},
	}
}

type setup struct {
	plugin tool.Plugin
	name   string // of an external delegate
	onCPU  bool
	arch   string
}

func (s *setup) Fields() []tool.Field {
	return append(s.plugin.Fields(),
		tool.Field{Name: "delegate_name", Form: "word", Means: "what an external delegate is called in proofs: armnn, qnn",
			Read: tool.Into(&s.name, func(v strictyaml.Value) string { return v.Matching(tool.WordForm, "a word") })},
		tool.Switch("delegate_on_cpu", "an external delegate computes on the CPU, as Arm NN may: what it leaves is then a warning and no reason for INVALID", &s.onCPU),
		tool.Field{Name: "arch", Form: "word", Means: "of the processor, as Go calls it (arm64, amd64), where the device's own word misleads: behind an emulator",
			Read: tool.Into(&s.arch, func(v strictyaml.Value) string { return v.OneOf("arm64", "amd64") })})
}

func (s *setup) Check(o strictyaml.Object, d tool.Device) {
	s.plugin.Check(o, d)
	for _, f := range []string{"delegate_name", "delegate_on_cpu"} {
		if o.Has(f) && d.Delegate.Name != wire.External {
			o.Fail(f, "is of the delegate external, not of %s", d.Delegate.Name)
		}
	}
	if slices.Contains([]string{wire.XNNPACK, wire.None, wire.External, EdgeTPU}, s.name) {
		o.Fail("delegate_name", "%q is another delegate's name", s.name)
	}
	if o.Has("libraries") && !d.Delegate.Library {
		o.Fail("libraries", "are of a delegate with a library: the agent brings its own")
	}
}

func (s *setup) options(d tool.Device, library string) Options {
	return Options{
		Name: d.Name, Path: d.Host.Agent, Bundles: d.Host.Bundles, Threads: d.Threads, CPUs: d.CPUs, Arch: s.arch,
		Delegate: Delegate{Name: cmp.Or(s.name, d.Delegate.Name), Library: library, Options: s.plugin.Options, OnCPU: s.onCPU},
	}
}

func (s *setup) Describe(d tool.Device) (devices.Info, error) {
	return Describe(s.options(d, s.plugin.Library)), nil
}

func (s *setup) Open(ctx context.Context, m *machine.Machine, d tool.Device) (devices.Device, error) {
	library, err := s.bringLibrary(ctx, m)
	if err != nil {
		return nil, err
	}
	return tool.Opened(Open(ctx, m, s.options(d, library)))
}

// bringLibrary copies the delegate's library and the libraries beside it that it needs to the
// machine, and returns its path there.
func (s *setup) bringLibrary(ctx context.Context, m *machine.Machine) (string, error) {
	there, own := strings.CutPrefix(s.plugin.Library, tool.OnDevice)
	if own || s.plugin.Library == "" || m.Local() {
		return there, nil
	}
	files := map[string]string{}
	for _, p := range slices.Concat(s.plugin.Libraries, []string{s.plugin.Library}) {
		files[filepath.Base(p)] = p
	}
	dir, err := m.Install(ctx, machine.Program{Name: "delegate", Files: files})
	if err != nil {
		return "", err
	}
	return path.Join(dir, filepath.Base(s.plugin.Library)), nil
}

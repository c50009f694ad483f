package inventory

import (
	"context"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool/benchmarkmodel"
)

// benchmarkTiming is the user's benchmark_model.
func (l *Lab) benchmarkTiming(e *entry) timing {
	o := benchmarkOptions(e)
	return timing{
		describe: func() (devices.Info, error) { return benchmarkmodel.Describe(o) },
		open: func(ctx context.Context, m *machine.Machine) (devices.Device, error) {
			d, err := benchmarkmodel.Open(ctx, m, o)
			if err != nil {
				return nil, err
			}
			return d, nil
		},
	}
}

func benchmarkOptions(e *entry) benchmarkmodel.Options {
	o := benchmarkmodel.Options{
		Name: e.name, Binary: benchmarkFile(e.binary), Libraries: e.libraries,
		Delegate: e.delegate, LibraryOptions: e.delegateOptions, Flags: e.flags,
		Threads: e.threads, CPUs: e.cpus, Env: e.env, Counter: e.counter, Harmless: e.harmless, Transport: e.transport(),
	}
	switch e.delegate {
	case delegateExternal:
		o.Library = benchmarkFile(e.delegateLibrary)
	case delegateEdgeTPU:
		// The tool has no flag of its own for it: its library is a plug-in like any other.
		o.Delegate, o.Library = benchmarkmodel.External, benchmarkFile(e.delegateLibrary)
		o.Precisions = edgeTPUPrecisions
	case delegateStable:
		o.Settings = benchmarkFile(e.delegateLibrary)
	}
	return o
}

func benchmarkFile(p string) benchmarkmodel.File {
	if there, ok := strings.CutPrefix(p, onDevice); ok {
		return benchmarkmodel.File{Device: there}
	}
	return benchmarkmodel.File{Host: p}
}

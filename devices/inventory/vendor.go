package inventory

import (
	"context"
	"path"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool/edgetpu"
	"latlab/devices/tool/qnnrun"
	"latlab/devices/tool/trtexec"
)

// trtexecTiming is TensorRT's own program on a board.
func (l *Lab) trtexecTiming(e *entry) timing {
	o := trtexec.Options{
		Name: e.name, Path: strings.TrimPrefix(e.binary, onDevice), Precision: trtexec.Precision(e.precision), CPUs: e.cpus,
		Flags: e.flags, Mixed: e.mixed, Latency: e.copies, EngineBudget: e.budget,
	}
	return timing{
		describe: func() (devices.Info, error) { return trtexec.Describe(o) },
		open: func(ctx context.Context, m *machine.Machine) (devices.Device, error) {
			d, err := trtexec.Open(ctx, m, o)
			if err != nil {
				return nil, err
			}
			return d, nil
		},
	}
}

// qnnRunTiming is Qualcomm's own program on a phone or board of theirs.
func (l *Lab) qnnRunTiming(e *entry) timing {
	o := qnnrun.Options{
		Name: e.name, SoC: e.soc, Python: l.o.Python, SDK: e.sdk, Libraries: e.libraries, Viewer: e.viewer,
		PerfProfile: e.perfProfile, CPUs: e.cpus, Budget: e.budget,
	}
	if there, ok := strings.CutPrefix(e.binary, onDevice); ok {
		o.There = path.Dir(there)
	} else {
		o.NetRun = e.binary
	}
	return timing{
		describe: func() (devices.Info, error) { return qnnrun.Describe(o) },
		open: func(ctx context.Context, m *machine.Machine) (devices.Device, error) {
			d, err := qnnrun.Open(ctx, m, o)
			if err != nil {
				return nil, err
			}
			return d, nil
		},
	}
}

// compiled puts edgetpu_compiler in front of a tool whose delegate is an Edge TPU's.
func (l *Lab) compiled(inner timing, e *entry) timing {
	return timing{
		describe: func() (devices.Info, error) {
			info, err := inner.describe()
			return edgetpu.Describe(info), err
		},
		open: func(ctx context.Context, m *machine.Machine) (devices.Device, error) {
			d, err := inner.open(ctx, m)
			if err != nil {
				return nil, err
			}
			c, err := edgetpu.Wrap(ctx, d, edgetpu.Options{Compiler: e.compiler, MinRuntime: e.minRuntime, Budget: e.budget})
			if err != nil {
				_ = d.Close() // the other error is why
				return nil, &partError{"compiler", err}
			}
			return c, nil
		},
	}
}

// partError says at which step of a check making a device failed.
type partError struct {
	part string
	err  error
}

func (e *partError) Error() string { return e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

package inventory

import (
	"context"
	"strings"

	"latlab/devices"
	"latlab/devices/tool/python"
	"latlab/devices/tool/qnn"
	"latlab/devices/tool/vela"
	"latlab/devices/transport"
)

// velaFamily is Arm's NPUs as its own compiler sees them.
func velaFamily() family {
	return family{
		what:  "an estimator",
		owns:  func(name string) bool { return strings.HasPrefix(name, vela.Prefix) },
		names: vela.Names, tool: vela.Names()[0],
		forms: []string{vela.Prefix + "ACCELERATOR[:SYSTEM_CONFIG[:MEMORY_MODE]]"},
		describe: func(name string, o Options) (devices.Info, error) {
			v, err := velaOptions(name, o)
			if err != nil {
				return devices.Info{}, err
			}
			return vela.Describe(v)
		},
		open: func(ctx context.Context, name string, o Options) (devices.Device, error) {
			v, err := velaOptions(name, o)
			if err != nil {
				return nil, err
			}
			d, err := vela.Open(ctx, transport.Local{}, v)
			if err != nil {
				return nil, err
			}
			return d, nil
		},
		check: func(ctx context.Context, _ string, o Options) []Step {
			return toolSteps(vela.Check(ctx, transport.Local{}, o.Python))
		},
	}
}

// velaOptions: what follows the prefix is a name, so a mistake in it is a device that is
// not there.
func velaOptions(name string, o Options) (vela.Options, error) {
	v, err := vela.ParseName(name)
	if err != nil {
		return v, &UnknownError{Name: name, Err: err}
	}
	v.Python, v.ConfigFile = o.Python, o.VelaConfig
	return v, nil
}

// qnnFamily is Qualcomm's Hexagons as its own compiler sees them.
func qnnFamily() family {
	return family{
		what:  "an estimator",
		owns:  func(name string) bool { return strings.HasPrefix(name, qnn.Prefix) },
		names: qnn.Names, tool: qnn.Names()[0],
		describe: func(name string, o Options) (devices.Info, error) {
			q, err := qnnOptions(name, o)
			if err != nil {
				return devices.Info{}, err
			}
			return qnn.Describe(q)
		},
		open: func(ctx context.Context, name string, o Options) (devices.Device, error) {
			q, err := qnnOptions(name, o)
			if err != nil {
				return nil, err
			}
			d, err := qnn.Open(ctx, transport.Local{}, q)
			if err != nil {
				return nil, err
			}
			return d, nil
		},
		check: func(ctx context.Context, _ string, o Options) []Step {
			return toolSteps(qnn.Check(ctx, transport.Local{}, o.Python))
		},
	}
}

func qnnOptions(name string, o Options) (qnn.Options, error) {
	q, err := qnn.ParseName(name)
	if err != nil {
		return q, &UnknownError{Name: name, Err: err}
	}
	q.Python = o.Python
	return q, nil
}

func toolSteps(found []python.Step) []Step {
	steps := make([]Step, len(found))
	for i, f := range found {
		steps[i] = Step{Name: f.Name, State: OK, Detail: oneLine(f.Detail), Type: f.Advice}
		switch {
		case !f.OK:
			steps[i].State = Missing
		case f.Advice != "":
			steps[i].State = Note
		}
	}
	return steps
}

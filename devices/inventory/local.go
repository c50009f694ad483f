package inventory

import (
	"context"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/machine"
)

// Local is the name of this machine.
const Local = "cpu"

func localFamily() family {
	return family{
		what:  "this machine",
		owns:  func(name string) bool { return name == Local },
		names: func() []string { return []string{Local} },
		check: checkLocal, threaded: true,
		describe: func(_ string, o Options) (devices.Info, error) {
			return agent.Describe(localOptions(o)), nil
		},
		open: openLocal,
	}
}

func openLocal(ctx context.Context, _ string, o Options) (devices.Device, error) {
	return agent.Open(ctx, machine.Here(Local), localOptions(o))
}

func localOptions(o Options) agent.Options {
	return agent.Options{Name: Local, Path: o.AgentPath, Threads: o.Threads, CPUs: o.CPUs}
}

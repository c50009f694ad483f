package inventory

import (
	"context"

	"latlab/devices"
	"latlab/devices/sim"
)

func simulatedFamily() family {
	return family{
		what: "a simulator",
		owns: sim.Owns, names: sim.Names, forms: sim.Forms(),
		check: checkSimulated,
		describe: func(name string, _ Options) (devices.Info, error) {
			info, err := sim.Describe(name)
			return info, unknown(name, err, sim.ErrUnknown)
		},
		open: func(_ context.Context, name string, _ Options) (devices.Device, error) {
			d, err := sim.Open(sim.Options{Name: name})
			if err != nil {
				return nil, unknown(name, err, sim.ErrUnknown)
			}
			return d, nil
		},
	}
}

// Package benchmarkmodel is a Device that runs TFLite's benchmark_model on a machine: the user's own
// build, with its delegates and their libraries. It is for delegates that the agent cannot load, above
// all a phone's vendor libraries.
//
// The tool prints no samples, so a Block's figures are a Summary. Its lines prove in every block who
// executed the graph (proof.go); a run in which the CPU executed what an accelerator was asked for is
// an error. The package refuses to guess what a line means (parse.go), and refuses flags that would
// silently change what is measured (flags.go). plan.go lists what of a plan the tool cannot do.
//
// Its neighbours: devices/tool runs the program, devices/machine copies models and files to the
// machine, devices/agent runs latlab's own program, which gives samples.
package benchmarkmodel

import (
	"context"

	"latlab/devices"
	"latlab/devices/machine"
)

// program is the tool's name in messages, and the name of its folder on the machine.
const program = "benchmark_model"

// Device times models with benchmark_model.
type Device struct {
	o       Options
	kind    *kind
	m       *machine.Machine
	info    devices.Info
	program string   // path on the machine
	args    []string // the same for every run
	env     []string
	usage   usage
	runtime string
	temp    *machine.Temp // for result files; made by the first run
	runs    int
}

var (
	_ devices.Device  = (*Device)(nil)
	_ devices.Layerer = (*Device)(nil)
)

// Open copies the program to the machine, asks it for its flags, and refuses options that this build
// lacks.
func Open(ctx context.Context, m *machine.Machine, o Options) (*Device, error) {
	o, err := prepared(o)
	if err != nil {
		return nil, err
	}
	info, err := Describe(o)
	if err != nil {
		return nil, err
	}
	d := &Device{o: o, kind: kindOf(o.Delegate), m: m, info: info}
	for _, step := range []func(context.Context) error{d.install, d.askUsage, d.identify} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Device) op() string { return "open device " + d.o.Name }

// Info describes the device.
func (d *Device) Info() devices.Info { return d.info }

// Close removes the tool's files and closes the machine.
func (d *Device) Close() error {
	if d.temp != nil {
		d.temp.Close()
	}
	return d.m.Close()
}

// Package benchmarkmodel is the Device made of TFLite's benchmark_model on a machine: the
// user's own build, with the delegates that it has and the libraries that belong to them. It
// is for what the agent cannot load, a phone's vendor libraries above all.
//
// What the tool prints becomes a Block whose figures are a Summary: it gives no samples.
// Who executed the graph is proven from its lines in every block (proof.go); a run of which
// the CPU had what an accelerator was asked for is an error. The package refuses to guess
// what a line means (parse.go), and flags that would change what is measured behind
// latlab's back (flags.go). What a plan cannot be told is in plan.go.
//
// Its neighbours: devices/tool runs the program, devices/machine brings models and files
// there, devices/agent is latlab's own program, which gives samples.
package benchmarkmodel

import (
	"context"

	"latlab/devices"
	"latlab/devices/machine"
)

// program is the tool's name for people, and that of its folder on the machine.
const program = "benchmark_model"

// Device times models with benchmark_model.
type Device struct {
	o       Options
	kind    *kind
	m       *machine.Machine
	info    devices.Info
	program string   // path there
	args    []string // the same for every run
	env     []string
	usage   usage
	runtime string
	temp    *machine.Temp // of result files; made at the first run
	runs    int
}

var (
	_ devices.Device  = (*Device)(nil)
	_ devices.Layerer = (*Device)(nil)
)

// Open brings the program there, asks it for its flags, and refuses what this build lacks.
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

// Close removes what the tool wrote and gives the machine up.
func (d *Device) Close() error {
	if d.temp != nil {
		d.temp.Close()
	}
	return d.m.Close()
}

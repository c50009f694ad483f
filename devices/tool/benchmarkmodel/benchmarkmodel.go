// Package benchmarkmodel is a Device that runs TFLite's benchmark_model on a machine: the user's own
// build, with its delegates and their libraries. It is for delegates that the agent cannot load, above
// all a phone's vendor libraries.
//
// The tool prints no samples, so a Block's figures are a Summary. Its lines prove in every block who
// executed the graph (proof.go); a run in which the CPU executed what an accelerator was asked for is
// an error. The package refuses to guess what a line means (parse.go), and refuses flags that would
// silently change what is measured (flags.go). planArgs lists what of a plan the tool cannot do.
//
// Its neighbours: devices/tool runs the program, devices/machine copies models and files to the
// machine, devices/agent runs latlab's own program, which gives samples.
package benchmarkmodel

import (
	"context"
	"math"
	"strconv"

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

var _ devices.Profiler = (*Device)(nil)

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

// planArgs translates a plan into the tool's flags. The tool's loop runs
//
//	while (runs < num_runs or time < min_secs) and time <= max_secs
//
// so it honours MinRuns and MinSeconds directly. max_secs would end a slow network before its MinRuns,
// so it is set to the plan's timeout: Plan.MaxSeconds applies once MinRuns are done, and then only
// limits MinSeconds. The tool has no flag for MaxRuns: a network faster than MinSeconds/MaxRuns runs
// more often than that, in the same time. If MinRuns and MaxRuns are equal, min_secs is 0 and the
// number of runs is exact.
//
// Rejected: num_runs computed from the latency of an earlier block, with min_secs 0. A network's first
// block would then follow a different rule than its later ones.
//
// The tool has no flag for the seed of the inputs either: it takes a new one every time.
func planArgs(p devices.Plan) []string {
	runs, seconds := max(1, p.MinRuns), max(0, p.MinSeconds)
	if p.MaxSeconds > 0 {
		seconds = min(seconds, p.MaxSeconds)
	}
	if p.MaxRuns > 0 && runs >= p.MaxRuns {
		seconds = 0
	}
	return []string{
		"--num_runs=" + strconv.Itoa(min(runs, math.MaxInt32)),
		"--min_secs=" + secs(seconds),
		"--max_secs=" + secs(max(1, p.Timeout.Seconds())),
		// The first warm-up is the first inference; without it that figure would be missing.
		"--warmup_runs=" + strconv.Itoa(min(max(1, p.WarmUpRuns), math.MaxInt32)),
		"--warmup_min_secs=" + secs(max(0, p.WarmUpSeconds)),
	}
}

// maxSecs keeps the tool's sum of microseconds, an int64, far from overflow.
const maxSecs = 1e9

func secs(s float64) string { return strconv.FormatFloat(min(s, maxSecs), 'g', -1, 32) }

// Package qnnrun is a Device that times networks on the Hexagon processor of a Qualcomm phone or
// board. Qualcomm's compiler (devices/tool/qnn) compiles each network once, on this host, to the
// context binary that the chip loads. Each block runs the user's qnn-net-run with it, in a fresh
// process. The user's qnn-profile-viewer on this host turns the profile that qnn-net-run writes into a
// table with the time of every execution.
//
// The samples are qnn-net-run's own times of an execution, as an application sees them: they include
// the call to the processor and back. The processor's own times are recorded beside them and prove
// that it ran: a run without them is not a measurement.
//
// The package refuses networks that the processor takes only partly, and profiles of an unknown form.
// It ships nothing of Qualcomm's: qnn-net-run, its libraries and the viewer come from the user's SDK
// (QAIRT), under its licence.
//
// A profile (Profile) has the cycles of every op, which QNN counts only in runs of their own.
//
// qnn-net-run takes a number of executions, not a duration. If a plan asks for seconds, the number is
// computed from the execution time seen last.
//
// devices/inventory opens it. Sources: Qualcomm's documents of qnn-net-run and qnn-profile-viewer
// (80-63442-50, "Tools"), their use and the table's form in public projects on phones with QAIRT 2.2x
// to 2.4x; onnxruntime's documentation of the QNN provider for the context. Only the compiler has been
// run for real; everything else was tried with stand-ins. That a phone's runtime loads onnxruntime's
// contexts is what the documents say. A context needs a runtime that is not older than the compiler
// (onnxruntime-qnn prints the QNN version that it contains).
package qnnrun

import (
	"context"
	"errors"
	"maps"
	"os"
	"sync"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/tool/qnn"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// Device times context binaries with qnn-net-run.
type Device struct {
	m        *machine.Machine
	host     *machine.Machine // this machine, on which the viewer runs
	o        Options
	info     devices.Info
	compiler *qnn.Compiler
	there    place
	dir      string // private folder on this host
	contexts *tool.Cache[*compiled]
	median   sync.Map // float64, seconds of an execution in the last run, by the model's identity
}

var (
	_ devices.Preparer = (*Device)(nil)
	_ devices.Profiler = (*Device)(nil)
)

// Describe returns what is known of the device before anything is started: all of Info but the
// fingerprint.
func Describe(o Options) (devices.Info, error) {
	o, err := o.complete()
	if err != nil {
		return devices.Info{}, err
	}
	return devices.Info{
		Name: o.Name, Kind: devices.Measured, Harness: program,
		Formats: []model.Format{model.ONNX}, Precisions: []model.Precision{model.Int8}, Calls: []model.CallOption{model.GivenShape, model.GivenValue, model.GivenFile},
		Delegate: qnn.Delegate, Threads: 1, CPUs: o.CPUs, Accelerator: true,
	}, nil
}

// Open checks for the compiler and the viewer, and copies qnn-net-run with its libraries to the
// machine. Only a network shows whether they fit the processor: Prepare runs it once.
func Open(ctx context.Context, m *machine.Machine, o Options) (*Device, error) {
	info, err := Describe(o)
	if err != nil {
		return nil, err
	}
	o, _ = o.complete() // Describe has checked for errors
	op := "open device " + o.Name
	if err := o.checkFiles(op); err != nil {
		return nil, err
	}
	d := &Device{m: m, host: machine.Here("this host"), o: o, info: info}
	d.contexts = tool.NewCache(o.Budget, (*compiled).remove)
	if d.compiler, err = qnn.OpenCompiler(ctx, transport.Local{}, op, o.SoC, o.Python); err != nil {
		return nil, err
	}
	if d.there, err = install(ctx, m, o); err != nil {
		return nil, err
	}
	d.info.Fingerprint = d.compiler.Fingerprint()
	maps.Copy(d.info.Fingerprint, map[string]string{"perf_profile": o.PerfProfile, "runtime_files": d.there.identity})
	if d.dir, err = os.MkdirTemp("", "latlab-qnn-"); err != nil {
		return nil, hostError(op, err)
	}
	return d, nil
}

// Info describes the device.
func (d *Device) Info() devices.Info { return d.info }

// Close removes the contexts and closes the machine.
func (d *Device) Close() error {
	d.contexts.Clear()
	return errors.Join(d.m.Close(), os.RemoveAll(d.dir))
}

// Prepare compiles the model, copies its context to the machine and executes it a few times: a context
// that the runtime does not load is reported before a block is planned.
func (d *Device) Prepare(ctx context.Context, m *model.Model) error {
	op := "prepare " + m.Name
	if err := tool.Accepts(d.info, m, op); err != nil {
		return err
	}
	deadline := time.Now().Add(compileTimeout)
	c, done, err := d.context(ctx, op, m, deadline)
	if err != nil {
		return err
	}
	defer done()
	return d.pilot(ctx, job{op: op, identity: m.Identity, context: c, deadline: deadline})
}

// Run times one block. The block's timeout includes everything that Prepare has not done.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	return d.block(ctx, m, job{op: op, identity: m.Identity, plan: plan}, d.time)
}

// block compiles a model and does something with its context. It fills in the job's deadline and context.
func (d *Device) block(ctx context.Context, m *model.Model, j job, do func(context.Context, job, *devices.Block) error) (*devices.Block, error) {
	if err := tool.Accepts(d.info, m, j.op); err != nil {
		return nil, err
	}
	return d.m.Block(ctx, j.op, func(b *devices.Block) error {
		j.deadline = b.Started.Add(j.plan.Timeout)
		c, done, err := d.context(ctx, j.op, m, j.deadline)
		if err != nil {
			return err
		}
		defer done()
		j.context = c
		if d.last(m.Identity) == 0 && (j.plan.MinSeconds > 0 || j.plan.WarmUpSeconds > 0) {
			if err := d.pilot(ctx, j); err != nil {
				return err
			}
		}
		return do(ctx, j, b)
	})
}

// last is a model's execution time in its last run, 0 if there was none.
func (d *Device) last(identity string) float64 {
	median, _ := d.median.Load(identity)
	seconds, _ := median.(float64)
	return seconds
}

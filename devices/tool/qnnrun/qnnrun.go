// Package qnnrun times networks on a Qualcomm phone's or board's Hexagon processor as a
// Device: each is compiled once on this host, by Qualcomm's compiler (devices/tool/qnn), to
// the context binary that the chip loads, and each block is a run of the user's qnn-net-run
// with it, in a fresh process. The profile that qnn-net-run writes is turned into a table by
// the user's qnn-profile-viewer on this host, and has the time of every execution.
//
// The samples are qnn-net-run's own times of an execution, as an application sees them: the
// call to the processor and back is in them. The processor's own times are figures beside
// them, and the proof that it ran: a run that has none of them is no measurement.
//
// The package refuses networks that the processor does not take whole, profiles of another
// form than the one that it knows, and to ship anything of Qualcomm's: qnn-net-run, its
// libraries and the viewer are of the user's SDK (QAIRT), under its licence.
//
// The loop is told how many executions there are and not how long; where a plan asks for
// seconds, the number is made of the time that was seen last.
//
// It is opened by devices/inventory. Sources: Qualcomm's documents of qnn-net-run and
// qnn-profile-viewer (80-63442-50, "Tools"), their use and the table's form in public
// projects on phones with QAIRT 2.2x to 2.4x; onnxruntime's documentation of the QNN provider
// for the context. It has been run against stand-ins only, and the compiler for real: that a
// phone's runtime loads onnxruntime's contexts is what the documents say. A context needs a
// runtime that is not older than the compiler (onnxruntime-qnn says which QNN it has inside).
package qnnrun

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
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
	host     *machine.Machine // this one, where the viewer runs
	o        Options
	info     devices.Info
	compiler *qnn.Compiler
	there    place
	dir      string // of this host, private
	contexts *tool.Cache[*compiled]

	mu     sync.Mutex
	median map[string]float64 // seconds that an execution took last, by the model's identity
}

var (
	_ devices.Device   = (*Device)(nil)
	_ devices.Preparer = (*Device)(nil)
)

// Describe is what is known of the device before anything is started: all but the
// fingerprint.
func Describe(o Options) (devices.Info, error) {
	o, err := o.complete()
	if err != nil {
		return devices.Info{}, err
	}
	return devices.Info{
		Name: o.Name, Kind: devices.Measured, Harness: program,
		Formats: []model.Format{model.ONNX}, Precisions: []model.Precision{model.Int8},
		Delegate: qnn.Delegate, Threads: 1, CPUs: o.CPUs, Accelerator: true,
	}, nil
}

// Open asks for the compiler and the viewer, and brings qnn-net-run with its libraries to the
// machine. Whether they fit the processor only a network shows: Prepare runs it once.
func Open(ctx context.Context, m *machine.Machine, o Options) (*Device, error) {
	info, err := Describe(o)
	if err != nil {
		return nil, err
	}
	o, _ = o.complete() // Describe did it
	op := "open device " + o.Name
	if err := o.checkFiles(op); err != nil {
		return nil, err
	}
	d := &Device{m: m, host: machine.Here("this host"), o: o, info: info, median: map[string]float64{}}
	d.contexts = tool.NewCache(o.Budget, (*compiled).remove)
	if d.compiler, err = qnn.OpenCompiler(ctx, transport.Local{}, op, o.SoC, o.Python); err != nil {
		return nil, err
	}
	if d.there, err = bring(ctx, m, o); err != nil {
		return nil, err
	}
	d.info.Fingerprint = d.compiler.Fingerprint()
	maps.Copy(d.info.Fingerprint, map[string]string{"perf_profile": o.PerfProfile, "runtime_files": d.there.identity})
	if d.dir, err = os.MkdirTemp("", "latlab-qnn-"); err != nil {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: machine.ReasonFolder, Err: err}
	}
	return d, nil
}

// Info describes the device.
func (d *Device) Info() devices.Info { return d.info }

// Close removes the contexts and gives the machine up.
func (d *Device) Close() error {
	d.contexts.Clear()
	return errors.Join(d.m.Close(), os.RemoveAll(d.dir))
}

// Prepare compiles the model, brings its context to the machine and executes it a few times:
// a context that the runtime there does not load is told before a block is planned.
func (d *Device) Prepare(ctx context.Context, m *model.Model) error {
	op := "prepare " + m.Name
	if err := d.accepts(m, op); err != nil {
		return err
	}
	deadline := time.Now().Add(d.o.CompileTimeout)
	c, done, err := d.context(ctx, op, m, deadline)
	if err != nil {
		return err
	}
	defer done()
	return d.pilot(ctx, job{op: op, identity: m.Identity, context: c, deadline: deadline})
}

// Run times one block. What Prepare did not do is part of the block's timeout.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	if err := d.accepts(m, op); err != nil {
		return nil, err
	}
	return d.m.Block(ctx, op, func(b *devices.Block) error {
		j := job{op: op, identity: m.Identity, plan: plan, deadline: b.Started.Add(plan.Timeout)}
		c, done, err := d.context(ctx, op, m, j.deadline)
		if err != nil {
			return err
		}
		defer done()
		j.context = c
		if d.last(m.Identity) == 0 && (plan.MinSeconds > 0 || plan.WarmUpSeconds > 0) {
			if err := d.pilot(ctx, j); err != nil {
				return err
			}
		}
		return d.time(ctx, j, b)
	})
}

func (d *Device) accepts(m *model.Model, op string) error {
	if slices.Contains(d.info.Formats, m.Format) && slices.Contains(d.info.Precisions, m.Precision) {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
		Err: fmt.Errorf("device %s does not take %s models in %s", d.o.Name, m.Format, m.Precision)}
}

// last is what an execution of a model took in its last run, 0 where there was none.
func (d *Device) last(identity string) float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.median[identity]
}

func (d *Device) saw(identity string, median float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.median[identity] = median
}

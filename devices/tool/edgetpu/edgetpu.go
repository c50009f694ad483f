// Package edgetpu makes a Device for Google's Edge TPU of one that runs compiled models:
// latlab-agent or benchmark_model with libedgetpu. Each model is compiled once, on this host,
// by the user's edgetpu_compiler, and the compiled file is what the inner device times.
//
// The compiler's own report is the proof of delegation: how many of the model's operators run
// on the Edge TPU, and why the others do not. A model that does not map wholly is timed all
// the same and says so, so that it is INVALID; one of which nothing maps is refused, for its
// time would be the CPU's. The inner device must besides prove that its delegate took what was
// compiled.
//
// A block's ModelSHA256 is that of the compiled file: these bytes were timed. The model that
// was compiled is known by its identity.
//
// The package refuses reports that it cannot read whole, and models that are not int8. The
// compiler has not been maintained since 2021 and knows the operator versions of then; what
// sampler/tflite writes is below them (its tests).
//
// It is opened by devices/inventory. Sources: coral.ai/docs/edgetpu/compiler; reports of
// versions 2 to 16 in issues of google-coral/edgetpu (#173, #189, #211, #313, #342). Neither
// the compiler nor an Edge TPU has been run with it.
package edgetpu

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// Delegate is the Edge TPU's name in proofs.
const Delegate = "edgetpu"

// Device compiles models for its inner device.
type Device struct {
	inner devices.Device
	info  devices.Info
	c     *compiler
	busy  atomic.Bool
}

var (
	_ devices.Device   = (*Device)(nil)
	_ devices.Preparer = (*Device)(nil)
)

// Describe is what Wrap makes of an inner device's Info, but for the fingerprint.
func Describe(inner devices.Info) devices.Info {
	inner.Formats, inner.Precisions = []model.Format{model.TFLite}, []model.Precision{model.Int8}
	inner.Accelerator, inner.Delegate, inner.Compute = true, Delegate, nil
	return inner
}

// Wrap asks the compiler for its version. The inner device is the Device's from then on, and
// closed with it; where Wrap fails it stays the caller's.
func Wrap(ctx context.Context, inner devices.Device, o Options) (*Device, error) {
	d := &Device{inner: inner, info: Describe(inner.Info())}
	o = o.complete()
	op := "open device " + d.info.Name
	found, err := probe(ctx, op, o)
	if err != nil {
		return nil, err
	}
	if d.c, err = newCompiler(op, o); err != nil {
		return nil, err
	}
	d.info.Fingerprint = maps.Clone(d.info.Fingerprint)
	if d.info.Fingerprint == nil {
		d.info.Fingerprint = map[string]string{}
	}
	maps.Copy(d.info.Fingerprint, found)
	return d, nil
}

// Info describes the device.
func (d *Device) Info() devices.Info { return d.info }

// Close removes the compiled models and closes the inner device.
func (d *Device) Close() error { return errors.Join(d.inner.Close(), d.c.close()) }

// Prepare compiles the model, unless it is compiled already, and prepares the inner device.
func (d *Device) Prepare(ctx context.Context, m *model.Model) error {
	op := "compile " + m.Name
	if err := d.accepts(m, op); err != nil {
		return err
	}
	c, done, err := d.c.compiled(ctx, op, m, d.c.o.Timeout)
	if err != nil {
		return err
	}
	defer done()
	if p, ok := d.inner.(devices.Preparer); ok {
		return p.Prepare(ctx, c.model)
	}
	return nil
}

// Run times one block of the compiled model. Where Prepare did not compile it, compiling is
// part of the block's timeout.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	if err := d.accepts(m, op); err != nil {
		return nil, err
	}
	if !d.busy.CompareAndSwap(false, true) {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err: fmt.Errorf("device %s times another model", d.info.Name)}
	}
	defer d.busy.Store(false)
	start := time.Now()
	c, done, err := d.c.compiled(ctx, op, m, min(plan.Timeout, d.c.o.Timeout))
	if err != nil {
		return nil, err
	}
	defer done()
	if plan.Timeout -= time.Since(start); plan.Timeout <= 0 {
		return nil, &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: devices.ReasonHung,
			Err: errors.New("compiling it took the whole of the block's time")}
	}
	b, err := d.inner.Run(ctx, c.model, plan)
	if err != nil {
		return nil, err
	}
	if err := c.merge(op, b); err != nil {
		return nil, err
	}
	return b, nil
}

func (d *Device) accepts(m *model.Model, op string) error {
	if m.Format == model.TFLite && m.Precision == model.Int8 {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
		Err: fmt.Errorf("an Edge TPU does not take %s models in %s", m.Format, m.Precision), Advice: "--precision int8"}
}

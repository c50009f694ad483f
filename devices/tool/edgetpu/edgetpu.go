// Package edgetpu wraps a Device that runs compiled models, latlab-agent or benchmark_model with
// libedgetpu, into a Device for Google's Edge TPU. The user's edgetpu_compiler compiles each model
// once, on this host, and the inner device times the compiled file.
//
// The compiler's own report is the proof of delegation: how many of the model's operators run on the
// Edge TPU, and why the others do not. A model that is only partly mapped is timed and reported as
// such, so it is INVALID. A model of which nothing is mapped is refused, since its time would be the
// CPU's. The inner device must also prove that its delegate took the compiled part.
//
// A block's ModelSHA256 is that of the compiled file, the one that was timed. The original model is
// known by its identity.
//
// The package refuses reports that it cannot read completely, and models that are not int8. The
// compiler has not been maintained since 2021 and knows the operator versions of that time;
// sampler/tflite writes older ones (see its tests).
//
// devices/inventory opens it. Sources: coral.ai/docs/edgetpu/compiler; reports of versions 2 to 16 in
// issues of google-coral/edgetpu (#173, #189, #211, #313, #342). The package has never been tried with
// the real compiler or a real Edge TPU.
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

// Delegate is the Edge TPU's name in a block's delegation.
const Delegate = "edgetpu"

// Device compiles models for its inner device.
type Device struct {
	inner devices.Device
	info  devices.Info
	c     *compiler
	busy  atomic.Bool
}

var _ devices.Preparer = (*Device)(nil)

// Describe returns the Info that Wrap makes from an inner device's, but for the fingerprint.
func Describe(inner devices.Info) devices.Info {
	inner.Formats, inner.Precisions = []model.Format{model.TFLite}, []model.Precision{model.Int8}
	inner.Accelerator, inner.Delegate, inner.Compute = true, Delegate, nil
	return inner
}

// Wrap asks the compiler for its version. The Device then owns the inner device and closes it; if Wrap
// fails, the caller still has to close it.
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

// Prepare compiles the model, if it is not compiled already, and prepares the inner device.
func (d *Device) Prepare(ctx context.Context, m *model.Model) error {
	op := "compile " + m.Name
	if err := d.accepts(m, op); err != nil {
		return err
	}
	c, done, err := d.c.compiled(ctx, op, m, compileTimeout)
	if err != nil {
		return err
	}
	defer done()
	if p, ok := d.inner.(devices.Preparer); ok {
		return p.Prepare(ctx, c.model)
	}
	return nil
}

// Run times one block of the compiled model. If Prepare did not compile it, the block's timeout
// includes the compilation.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	if err := d.accepts(m, op); err != nil {
		return nil, err
	}
	if !d.busy.CompareAndSwap(false, true) {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err: fmt.Errorf("device %s is busy with a different model", d.info.Name)}
	}
	defer d.busy.Store(false)
	start := time.Now()
	c, done, err := d.c.compiled(ctx, op, m, min(plan.Timeout, compileTimeout))
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

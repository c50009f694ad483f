// Package trtexec is NVIDIA's TensorRT on a Jetson (or any NVIDIA GPU) as a Device: trtexec
// builds an engine of a model once, and each block loads it in a fresh process and times it.
//
// The samples are the GPU's compute times, one an inference, as trtexec exports them: what
// TensorRT itself calls "GPU Compute Time". Copies to and from the GPU are figures beside it
// (Options.Latency makes the sum the sample instead); they do not overlap with the next
// inference (--exposeDMA), so that one inference is timed and not a pipeline. What trtexec
// prints of the same run must agree with what it exported, or there is no measurement.
//
// Models are float32 ONNX. The engine computes in float16 unless told otherwise; in int8
// TensorRT calibrates on random input, so that the latency is right and the outputs are
// nonsense. Whether layers were really computed in the type asked for is read from the
// engine's layer table where this TensorRT exports one, and said to be unproven where not.
//
// An engine is built once and all blocks of a sweep time it: what TensorRT would choose another
// time, by its own timing of tactics, is not in the interval of a measurement. A later process
// builds anew, and the engine may be another.
//
// The package refuses quantized ONNX (TensorRT takes no asymmetric uint8; see sampler/onnx),
// types that a TensorRT has no flag for, and outputs that do not say PASSED. It never saves
// an engine elsewhere: it is of this GPU, this TensorRT and these clocks.
//
// It is run by devices/tool, on a devices/machine; devices/inventory opens it.
//
// Sources: NVIDIA/TensorRT, samples/trtexec and samples/common (sampleOptions.cpp for flags,
// sampleInference.cpp for the loop, sampleReporting.cpp for what is printed and exported), of
// releases 7 to 10. It has been run against a stand-in only, never on a Jetson.
package trtexec

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/sampler/model"
)

// Device times models with trtexec.
type Device struct {
	m       *machine.Machine
	o       Options
	program program
	info    devices.Info
	engines *tool.Cache[*engine]
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
	info := devices.Info{
		Name: o.Name, Kind: devices.Measured, Harness: "trtexec",
		Formats: []model.Format{model.ONNX}, Precisions: []model.Precision{model.Float32},
		Delegate: o.delegate(), Threads: 1, CPUs: o.CPUs, Accelerator: true,
	}
	if o.Precision != Float32 {
		info.Compute = map[model.Precision]string{model.Float32: string(o.Precision)}
	}
	return info, nil
}

// Open asks trtexec for its version and its flags. A machine without it is the user's fault
// (devices.ReasonMissing).
func Open(ctx context.Context, m *machine.Machine, o Options) (*Device, error) {
	info, err := Describe(o)
	if err != nil {
		return nil, err
	}
	o, _ = o.complete() // Describe did it
	d := &Device{m: m, o: o, info: info, engines: tool.NewCache(o.EngineBudget, (*engine).remove)}
	if d.program, err = probe(ctx, m, o); err != nil {
		return nil, err
	}
	if err := d.program.check(o); err != nil {
		return nil, err
	}
	d.info.Fingerprint = map[string]string{
		"runtime": d.program.runtime(), "precision": string(o.Precision), "times": o.times(),
		"build_flags": d.program.fingerprint(o),
	}
	maps.Copy(d.info.Fingerprint, identity(ctx, m, o.Path))
	return d, nil
}

// Info describes the device.
func (d *Device) Info() devices.Info { return d.info }

// Close removes the engines and gives the machine up.
func (d *Device) Close() error {
	d.engines.Clear()
	return d.m.Close()
}

// Prepare builds the model's engine, which takes minutes, unless it is there already.
func (d *Device) Prepare(ctx context.Context, m *model.Model) error {
	op := "build " + m.Name
	if err := d.accepts(m, op); err != nil {
		return err
	}
	_, done, err := d.engine(ctx, op, m, time.Now().Add(d.o.BuildTimeout))
	if err != nil {
		return err
	}
	done()
	return nil
}

// Run times one block. Where Prepare did not build the engine, or it has been evicted since,
// building it is part of the block's timeout.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	if err := d.accepts(m, op); err != nil {
		return nil, err
	}
	return d.m.Block(ctx, op, func(b *devices.Block) error {
		deadline := b.Started.Add(plan.Timeout)
		e, done, err := d.engine(ctx, op, m, deadline)
		if err != nil {
			return err
		}
		defer done()
		return d.time(ctx, job{op: op, engine: e, plan: plan, deadline: deadline}, b)
	})
}

func (d *Device) accepts(m *model.Model, op string) error {
	if slices.Contains(d.info.Formats, m.Format) && slices.Contains(d.info.Precisions, m.Precision) {
		return nil
	}
	e := &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
		Err: fmt.Errorf("device %s does not take %s models in %s", d.o.Name, m.Format, m.Precision)}
	if m.Precision == model.Int8 {
		e.Advice = "TensorRT makes int8 of a float32 model: --precision float32, and precision: int8 of the device"
	}
	return e
}

// Package trtexec is a Device for NVIDIA's TensorRT on a Jetson (or any NVIDIA GPU). trtexec builds an
// engine of a model once; each block loads it in a fresh process and times it.
//
// The samples are the GPU's compute times, one for each inference, as trtexec exports them: TensorRT's
// "GPU Compute Time". Copies to and from the GPU are recorded beside them (Options.Latency adds them
// to the samples); they do not overlap with the next inference (--exposeDMA), so that single
// inferences are timed, not a pipeline. If the figures that trtexec prints disagree with those that it
// exports, the block is refused.
//
// Models are float32 ONNX. Inputs that a file leaves open get their shape from latlab; if trtexec says that it
// chose one itself, the block is in doubt. trtexec fills inputs with random values, integers with -128 to 127, unless the
// user gives values. The engine computes in float16 by default. In int8 TensorRT calibrates on
// random input, so the latency is right but the outputs are meaningless. Whether layers were really
// computed in the requested type is read from the engine's layer table if this TensorRT exports one,
// and otherwise reported as unproven.
//
// An engine is built once and all blocks of a sweep time it. TensorRT chooses tactics by timing them,
// so a later process may build a different engine; a measurement's interval does not include this
// variation.
//
// The package refuses quantized ONNX (TensorRT does not support asymmetric uint8; see sampler/onnx),
// types that a TensorRT has no flag for, and outputs without PASSED. It never copies an engine to
// other machines: it is only valid for this GPU, this TensorRT and these clocks.
//
// devices/tool runs trtexec, on a devices/machine; devices/inventory opens the Device.
//
// Sources: NVIDIA/TensorRT, samples/trtexec and samples/common (sampleOptions.cpp for flags,
// sampleInference.cpp for the loop, sampleReporting.cpp for what is printed and exported), of releases
// 7 to 10. It has only been tried with a stand-in, never on a Jetson.
package trtexec

import (
	"context"
	"errors"
	"maps"
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
	info := devices.Info{
		Name: o.Name, Kind: devices.Measured, Harness: "trtexec",
		Formats: []model.Format{model.ONNX}, Precisions: []model.Precision{model.Float32}, Calls: []model.CallOption{model.GivenShape, model.GivenValue, model.GivenFile},
		Delegate: o.delegate(), Threads: 1, CPUs: o.CPUs, Accelerator: true,
	}
	if o.Precision != Float32 {
		info.Compute = map[model.Precision]string{model.Float32: string(o.Precision)}
	}
	return info, nil
}

// Open asks trtexec for its version and its flags. If the machine has no trtexec, the user is at fault
// (devices.ReasonMissing).
func Open(ctx context.Context, m *machine.Machine, o Options) (*Device, error) {
	info, err := Describe(o)
	if err != nil {
		return nil, err
	}
	o, _ = o.complete() // Describe has checked for errors
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

// Close removes the engines and closes the machine.
func (d *Device) Close() error {
	d.engines.Clear()
	return d.m.Close()
}

// Prepare builds the model's engine, which takes minutes, unless it exists already.
func (d *Device) Prepare(ctx context.Context, m *model.Model) error {
	op := "build " + m.Name
	if err := d.accepts(m, op); err != nil {
		return err
	}
	_, done, err := d.engine(ctx, op, m, time.Now().Add(buildTimeout))
	if err != nil {
		return err
	}
	done()
	return nil
}

// Run times one block. If Prepare did not build the engine, or it has been evicted since, the block's
// timeout includes the build.
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
	err := tool.Accepts(d.info, m, op)
	var e *devices.Error
	if errors.As(err, &e) && m.Precision == model.Int8 {
		e.Advice = "TensorRT makes int8 of a float32 model: --precision float32, and precision: int8 of the device"
	}
	return err
}

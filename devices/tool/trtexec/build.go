package trtexec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// engine is a built model. It is in a folder on the machine.
type engine struct {
	dir    *machine.Temp
	bytes  int64
	sha256 string // of the model's bytes
	table  layers
	build  float64  // seconds of the build
	inputs []string // flags of shapes and values of inputs, for each run
	report *report  // of the build, for its warnings
}

const (
	engineFile = "engine.plan" // names in an engine's folder
	layersFile = "layers.json"
	maxLayers  = 256 << 20 // bytes of layersFile; a tensor has some hundred
)

func (e *engine) remove() { e.dir.Close() }

// engine returns the model's engine, building it if it is missing, and a function that ends its use.
func (d *Device) engine(ctx context.Context, op string, m *model.Model, deadline time.Time) (*engine, func(), error) {
	return d.engines.Get(ctx, m.Identity, func(e *engine) (bool, error) { return d.isThere(ctx, op, e) }, func() (*engine, int64, error) {
		return d.build(ctx, op, m, deadline)
	})
}

// isThere checks that the engine still exists: somebody may have cleaned the board's disk.
func (d *Device) isThere(ctx context.Context, op string, e *engine) (bool, error) {
	info, err := d.m.Stat(ctx, op, e.dir.Path(engineFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size == e.bytes, err
}

func (d *Device) build(ctx context.Context, op string, m *model.Model, deadline time.Time) (*engine, int64, error) {
	shapes, err := d.program.shapes(op, m)
	if err != nil {
		return nil, 0, err
	}
	staged, err := d.m.Stage(ctx, op, m)
	if err != nil {
		return nil, 0, err
	}
	defer staged.Close()
	dir, err := d.m.Temp(ctx, op)
	if err != nil {
		return nil, 0, err
	}
	e := &engine{dir: dir, sha256: staged.SHA256}
	values, err := d.values(ctx, op, m, dir)
	if err == nil {
		e.inputs = slices.Concat(shapes, values)
		err = d.fill(ctx, op, staged, e, deadline)
	}
	if err != nil {
		dir.Close()
		return nil, 0, err
	}
	return e, e.bytes, nil
}

func (d *Device) fill(ctx context.Context, op string, s *machine.Staged, e *engine, deadline time.Time) error {
	out, err := d.run(ctx, op, slices.Concat(d.buildArgs(s.Path, e.dir), e.inputs), deadline)
	if err != nil {
		return err
	}
	r, err := parseLog(out.Stdout, out.Stderr)
	if err != nil {
		return out.Garbage(op, err)
	}
	if out.Exit.Code != 0 || !r.passed {
		return d.buildError(op, s, out)
	}
	info, err := d.m.Stat(ctx, op, e.dir.Path(engineFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size == 0 {
		return out.Garbage(op, errors.New("trtexec says that it passed and saved no engine"))
	}
	if err != nil {
		return err
	}
	e.bytes, e.build, e.report = info.Size, out.Elapsed.Seconds(), r
	if err := out.Whole(); err != nil && d.o.DLACore != nil {
		return out.Garbage(op, errors.New("its list of the layers on the DLA is incomplete"))
	}
	if err := d.readLayers(ctx, op, e, r); err != nil {
		return err
	}
	return d.prove(op, e, out)
}

func (d *Device) buildArgs(path string, dir *machine.Temp) []string {
	args := slices.Concat([]string{"--onnx=" + path, "--saveEngine=" + dir.Path(engineFile)}, d.o.buildFlags(d.program))
	if d.program.hasLayerTable() {
		args = append(args, "--exportLayerInfo="+dir.Path(layersFile))
	}
	switch {
	case d.program.has("--skipInference"):
		args = append(args, "--skipInference")
	case d.program.has("--buildOnly"):
		args = append(args, "--buildOnly")
	default:
		args = append(args, "--iterations=1", "--duration=0", "--warmUp=0")
	}
	return args
}

func (d *Device) run(ctx context.Context, op string, args []string, deadline time.Time) (tool.Output, error) {
	out, err := tool.Do(ctx, d.m, tool.Run{Op: op, Program: programName, CPUs: d.o.CPUs, Timeout: time.Until(deadline),
		Command: transport.Command{Path: d.o.Path, Args: args}})
	return out, ofGPU(err)
}

// ofGPU: trtexec aborts on an error of CUDA, which looks like a crash that the network caused.
//
// Source: NVIDIA/TensorRT, samples/common/sampleDevice.h, cudaCheck.
func ofGPU(err error) error {
	var e *devices.Error
	if !errors.As(err, &e) || e.Reason != devices.ReasonCrashed {
		return err
	}
	if reason := gpuReason(e.Output); reason != "" {
		e.Fault, e.Reason = devices.FaultDevice, reason
	}
	return err
}

// readLayers reads the engine's own table of layers, and the builder's lines about the DLA.
func (d *Device) readLayers(ctx context.Context, op string, e *engine, r *report) error {
	e.table = layers{onDLA: r.dlaLayers, onGPU: r.gpuLayers}
	if !d.program.hasLayerTable() {
		return nil
	}
	data, err := e.dir.ReadFile(ctx, op, layersFile, maxLayers)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // reported as unproven
	}
	if err != nil {
		return err
	}
	if err := e.table.parse(data); err != nil {
		return &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: devices.ReasonGarbage,
			Err: fmt.Errorf("the table of layers: %w", err), Output: tool.Tail(string(data))}
	}
	return nil
}

// prove refuses engines that run nothing on the requested unit.
func (d *Device) prove(op string, e *engine, out tool.Output) error {
	if d.o.DLACore == nil {
		return nil
	}
	t := e.table
	if len(t.onDLA)+len(t.onGPU) == 0 {
		return out.Garbage(op, errors.New("it does not say which layers run on the DLA"))
	}
	if len(t.onDLA) == 0 {
		return out.Rejected(op, fmt.Errorf("the DLA takes none of its %d layers", len(t.onGPU)))
	}
	return nil
}

// buildError decides whose fault it is that an engine was not built: the model's, unless TensorRT's
// output shows a different cause.
func (d *Device) buildError(op string, s *machine.Staged, out tool.Output) error {
	text := out.Stdout + out.Stderr
	e := out.Rejected(op, fmt.Errorf("trtexec builds no engine of it: %s", lastError(text)))
	switch {
	case strings.Contains(text, "Unknown option"):
		e.Fault, e.Reason = devices.FaultUser, devices.ReasonUnsupported
	case anyOf(text, "No space left on device", "Saving engine to file failed", "Cannot save engine", "Failed to write engine"):
		e.Fault, e.Reason = devices.FaultDevice, devices.ReasonFull
		e.Err = fmt.Errorf("the engine of %s cannot be saved on %s: %s", s.Path, d.o.Name, lastError(text))
		e.Advice = "free some space there, or engine_budget of fewer bytes"
	case gpuReason(text) != "":
		e.Fault, e.Reason = devices.FaultDevice, gpuReason(text)
		if e.Reason == ReasonMemory {
			e.Advice = "what else runs on its GPU?"
		}
	}
	return e
}

// Reasons of this device.
const (
	ReasonGPU    = "gpu-failed"    // CUDA itself fails (the device's)
	ReasonMemory = "out-of-memory" // of the GPU (the device's)
)

// gpuReason is the reason of a failure of the GPU that the output shows; empty if it shows none.
func gpuReason(text string) string {
	switch {
	case anyOf(text, "out of memory", "OutOfMemory", "Out of memory", "insufficient memory"):
		return ReasonMemory
	case anyOf(text, "Cuda failure", "CUDA initialization failure", "no CUDA-capable device", "CUDA driver version is insufficient",
		"Cannot find any available GPU", "Could not load library"):
		return ReasonGPU
	}
	return ""
}

func anyOf(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}

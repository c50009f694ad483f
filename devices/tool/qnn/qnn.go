// Package qnn is a Device that estimates with Qualcomm's compiler for its Hexagon processors: it
// compiles an int8 ONNX model and reports how long it expects the processor to take, with a lower and
// an upper bound.
//
// The figures are the compiler's estimates, not measurements. The compiler can also run the network in
// an emulation on the host, but that has the host's clock and is never used. The package refuses to
// ship or record anything of Qualcomm's: the user installs the compiler under its licence, and only
// totals of its output are kept.
//
// devices/tool/python runs it; devices/inventory opens it.
//
// Reference: PyPI onnxruntime-qnn 2.7.0; the QNN execution provider's page in onnxruntime's
// documentation.
package qnn

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/devices/tool/python"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// Version is the onnxruntime-qnn, and RuntimeVersion the onnxruntime, that this package was written
// for.
const (
	Version        = "2.7.0"
	RuntimeVersion = "1.32.0"
)

// Package and RuntimePackage are their names on PyPI.
const (
	Package        = "onnxruntime-qnn"
	RuntimePackage = "onnxruntime"
)

var (
	//go:embed common.py
	commonScript string
	//go:embed run.py
	runScript string
)

// Options describe a Hexagon processor.
type Options struct {
	Name     string // of the device; empty = made from SoC
	SoC      string // "sa8775", one of SoCs, or a number: the compiler's own soc_model
	Python   string // interpreter that has the packages; empty = python.Default
	Parallel int    // blocks at once, a process each; 0 = the number of cores
}

// Device estimates with Qualcomm's compiler.
type Device struct {
	est      python.Estimator
	soc      soc
	warnings []string // added to every block
}

// Delegate is the processor's name in a block's delegation.
const Delegate = "qnn-htp"

// Describe returns the device's Info without starting anything.
func Describe(o Options) (devices.Info, error) {
	o, _, err := o.complete()
	if err != nil {
		return devices.Info{}, err
	}
	return devices.Info{
		Name: o.Name, Kind: devices.Estimated, Harness: "onnxruntime-qnn",
		Formats: []model.Format{model.ONNX}, Precisions: []model.Precision{model.Int8}, Calls: []model.CallOption{model.GivenShape},
		Delegate: Delegate, Threads: 1, Accelerator: true, Deterministic: true, Parallel: o.Parallel,
	}, nil
}

// Open checks that the Python has the compiler. Close the Device to remove its temporary folder.
func Open(ctx context.Context, t transport.Transport, o Options) (*Device, error) {
	info, err := Describe(o)
	if err != nil {
		return nil, err
	}
	o, s, _ := o.complete() // Describe has checked for errors
	p := python.Interpreter{Transport: t, Path: o.Python}
	found, err := probe(ctx, p, "open device "+o.Name)
	if err != nil {
		return nil, err
	}
	workspace, err := python.NewWorkspace(o.Name, o.Parallel)
	if err != nil {
		return nil, err
	}
	info.Fingerprint = s.fingerprint("runtime", found)
	d := &Device{soc: s, warnings: requirement().Warnings(found.Packages)}
	d.est = python.Estimator{Info: info, Python: p, Workspace: workspace}
	return d, nil
}

// fingerprint has the chip, and the compiler under the given name.
func (s soc) fingerprint(compiler string, found *findings) map[string]string {
	f := map[string]string{
		compiler: requirement().Runtime(found.Packages), "onnxruntime": "unknown",
		"soc": s.name, "soc_model": strconv.Itoa(s.id), "optimization_mode": optimizationMode,
	}
	if v := found.Packages[RuntimePackage]; v != nil {
		f["onnxruntime"] = *v
	}
	if s.arch != "" {
		f["htp_arch"] = s.arch
	}
	return f
}

// Info describes the device.
func (d *Device) Info() devices.Info { return d.est.Info }

// Close removes the device's temporary folder.
func (d *Device) Close() error { return d.est.Workspace.Close() }

// Run estimates once, in a fresh process. It uses only the plan's Timeout: a second estimate would
// give the same result.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	return d.est.Estimate(ctx, m, func(v *python.Job) error { return d.compile(ctx, v, plan.Timeout) })
}

// optimizationMode is the compiler's most thorough, as used for a network that will be shipped.
const optimizationMode = "3"

func (d *Device) compile(ctx context.Context, v *python.Job, timeout time.Duration) error {
	floats, err := floatsOf(v)
	if err != nil {
		return err
	}
	out, err := d.est.Python.Run(ctx, python.Script{Op: v.Op, Source: commonScript + runScript, Args: d.soc.args(v), Timeout: timeout})
	if err != nil {
		return err
	}
	e, err := read(v.Dir, out.Stdout)
	if err != nil {
		return out.Garbage(v.Op, err)
	}
	e.floats = floats
	v.Block.Runtime, v.Block.Warnings = d.est.Info.Fingerprint["runtime"], d.warnings
	out.Warnings(Package).AddTo(v.Block)
	return d.fill(v.Block, v.Op, e, out)
}

func (s soc) args(v *python.Job) []string {
	args := []string{v.Model, v.Dir, "soc_model=" + strconv.Itoa(s.id), "htp_graph_finalization_optimization_mode=" + optimizationMode}
	if s.arch != "" {
		args = append(args, "htp_arch="+s.arch)
	}
	return args
}

// floatsOf lists the nodes of the model's file that are computed in floating point.
func floatsOf(v *python.Job) ([]string, error) {
	data, err := os.ReadFile(v.Model)
	if err != nil {
		return nil, devices.ModelBytes(v.Op, err)
	}
	floats, err := unquantized(data)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultModel, Op: v.Op, Reason: devices.ReasonRejected, Err: err}
	}
	return floats, nil
}

// maxProfile limits the file of estimates: some twenty rows, and one for every operator without a
// cost.
const maxProfile = 256 << 20

// read reads a run's answer and the files in its folder.
func read(dir, answered string) (*estimate, error) {
	a, err := parseAnswer(answered)
	if err != nil {
		return nil, err
	}
	name := "part.csv"
	if a.Whole {
		name = "whole.csv"
	}
	text, err := tool.ReadFile(filepath.Join(dir, name), maxProfile)
	switch {
	case errors.Is(err, os.ErrNotExist) && !a.Whole:
		return &estimate{answer: a}, nil // the processor took nothing, so there is no estimate
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("no profile was written")
	case err != nil:
		return nil, fmt.Errorf("the profile %w", err)
	}
	p, err := parseProfile(text)
	if err != nil {
		return nil, fmt.Errorf("the profile: %w", err)
	}
	return &estimate{answer: a, profile: *p}, nil
}

//go:embed probe.py
var probeScript string

const probeTimeout = time.Minute

// findings is what a Python reports about the compiler.
type findings struct {
	Python   string             `json:"python"`
	Packages map[string]*string `json:"packages"`
	Missing  string             `json:"missing"` // why it cannot be loaded
}

func probe(ctx context.Context, p python.Interpreter, op string) (*findings, error) {
	var f findings
	if err := p.Ask(ctx, python.Script{Op: op, Source: commonScript + probeScript, Timeout: probeTimeout}, &f); err != nil {
		return nil, err
	}
	if f.Missing != "" {
		return nil, requirement().Missing(op, p, f.Missing, f.Packages)
	}
	return &f, nil
}

func requirement() python.Requirement {
	return python.Requirement{
		Packages: []python.Package{{Name: RuntimePackage, Version: RuntimeVersion}, {Name: Package, Version: Version}},
		Licence:  "MIT, and within it Qualcomm's AI Stack License, which grants benchmarking",
	}
}

// Check reports, step by step, whether a Python can estimate, and what to type if it cannot.
func Check(ctx context.Context, t transport.Transport, interpreter string) []python.Step {
	p := python.Interpreter{Transport: t, Path: interpreter}
	f, err := probe(ctx, p, "look for "+Package)
	if err != nil {
		return requirement().Failed(p, err)
	}
	return requirement().Passed(p, f.Python, f.Packages)
}

// Package vela is a Device that estimates with Vela, Arm's compiler for its Ethos-U NPUs: it compiles
// an int8 .tflite and reports how many cycles it expects the NPU to take.
//
// The figures are Vela's estimates, not measurements. An operator that the NPU does not run costs
// nothing in them, so a network that has one is never VALID. The package refuses float networks rather
// than quantize them, and output that differs from the form of the version that it was written for.
//
// devices/tool/python runs it; devices/inventory opens it.
//
// Reference: PyPI ethos-u-vela 5.2.0 (Apache-2.0), its OPTIONS.md and vela.ini.
package vela

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/devices/tool/python"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// Version is the ethos-u-vela that this package was written for.
const Version = "5.2.0"

// Package is its name on PyPI.
const Package = "ethos-u-vela"

//go:embed run.py
var runScript string

// Options describe an NPU and the system around it.
type Options struct {
	Name         string // of the device; empty = made from the other options
	Accelerator  string // "ethos-u65-512", one of Accelerators
	SystemConfig string // clock, memories and bandwidths: a section of the configuration file
	MemoryMode   string // which data is in which memory: a section of the configuration file
	ConfigFile   string // the user's .ini file; empty = Arm's
	Python       string // interpreter that has the package; empty = python.Default
	Parallel     int    // blocks at once, a process each; 0 = the number of cores
}

// Device estimates with Vela.
type Device struct {
	est      python.Estimator
	opts     Options
	config   string   // path of the copied configuration file, or the short name of Arm's
	warnings []string // added to every block
}

var _ devices.Profiler = (*Device)(nil)

// Describe returns the device's Info without starting anything.
func Describe(o Options) (devices.Info, error) {
	o, err := o.complete()
	if err != nil {
		return devices.Info{}, err
	}
	return devices.Info{
		Name: o.Name, Kind: devices.Estimated, Harness: "vela",
		Formats: []model.Format{model.TFLite}, Precisions: []model.Precision{model.Int8},
		Delegate: delegate, Threads: 1, Accelerator: true, Deterministic: true, Parallel: o.Parallel,
	}, nil
}

// delegate is the name of the NPU in proofs of delegation.
const delegate = "ethos-u"

// Open asks Vela whether it knows the accelerator and configurations. Close the Device to
// remove its temporary folder.
func Open(ctx context.Context, t transport.Transport, o Options) (*Device, error) {
	info, err := Describe(o)
	if err != nil {
		return nil, err
	}
	o, _ = o.complete() // Describe has checked for errors
	workspace, err := python.NewWorkspace(o.Name, o.Parallel)
	if err != nil {
		return nil, err
	}
	d := &Device{opts: o, config: armConfig}
	d.est = python.Estimator{Info: info, Python: python.Interpreter{Transport: t, Path: o.Python}, Workspace: workspace}
	if err := d.learn(ctx); err != nil {
		_ = workspace.Close()
		return nil, err
	}
	return d, nil
}

// armConfig is Vela's name of its own configuration file.
const armConfig = "Arm/vela.ini"

// learn validates the options and fills in the fingerprint.
func (d *Device) learn(ctx context.Context) error {
	d.est.Info.Fingerprint = map[string]string{
		"accelerator": d.opts.Accelerator, "system_config": d.opts.SystemConfig, "memory_mode": d.opts.MemoryMode,
		"config_file": armConfig,
	}
	if d.opts.ConfigFile != "" {
		if err := d.copyConfig(); err != nil {
			return err
		}
	}
	found, err := probe(ctx, d.est.Python, d.opts, d.config)
	if err != nil {
		return err
	}
	if err := found.check(d.opts); err != nil {
		return err
	}
	d.est.Info.Fingerprint["runtime"] = requirement().Runtime(found.Packages)
	d.warnings = requirement().Warnings(found.Packages)
	return nil
}

// maxConfig is more than Vela's own configuration of all chips, which has 8 kB.
const maxConfig = 1 << 20

// copyConfig copies the user's file, so that later changes do not affect a sweep's later blocks. Its
// path is absolute because Vela looks for a path of two parts among its own files.
func (d *Device) copyConfig() error {
	text, err := tool.ReadFile(d.opts.ConfigFile, maxConfig)
	data := []byte(text)
	if err == nil {
		d.config = filepath.Join(d.est.Workspace.Dir(), "config.ini")
		err = os.WriteFile(d.config, data, 0o600)
	}
	if err != nil {
		return d.opts.userError(fmt.Errorf("the configuration file cannot be used: %w", err), "")
	}
	d.est.Info.Fingerprint["config_file"] = fmt.Sprintf("sha256:%x", sha256.Sum256(data))
	return nil
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

// Profile returns the table of Run's block, which Vela writes on every run. A row names the tensor that it
// computes, and so the operator, where only one operator of the model has an output of that name.
func (d *Device) Profile(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	b, err := d.Run(ctx, m, plan)
	if err != nil {
		return nil, err
	}
	p, nodes := devices.ProfileOf(b, slices.Clone(b.Layers), 1), nodesByOutput(m)
	for i, l := range p.Layers {
		p.Layers[i].Nodes = nodes[l.Name]
	}
	return p, nil
}

// nodesByOutput are the nodes of a model by the names of the tensors that they compute.
func nodesByOutput(m *model.Model) map[string][]int {
	g := m.Graph
	if m.Network != nil {
		g = m.Network.Graph
	}
	if g == nil {
		return nil
	}
	nodes, by := m.Nodes(), map[string][]int{}
	for i, op := range g.Ops {
		name := g.Tensors[op.Output].Name
		by[name] = append(by[name], nodes[i])
	}
	maps.DeleteFunc(by, func(name string, of []int) bool { return name == "" || len(of) > 1 })
	return by
}

func (d *Device) compile(ctx context.Context, v *python.Job, timeout time.Duration) error {
	out, err := d.est.Python.Run(ctx, python.Script{Op: v.Op, Source: runScript, Args: d.args(v), Timeout: timeout})
	if err != nil {
		return err
	}
	r, err := d.read(v.Dir, out.Stderr)
	if err != nil {
		return out.Garbage(v.Op, err)
	}
	v.Block.Runtime, v.Block.Warnings = d.est.Info.Fingerprint["runtime"], d.warnings
	out.Warnings("Vela").AddTo(v.Block)
	return r.fill(v.Block, v.Op, out)
}

func (d *Device) args(v *python.Job) []string {
	return []string{
		v.Model, "--accelerator-config", d.opts.Accelerator, "--config", d.config,
		"--system-config", d.opts.SystemConfig, "--memory-mode", d.opts.MemoryMode,
		"--verbose-performance", "--output-dir", v.Dir,
	}
}

// read reads the files that one run wrote into its folder, and its console output.
func (d *Device) read(dir, console string) (*report, error) {
	s, err := readFile(filepath.Join(dir, "model_summary_"+d.opts.SystemConfig+".csv"), parseSummary)
	if err != nil {
		return nil, err
	}
	rows, err := readFile(filepath.Join(dir, "model_per-layer.csv"), parseLayers)
	if err != nil {
		return nil, err
	}
	ops, err := parseConsole(console)
	if err != nil {
		return nil, err
	}
	r := &report{summary: s, rows: rows, console: ops}
	return r, r.check(d.opts)
}

// maxFile bounds one of Vela's files: a row for a layer has some 150 bytes, and one ARGMAX of 513x513
// becomes 65,797 layers.
const maxFile = 256 << 20

func readFile[T any](path string, parse func(string) (T, error)) (T, error) {
	var v T
	text, err := tool.ReadFile(path, maxFile)
	switch name := filepath.Base(path); {
	case errors.Is(err, fs.ErrNotExist):
		return v, fmt.Errorf("no %s was written", name)
	case err != nil:
		return v, fmt.Errorf("%s %w", name, err)
	}
	if v, err = parse(text); err != nil {
		return v, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return v, nil
}

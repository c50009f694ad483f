package python

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/internal/text"
)

// Package is a PyPI package in the version that latlab was tested with.
type Package struct{ Name, Version string }

// Requirement is what an estimator needs. The last package is the estimator itself.
type Requirement struct {
	Packages []Package
	Licence  string // licences of the packages, which the user has to accept
}

// Step is one line of `latlab doctor`.
type Step struct {
	Name   string // "python", "ethos-u-vela"
	OK     bool
	Detail string // what was found, or what is wrong
	Advice string // what to type; may be empty
}

// install is the command that the user types.
func (r Requirement) install() string {
	var specs []string
	for _, p := range r.Packages {
		specs = append(specs, p.Name+"=="+p.Version)
	}
	return fmt.Sprintf("python3 -m venv DIR && DIR/bin/pip install %s && export LATLAB_PYTHON=DIR/bin/python3  # licence: %s",
		strings.Join(specs, " "), r.Licence)
}

// Missing is the error of a Python that lacks a package, or that cannot load it for the given reason.
func (r Requirement) Missing(op string, i Interpreter, why string, found map[string]*string) error {
	var lacks []string
	for _, p := range r.Packages {
		if found[p.Name] == nil {
			lacks = append(lacks, p.Name)
		}
	}
	err := fmt.Errorf("%s has no package %s", i.path(), strings.Join(lacks, " and no "))
	if len(lacks) == 0 {
		err = fmt.Errorf("%s cannot load %s: %s", i.path(), r.name(), text.ClipTo(why, 300))
	}
	return &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonPackage, Err: err, Advice: r.install()}
}

func (r Requirement) name() string { return r.Packages[len(r.Packages)-1].Name }

// Runtime names the estimator and its version: "ethos-u-vela 5.2.0".
func (r Requirement) Runtime(found map[string]*string) string {
	version := "of unknown version"
	if v := found[r.name()]; v != nil {
		version = *v
	}
	return r.name() + " " + version
}

// Passed returns the steps of a Python that has all packages. It points out versions that were not
// tested.
func (r Requirement) Passed(i Interpreter, version string, found map[string]*string) []Step {
	steps := []Step{{Name: "python", OK: true, Detail: i.path() + " " + version}}
	for _, p := range r.Packages {
		step := Step{Name: p.Name, OK: true, Detail: "of unknown version"}
		if v := found[p.Name]; v != nil {
			step.Detail = *v
		}
		if step.Detail != p.Version {
			step.Advice = fmt.Sprintf("latlab was tried with %s; where estimates fail: %s", p.Version, r.install())
		}
		steps = append(steps, step)
	}
	return steps
}

// Failed returns the steps up to the one that failed.
func (r Requirement) Failed(i Interpreter, err error) []Step {
	var e *devices.Error
	if !errors.As(err, &e) {
		return []Step{{Name: "python", Detail: err.Error()}}
	}
	if e.Reason == ReasonMissing {
		return []Step{{Name: "python", Detail: e.Err.Error(), Advice: r.install()}}
	}
	return []Step{
		{Name: "python", OK: true, Detail: i.path()},
		{Name: r.name(), Detail: e.Err.Error(), Advice: e.Advice},
	}
}

// Warnings are a block's warnings about packages in versions that latlab was not tested with.
func (r Requirement) Warnings(found map[string]*string) []string {
	var ws []string
	for _, p := range r.Packages {
		if v := found[p.Name]; v != nil && *v != p.Version {
			ws = append(ws, fmt.Sprintf("%s is of version %s, latlab was tried with %s", p.Name, *v, p.Version))
		}
	}
	return ws
}

// Ask runs a script that inspects the installation, not a model, and reads its answer into v, a
// pointer to a struct that has all of its fields. A failure is never a model's fault. An interpreter
// that does not answer may not be a Python.
func (i Interpreter) Ask(ctx context.Context, s Script, v any) error {
	out, err := i.Run(ctx, s)
	if err == nil {
		err = i.decode(s.Op, out, v)
	}
	var e *devices.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Fault == devices.FaultModel {
		e.Fault = devices.FaultLab
	}
	switch {
	case e.Reason == devices.ReasonHung: // no network is involved yet
		e.Advice = "it may start in time on a host that is less busy"
	case e.Advice == "":
		e.Advice = fmt.Sprintf("is %s a Python? --python FILE or LATLAB_PYTHON names another", i.path())
	}
	return err
}

func (i Interpreter) decode(op string, out tool.Output, v any) error {
	dec := json.NewDecoder(strings.NewReader(out.Stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		e := out.Garbage(op, fmt.Errorf("%s gives no answer that latlab can read: %w", i.path(), err))
		e.Fault = devices.FaultLab
		return e
	}
	return nil
}

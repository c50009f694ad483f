package qnn

import (
	"context"
	_ "embed"
	"time"

	"latlab/devices/tool/python"
	"latlab/devices/transport"
)

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

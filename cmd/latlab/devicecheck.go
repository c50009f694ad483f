package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/internal/ui"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// checkTimeout bounds a check of one device: the agent's 18 MB may have to be brought there, at
// a megabyte a second over a weak radio link.
const checkTimeout = 2 * time.Minute

// deviceChecks walks through what timing on a device needs, and then times a tiny network.
func deviceChecks(c *cli.Context, name string) ([]check, error) {
	l, err := openLabOf(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, checkTimeout)
	defer cancel()
	checks, err := l.Check(ctx, name)
	if err != nil {
		return nil, deviceError(err)
	}
	if inventory.Failed(checks) != nil {
		return checks, nil
	}
	return append(checks, timingCheck(c, name)), nil
}

// timingCheck times a tiny network as time would. Doubts about the number are no failure.
func timingCheck(c *cli.Context, name string) check {
	k := check{Name: "timing", State: checkOK}
	m, err := timeTiny(c, name)
	if err != nil {
		k.State, k.Detail = checkBad, ui.OneLine(err)
		if out := toolOutput(err); out != "" {
			k.Detail += "; its output: " + lastLine(out)
		}
		return k
	}
	k.Detail = fmt.Sprintf("a network of 3 ops takes %s, %s, %s", ui.Seconds(m.Seconds), ui.Kind(m.Kind), m.Verdict)
	for _, d := range m.Reasons {
		k.State = checkNote
		k.Detail += "; " + d.Text
	}
	return k
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func timeTiny(c *cli.Context, name string) (*bench.Measurement, error) {
	d, err := labOptionsOf(c).openNamed(c.Context, name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	cache, err := openCacheOf(c)
	if err != nil {
		return nil, err
	}
	info := d.Info()
	form := model.Form{Format: info.Formats[0], Precision: info.Precisions[0]}
	m, err := model.New(tinyGraph(), form, cache)
	if err != nil {
		return nil, err
	}
	p, err := bench.NamedProtocol("quick")
	if err != nil {
		return nil, err
	}
	p.Retries, p.MaxBlocks = 0, p.MinBlocks
	st := bench.NewMemory()
	list := listSource{{name: "tiny", model: m}}
	res, err := bench.Run(c.Context, bench.Options{
		Sweep:    bench.Sweep{Seed: 1, Format: form.Format, Precision: form.Precision, Protocol: p, Sampling: bench.Listed, ModelsHash: list.hash()},
		Networks: 1, Source: list, Device: d, Store: st,
	})
	if err != nil {
		return nil, err
	}
	return onlyMeasurement(c.Context, st, res.Sweep.ID)
}

// onlyMeasurement is that of a sweep of one network, or why it failed.
func onlyMeasurement(ctx context.Context, st bench.Reader, sweep string) (*bench.Measurement, error) {
	for f, err := range st.Failures(ctx, sweep) {
		if err != nil {
			return nil, err
		}
		if f.Final {
			op, what, _ := strings.Cut(f.Message, ": ")
			return nil, &devices.Error{Fault: f.Fault, Op: op, Reason: f.Reason, Err: errors.New(what), Output: f.Output}
		}
	}
	for e, err := range bench.Estimates(ctx, st, sweep) {
		if err != nil || e.M != nil {
			return e.M, err
		}
	}
	return nil, errors.New("no block was timed")
}

// tinyGraph is a network of the ops that every device must know.
func tinyGraph() *graph.Graph {
	conv := func(name string, kind graph.Kind, in int, kernel, stride int) graph.Op {
		return graph.Op{
			Kind: kind, Name: name, Inputs: []int{in}, Output: in + 1, Kernel: [2]int{kernel, kernel},
			Stride: [2]int{stride, stride}, Activation: graph.ReLU6, BatchNorm: true, Position: graph.Bias,
		}
	}
	return &graph.Graph{
		Name: "latlab-check",
		Tensors: []graph.Tensor{
			{Name: "input", Shape: [4]int{1, 32, 32, 3}}, {Name: "conv", Shape: [4]int{1, 16, 16, 16}},
			{Name: "depthwise", Shape: [4]int{1, 16, 16, 16}}, {Name: "pointwise", Shape: [4]int{1, 16, 16, 32}},
		},
		Ops: []graph.Op{
			conv("conv", graph.Conv2D, 0, 3, 2), conv("depthwise", graph.DepthwiseConv, 1, 3, 1), conv("pointwise", graph.Conv2D, 2, 1, 1),
		},
		Inputs: []int{0}, Outputs: []int{3},
	}
}

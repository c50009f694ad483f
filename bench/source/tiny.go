package source

import (
	"context"
	"errors"
	"strings"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/protocol"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// TimeTiny times a network of three ops that every device must know, as a check that it works. The
// measurement is nowhere stored; the error is the device's own.
func TimeTiny(ctx context.Context, d devices.Device, cache *model.Cache) (*verdict.Measurement, error) {
	info := d.Info()
	form := model.Form{Format: info.Formats[0], Precision: info.Precisions[0]}
	m, err := model.New(tinyGraph(), form, cache)
	if err != nil {
		return nil, err
	}
	p, err := protocol.Named("quick")
	if err != nil {
		return nil, err
	}
	p.Retries, p.MaxBlocks = 0, p.MinBlocks
	st := memory.New()
	list := List{{Name: "tiny", Model: m}}
	res, err := bench.Run(ctx, bench.Options{
		Sweep:    bench.Sweep{Seed: 1, Format: form.Format, Precision: form.Precision, Protocol: p, Sampling: bench.Listed, ModelsHash: list.Hash()},
		Networks: 1, Source: list, Device: d, Store: st,
	})
	if err != nil {
		return nil, err
	}
	return onlyMeasurement(ctx, st, res.Sweep.ID)
}

// onlyMeasurement is that of a sweep of one network, or why it failed.
func onlyMeasurement(ctx context.Context, st bench.Reader, sweep string) (*verdict.Measurement, error) {
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

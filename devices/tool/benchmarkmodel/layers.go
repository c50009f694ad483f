package benchmarkmodel

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/sampler/model"
)

// layersPlan is the plan of the run that Layers makes.
func layersPlan() devices.Plan {
	return devices.Plan{WarmUpRuns: 3, MinRuns: 20, MaxRuns: 20, Timeout: 5 * time.Minute}
}

// Layers runs the tool with a timer around every op. If the delegate prints its own ops, they replace
// its kernel. The last row is the time outside of all ops: the call, and the timers.
func (d *Device) Layers(ctx context.Context, m *model.Model) ([]devices.Layer, error) {
	op := "layers of " + m.Name
	if err := tool.Accepts(d.info, m, op); err != nil {
		return nil, err
	}
	if !d.usage["enable_op_profiling"] {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported, Err: errors.New("this build of benchmark_model does not profile ops")}
	}
	var rows []devices.Layer
	_, err := d.m.Block(ctx, op, func(b *devices.Block) error {
		r, err := d.run(ctx, op, m, layersPlan(), "--enable_op_profiling=true")
		if err != nil {
			return err
		}
		if err := d.prove(ctx, b, r); err != nil {
			return err
		}
		rows = layers(r.result, d.info.Delegate)
		if len(rows) == 0 {
			return r.out.Garbage(r.op, errors.New("benchmark_model printed no table of ops"))
		}
		return nil
	})
	return rows, err
}

// layers makes rows of profiles. Their seconds sum to the mean inference.
func layers(r *Result, delegate string) []devices.Layer {
	if len(r.Profile) == 0 {
		return nil
	}
	var kernels, inside float64
	for _, row := range r.Profile {
		if !row.Subgraph && row.isKernel() {
			kernels += row.seconds()
		}
	}
	for _, row := range r.Internal {
		inside += row.seconds()
	}
	// If a delegate's ops overlap, they sum to more than its kernels take and cannot replace them.
	expand := inside > 0 && inside <= kernels*1.02
	var rows []devices.Layer
	var sum float64
	add := func(l devices.Layer) {
		sum += l.Seconds
		rows = append(rows, l)
	}
	for _, row := range r.Profile {
		switch {
		case row.Subgraph || expand && row.isKernel():
		case row.isKernel():
			add(row.layer(delegate))
		default:
			add(row.layer("CPU"))
		}
	}
	if expand {
		for _, row := range r.Internal {
			add(row.layer(delegate))
		}
		if rest := kernels - inside; rest > 0 {
			add(devices.Layer{Name: "delegate", Op: "overhead", Where: delegate, Seconds: rest})
		}
	}
	if rest := r.Regular.Mean*micro - sum; rest > 0 {
		add(devices.Layer{Name: "call", Op: "overhead", Where: "CPU", Seconds: rest})
	}
	return rows
}

// isKernel: the runtime gives a delegate's kernel the delegate's name.
func (r Row) isKernel() bool { return strings.Contains(strings.ToLower(r.Type), "delegate") }

func (r Row) seconds() float64 { return r.MeanMillis * r.TimesCalled / 1000 }

func (r Row) layer(where string) devices.Layer {
	return devices.Layer{Name: cmp.Or(r.Name, r.Type), Op: r.Type, Where: where, Seconds: r.seconds()}
}

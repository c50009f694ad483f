package qnnrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/devices/tool/qnn"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// maxProfiled limits the executions of a profile, each of which has a row for every op.
const maxProfiled = 1000

// Profile executes the context with --profiling_level detailed, in which the processor counts the cycles of every op.
// The table has no clock, so an op's seconds are its share of the processor's time of the same execution. Two more rows
// are the processor's time outside of all ops, and the call to it and back. PlainSeconds is the median of the model's
// last run without ops, if there was one.
func (d *Device) Profile(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	op := "profile " + m.Name
	var rows []devices.Layer
	var whole []float64
	block, err := d.block(ctx, m, job{op: op, identity: m.Identity, plan: plan}, func(ctx context.Context, j job, b *devices.Block) error {
		nodes, err := tool.NodesOf(ctx, op, m)
		if err != nil {
			return err
		}
		j.detailed = true
		p, _, err := d.run(ctx, j, min(d.count(j), max(maxProfiled, plan.MinRuns)))
		if err != nil {
			return err
		}
		warm := d.warm(p.netRun, plan)
		d.describe(j, p, b)
		var said []string
		if rows, said, err = p.rows(warm, m.Graph, nodes); err != nil {
			return &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: devices.ReasonGarbage, Err: fmt.Errorf("the profile: %w", err)}
		}
		b.Warnings = append(b.Warnings, said...)
		whole = seconds(p.netRun[warm:])
		return nil
	})
	if err != nil {
		return nil, err
	}
	tool.Describe(m, rows)
	p := devices.ProfileOf(block, rows, len(whole))
	p.WholeSeconds = new(tool.Median(whole))
	if last := d.last(m.Identity); last > 0 {
		p.PlainSeconds = &last
	}
	return p, nil
}

// rows are medians over the executions behind the warm-up. said are warnings.
func (p *profile) rows(warm int, g *graph.Graph, nodes tool.Nodes) (rows []devices.Layer, said []string, err error) {
	if len(p.ops) == 0 {
		return nil, nil, errors.New("it has no row of an op: is --profiling_level detailed known to this qnn-net-run?")
	}
	n := len(p.netRun)
	for _, op := range p.ops {
		if len(op.cycles) != n {
			return nil, nil, fmt.Errorf("%d of %d executions have op %s", len(op.cycles), n, op.name)
		}
	}
	if len(p.cycles) != n {
		return nil, nil, fmt.Errorf("%d of %d executions have the accelerator's cycles", len(p.cycles), n)
	}
	own, overlap := p.accelerator(), false
	scale, rest, call := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		sum := 0.0
		for _, op := range p.ops {
			sum += op.cycles[i]
		}
		if p.cycles[i] == 0 {
			return nil, nil, errors.New("an execution took no cycles")
		}
		scale[i] = own[i] / 1e6 / p.cycles[i]
		rest[i] = (p.cycles[i] - sum) * scale[i]
		call[i] = (p.netRun[i] - own[i]) / 1e6
		overlap = overlap || i >= warm && sum > p.cycles[i]
	}
	for _, op := range p.ops {
		times := make([]float64, n)
		for i, cycles := range op.cycles {
			times[i] = cycles * scale[i]
		}
		row := layer(op.name, g, nodes)
		row.Seconds, row.Cycles = tool.Median(times[warm:]), tool.Median(op.cycles[warm:])
		rows = append(rows, row)
	}
	said = []string{"the processor counts cycles of ops: their seconds are shares of its time of an execution"}
	if overlap {
		said = append(said, "the cycles of the ops are more than those of the whole: some ran at the same time")
	} else if between := tool.Median(rest[warm:]); between > 0 {
		rows = append(rows, devices.Layer{Name: "processor", Op: "overhead", Where: qnn.Delegate, Seconds: between})
	}
	return append(rows, devices.Layer{Name: "call", Op: "overhead", Where: "CPU", Seconds: tool.Median(call[warm:])}), said, nil
}

var (
	// opForm is the name of an op: "stem/conv_token_6:OpId_25", "Input OpId_2".
	opForm = regexp.MustCompile(`^(.+?)(?::| )OpId_[0-9]+$`)
	// token is what onnxruntime appends to the name of a node that it replaces, and QNN's provider to names that occur twice.
	token = regexp.MustCompile(`_token_[0-9]+(_[0-9]+)?$`)
)

// layer names an op. QNN prints no types: Op is the graph's, or what onnxruntime calls an op that it added.
//
// Tried with onnxruntime-qnn 2.7.0 and its emulation of the processor, on the fixture mobiledet_dsp: of 124 ops 109 are
// the graph's ops, one each, and the others are Input, Output and 13 Transposes. Their cycles sum to the processor's.
func layer(name string, g *graph.Graph, nodes tool.Nodes) devices.Layer {
	if f := opForm.FindStringSubmatch(name); f != nil {
		name = f[1]
	}
	base := token.ReplaceAllString(name, "")
	l := devices.Layer{Name: name, Op: "op", Where: qnn.Delegate, Nodes: nodes.Find(name)}
	if l.Nodes == nil {
		l.Nodes = nodes.Find(base)
	}
	switch {
	case len(l.Nodes) == 1 && g != nil:
		l.Op = string(g.Ops[l.Nodes[0]].Kind)
	case l.Nodes == nil && !strings.Contains(base, "/"):
		l.Op = cmp.Or(base, "op")
	}
	return l
}

package nnmeter

import (
	"errors"
	"fmt"

	"latlab/devices"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// Priced returns the kernels of a cost model's table, with latencies predicted by the model's
// op-level weights. A model without such weights is refused.
func Priced(m *regress.CostModel, s *sampler.Space) (*Kernels, error) {
	p, err := regress.NewPricer(m, s)
	if errors.Is(err, regress.ErrNoOps) {
		return nil, fmt.Errorf("nnmeter needs latencies of single kernels: %w; fit with --method ops, or export per-layer tables (--layers)", err)
	}
	if err != nil {
		return nil, err
	}
	k := newKernels()
	k.single, k.origin.cost = true, m
	price := func(ops []graph.PaidOp, err error) error {
		var seconds []float64
		for _, o := range ops {
			seconds = append(seconds, p.Seconds(o))
		}
		k.addOps(ops, seconds)
		return err
	}
	if err := price(graph.BiasOps(s)); err != nil {
		return nil, err
	}
	for i, pos := range s.Positions() {
		for e := range pos.Slots() {
			if !pos.Reachable(e) {
				continue
			}
			if err := price(graph.EntryOps(s, i, e)); err != nil {
				return nil, err
			}
		}
	}
	return k, nil
}

// Table is a device's per-layer table of a network.
type Table struct {
	Device string
	Kind   string // measured, estimated or simulated
	Graph  *graph.Graph
	Layers []devices.Layer
}

// Timed returns the kernels of per-layer tables. A row belongs to the op with its name; rows
// with the same name (an op and its activation) are summed. Tables of different devices or kinds
// are refused, and so are tables in which no row names an op, since the latency of a fused
// operator belongs to no single op.
func Timed(tables []Table) (*Kernels, error) {
	if len(tables) == 0 {
		return nil, errors.New("no per-layer tables")
	}
	k := newKernels()
	k.origin.device, k.origin.kind, k.origin.networks = tables[0].Device, tables[0].Kind, len(tables)
	for _, t := range tables {
		if t.Device != k.origin.device || t.Kind != k.origin.kind {
			return nil, fmt.Errorf("per-layer tables of %s (%s) and of %s (%s) cannot be mixed", k.origin.device, k.origin.kind, t.Device, t.Kind)
		}
		k.addTable(t)
	}
	if len(k.list) == 0 {
		return nil, fmt.Errorf("no row of the per-layer tables of %s has the name of an op of the network", k.origin.device)
	}
	return k, nil
}

func (k *Kernels) addTable(t Table) {
	rows := map[string]float64{}
	for _, l := range t.Layers {
		rows[l.Name] += l.Seconds
		k.origin.total += l.Seconds
	}
	var ops []graph.PaidOp
	var seconds []float64
	for _, o := range t.Graph.Ops {
		x, ok := rows[o.Name]
		if !ok {
			x = -1
		}
		k.origin.named += max(x, 0)
		ops, seconds = append(ops, t.Graph.PaidOp(o)), append(seconds, x)
	}
	k.addOps(ops, seconds)
}

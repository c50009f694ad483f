package nnmeter

import (
	"errors"
	"fmt"
	"slices"

	"latlab/bench/profile"
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
	Ops    []profile.Op
	Layers []devices.Layer
}

// Timed returns the kernels of per-layer tables. A row belongs to the ops of its Nodes; in a table without any, to
// the op with its name. Rows of one op (it and its activation) are summed, and so are those of a kernel's ops. A row
// that stands for ops of several kernels is the latency of none of them, and leaves these kernels out.
// Tables of different devices or kinds are refused, and so are tables in which no row belongs to a kernel.
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
		return nil, fmt.Errorf("no row of the per-layer tables of %s belongs to an op that nn-Meter has a kernel for", k.origin.device)
	}
	return k, nil
}

func (k *Kernels) addTable(t Table) {
	ops := make([]graph.PaidOp, len(t.Ops))
	for i, o := range t.Ops {
		ops[i] = graph.PaidOp{Op: graph.Op{Kind: o.Kind, Name: o.Name, Kernel: o.Kernel, Stride: o.Stride, Groups: o.Groups}, In: o.Input, Out: o.Output}
		if o.Dilation != nil {
			ops[i].Dilation = *o.Dilation
		}
	}
	kernelOf, kernels := make([]int, len(ops)), 0
	for i := 0; i < len(ops); kernels++ {
		for range unit(ops[i:]) {
			kernelOf[i] = kernels
			i++
		}
	}
	seconds, shared := make([]float64, len(ops)), make([]bool, kernels)
	for i := range seconds {
		seconds[i] = -1
	}
	of := t.opsOf()
	for _, l := range t.Layers {
		k.origin.total += l.Seconds
		mine := of(l)
		for n, i := range mine {
			if seconds[i] = max(seconds[i], 0); n == 0 {
				seconds[i] += l.Seconds
			}
			if kernelOf[i] != kernelOf[mine[0]] {
				shared[kernelOf[i]], shared[kernelOf[mine[0]]] = true, true
			}
		}
	}
	for i := range seconds {
		if shared[kernelOf[i]] {
			seconds[i] = -1
		}
		k.origin.named += max(seconds[i], 0)
	}
	k.addOps(ops, seconds)
}

// opsOf finds the ops of a row, by their place in the table's ops: none if one of the row's nodes is not known.
func (t *Table) opsOf() func(devices.Layer) []int {
	byNode, byName := map[int]int{}, map[string]int{}
	for i, o := range t.Ops {
		byNode[o.Node], byName[o.Name] = i, i
	}
	hasNodes := slices.ContainsFunc(t.Layers, func(l devices.Layer) bool { return len(l.Nodes) > 0 })
	return func(l devices.Layer) []int {
		if i, known := byName[l.Name]; !hasNodes && known {
			return []int{i}
		}
		var all []int
		for _, node := range l.Nodes {
			i, known := byNode[node]
			if !known {
				return nil
			}
			all = append(all, i)
		}
		return all
	}
}

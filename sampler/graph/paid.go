package graph

import (
	"fmt"

	"latlab/sampler"
)

// PaidOp is an op with the shapes and counts that a cost model needs. It belongs to no graph: Op.Inputs
// is nil and Op.Output is -1.
type PaidOp struct {
	Op
	In, Out [4]int

	MACs           int64
	Params         int64
	WeightElements int64 // without the bias
	InputElements  int64 // of all inputs
	OutputElements int64
}

// PaidOp resolves an op's shapes and counts.
func (g *Graph) PaidOp(op Op) PaidOp {
	p := PaidOp{
		Op: op, In: g.In(op), Out: g.Out(op),
		MACs: g.MACs(op), Params: g.Params(op), WeightElements: g.Weights(op),
		InputElements: g.InputElements(op), OutputElements: g.OutputElements(op),
	}
	p.Inputs, p.Output, p.MoreOutputs = nil, -1, nil
	return p
}

// Paid lists the ops that a position (or Bias) pays for, in execution order.
func (g *Graph) Paid(position int) []PaidOp {
	var paid []PaidOp
	for _, op := range g.Ops {
		if op.Position == position {
			paid = append(paid, g.PaidOp(op))
		}
	}
	return paid
}

// EntryOps lists the ops of a table entry: those that the position pays for in every network that
// uses the entry. It builds them without the rest of a network. An entry that no Arch can use is
// an error. A skip has no ops, unless the layer also pays for parts of a head.
func EntryOps(s *sampler.Space, position, entry int) ([]PaidOp, error) {
	if err := checkSpace(s); err != nil {
		return nil, err
	}
	ps := s.Positions()
	if position < 0 || position >= len(ps) {
		return nil, fmt.Errorf("space %s has positions 0 to %d, not %d", s.Name, len(ps)-1, position)
	}
	p := ps[position]
	if entry < 0 || entry >= p.Slots() {
		return nil, fmt.Errorf("space %s: %s has entries 0 to %d, not %d", s.Name, p.Name, p.Slots()-1, entry)
	}
	if !p.Reachable(entry) {
		return nil, fmt.Errorf("space %s: no network can use entry %d of %s: its input and output width are one decision", s.Name, entry, p.Name)
	}
	return entryOps(s, p, position, entry)
}

func entryOps(s *sampler.Space, p sampler.Position, position, entry int) ([]PaidOp, error) {
	out, in, choice := p.Split(entry)
	b := newBuilder(s, 20)
	b.pos = position
	h, w := mapSize(s, p.Stage, p.Layer)
	x := b.tensor("input", [4]int{1, h, w, p.In[in]})
	if _, err := b.layer(x, p.Stage, p.Layer, choice, p.Out[out]); err != nil {
		return nil, fmt.Errorf("space %s: %w", s.Name, err)
	}
	if p.Layer == 0 {
		h, w = mapSize(s, p.Stage, len(s.Stages[p.Stage].Layers))
		b.headOf(b.tensor("end", [4]int{1, h, w, p.Out[out]}), p.Stage)
	}
	if err := b.g.checkSizes(); err != nil {
		return nil, fmt.Errorf("space %s: %w", s.Name, err)
	}
	return b.g.Paid(position), nil
}

// headOf appends the parts of the head that depend on the width of one stage, in Lower's order.
func (b *builder) headOf(end, stage int) {
	s, last := b.space, len(b.space.Stages)-1
	switch s.Head.Type {
	case sampler.Classifier:
		if stage == last {
			b.classifier(end)
		}
	case sampler.SSDLite:
		if stage == last {
			b.extraMaps(end)
		}
		for i, tap := range s.Head.Taps {
			if tap == s.Stages[stage].Name {
				b.branches(end, i)
			}
		}
	}
}

// BiasOps lists the ops that depend on no decision: the branches on the extra maps.
func BiasOps(s *sampler.Space) ([]PaidOp, error) {
	if err := checkSpace(s); err != nil {
		return nil, err
	}
	if s.Head.Type != sampler.SSDLite {
		return nil, nil
	}
	b := newBuilder(s, 20)
	b.pos = Bias
	last := len(s.Stages) - 1
	h, w := mapSize(s, last, len(s.Stages[last].Layers))
	for i, depth := range s.Head.Extra {
		h, w = same(h, extraStride), same(w, extraStride)
		m := b.tensor("map", [4]int{1, h, w, depth})
		b.branches(m, len(s.Head.Taps)+i)
	}
	return b.g.Paid(Bias), nil
}

// mapSize is the height and width of a stage's map before one of its layers, or after the last
// one. Strides are fixed by the space, so no decision changes a map's size.
func mapSize(s *sampler.Space, stage, layer int) (h, w int) {
	h, w = s.Input.Height, s.Input.Width
	for si, st := range s.Stages[:stage+1] {
		layers := st.Layers
		if si == stage {
			layers = layers[:layer]
		}
		for _, l := range layers {
			h, w = l.MapAfter(h, w)
		}
	}
	return h, w
}

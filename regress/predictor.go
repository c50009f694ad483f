package regress

import (
	"context"

	"latlab/regress/features"
	"latlab/sampler"
)

// Predictor is a table over the layers of a space in a layout for predicting many networks: a cost
// model's seconds (NewPredictor) or MACs (NewMACs). CostModel.Predict lists the entries of each network
// anew, which costs an allocation and most of its time. A Predictor is safe for concurrent use.
//
// It has only the entries that a network can use, 4,620 of the 12,342 slots of a MobileDet space, so that the
// table stays in the first two levels of a cache: 37 kB. Tables of two layers together, with half of the additions,
// were rejected: they are ten times as large, which the second level of many cores does not hold.
type Predictor struct {
	bias    float64
	weights []float64
	stages  []stage
}

// stage says where a stage's entries are. The first layer has one for each output width, input width and
// choice, the others one for each output width and choice, those of a width side by side. The stage's
// decisions are those of its layers and then its width.
type stage struct {
	layers            int
	first, byOut, ins int // the first layer's entries: offset, and how many there are for each output and input width
	rest, restByOut   int
	choices           []int // of the other layers
}

// NewPredictor returns an error if the model's table does not match the space.
func NewPredictor(m *CostModel, s *sampler.Space) (*Predictor, error) {
	if err := m.CheckSpace(s); err != nil {
		return nil, err
	}
	l := newLayout(s)
	slots := make([]float64, 0, l.slots)
	for _, t := range m.Table {
		slots = append(slots, t.Weights...)
	}
	return newPredictor(l, m.Bias, slots), nil
}

// NewMACs returns a Predictor of multiply-accumulates instead of seconds. They add up over the table as
// latencies do, so a network takes some 20 ns instead of 0.1 ms for its graph, after some tens of
// milliseconds for the table. All are whole numbers and exact.
func NewMACs(ctx context.Context, s *sampler.Space) (*Predictor, error) {
	l := newLayout(s)
	f, err := newEntryFeatures(ctx, l, features.MACs())
	if err != nil {
		return nil, err
	}
	return newPredictor(l, f.bias[0], f.values), nil
}

// newPredictor copies the reachable ones of a layout's slots.
func newPredictor(l layout, bias float64, slots []float64) *Predictor {
	p := &Predictor{bias: bias}
	position := 0
	for _, st := range l.space.Stages {
		pos := l.positions[position]
		in, k := len(pos.In), len(pos.Choices)
		s := stage{layers: len(st.Layers), first: len(p.weights), byOut: in * k, ins: k}
		at := l.offset[position]
		p.weights = append(p.weights, slots[at:at+pos.Slots()]...)
		s.rest = len(p.weights)
		for _, layer := range st.Layers[1:] {
			s.choices = append(s.choices, len(layer.Choices))
			s.restByOut += len(layer.Choices)
		}
		for out := range st.Widths {
			for i := 1; i < len(st.Layers); i++ {
				pos := l.positions[position+i]
				at := l.offset[position+i] + pos.Entry(out, out, 0)
				p.weights = append(p.weights, slots[at:at+len(pos.Choices)]...)
			}
		}
		p.stages = append(p.stages, s)
		position += len(st.Layers)
	}
	return p
}

// Predict returns the latency in seconds, or the MACs, of indices that the space's Check accepts. It adds in the
// order of CostModel.Predict, so both return the same bits.
func (p *Predictor) Predict(indices []int) float64 {
	y, in, w := p.bias, 0, p.weights
	for i := range p.stages {
		s := &p.stages[i]
		out := indices[s.layers]
		y += w[s.first+out*s.byOut+in*s.ins+indices[0]]
		others := indices[1:s.layers]
		choices := s.choices[:len(others)] // one check for the whole loop
		at := s.rest + out*s.restByOut
		for k, x := range others {
			y += w[at+x]
			at += choices[k]
		}
		in = out
		indices = indices[s.layers+1:]
	}
	return y
}

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
	flat    *sampler.Flattener
}

// stage says where a stage's entries are, by the flat indices of sampler.Flattener. The first layer has one for each output width, input width and
// choice, the others one for each output width and choice, those of a width side by side. The stage's
// decisions are those of its layers and then its width.
type stage struct {
	layers            int
	first, byOut, ins int // the first layer's entries: offset, and how many there are for each output and input width
	rest, restByOut   int
	offsets           []int // of the other layers' entries, within those of one width
	third, fourth     int   // offsets[1] and offsets[2] of a stage of four layers
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
	p := &Predictor{bias: bias, flat: l.space.Flattener()}
	position := 0
	for _, st := range l.space.Stages {
		pos := l.positions[position]
		in, k := len(pos.In), len(pos.Choices)
		s := stage{layers: len(st.Layers), first: len(p.weights), byOut: in * k, ins: k}
		at := l.offset[position]
		p.weights = append(p.weights, slots[at:at+pos.Slots()]...)
		s.rest = len(p.weights)
		for _, layer := range st.Layers[1:] {
			s.offsets = append(s.offsets, s.restByOut)
			s.restByOut += len(layer.Choices)
		}
		if len(st.Layers) == 4 {
			s.third, s.fourth = s.offsets[1], s.offsets[2]
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
//
// Stages of one and of four layers, of which MobileDet spaces consist, are written out: the loop over the
// others takes half as long again (25 ns a network against 17).
func (p *Predictor) Predict(indices []int) float64 {
	if p.flat != nil {
		var stack [128]int // beyond which Append allocates
		indices = p.flat.Append(stack[:0], indices)
	}
	y, in, w := p.bias, 0, p.weights
	for i := range p.stages {
		s := &p.stages[i]
		var out int
		switch {
		case s.layers == 1 && len(indices) >= 2:
			own := (*[2]int)(indices)
			out = own[1]
			y += w[s.first+out*s.byOut+in*s.ins+own[0]]
			indices = indices[2:]
		case s.layers == 4 && len(indices) >= 5:
			own := (*[5]int)(indices)
			out = own[4]
			at := s.rest + out*s.restByOut
			y += w[s.first+out*s.byOut+in*s.ins+own[0]]
			y += w[at+own[1]]
			y += w[at+s.third+own[2]]
			y += w[at+s.fourth+own[3]]
			indices = indices[5:]
		default:
			out = indices[s.layers]
			at := s.rest + out*s.restByOut
			y += w[s.first+out*s.byOut+in*s.ins+indices[0]]
			for k, x := range indices[1:s.layers] {
				y += w[at+s.offsets[k]+x]
			}
			indices = indices[s.layers+1:]
		}
		in = out
	}
	return y
}

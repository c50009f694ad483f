package regress

import "latlab/sampler"

// Predictor is a cost model in a layout for predicting many networks. CostModel.Predict lists the
// entries of each network anew, which costs an allocation and most of its time. A Predictor is
// safe for concurrent use.
type Predictor struct {
	bias    float64
	weights []float64
	layers  []step
	flat    *sampler.Flattener
}

// step is one position: the offset of its weights, its number of input widths and choices, and
// the flat indices (sampler.Flattener) that are its choice, its output width and its input width (-1 = none).
type step struct {
	offset, ins, choices int
	choice, out, in      int
}

// NewPredictor returns an error if the model's table does not match the space.
func NewPredictor(m *CostModel, s *sampler.Space) (*Predictor, error) {
	if err := m.CheckSpace(s); err != nil {
		return nil, err
	}
	p := &Predictor{bias: m.Bias, flat: s.Flattener()}
	for _, t := range m.Table {
		p.weights = append(p.weights, t.Weights...)
	}
	offset, decisions, in, ins := 0, 0, -1, 1
	for _, st := range s.Stages {
		width := decisions + len(st.Layers)
		for _, l := range st.Layers {
			p.layers = append(p.layers, step{offset, ins, len(l.Choices), decisions, width, in})
			offset += len(st.Widths) * ins * len(l.Choices)
			decisions++
			in, ins = width, len(st.Widths)
		}
		decisions++
	}
	return p, nil
}

// Predict returns the latency in seconds of indices that the space's Check accepts.
func (p *Predictor) Predict(indices []int) float64 {
	if p.flat != nil {
		var stack [128]int // beyond which Append allocates
		indices = p.flat.Append(stack[:0], indices)
	}
	y := p.bias
	for _, s := range p.layers {
		entry := indices[s.out] * s.ins
		if s.in >= 0 {
			entry += indices[s.in]
		}
		y += p.weights[s.offset+entry*s.choices+indices[s.choice]]
	}
	return y
}

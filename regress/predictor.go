package regress

import (
	"fmt"

	"latlab/sampler"
)

// Predictor is a cost model in a layout for predicting many networks. CostModel.Predict lists the
// entries of each network anew, which costs an allocation and most of its time. A Predictor is
// safe for concurrent use.
type Predictor struct {
	space   string
	bias    float64
	weights []float64
	layers  []step
	indices int
}

// step is one position: the offset of its weights, its number of input widths and choices, and
// the decisions that are its choice, its output width and its input width (-1 = none).
type step struct {
	offset, ins, choices int
	choice, out, in      int
}

// NewPredictor returns an error if the model's table does not match the space.
func NewPredictor(m *CostModel, s *sampler.Space) (*Predictor, error) {
	if err := m.CheckSpace(s); err != nil {
		return nil, err
	}
	p := &Predictor{space: s.Name, bias: m.Bias}
	for _, t := range m.Table {
		p.weights = append(p.weights, t.Weights...)
	}
	offset, in, ins := 0, -1, 1
	for _, st := range s.Stages {
		width := p.indices + len(st.Layers)
		for _, l := range st.Layers {
			p.layers = append(p.layers, step{offset, ins, len(l.Choices), p.indices, width, in})
			offset += len(st.Widths) * ins * len(l.Choices)
			p.indices++
			in, ins = width, len(st.Widths)
		}
		p.indices++
	}
	return p, nil
}

// Predict returns the latency in seconds of indices that the space's Check accepts.
func (p *Predictor) Predict(indices []int) float64 {
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

// PredictAll predicts checked networks into dst, grown if needed, and returns it. A network of a
// different space is an error.
func (p *Predictor) PredictAll(dst []float64, archs []sampler.Arch) ([]float64, error) {
	if cap(dst) < len(archs) {
		dst = make([]float64, len(archs))
	}
	dst = dst[:len(archs)]
	for i, a := range archs {
		if a.Space != p.space || len(a.Indices) != p.indices {
			return nil, fmt.Errorf("network %d (%s) has space %q with %d decisions, the cost model has %s with %d",
				i, a, a.Space, len(a.Indices), p.space, p.indices)
		}
		dst[i] = p.Predict(a.Indices)
	}
	return dst, nil
}

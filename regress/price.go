package regress

import (
	"errors"
	"fmt"

	"latlab/regress/features"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// ErrNoOps is returned for a cost model without weights of single ops.
var ErrNoOps = errors.New("it has no weights for single ops")

// Pricer computes the latency of a single op by a cost model of method ops.
type Pricer struct {
	features []features.Feature
	weights  []float64 // seconds a unit of each feature
	height   int       // of the network's input
}

// NewPricer needs a cost model of method ops, whose weights are for op-level features: an
// entry's weight is then the sum over its ops. For any other model the error is ErrNoOps: the
// indicator method has weights only for whole entries, and the macs method cannot price an
// addition.
func NewPricer(m *CostModel, s *sampler.Space) (*Pricer, error) {
	if err := m.CheckSpace(s); err != nil {
		return nil, err
	}
	if m.Method != string(Ops) {
		return nil, fmt.Errorf("cost model of method %s: %w", m.Method, ErrNoOps)
	}
	p := &Pricer{features: features.All(), height: s.Input.Height}
	for _, f := range p.features {
		w, ok := m.Features[f.Name]
		if !ok {
			return nil, fmt.Errorf("cost model of method %s, but without a weight of %s: %w", m.Method, f.Name, ErrNoOps)
		}
		p.weights = append(p.weights, w)
	}
	// The intercept is one more. With an unknown feature of a newer release the prices would be too low.
	if n := len(m.Features) - 1; n > len(p.features) {
		return nil, fmt.Errorf("cost model of %d features, this program knows %d: %w", n, len(p.features), ErrNoOps)
	}
	return p, nil
}

// Seconds is the latency of an op of the space, without the fixed overhead that belongs to no op
// (the bias).
func (p *Pricer) Seconds(o graph.PaidOp) float64 {
	sum := 0.0
	x := features.NewOp(o, p.height)
	for k, f := range p.features {
		sum += p.weights[k] * f.Value(x)
	}
	return sum
}

package regress

import (
	"errors"
	"fmt"

	"latlab/sampler"
	"latlab/sampler/graph"
)

// ErrNoOps says that a cost model knows no price of a single op.
var ErrNoOps = errors.New("it has no weights of ops")

// Pricer says what a cost model of method ops takes a single op to cost.
type Pricer struct {
	features []Feature
	weights  []float64 // seconds a unit of each feature
	height   int       // of the network's input
}

// NewPricer wants a cost model of method ops, whose weights are of op-level features: the
// price of an entry is then the sum of the prices of its ops. Any other model is ErrNoOps:
// the indicator method weighs entries as wholes, and what the macs method would say of an
// addition is nothing.
func NewPricer(m *CostModel, s *sampler.Space) (*Pricer, error) {
	if err := m.CheckSpace(s); err != nil {
		return nil, err
	}
	if m.Method != string(Ops) {
		return nil, fmt.Errorf("cost model of method %s: %w", m.Method, ErrNoOps)
	}
	p := &Pricer{features: Features(), height: s.Input.Height}
	for _, f := range p.features {
		w, ok := m.Features[f.Name]
		if !ok {
			return nil, fmt.Errorf("cost model of method %s, but without a weight of %s: %w", m.Method, f.Name, ErrNoOps)
		}
		p.weights = append(p.weights, w)
	}
	// One more is the intercept. An op-level feature of another release's would go unpaid.
	if n := len(m.Features) - 1; n > len(p.features) {
		return nil, fmt.Errorf("cost model of %d features, this program knows %d: %w", n, len(p.features), ErrNoOps)
	}
	return p, nil
}

// Seconds is the price of an op of the space, without the dispatch that no op pays for
// (the bias).
func (p *Pricer) Seconds(o graph.PaidOp) float64 {
	sum := 0.0
	x := op{PaidOp: o, level: level(p.height, o.Out[1])}
	for k, f := range p.features {
		sum += p.weights[k] * f.of(x)
	}
	return sum
}

// Package choose picks networks by the latency that a cost model predicts: those within a
// budget, and the first of a ranking. It measures and fits nothing; predictions are regress's,
// random networks sampler's.
package choose

import (
	"context"
	"errors"
	"fmt"
	"math"

	"latlab/regress"
	"latlab/sampler"
)

// Budget is a range of predicted latencies in seconds, its ends left out; an open end is an
// infinity.
type Budget struct{ Above, Below float64 }

// BudgetError is a budget that too few networks of a space are within.
type BudgetError struct {
	Budget Budget
	// Least and Greatest bound the predicted latencies: of the whole space where Rare is nil,
	// of the networks that were drawn otherwise.
	Least, Greatest float64
	Space           string
	Rare            *sampler.RareError
}

func (e *BudgetError) Error() string {
	if e.Rare != nil {
		return fmt.Sprintf("%v within %v s: %v", e.Space, e.Budget, e.Rare)
	}
	return fmt.Sprintf("no network of %s is predicted within %v s", e.Space, e.Budget)
}

func (e *BudgetError) Unwrap() error {
	if e.Rare == nil {
		return nil
	}
	return e.Rare
}

// Within draws n networks whose predicted latency is within a budget. It fails at once
// with a BudgetError where no network of the space can be, and after sampler.MaxDrawn networks
// where too few are.
func Within(ctx context.Context, p *regress.Predictor, m *regress.CostModel, sp *sampler.Space, b Budget, n int, seed uint64) ([]sampler.Arch, error) {
	least, greatest, err := m.Range(sp)
	if err != nil {
		return nil, err
	}
	// The range was added up in another order, so the last bits of its ends may differ.
	if slack := 1e-9 * math.Abs(greatest); least-slack >= b.Below || greatest+slack <= b.Above {
		return nil, &BudgetError{Budget: b, Least: least, Greatest: greatest, Space: sp.Name}
	}
	least, greatest = math.Inf(1), math.Inf(-1)
	archs, err := sampler.SampleWhere(ctx, sp, n, seed, func(indices []int) bool {
		y := p.Predict(indices)
		least, greatest = min(least, y), max(greatest, y)
		return b.Above < y && y < b.Below
	})
	var rare *sampler.RareError
	if errors.As(err, &rare) {
		return nil, &BudgetError{Budget: b, Least: least, Greatest: greatest, Space: sp.Name, Rare: rare}
	}
	return archs, err
}

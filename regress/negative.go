package regress

import (
	"context"
	"fmt"
	"strings"
)

// Negative says how many weights of the table are negative and by how much, and whether the bias is; ""
// if none is. A
// negative weight is not a latency: the indicator method, which has no lower bound, gives many of
// them if networks are few, and a search or a table of parts that reads single entries is misled.
func (m *CostModel) Negative() string {
	negative, used, sum, least, at := 0, 0, 0.0, 0.0, ""
	for _, t := range m.Table {
		for e, w := range t.Weights {
			if w != 0 || e < len(t.Seen) && t.Seen[e] > 0 {
				used++
			}
			if w >= 0 {
				continue
			}
			negative++
			sum += w
			if w < least {
				least, at = w, fmt.Sprintf("entry %d of %s", e, t.Name)
			}
		}
	}
	var parts []string
	if negative > 0 {
		parts = append(parts, fmt.Sprintf("%d of the %d table entries that the fit's networks use are negative, by %.4g s on average and %.4g s at most (%s): single entries are not latencies; measure more networks, or fit with --non-negative",
			negative, used, -sum/float64(negative), -least, at))
	}
	if m.Bias < 0 {
		parts = append(parts, fmt.Sprintf("the bias is negative, %.4g s: it is not a latency", m.Bias))
	}
	return strings.Join(parts, "; ")
}

// clipped returns a fit of the indicator method without negative weights: it sets them to zero and
// fits the others again until none is negative. The penalty is that of the first fit.
func (d *design) clipped(ctx context.Context, train []int, s solution, penalty float64, o Options) (solution, error) {
	zero := make([]bool, d.slots)
	o.Penalties = []float64{penalty}
	for {
		found := false
		for i, w := range s.slots {
			if w < 0 {
				zero[i], found = true, true
			}
		}
		if !found {
			return s, nil
		}
		rest := d.without(zero)
		err := rest.ridge(train, o).path(ctx, d.slots, o.Penalties, func(_ int, next solution) { s = next })
		if err != nil {
			return solution{}, err
		}
	}
}

// without is the design without some slots, whose weights are then zero.
func (d *design) without(zero []bool) *design {
	rest := *d
	rest.rows = make([][]int32, len(d.rows))
	for i, row := range d.rows {
		for _, slot := range row {
			if !zero[slot] {
				rest.rows[i] = append(rest.rows[i], slot)
			}
		}
	}
	return &rest
}

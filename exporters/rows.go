package exporters

import (
	"context"
	"iter"
	"math"

	"latlab/bench"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// Row is one network of a sweep as the exports of measurements take it: its estimate, the
// blocks that it was computed from, and what its indices say.
type Row struct {
	bench.Estimate
	ID     string // of the Arch; empty if the network is not in any search space
	MACs   *int64 // nil = unknown
	Params *int64
}

// Rows yields a sweep's networks by index. Memory is one network's. It stops at the first
// error, which it yields once, last.
func Rows(ctx context.Context, st bench.Reader, m bench.Sweep) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		sp, err := m.LoadSpace()
		if err != nil {
			yield(Row{}, err)
			return
		}
		for e, err := range bench.Estimates(ctx, st, m.ID) {
			if err != nil {
				yield(Row{}, err)
				return
			}
			if !yield(rowOf(sp, e), nil) {
				return
			}
		}
	}
}

func rowOf(sp *sampler.Space, e bench.Estimate) Row {
	row := Row{Estimate: e}
	row.MACs, row.Params = e.Network.MACs, e.Network.Params
	if sp == nil {
		return row
	}
	a, err := sp.ParseArch(e.Network.Indices)
	if err != nil {
		return row
	}
	row.ID = a.ID()
	if row.MACs != nil && row.Params != nil {
		return row
	}
	// Planned by an older latlab, or its model could not be written.
	if g, err := graph.Lower(sp, a); err == nil {
		row.MACs, row.Params = new(g.TotalMACs()), new(g.TotalParams())
	}
	return row
}

// OrNaN is NaN for an unknown figure.
func OrNaN[T int64 | float64](x *T) float64 {
	if x == nil {
		return math.NaN()
	}
	return float64(*x)
}

// Higher is the larger of two figures, as far as they are known.
func Higher(a, b *float64) *float64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

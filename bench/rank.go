package bench

import (
	"cmp"
	"slices"
)

// Ranked is a network of a sweep in the order of latency.
type Ranked struct {
	Estimate
	// Times is the latency as a multiple of the fastest network's.
	Times float64
	// Tied says that the interval overlaps that of the network above: the two are not distinguishable.
	Tied bool
}

// Rank sorts the networks that have a latency, the fastest first, ties by index.
func Rank(all []Estimate) []Ranked {
	var ranked []Ranked
	for _, e := range all {
		if e.M != nil && e.Network.Status != Failed {
			ranked = append(ranked, Ranked{Estimate: e})
		}
	}
	slices.SortStableFunc(ranked, func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(a.M.Seconds, b.M.Seconds), cmp.Compare(a.Network.Index, b.Network.Index))
	})
	for i := range ranked {
		r := &ranked[i]
		r.Times = r.M.Seconds / ranked[0].M.Seconds
		r.Tied = i > 0 && overlap(ranked[i-1].M, r.M)
	}
	return ranked
}

// overlap reports whether two intervals overlap. A measurement without one overlaps everything, since
// nothing is known of its error; two deterministic ones overlap only if they are equal.
func overlap(a, b *Measurement) bool {
	if a.Low == nil || a.High == nil || b.Low == nil || b.High == nil {
		return true
	}
	return *a.Low <= *b.High && *b.Low <= *a.High
}

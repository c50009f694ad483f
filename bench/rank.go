package bench

import (
	"cmp"
	"slices"
	"strings"

	"latlab/bench/verdict"
)

// Ranked is a network of a sweep in the order of latency.
type Ranked struct {
	Estimate
	// Rank is 1 for the fastest network.
	Rank int
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
		r.Rank = i + 1
		r.Times = r.M.Seconds / ranked[0].M.Seconds
		r.Tied = i > 0 && overlap(ranked[i-1].M, r.M)
	}
	return ranked
}

// overlap reports whether two intervals overlap. A measurement without one overlaps everything, since
// nothing is known of its error; two deterministic ones overlap only if they are equal.
func overlap(a, b *verdict.Measurement) bool {
	if a.Low == nil || a.High == nil || b.Low == nil || b.High == nil {
		return true
	}
	return *a.Low <= *b.High && *b.Low <= *a.High
}

// RankOrder is an order in which ranked networks are shown.
type RankOrder string

// The orders. Networks that are equal in one keep the order of latency.
const (
	ByLatency RankOrder = "latency" // the fastest first
	ByName    RankOrder = "name"
	ByIndex   RankOrder = "index"
	ByMACs    RankOrder = "macs"    // the fewest first, unknown ones last
	ByVerdict RankOrder = "verdict" // VALID first
)

// RankOrders lists all orders, the default first.
func RankOrders() []RankOrder { return []RankOrder{ByLatency, ByName, ByIndex, ByMACs, ByVerdict} }

// Sort sorts what Rank returned.
func (o RankOrder) Sort(ranked []Ranked) {
	slices.SortStableFunc(ranked, func(a, b Ranked) int {
		by := 0
		switch o {
		case ByName:
			by = strings.Compare(a.Network.Name, b.Network.Name)
		case ByIndex:
			by = cmp.Compare(a.Network.Index, b.Network.Index)
		case ByMACs:
			by = compareMACs(a.Network.MACs, b.Network.MACs)
		case ByVerdict:
			by = -strings.Compare(string(a.M.Verdict), string(b.M.Verdict))
		}
		return cmp.Or(by, cmp.Compare(a.Rank, b.Rank))
	})
}

func compareMACs(a, b *int64) int {
	switch {
	case a != nil && b != nil:
		return cmp.Compare(*a, *b)
	case a != nil:
		return -1
	case b != nil:
		return 1
	}
	return 0
}

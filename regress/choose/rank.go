package choose

import (
	"cmp"
	"container/heap"
	"slices"
)

// Prediction is a network with its predicted latency. It holds the text of the indices and no
// Arch: a million of them take some 100 MB, where Archs would take three times that.
type Prediction struct {
	Seconds float64
	MACs    int64  // 0 where they were not asked for
	Indices string // text form
}

// ByLatency orders by latency, then by text.
func ByLatency(p, q Prediction) int {
	return cmp.Or(cmp.Compare(p.Seconds, q.Seconds), cmp.Compare(p.Indices, q.Indices))
}

// ByMACs orders by MACs, the most first, then by latency.
func ByMACs(p, q Prediction) int {
	return cmp.Or(cmp.Compare(q.MACs, p.MACs), ByLatency(p, q))
}

// Ranking keeps the first Top predictions in the order of Compare, or all where Top is 0.
type Ranking struct {
	Top     int
	Compare func(p, q Prediction) int
	kept    predictionHeap
}

// Add adds one prediction, in O(log Top).
func (r *Ranking) Add(p Prediction) {
	r.kept.compare = r.Compare
	switch {
	case r.Top == 0:
		r.kept.all = append(r.kept.all, p)
	case len(r.kept.all) < r.Top:
		heap.Push(&r.kept, p)
	case r.Compare(p, r.kept.all[0]) < 0:
		r.kept.all[0] = p
		heap.Fix(&r.kept, 0)
	}
}

// Sorted is the ranking, the first first. It ends the ranking.
func (r *Ranking) Sorted() []Prediction {
	slices.SortFunc(r.kept.all, r.Compare)
	return r.kept.all
}

// predictionHeap has the last of its predictions at the root.
type predictionHeap struct {
	all     []Prediction
	compare func(p, q Prediction) int
}

func (h *predictionHeap) Len() int           { return len(h.all) }
func (h *predictionHeap) Less(i, j int) bool { return h.compare(h.all[i], h.all[j]) > 0 }
func (h *predictionHeap) Swap(i, j int)      { h.all[i], h.all[j] = h.all[j], h.all[i] }
func (h *predictionHeap) Push(x any)         { h.all = append(h.all, x.(Prediction)) }

func (h *predictionHeap) Pop() any {
	last := len(h.all) - 1
	p := h.all[last]
	h.all = h.all[:last]
	return p
}

package report

import (
	"cmp"
	"math"
	"slices"
)

// budgetSteps are how many bands a sweep's range of MACs is cut into, at most; half of them
// where the next round step is much larger.
const budgetSteps = 12

// FastestOf is how many networks a Band names at most.
const FastestOf = 3

// bands cut the range of MACs into round steps and name the fastest VALID networks of each.
// A plain "at most so many MACs" would name the smallest network of the sweep every time.
func bands(n *Networks) []Band {
	rows := budgetRows(n)
	if len(rows) == 0 {
		return nil
	}
	lowest, highest := n.MACs[rows[0]], n.MACs[rows[0]]
	for _, r := range rows {
		lowest, highest = min(lowest, n.MACs[r]), max(highest, n.MACs[r])
	}
	step := RoundStep((highest - lowest) / budgetSteps)
	byBand := map[int][]int{}
	for _, r := range rows {
		b := int(math.Ceil(n.MACs[r] / step))
		byBand[b] = append(byBand[b], r)
	}
	var all []Band
	for b, in := range byBand {
		slices.SortStableFunc(in, func(x, y int) int { return cmp.Compare(n.Seconds[x], n.Seconds[y]) })
		all = append(all, Band{
			LowMACs: float64(b-1) * step, HighMACs: float64(b) * step,
			Networks: len(in), Fastest: in[:min(FastestOf, len(in))],
		})
	}
	slices.SortFunc(all, func(x, y Band) int { return cmp.Compare(x.HighMACs, y.HighMACs) })
	return all
}

// front is the Pareto front: VALID networks for which no other has as many MACs at a lower
// latency. More MACs are taken for better, as a search without accuracies must.
func front(n *Networks) []int {
	rows := budgetRows(n)
	slices.SortStableFunc(rows, func(x, y int) int {
		return cmp.Or(cmp.Compare(n.Seconds[x], n.Seconds[y]), cmp.Compare(n.MACs[y], n.MACs[x]))
	})
	var all []int
	most := math.Inf(-1)
	for _, r := range rows {
		if n.MACs[r] > most {
			most = n.MACs[r]
			all = append(all, r)
		}
	}
	return all
}

func budgetRows(n *Networks) []int {
	var rows []int
	for r := range n.Len() {
		if n.Valid(r) && !math.IsNaN(n.MACs[r]) {
			rows = append(rows, r)
		}
	}
	return rows
}

// RoundStep is the least of 1, 2, 5 times a power of ten that is not below x; 1 for 0.
func RoundStep(x float64) float64 {
	if !(x > 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= x {
			return f * power
		}
	}
	return 10 * power
}

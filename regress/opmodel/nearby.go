package opmodel

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// nearby corrects a group's times by those of profiled shapes nearby: the mean of the logarithms of observed
// over expected, weighted by nearness, and shrunk towards no correction where nothing is near (Nadaraya, On
// Estimating Regression, Theory of Probability and its Applications 9, 1964, 141-142). A shape that several
// networks have is near itself, so its time is soon what was observed.
type nearby struct {
	ops    []*Op
	logs   []float64 // of observed over expected, the median over a shape's rows
	counts []float64 // rows of each shape
}

const (
	reach    = 0.35 // octaves of a standard deviation
	doubt    = 0.5  // rows that no correction is worth
	farthest = 1.0  // logarithm of the largest correction of a shape
)

// compare compares observed times with expected ones.
func (m *Model) compare() {
	type key struct {
		leaf *group
		op   *Op
	}
	logs := map[key][]float64{}
	var order []key // of appearance, so that sums are the same on every run
	for _, s := range m.samples {
		expected := s.expected()
		if !(expected > 0) || !(s.seconds > 0) {
			continue
		}
		k := key{s.leaf, s.op}
		if logs[k] == nil {
			order = append(order, k)
		}
		logs[k] = append(logs[k], math.Log(s.seconds/expected))
	}
	for _, k := range order {
		all, n := logs[k], k.leaf.near
		n.ops = append(n.ops, k.op)
		n.logs = append(n.logs, min(max(median(all), -farthest), farthest))
		n.counts = append(n.counts, float64(len(all)))
	}
	for _, shapes := range m.seen {
		for _, s := range shapes {
			if l := logs[key{s.leaf, s.op}]; l != nil {
				s.seconds = floats.Dot(s.leaf.theta, s.op.x) * math.Exp(median(l))
			}
		}
	}
}

// factor is 1 for a group that is no leaf.
func (n *nearby) factor(o *Op) float64 {
	if n == nil {
		return 1
	}
	sum, total := 0.0, doubt
	for i, op := range n.ops {
		d := distance(o, op) / (reach * reach)
		if d > 25 {
			continue // less than a thousandth of a thousandth of a row
		}
		w := n.counts[i] * math.Exp(-d/2)
		sum += w * n.logs[i]
		total += w
	}
	return math.Exp(sum / total)
}

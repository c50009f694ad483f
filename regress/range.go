package regress

import (
	"math"

	"latlab/sampler"
)

// Range is the least and the greatest latency, in seconds, that the model predicts for any
// network of its space. A layer's entry depends only on the widths of its stage and of the
// stage before, so dynamic programming over the widths (Viterbi, IEEE Transactions on
// Information Theory 13, 1967) is exact up to rounding for spaces of any size.
func (m *CostModel) Range(s *sampler.Space) (least, greatest float64, err error) {
	if err := m.CheckSpace(s); err != nil {
		return 0, 0, err
	}
	return m.extreme(s, math.Min), m.extreme(s, math.Max), nil
}

// extreme is the best sum over a path through the widths.
func (m *CostModel) extreme(s *sampler.Space, better func(a, b float64) float64) float64 {
	sums := []float64{m.Bias} // by width of the stage before
	position := 0
	for _, st := range s.Stages {
		next := make([]float64, len(st.Widths))
		for out := range st.Widths {
			for in, before := range sums {
				sum := before + m.stage(st, position, in, out, len(sums), better)
				if in == 0 {
					next[out] = sum
				}
				next[out] = better(next[out], sum)
			}
		}
		sums = next
		position += len(st.Layers)
	}
	return best(sums, better)
}

// stage is the best sum over a stage's layers: the first layer has the widths in and out, the
// others the width out on both sides.
func (m *CostModel) stage(st sampler.Stage, position, in, out, ins int, better func(a, b float64) float64) float64 {
	sum := 0.0
	for i, l := range st.Layers {
		at := (out*ins + in) * len(l.Choices)
		sum += best(m.Table[position+i].Weights[at:at+len(l.Choices)], better)
		in, ins = out, len(st.Widths)
	}
	return sum
}

func best(xs []float64, better func(a, b float64) float64) float64 {
	y := xs[0]
	for _, x := range xs[1:] {
		y = better(y, x)
	}
	return y
}

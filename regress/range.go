package regress

import (
	"math"

	"latlab/sampler"
)

// Range is the least and the greatest latency, in seconds, that the model predicts for any
// network of its space. A layer's entry hangs on no more than the widths of its stage and
// of the one before, so the best way to every width of a stage follows from those to the
// widths before it (Viterbi, IEEE Transactions on Information Theory 13, 1967): it is exact
// up to rounding, whatever the size of the space.
func (m *CostModel) Range(s *sampler.Space) (least, greatest float64, err error) {
	if err := m.CheckSpace(s); err != nil {
		return 0, 0, err
	}
	return m.extreme(s, math.Min), m.extreme(s, math.Max), nil
}

// extreme is the best sum over a path through the widths.
func (m *CostModel) extreme(s *sampler.Space, better func(a, b float64) float64) float64 {
	ways := []float64{m.Bias} // by width of the stage before
	position := 0
	for _, st := range s.Stages {
		next := make([]float64, len(st.Widths))
		for out := range st.Widths {
			for in, before := range ways {
				way := before + m.stage(st, position, in, out, len(ways), better)
				if in == 0 {
					next[out] = way
				}
				next[out] = better(next[out], way)
			}
		}
		ways = next
		position += len(st.Layers)
	}
	return best(ways, better)
}

// stage is the best sum over a stage's layers: the first sees the widths in and out, the
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

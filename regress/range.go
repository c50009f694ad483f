package regress

import (
	"slices"

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
	return m.extreme(s, less).seconds, m.extreme(s, greater).seconds, nil
}

// Fastest is a network of the least predicted latency.
func (m *CostModel) Fastest(s *sampler.Space) (sampler.Arch, error) {
	if err := m.CheckSpace(s); err != nil {
		return sampler.Arch{}, err
	}
	return sampler.Arch{Space: s.Name, Indices: s.Flattener().Indices(m.extreme(s, less).indices)}, nil
}

func less(a, b float64) bool    { return a < b }
func greater(a, b float64) bool { return a > b }

// path is the first flat indices (sampler.Flattener) of a network, with what is predicted for them.
type path struct {
	seconds float64
	indices []int
}

// extreme is the best path through the widths.
func (m *CostModel) extreme(s *sampler.Space, better func(a, b float64) bool) path {
	best := func(a, b path) int {
		switch {
		case better(a.seconds, b.seconds):
			return -1
		case better(b.seconds, a.seconds):
			return 1
		}
		return 0
	}
	paths := []path{{seconds: m.Bias}} // by width of the stage before
	position := 0
	for _, st := range s.Stages {
		next := make([]path, len(st.Widths))
		for out := range st.Widths {
			var through []path
			for in, before := range paths {
				through = append(through, m.extend(before, st, position, [3]int{out, in, len(paths)}, better))
			}
			next[out] = slices.MinFunc(through, best)
		}
		paths = next
		position += len(st.Layers)
	}
	return slices.MinFunc(paths, best)
}

// extend adds a stage's best layers and its width: the first layer has the widths out and in, the others the
// width out on both sides. widths are the indices out and in, and how many widths in may be.
func (m *CostModel) extend(before path, st sampler.Stage, position int, widths [3]int, better func(a, b float64) bool) path {
	out, in, ins := widths[0], widths[1], widths[2]
	indices, sum := slices.Clip(before.indices), 0.0
	for i, l := range st.Layers {
		at := (out*ins + in) * len(l.Choices)
		weights := m.Table[position+i].Weights[at : at+len(l.Choices)]
		choice := 0
		for k, w := range weights {
			if better(w, weights[choice]) {
				choice = k
			}
		}
		sum += weights[choice]
		indices = append(indices, choice)
		in, ins = out, len(st.Widths)
	}
	return path{before.seconds + sum, append(indices, out)}
}

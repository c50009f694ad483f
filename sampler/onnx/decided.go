package onnx

import "slices"

// Decision is an input whose value decides how much an op computes.
type Decision struct{ Op, Input, What string }

const (
	repeats = "the number of runs"
	branch  = "the branch"
	extent  = "the size"
)

// sized are the ops whose work depends on values, and the inputs that have them.
var sized = map[string][]int{
	"Range": {0, 1, 2}, "NonZero": {0}, "Unique": {0}, "Compress": {1}, "Reshape": {1}, "Expand": {1}, "Tile": {1}, "ConstantOfShape": {0},
	"Slice": {1, 2, 3, 4}, "Resize": {2, 3}, "Upsample": {1}, "Pad": {1}, "TopK": {1}, "OneHot": {1}, "Split": {1}, "SplitToSequence": {1},
	"CenterCropPad": {1}, "NonMaxSuppression": {2}, "MaxUnpool": {2}, "Col2Im": {1}, "AffineGrid": {1}, "DFT": {1}, "STFT": {1, 3},
	"HannWindow": {0}, "HammingWindow": {0}, "BlackmanWindow": {0}, "MelWeightMatrix": {0, 1},
	"ReduceMean": {1}, "ReduceSum": {1}, "ReduceMax": {1}, "ReduceMin": {1}, "ReduceProd": {1}, "ReduceL1": {1}, "ReduceL2": {1},
	"ReduceLogSum": {1}, "ReduceLogSumExp": {1}, "ReduceSumSquare": {1},
}

const (
	// maxDecisions limits what is kept of a file, and the inputs that a value is known to depend on.
	maxDecisions = 16
	// maxVisits limits the work on damaged files: loops in loops are followed several times each.
	maxVisits = 1 << 22
)

// origins are the inputs whose values a value depends on.
type origins []string

func (o origins) with(more origins) origins {
	for _, name := range more {
		if !slices.Contains(o, name) && len(o) < maxDecisions {
			o = append(slices.Clone(o), name)
		}
	}
	return o
}

// follower follows values through a model's graphs.
type follower struct {
	left  int // ops and names within bodies that may still be visited
	found []Decision
}

// Decided finds the inputs whose values decide how much is computed. Sizes that are computed from other
// sizes (Shape) depend on no value.
func (n *Network) Decided() []Decision {
	f := follower{left: maxVisits}
	in := make([]origins, len(n.Inputs))
	for i, x := range n.Inputs {
		if _, constant := n.Constants[x.Name]; !constant {
			in[i] = origins{x.Name}
		}
	}
	f.graph(n, nil, in)
	return f.found
}

func (f *follower) note(op, what string, by origins) {
	for _, input := range by {
		if x := (Decision{op, input, what}); !slices.Contains(f.found, x) && len(f.found) < maxDecisions {
			f.found = append(f.found, x)
		}
	}
}

// graph follows values from a graph's inputs to its outputs.
func (f *follower) graph(n *Network, outer *scopeOf[origins], in []origins) []origins {
	if f.left -= len(n.Ops) + len(n.Constants) + len(n.Inputs) + len(n.Outputs); f.left < 0 && outer != nil {
		return nil
	}
	s := &scopeOf[origins]{outer, map[string]origins{}}
	for name := range n.Constants {
		s.set(name, nil) // it hides a value of this name around the graph
	}
	for i, x := range n.Inputs {
		s.set(x.Name, at(in, i))
	}
	for i := range n.Ops {
		f.op(&n.Ops[i], s)
	}
	out := make([]origins, len(n.Outputs))
	for i, y := range n.Outputs {
		out[i] = s.find(y.Name)
	}
	return out
}

func (f *follower) op(op *Op, s *scopeOf[origins]) {
	in := make([]origins, len(op.Inputs))
	var all origins
	for i, x := range op.Inputs {
		in[i] = s.find(x)
		all = all.with(in[i])
	}
	out := make([]origins, len(op.Outputs))
	switch {
	case op.Type == "Shape" || op.Type == "Size":
	case op.Type == "Loop" && len(op.Bodies) == 1:
		f.loop(op, s, in, out)
	case op.Type == "Scan" && len(op.Bodies) == 1:
		f.scan(op, s, in, out)
	case op.Type == "If":
		f.note(op.Type, branch, at(in, 0))
		for _, body := range op.Bodies {
			made := f.graph(body, s, nil)
			for i := range out {
				out[i] = out[i].with(at(made, i)).with(at(in, 0))
			}
		}
	default:
		for _, i := range sized[op.Type] {
			f.note(op.Type, extent, at(in, i))
		}
		for i := range out {
			out[i] = all
		}
	}
	for i, y := range op.Outputs {
		s.set(y, out[i])
	}
}

// loop follows a Loop: its inputs are the number of runs, the first condition and the values that its body computes
// anew in every run; the body's are the run's index, the condition and these values.
func (f *follower) loop(op *Op, s *scopeOf[origins], in, out []origins) {
	f.note(op.Type, repeats, at(in, 0))
	vars := slices.Clone(in[min(1, len(in)):])
	made := f.repeat(op.Bodies[0], s, vars, len(vars), 1)
	f.note(op.Type, repeats, at(vars, 0))
	by := at(in, 0).with(at(vars, 0))
	for i := range out {
		out[i] = at(vars, i+1).with(at(made, i+1)).with(by)
	}
}

// scan follows a Scan, which runs once a slice of its last inputs.
func (f *follower) scan(op *Op, s *scopeOf[origins], in, out []origins) {
	body := op.Bodies[0]
	lengths := max(0, len(in)-len(body.Inputs)) // the first input up to opset 8 is how many slices there are
	for _, by := range in[:lengths] {
		f.note(op.Type, repeats, by)
	}
	vars := slices.Clone(in[lengths:])
	made := f.repeat(body, s, vars, len(vars)-op.Scanned, 0)
	for i := range out {
		out[i] = at(made, i)
		if i < len(vars)-op.Scanned {
			out[i] = out[i].with(vars[i])
		}
	}
}

// repeat follows a body until its values depend on no further inputs. Its first outputs are the next run's values.
func (f *follower) repeat(body *Network, s *scopeOf[origins], vars []origins, carried, skipped int) (made []origins) {
	for changed := true; changed && f.left > 0; {
		changed = false
		made = f.graph(body, s, append(make([]origins, skipped), vars...))
		for i := range min(carried, len(made)) {
			if grown := vars[i].with(made[i]); len(grown) > len(vars[i]) {
				vars[i], changed = grown, true
			}
		}
	}
	return made
}

// at is nil beyond the end.
func at(list []origins, i int) origins {
	if i >= len(list) {
		return nil
	}
	return list[i]
}

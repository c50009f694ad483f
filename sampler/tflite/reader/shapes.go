package reader

import (
	"slices"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// A runtime computes every shape from the inputs' shapes and ignores the file's. A free extent in the file is
// only an example: converters write 1 for unknown extents, even for the batch after SPACE_TO_BATCH_ND. So
// shapes are inferred if the operator determines them; otherwise an op that reads an inferred shape is unknown.
// values.go follows shapes that the network itself computes.

// wantShape sets the shape of the operator's output to the one that follows from its inputs. It refuses a shape
// that differs from the file's in an extent that is not free: the op's cost is then uncertain, though the file
// may well run.
func (r *reader) wantShape(s *step, want []int) error {
	t := &r.tensors[s.outputs[0]]
	certain := t.free == 0 || !r.anyInput(s, func(x *tensor) bool { return !x.certain })
	if slices.Equal(t.shape, want) {
		t.certain = certain
		return nil
	}
	elements, fits := int64(1), len(want) == len(t.shape)
	for a, d := range want {
		fits = fits && d > 0 && d <= maxTensor && (d == t.shape[a] || t.free>>a&1 == 1)
		if fits {
			elements *= int64(d)
			fits = elements <= maxTensor
		}
	}
	if !fits {
		return refuse("its output is %v in the file, but %v by its input and options", t.shape, want)
	}
	t.shape, t.elements, t.inferred, t.open, t.certain = want, elements, true, false, certain
	if t.at != noTensor {
		r.net.Graph.Tensors[t.at].Shape = graph.Shape4(want)
	}
	return nil
}

// plain takes the output's shape from the file. Operators that only move or change single elements must keep
// their number, and shapes that are combined must fit.
func (r *reader) plain(s *step, b *built) error {
	if err := r.plainShape(s); err != nil {
		return err
	}
	b.constants = r.parameters(s, 0)
	for _, c := range b.constants {
		b.Counted.Weights += r.tensors[c].elements
	}
	return nil
}

func (r *reader) plainShape(s *step) error {
	x, y := r.input(s, 0), &r.tensors[s.outputs[0]]
	switch {
	case x == nil || r.inferred(s):
		return nil
	case s.class == elementwise:
		return r.broadcast(s)
	case s.code == schema.BuiltinOperatorSPACE_TO_BATCH_ND || s.code == schema.BuiltinOperatorBATCH_TO_SPACE_ND:
		return r.blocks(s, x)
	case s.class == reshaping || s.class == folding:
		return r.sameElements(s, x, y)
	case y.resized && !r.anyInput(s, func(t *tensor) bool { return t.resized }):
		return refuse("the size of its output depends on values")
	case y.free != 0 && r.anyInput(s, func(t *tensor) bool { return t.inferred }):
		return refuse("the size of its output is known only when the network runs")
	}
	return nil
}

// sameElements infers an output with the input's shape, or the single free extent of an output with as many
// elements as the input.
func (r *reader) sameElements(s *step, x, y *tensor) error {
	switch {
	case x.elements == y.elements:
		y.certain = y.free == 0 || x.certain && !rearranges(s.code) && slices.Equal(x.shape, y.shape)
		return nil
	case len(x.shape) == len(y.shape) && sameBut(x.shape, y):
		err := r.wantShape(s, slices.Clone(x.shape))
		y.certain = y.certain && !rearranges(s.code)
		return err
	}
	want, rest, at := slices.Clone(y.shape), int64(1), -1
	for a, d := range y.shape {
		switch {
		case y.free>>a&1 == 0:
			rest *= int64(d)
		case at >= 0:
			return refuse("input %v and output %v are of different sizes", x.shape, y.shape)
		default:
			at = a
		}
	}
	if at < 0 || rest < 1 || x.elements%rest != 0 {
		return refuse("input %v and output %v are of different sizes", x.shape, y.shape)
	}
	want[at] = int(x.elements / rest)
	return r.wantShape(s, want)
}

// sameBut reports whether a shape differs from the tensor's only in free extents.
func sameBut(shape []int, t *tensor) bool {
	for a, d := range shape {
		if d != t.shape[a] && t.free>>a&1 == 0 {
			return false
		}
	}
	return true
}

// broadcast is NumPy's rule: shapes are aligned at the last axis, and an extent of 1 is repeated.
func (r *reader) broadcast(s *step) error {
	var want []int
	for i := range s.inputs {
		z := r.input(s, i)
		if z == nil {
			continue
		}
		if len(z.shape) > len(want) {
			want = append(slices.Repeat([]int{1}, len(z.shape)-len(want)), want...)
		}
		for a, d := range z.shape {
			at := len(want) - len(z.shape) + a
			switch {
			case want[at] == 1:
				want[at] = d
			case d != 1 && d != want[at]:
				return refuse("inputs of %v and %v do not fit", r.input(s, 0).shape, z.shape)
			}
		}
	}
	return r.wantShape(s, want)
}

// blocks infers the output of SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND.
func (r *reader) blocks(s *step, x *tensor) error {
	if len(s.inputs) != 3 || s.inputs[1] < 0 || s.inputs[2] < 0 {
		return refuse("%d inputs", len(s.inputs))
	}
	size, edges := r.values(s, 1), r.values(s, 2)
	if len(size) == 0 || len(size)+1 > len(x.shape) || len(edges) != 2*len(size) {
		return refuse("its block sizes are not constants that fit %v", x.shape)
	}
	want := slices.Clone(x.shape)
	for i, n := range size {
		edge := edges[2*i] + edges[2*i+1]
		if n < 1 || n > maxWindow || edge < 0 || edge > maxWindow || want[0] > maxTensor {
			return refuse("block size %d, edges %d", n, edge)
		}
		if s.code == schema.BuiltinOperatorSPACE_TO_BATCH_ND {
			want[0] *= n
			want[1+i] = (x.shape[1+i] + edge) / n
		} else {
			want[0] /= n
			want[1+i] = x.shape[1+i]*n - edge
		}
	}
	return r.wantShape(s, want)
}

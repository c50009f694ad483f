package reader

import (
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/tflite/internal/schema"
)

// How operators without arithmetic determine the shape of their output, as documented by TensorFlow. The rules
// apply only if the file has free extents: a shape without any was certain to the converter.

// inferred sets the shape of an output with free extents from the operator's inputs and the values known before
// a run. It is false if too little is known, or if the result contradicts the file's shape: callers treat both
// alike.
func (r *reader) inferred(s *step) bool {
	x := r.input(s, 0)
	unclear := func(t *tensor) bool { return t.doubtful || t.open && !t.empty }
	if x == nil || len(s.outputs) != 1 || r.tensors[s.outputs[0]].free == 0 || r.anyInput(s, unclear) {
		return false
	}
	want := r.shapeRule(s, x)
	return want != nil && r.wantShape(s, want) == nil
}

func (r *reader) shapeRule(s *step, x *tensor) []int {
	switch s.code {
	case schema.BuiltinOperatorRESHAPE:
		return r.reshaped(s, x)
	case schema.BuiltinOperatorTRANSPOSE:
		return r.permuted(s, x)
	case schema.BuiltinOperatorEXPAND_DIMS:
		return r.expanded(s, x)
	case schema.BuiltinOperatorSQUEEZE:
		return squeezed(s, x)
	case schema.BuiltinOperatorPAD, schema.BuiltinOperatorPADV2, schema.BuiltinOperatorMIRROR_PAD:
		return r.padded(s, x)
	case schema.BuiltinOperatorCONCATENATION:
		return r.concatenated(s, x)
	case schema.BuiltinOperatorMEAN, schema.BuiltinOperatorSUM, schema.BuiltinOperatorREDUCE_MAX, schema.BuiltinOperatorREDUCE_MIN,
		schema.BuiltinOperatorREDUCE_PROD, schema.BuiltinOperatorREDUCE_ANY, schema.BuiltinOperatorREDUCE_ALL:
		return r.reduced(s, x)
	case schema.BuiltinOperatorGATHER:
		return r.gathered(s, x)
	case schema.BuiltinOperatorSTRIDED_SLICE:
		return r.sliced(s, x)
	case schema.BuiltinOperatorRANGE:
		return r.rangeLength(s)
	case schema.BuiltinOperatorRFFT2D:
		return r.transformed(s, x)
	}
	return nil
}

// reshaped takes the shape from the second input, in which one -1 stands for the remainder.
func (r *reader) reshaped(s *step, x *tensor) []int {
	want, rest, at := slices.Clone(r.values(s, 1)), int64(1), -1
	for a, d := range want {
		switch {
		case d > 0:
			if rest *= int64(d); rest > maxTensor {
				return nil
			}
		case d == -1 && at < 0:
			at = a
		default:
			return nil
		}
	}
	if at >= 0 {
		want[at] = int(x.elements / rest)
		rest *= int64(want[at])
	}
	if rest != x.elements {
		return nil
	}
	return want
}

func (r *reader) permuted(s *step, x *tensor) []int {
	order := r.values(s, 1)
	if len(order) != len(x.shape) {
		return nil
	}
	want, seen := make([]int, len(order)), make([]bool, len(order))
	for i, a := range order {
		a, ok := axisOf(a, len(order))
		if !ok || seen[a] {
			return nil
		}
		seen[a], want[i] = true, x.shape[a]
	}
	return want
}

// axisOf counts a negative axis from the end.
func axisOf(a, rank int) (axis int, ok bool) {
	if a < 0 {
		a += rank
	}
	return a, a >= 0 && a < rank
}

func (r *reader) expanded(s *step, x *tensor) []int {
	a, ok := r.value(s, 1)
	if !ok {
		return nil
	}
	if a, ok = axisOf(a, len(x.shape)+1); !ok {
		return nil
	}
	return slices.Insert(slices.Clone(x.shape), a, 1)
}

// squeezed drops the axes that its options name, or all of extent 1.
func squeezed(s *step, x *tensor) []int {
	o, ok := optionsOf[schema.SqueezeOptions](s, schema.BuiltinOptionsSqueezeOptions)
	if !ok {
		return nil
	}
	drop := make([]bool, len(x.shape))
	if o.SqueezeDimsLength() > len(x.shape) {
		return nil
	}
	for i := range o.SqueezeDimsLength() {
		a, ok := axisOf(int(o.SqueezeDims(i)), len(x.shape))
		if !ok || x.shape[a] != 1 {
			return nil
		}
		drop[a] = true
	}
	want := []int{}
	for a, d := range x.shape {
		if !drop[a] && (d != 1 || o.SqueezeDimsLength() > 0) {
			want = append(want, d)
		}
	}
	return want
}

// optionsOf reads an operator's options if they have this type.
func optionsOf[T any, O interface {
	*T
	Init(data []byte, at flatbuffers.UOffsetT)
}](s *step, kind schema.BuiltinOptions) (o O, ok bool) {
	var t flatbuffers.Table
	if s.BuiltinOptionsType() != kind || !s.BuiltinOptions(&t) {
		return nil, false
	}
	o = new(T)
	o.Init(t.Bytes, t.Pos)
	return o, true
}

func (r *reader) padded(s *step, x *tensor) []int {
	edges := r.values(s, 1)
	if len(edges) != 2*len(x.shape) {
		return nil
	}
	want := slices.Clone(x.shape)
	for i, n := range edges {
		if n < 0 {
			return nil
		}
		want[i/2] += n
	}
	return want
}

func (r *reader) concatenated(s *step, x *tensor) []int {
	o, ok := optionsOf[schema.ConcatenationOptions](s, schema.BuiltinOptionsConcatenationOptions)
	if !ok {
		return nil
	}
	axis, ok := axisOf(int(o.Axis()), len(x.shape))
	if !ok {
		return nil
	}
	want := slices.Clone(x.shape)
	want[axis] = 0
	for i := range s.inputs {
		z := r.input(s, i)
		if z == nil || len(z.shape) != len(want) {
			return nil
		}
		for a, d := range z.shape {
			switch {
			case a == axis:
				want[a] += d
			case d != want[a]:
				return nil
			}
		}
	}
	return want
}

// reduced drops the axes, or keeps them with extent 1, depending on the output's rank.
func (r *reader) reduced(s *step, x *tensor) []int {
	axes := r.values(s, 1)
	if len(axes) == 0 {
		return nil
	}
	want := slices.Clone(x.shape)
	for _, a := range axes {
		a, ok := axisOf(a, len(x.shape))
		if !ok {
			return nil
		}
		want[a] = -1
	}
	if len(r.tensors[s.outputs[0]].shape) != len(want) {
		return slices.DeleteFunc(want, func(d int) bool { return d < 0 })
	}
	for a := range want {
		want[a] = max(want[a], 1)
	}
	return want
}

// gathered replaces an axis by the shape of the indices.
func (r *reader) gathered(s *step, x *tensor) []int {
	o, ok := optionsOf[schema.GatherOptions](s, schema.BuiltinOptionsGatherOptions)
	at := r.input(s, 1)
	if at == nil || !ok {
		return nil
	}
	axis, ok := axisOf(int(o.Axis()), len(x.shape))
	if !ok || o.BatchDims() != 0 {
		return nil
	}
	return slices.Concat(x.shape[:axis], at.shape, x.shape[axis+1:])
}

// sliced reads STRIDED_SLICE (input, begin, end, strides). It is nil if a bound is unknown, a stride is
// negative, or new axes make it more than a slice.
func (r *reader) sliced(s *step, x *tensor) []int {
	begin, end, strides := r.values(s, 1), r.values(s, 2), r.values(s, 3)
	o, ok := optionsOf[schema.StridedSliceOptions](s, schema.BuiltinOptionsStridedSliceOptions)
	if !ok {
		return nil
	}
	n := len(begin)
	if begin == nil || n > len(x.shape) || len(end) != n || len(strides) != n || o.EllipsisMask() != 0 || o.NewAxisMask() != 0 || o.Offset() {
		return nil
	}
	want := []int{}
	for a, d := range x.shape {
		if a >= n {
			want = append(want, d)
			continue
		}
		openBegin, openEnd := o.BeginMask()>>a&1 == 1, o.EndMask()>>a&1 == 1
		if o.ShrinkAxisMask()>>a&1 == 1 { // one index, and the axis is dropped
			if _, inside := axisOf(begin[a], d); !inside || openBegin {
				return nil
			}
			continue
		}
		if strides[a] < 1 {
			return nil
		}
		first, last := 0, d
		if !openBegin {
			first = sliceBound(begin[a], d)
		}
		if !openEnd {
			last = sliceBound(end[a], d)
		}
		want = append(want, max(ceilDiv(last-first, strides[a]), 0))
	}
	return want
}

// sliceBound is Python's rule for a bound of a slice: a negative one counts from the end,
// and one outside the axis is moved to its edge.
func sliceBound(i, extent int) int {
	if i < 0 {
		i += extent
	}
	return min(max(i, 0), extent)
}

// rangeLength is the length of an ascending RANGE.
func (r *reader) rangeLength(s *step) []int {
	from, ok := r.value(s, 0)
	to, ok2 := r.value(s, 1)
	step, ok3 := r.value(s, 2)
	if !ok || !ok2 || !ok3 || step < 1 {
		return nil
	}
	return []int{max(ceilDiv(to-from, step), 0)}
}

// transformed is the shape of RFFT2D: half of the last axis, because the rest mirrors it.
func (r *reader) transformed(s *step, x *tensor) []int {
	size := r.values(s, 1)
	if len(size) != 2 || len(x.shape) < 2 || size[0] < 1 || size[1] < 1 {
		return nil
	}
	return append(slices.Clone(x.shape[:len(x.shape)-2]), size[0], size[1]/2+1)
}

// rearranges reports whether an operator keeps the elements and only moves them.
func rearranges(code schema.BuiltinOperator) bool {
	switch code {
	case schema.BuiltinOperatorRESHAPE, schema.BuiltinOperatorTRANSPOSE, schema.BuiltinOperatorSQUEEZE, schema.BuiltinOperatorEXPAND_DIMS,
		schema.BuiltinOperatorDEPTH_TO_SPACE, schema.BuiltinOperatorSPACE_TO_DEPTH:
		return true
	}
	return false
}

package reader

import (
	"encoding/binary"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// Audio front ends cut a signal into frames by a count that the network itself computes of
// the signal's shape. Such values do not depend on what the inputs hold, so they are
// computed here as a runtime does, and the shapes that they set follow. BirdNET's file has
// 1 in place of its 511 frames: 25 million multiply-accumulates where a run does 404.

// maxValues bounds the tensors whose values are followed: shapes, axes, edges of padding.
// Interpreting whole tables of indices is a runtime's work.
const maxValues = 64

// maxValue bounds what they hold: extents and ends of slices ("to the end" is 1<<31 - 1).
// Beyond it nothing is known, and no sum or product of two overflows.
const maxValue = 1<<31 - 1

func integer(k schema.TensorType) bool {
	return k == schema.TensorTypeINT32 || k == schema.TensorTypeINT64
}

// values are those of an input, in row-major order, where they are few and the same in
// every run; nil of any other. An empty list is not nil.
func (r *reader) values(s *step, i int) []int {
	t := r.input(s, i)
	if t == nil || !integer(t.kind) || t.elements > maxValues {
		return nil
	}
	if !t.constant {
		return t.values
	}
	if t.empty {
		return []int{}
	}
	return r.constantValues(s.inputs[i])
}

// value is the only one; ok is false of less and more.
func (r *reader) value(s *step, i int) (v int, ok bool) {
	if v := r.values(s, i); len(v) == 1 {
		return v[0], true
	}
	return 0, false
}

func (r *reader) constantValues(i int) []int {
	t := &r.tensors[i]
	var f schema.Tensor
	var b schema.Buffer
	r.sub.Tensors(&f, i)
	r.m.Buffers(&b, int(f.Buffer()))
	data, width := b.DataBytes(), int(bits(t.kind)/8)
	if t.source != i || t.sparse || int64(len(data)) != int64(width)*t.elements {
		return nil // it is stored otherwise, or lies behind the FlatBuffer
	}
	values := make([]int, t.elements)
	for k := range values {
		if width == 4 {
			values[k] = int(int32(binary.LittleEndian.Uint32(data[4*k:])))
		} else {
			values[k] = int(int64(binary.LittleEndian.Uint64(data[8*k:])))
		}
	}
	return bounded(values)
}

// bounded is nil where a value is too large to count with.
func bounded(values []int) []int {
	for _, v := range values {
		if v < -maxValue-1 || v > maxValue {
			return nil
		}
	}
	return values
}

// evaluate follows the values of an operator whose shapes are settled.
func (r *reader) evaluate(s *step) {
	y := &r.tensors[s.outputs[0]]
	if !integer(y.kind) || y.elements > maxValues {
		return
	}
	if s.code == schema.BuiltinOperatorSPLIT_V {
		r.split(s)
		return
	}
	if v := r.computed(s, y); int64(len(v)) == y.elements && len(s.outputs) == 1 {
		y.values = bounded(v)
	}
}

func (r *reader) computed(s *step, y *tensor) []int {
	x := r.input(s, 0)
	switch s.code {
	case schema.BuiltinOperatorSHAPE:
		return r.shapeValues(x)
	case schema.BuiltinOperatorRESHAPE, schema.BuiltinOperatorSQUEEZE, schema.BuiltinOperatorEXPAND_DIMS, schema.BuiltinOperatorCAST:
		return r.values(s, 0)
	case schema.BuiltinOperatorRANGE:
		return r.rangeValues(s, int(y.elements))
	case schema.BuiltinOperatorADD, schema.BuiltinOperatorSUB, schema.BuiltinOperatorMUL, schema.BuiltinOperatorFLOOR_DIV,
		schema.BuiltinOperatorMAXIMUM, schema.BuiltinOperatorMINIMUM:
		return r.combined(s)
	}
	// Of what follows, lists alone: their order is plain.
	if x == nil || len(x.shape) > 1 || len(y.shape) > 1 {
		return nil
	}
	switch s.code {
	case schema.BuiltinOperatorPACK, schema.BuiltinOperatorCONCATENATION:
		return r.joined(s)
	case schema.BuiltinOperatorGATHER:
		return r.picked(s)
	case schema.BuiltinOperatorSTRIDED_SLICE:
		return r.cut(s)
	case schema.BuiltinOperatorREDUCE_PROD, schema.BuiltinOperatorSUM:
		return r.total(s)
	}
	return nil
}

func (r *reader) shapeValues(x *tensor) []int {
	if x == nil || !x.certain || x.open {
		return nil
	}
	if x.free != 0 {
		r.flags.evaluated++
	}
	return slices.Clone(x.shape)
}

func (r *reader) rangeValues(s *step, n int) []int {
	from, ok := r.value(s, 0)
	step, ok2 := r.value(s, 2)
	if !ok || !ok2 {
		return nil
	}
	list := make([]int, n)
	for i := range list {
		list[i] = from + i*step
	}
	return list
}

// combined stretches a single value over a list; what NumPy's rule makes of other shapes
// has more elements than this, which evaluate sees.
func (r *reader) combined(s *step) []int {
	a, b := r.values(s, 0), r.values(s, 1)
	if len(a) == 0 || len(b) == 0 || len(s.inputs) != 2 || activationOf(&s.Operator) != graph.Linear {
		return nil
	}
	list := make([]int, max(len(a), len(b)))
	for i := range list {
		if len(a) != 1 && i >= len(a) || len(b) != 1 && i >= len(b) {
			return nil
		}
		v, ok := combine(s.code, a[min(i, len(a)-1)], b[min(i, len(b)-1)])
		if !ok {
			return nil
		}
		list[i] = v
	}
	return list
}

func combine(code schema.BuiltinOperator, a, b int) (v int, ok bool) {
	switch code {
	case schema.BuiltinOperatorADD:
		return a + b, true
	case schema.BuiltinOperatorSUB:
		return a - b, true
	case schema.BuiltinOperatorMUL:
		return a * b, true
	case schema.BuiltinOperatorMAXIMUM:
		return max(a, b), true
	case schema.BuiltinOperatorMINIMUM:
		return min(a, b), true
	case schema.BuiltinOperatorFLOOR_DIV:
		if b == 0 {
			return 0, false
		}
		v := a / b
		if a%b != 0 && (a < 0) != (b < 0) {
			v--
		}
		return v, true
	}
	return 0, false
}

func (r *reader) joined(s *step) []int {
	list := []int{}
	for i := range s.inputs {
		v := r.values(s, i)
		if v == nil || len(list)+len(v) > maxValues {
			return nil
		}
		list = append(list, v...)
	}
	return list
}

func (r *reader) picked(s *step) []int {
	from, at := r.values(s, 0), r.values(s, 1)
	if from == nil {
		return nil
	}
	list := make([]int, len(at))
	for i, k := range at {
		if k < 0 || k >= len(from) {
			return nil
		}
		list[i] = from[k]
	}
	return list
}

func (r *reader) cut(s *step) []int {
	from, spans := r.values(s, 0), r.spans(s)
	if from == nil || len(spans) != 1 {
		return nil
	}
	list := make([]int, spans[0].count)
	for i := range list {
		list[i] = from[spans[0].first+i*spans[0].stride]
	}
	return list
}

// total reduces a list to one value.
func (r *reader) total(s *step) []int {
	v, axis := r.values(s, 0), r.values(s, 1)
	if v == nil || len(axis) != 1 {
		return nil
	}
	sum, product := 0, 1
	for _, n := range v {
		sum += n
		product *= n
		if bounded([]int{product}) == nil {
			return nil
		}
	}
	if s.code == schema.BuiltinOperatorSUM {
		return []int{sum}
	}
	return []int{product}
}

// split deals a list out to outputs of given lengths, one of which may be -1: the rest.
func (r *reader) split(s *step) {
	list, sizes := r.values(s, 0), r.values(s, 1)
	if list == nil || len(sizes) != len(s.outputs) || len(r.input(s, 0).shape) != 1 {
		return
	}
	sizes, ok := filled(sizes, len(list))
	for i, n := range sizes {
		t := &r.tensors[s.outputs[i]]
		if !ok || n > len(list) || t.elements != int64(n) || len(t.shape) != 1 {
			return
		}
		t.values, list = slices.Clone(list[:n]), list[n:]
	}
}

// filled replaces a single -1 by what is left of a sum.
func filled(sizes []int, total int) (list []int, ok bool) {
	at := -1
	for i, n := range sizes {
		switch {
		case n >= 0:
			total -= n
		case n == -1 && at < 0:
			at = i
		default:
			return nil, false
		}
	}
	if total < 0 || at < 0 && total > 0 {
		return nil, false
	}
	list = slices.Clone(sizes)
	if at >= 0 {
		list[at] = total
	}
	return list, true
}

// span is what a slice takes of an axis.
type span struct {
	first, stride, count int
	shrink               bool // the axis is dropped
}

// spans reads STRIDED_SLICE (input, begin, end, strides), by axis; nil where a bound is
// not known, or new axes make it more than a slice.
func (r *reader) spans(s *step) []span {
	x, begin, end, strides := r.input(s, 0), r.values(s, 1), r.values(s, 2), r.values(s, 3)
	var o schema.StridedSliceOptions
	var t flatbuffers.Table
	if x == nil || !optionsOf(s, schema.BuiltinOptionsStridedSliceOptions, &t) {
		return nil
	}
	o.Init(t.Bytes, t.Pos)
	n := len(begin)
	if begin == nil || n > len(x.shape) || len(end) != n || len(strides) != n || o.EllipsisMask() != 0 || o.NewAxisMask() != 0 || o.Offset() {
		return nil
	}
	list := make([]span, len(x.shape))
	for a, d := range x.shape {
		list[a] = span{stride: 1, count: d}
		if a >= n {
			continue
		}
		openBegin, openEnd := o.BeginMask()>>a&1 == 1, o.EndMask()>>a&1 == 1
		var ok bool
		if o.ShrinkAxisMask()>>a&1 == 1 {
			first, inside := axisOf(begin[a], d)
			list[a], ok = span{first, 1, 1, true}, inside && !openBegin
		} else {
			list[a], ok = spanOf(d, bound{begin[a], openBegin}, bound{end[a], openEnd}, strides[a])
		}
		if !ok {
			return nil
		}
	}
	return list
}

// bound is an end of a slice; an open one is as far as the axis goes.
type bound struct {
	at   int
	open bool
}

// spanOf is Python's rule for a[begin:end:stride].
func spanOf(extent int, begin, end bound, stride int) (span, bool) {
	if stride == 0 {
		return span{}, false
	}
	low, high := 0, extent // where a walk may be, and where it ends
	if stride < 0 {
		low, high = -1, extent-1
	}
	clamp := func(i int) int {
		if i < 0 {
			i += extent
		}
		return min(max(i, low), high)
	}
	first, last := clamp(begin.at), clamp(end.at)
	if begin.open {
		first = low
		if stride < 0 {
			first = high
		}
	}
	if end.open {
		last = high
		if stride < 0 {
			last = low
		}
	}
	count := ceilDiv(last-first, stride)
	if stride < 0 {
		count = ceilDiv(first-last, -stride)
	}
	return span{first: first, stride: stride, count: max(count, 0)}, true
}

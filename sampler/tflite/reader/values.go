package reader

import (
	"encoding/binary"
	"slices"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// Audio front ends (tf.signal.frame) cut a signal into frames, and the network computes the number of frames
// from the signal's shape. Such values do not depend on the input values, so they are computed here as in a
// runtime. BirdNET's file has 1 in place of its 511 frames: 25 million multiply-accumulates instead of 404
// million. Operators whose values its shapes do not need (STRIDED_SLICE, RANGE, SUM, MINIMUM) are not computed.

// maxValues limits the size of tensors whose values are followed: shapes, axes, edges of padding. Interpreting
// large tables of indices is left to runtimes.
const maxValues = 64

// maxValue limits the values: extents and ends of slices ("to the end" is 1<<31 - 1). Larger values count as
// unknown, so that no sum or product of two overflows.
const maxValue = 1<<31 - 1

func integer(k schema.TensorType) bool {
	return k == schema.TensorTypeINT32 || k == schema.TensorTypeINT64
}

// values are those of an input, in row-major order, if they are few and the same in every run, otherwise nil. An
// empty list is not nil.
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

// value is the single value of an input; ok is false if it has none or several.
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
		return nil // it is packed, sparse, or stored after the FlatBuffer
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

// bounded is nil if a value exceeds maxValue.
func bounded(values []int) []int {
	for _, v := range values {
		if v < -maxValue-1 || v > maxValue {
			return nil
		}
	}
	return values
}

// evaluate computes the values of an operator whose shapes are known.
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
	case schema.BuiltinOperatorADD, schema.BuiltinOperatorSUB, schema.BuiltinOperatorMUL, schema.BuiltinOperatorFLOOR_DIV,
		schema.BuiltinOperatorMAXIMUM:
		return r.combined(s)
	}
	// The other operators are followed only for lists, whose order is certain.
	if x == nil || len(x.shape) > 1 || len(y.shape) > 1 {
		return nil
	}
	switch s.code {
	case schema.BuiltinOperatorPACK, schema.BuiltinOperatorCONCATENATION:
		return r.joined(s)
	case schema.BuiltinOperatorGATHER:
		return r.picked(s)
	case schema.BuiltinOperatorREDUCE_PROD:
		return r.product(s)
	}
	return nil
}

func (r *reader) shapeValues(x *tensor) []int {
	if x == nil || !x.certain || x.open {
		return nil
	}
	if x.free != 0 {
		r.notes.evaluated++
	}
	return slices.Clone(x.shape)
}

// combined repeats a single value over a list. For other shapes NumPy's rule gives more elements than this, which
// evaluate detects.
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

// product reduces a list to one value.
func (r *reader) product(s *step) []int {
	v, axis := r.values(s, 0), r.values(s, 1)
	if v == nil || len(axis) != 1 {
		return nil
	}
	product := 1
	for _, n := range v {
		product *= n
		if bounded([]int{product}) == nil {
			return nil
		}
	}
	return []int{product}
}

// split cuts a list into outputs of given lengths; one length may be -1, the remainder.
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

// filled replaces a single -1 by the remainder of the total.
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

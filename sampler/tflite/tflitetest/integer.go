package tflitetest

import (
	"encoding/binary"
	"fmt"
	"math"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/tflite/internal/schema"
)

// quantized is a value of a full-integer model: whole numbers, each of which stands for scale * (number - zero).
// Weights and biases have one scale per output channel.
type quantized struct {
	shape  []int
	data   []int32
	scales []float32
	zero   int32
	low    int32 // of the type
	high   int32
}

// EvaluateInt8 runs a full-integer model. It takes raw int8 or uint8 bytes for each model input and returns the
// bytes of its outputs in the model's order.
//
// The arithmetic is that of TensorFlow Lite's reference kernels with double rounding
// (reference_integer_ops in tensorflow/lite/kernels/internal/reference, and gemmlowp's
// fixed point), which TensorFlow Lite for Microcontrollers runs: results are the same to
// the last bit. LOGISTIC is computed in float64 and rounded: gemmlowp's polynomial is within
// 1e-8 of it. XNNPACK rounds once and in float32, and may be one step off in every op.
func EvaluateInt8(model []byte, inputs [][]byte) ([][]byte, error) {
	var sub schema.SubGraph
	m := schema.GetRootAsModel(model, 0)
	m.Subgraphs(&sub, 0)
	r := &integerRun{model: m, sub: &sub, values: make([]*quantized, sub.TensorsLength())}
	if err := r.constants(); err != nil {
		return nil, err
	}
	for i, in := range inputs {
		t, err := r.empty(int(sub.Inputs(i)))
		if err != nil {
			return nil, err
		}
		if err := t.set(in); err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
	}
	for i := range sub.OperatorsLength() {
		var op schema.Operator
		sub.Operators(&op, i)
		if err := r.op(&op); err != nil {
			return nil, fmt.Errorf("operator %d: %w", i, err)
		}
	}
	outs := make([][]byte, sub.OutputsLength())
	for i := range outs {
		for _, q := range r.values[sub.Outputs(i)].data {
			outs[i] = append(outs[i], byte(q))
		}
	}
	return outs, nil
}

// Affine is the scale and zero point of a model's input or output.
type Affine struct {
	Scale float64
	Zero  int
}

// Real is the value of a raw byte of a uint8 or an int8 tensor.
func (a Affine) Real(raw byte, unsigned bool) float64 {
	q := int(int8(raw))
	if unsigned {
		q = int(raw)
	}
	return a.Scale * float64(q-a.Zero)
}

// Quantization returns the quantization of the model's inputs and outputs.
func Quantization(model []byte) (inputs, outputs []Affine) {
	var sub schema.SubGraph
	schema.GetRootAsModel(model, 0).Subgraphs(&sub, 0)
	of := func(i int32) Affine {
		var t schema.Tensor
		sub.Tensors(&t, int(i))
		q := t.Quantization(nil)
		return Affine{float64(q.Scale(0)), int(q.ZeroPoint(0))}
	}
	for i := range sub.InputsLength() {
		inputs = append(inputs, of(sub.Inputs(i)))
	}
	for i := range sub.OutputsLength() {
		outputs = append(outputs, of(sub.Outputs(i)))
	}
	return inputs, outputs
}

func (t *quantized) set(raw []byte) error {
	if len(raw) != len(t.data) {
		return fmt.Errorf("%d elements, the model wants %v", len(raw), t.shape)
	}
	for i, b := range raw {
		t.data[i] = int32(int8(b))
		if t.low == 0 {
			t.data[i] = int32(b)
		}
	}
	return nil
}

type integerRun struct {
	model  *schema.Model
	sub    *schema.SubGraph
	values []*quantized
}

// limits are the smallest and the largest number of a type.
var limits = map[schema.TensorType][2]int32{
	schema.TensorTypeINT8: {-128, 127}, schema.TensorTypeUINT8: {0, 255}, schema.TensorTypeINT32: {math.MinInt32, math.MaxInt32},
}

// empty returns the value of tensor i, all zero.
func (r *integerRun) empty(i int) (*quantized, error) {
	var t schema.Tensor
	r.sub.Tensors(&t, i)
	limit, known := limits[t.Type()]
	q := t.Quantization(nil)
	if !known || q == nil || q.ScaleLength() == 0 || q.ZeroPointLength() != q.ScaleLength() {
		return nil, fmt.Errorf("tensor %s of type %s is not quantized", t.Name(), t.Type())
	}
	v := &quantized{zero: int32(q.ZeroPoint(0)), low: limit[0], high: limit[1]}
	for c := range q.ScaleLength() {
		v.scales = append(v.scales, q.Scale(c))
		if q.ZeroPoint(c) != int64(v.zero) {
			return nil, fmt.Errorf("tensor %s has several zero points", t.Name())
		}
	}
	n := 1
	for d := range t.ShapeLength() {
		v.shape = append(v.shape, int(t.Shape(d)))
		n *= int(t.Shape(d))
	}
	if axis := int(q.QuantizedDimension()); len(v.scales) > 1 && v.shape[axis] != len(v.scales) {
		return nil, fmt.Errorf("tensor %s has %d scales for axis %d of %v", t.Name(), len(v.scales), axis, v.shape)
	}
	v.data = make([]int32, n)
	r.values[i] = v
	return v, nil
}

// constants reads every tensor with data in its buffer.
func (r *integerRun) constants() error {
	for i := range r.sub.TensorsLength() {
		var t schema.Tensor
		var b schema.Buffer
		r.sub.Tensors(&t, i)
		r.model.Buffers(&b, int(t.Buffer()))
		raw := b.DataBytes()
		if len(raw) == 0 {
			continue
		}
		v, err := r.empty(i)
		if err != nil {
			return err
		}
		if v.zero != 0 {
			return fmt.Errorf("constant %s has zero point %d", t.Name(), v.zero)
		}
		if t.Type() != schema.TensorTypeINT32 {
			if err := v.set(raw); err != nil {
				return err
			}
			continue
		}
		for j := range v.data {
			v.data[j] = int32(binary.LittleEndian.Uint32(raw[4*j:]))
		}
	}
	return nil
}

// op computes one operator's output.
func (r *integerRun) op(op *schema.Operator) error {
	var code schema.OperatorCode
	r.model.OperatorCodes(&code, int(op.OpcodeIndex()))
	in := make([]*quantized, op.InputsLength())
	for i := range in {
		in[i] = r.values[op.Inputs(i)]
	}
	out, err := r.empty(int(op.Outputs(0)))
	if err != nil {
		return err
	}
	var o flatbuffers.Table
	op.BuiltinOptions(&o)
	switch code.BuiltinCode() {
	case schema.BuiltinOperatorCONV_2D:
		integerConv(out, in, o)
	case schema.BuiltinOperatorDEPTHWISE_CONV_2D:
		integerDepthwise(out, in, o)
	case schema.BuiltinOperatorFULLY_CONNECTED:
		integerFullyConnected(out, in, o)
	case schema.BuiltinOperatorAVERAGE_POOL_2D:
		return integerPool(out, in[0], o)
	case schema.BuiltinOperatorADD:
		integerAdd(out, in, o)
	case schema.BuiltinOperatorMUL:
		integerMul(out, in, o)
	case schema.BuiltinOperatorHARD_SWISH:
		integerHardSwish(out, in[0])
	case schema.BuiltinOperatorLOGISTIC:
		return integerLogistic(out, in[0])
	case schema.BuiltinOperatorQUANTIZE:
		requantize(out, in[0])
	default:
		return fmt.Errorf("%s is not known to the evaluator", code.BuiltinCode())
	}
	return nil
}

// clamp rounds an activation's limits to numbers of the output, and stays within its type.
func (t *quantized) clamp(act schema.ActivationFunctionType, x int32) int32 {
	low, high := t.low, t.high
	if act == schema.ActivationFunctionTypeRELU6 {
		low = max(low, t.zero)
		high = min(high, t.zero+int32(math.Round(float64(6/t.scales[0]))))
	}
	return min(max(x, low), high)
}

// scale is that of channel c, or the only one.
func (t *quantized) scale(c int) float64 { return float64(t.scales[min(c, len(t.scales)-1)]) }

// product is the multiplier that requantizes the products of in and weights for output channel c.
func product(out, in, weights *quantized, c int) multiplier {
	return newMultiplier(in.scale(0) * weights.scale(c) / out.scale(0))
}

func integerConv(out *quantized, in []*quantized, options flatbuffers.Table) {
	var o schema.Conv2DOptions
	o.Init(options.Bytes, options.Pos)
	x, f, bias := in[0], in[1], in[2]
	rows := slide(o.Padding(), x.shape[1], f.shape[1], int(o.StrideH()))
	cols := slide(o.Padding(), x.shape[2], f.shape[2], int(o.StrideW()))
	out.each(func(y, z, c int) int32 {
		sum := bias.data[c]
		for i := range rows.kernel {
			for j := range cols.kernel {
				for k := range f.shape[3] {
					sum += x.at(rows.at(y, i), cols.at(z, j), k) * f.data[((c*f.shape[1]+i)*f.shape[2]+j)*f.shape[3]+k]
				}
			}
		}
		return out.clamp(o.FusedActivationFunction(), out.zero+product(out, x, f, c).times(sum))
	})
}

func integerDepthwise(out *quantized, in []*quantized, options flatbuffers.Table) {
	var o schema.DepthwiseConv2DOptions
	o.Init(options.Bytes, options.Pos)
	x, f, bias := in[0], in[1], in[2]
	rows := slide(o.Padding(), x.shape[1], f.shape[1], int(o.StrideH()))
	cols := slide(o.Padding(), x.shape[2], f.shape[2], int(o.StrideW()))
	out.each(func(y, z, c int) int32 {
		sum := bias.data[c]
		for i := range rows.kernel {
			for j := range cols.kernel {
				sum += x.at(rows.at(y, i), cols.at(z, j), c) * f.data[(i*f.shape[2]+j)*f.shape[3]+c]
			}
		}
		return out.clamp(o.FusedActivationFunction(), out.zero+product(out, x, f, c).times(sum))
	})
}

func integerFullyConnected(out *quantized, in []*quantized, options flatbuffers.Table) {
	var o schema.FullyConnectedOptions
	o.Init(options.Bytes, options.Pos)
	x, f, bias := in[0], in[1], in[2]
	units, depth := f.shape[0], f.shape[1]
	for i := range out.data {
		row, unit := i/units, i%units
		sum := bias.data[unit]
		for k := range depth {
			sum += (x.data[row*depth+k] - x.zero) * f.data[unit*depth+k]
		}
		out.data[i] = out.clamp(o.FusedActivationFunction(), out.zero+product(out, x, f, unit).times(sum))
	}
}

// integerPool requires equal quantization of input and output, which kernels do not check.
func integerPool(out, x *quantized, options flatbuffers.Table) error {
	var o schema.Pool2DOptions
	o.Init(options.Bytes, options.Pos)
	if o.Padding() != schema.PaddingVALID || out.zero != x.zero || out.scales[0] != x.scales[0] {
		return fmt.Errorf("average pool with padding %s from %g, %d to %g, %d is not known to the evaluator",
			o.Padding(), x.scales[0], x.zero, out.scales[0], out.zero)
	}
	h, w := int(o.FilterHeight()), int(o.FilterWidth())
	n := int32(h * w)
	out.each(func(y, z, c int) int32 {
		var sum int32
		for i := range h {
			for j := range w {
				sum += x.at(y*int(o.StrideH())+i, z*int(o.StrideW())+j, c) + x.zero
			}
		}
		if sum > 0 {
			sum += n / 2
		} else {
			sum -= n / 2
		}
		return out.clamp(o.FusedActivationFunction(), sum/n)
	})
	return nil
}

// integerAdd scales both inputs to twice the larger scale, with 20 fractional bits.
func integerAdd(out *quantized, in []*quantized, options flatbuffers.Table) {
	var o schema.AddOptions
	o.Init(options.Bytes, options.Pos)
	const shift = 20
	a, b := in[0], in[1]
	common := 2 * max(a.scale(0), b.scale(0))
	fromA, fromB := newMultiplier(a.scale(0)/common), newMultiplier(b.scale(0)/common)
	to := newMultiplier(common / ((1 << shift) * out.scale(0)))
	for i := range out.data {
		sum := fromA.times((a.data[i]-a.zero)<<shift) + fromB.times((b.data[i%len(b.data)]-b.zero)<<shift)
		out.data[i] = out.clamp(o.FusedActivationFunction(), out.zero+to.times(sum))
	}
}

func integerMul(out *quantized, in []*quantized, options flatbuffers.Table) {
	var o schema.MulOptions
	o.Init(options.Bytes, options.Pos)
	a, b := in[0], in[1]
	m := newMultiplier(a.scale(0) * b.scale(0) / out.scale(0))
	for i := range out.data {
		p := (a.data[i] - a.zero) * (b.data[i%len(b.data)] - b.zero)
		out.data[i] = out.clamp(o.FusedActivationFunction(), out.zero+m.times(p))
	}
}

func integerLogistic(out, x *quantized) error {
	if out.scales[0] != 1.0/256 || out.zero != -128 {
		return fmt.Errorf("logistic to %g, %d: kernels know 1/256, -128 only", out.scales[0], out.zero)
	}
	for i, q := range x.data {
		real := x.scale(0) * float64(q-x.zero)
		out.data[i] = min(int32(math.Round(256/(1+math.Exp(-real))))-128, 127)
	}
	return nil
}

func requantize(out, x *quantized) {
	m := newMultiplier(x.scale(0) / out.scale(0))
	for i, q := range x.data {
		out.data[i] = min(max(out.zero+m.times(q-x.zero), out.low), out.high)
	}
}

// each fills a map of batch 1 by row, column and channel.
func (t *quantized) each(f func(y, x, c int) int32) {
	w, c := t.shape[2], t.shape[3]
	for i := range t.data {
		t.data[i] = f(i/c/w, i/c%w, i%c)
	}
}

// at is the number above the zero point; outside the map it is 0.
func (t *quantized) at(y, x, c int) int32 {
	if y < 0 || y >= t.shape[1] || x < 0 || x >= t.shape[2] {
		return 0
	}
	return t.data[(y*t.shape[2]+x)*t.shape[3]+c] - t.zero
}

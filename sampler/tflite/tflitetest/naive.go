// Package tflitetest is for tests. It has slow, plain evaluators of .tflite models to compare runtimes with, in
// float64 for float32 models and in integers for int8 models, and small networks that together use everything the
// writer writes.
//
// The evaluators read shapes, options and weights from the file's bytes through the generated accessors and share
// no arithmetic with the writer: loops are direct, and SAME padding is computed here. They trust their input:
// malformed bytes panic.
package tflitetest

import (
	"encoding/binary"
	"fmt"
	"math"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/tflite/internal/schema"
)

// tensor is a value: batch, height, width, channels for maps; any shape for constants.
type tensor struct {
	shape []int
	data  []float64
}

// Evaluate runs the model on float32 inputs, one for each model input, and returns its outputs in the model's order.
func Evaluate(model []byte, inputs [][]float32) ([][]float32, error) {
	var sub schema.SubGraph
	m := schema.GetRootAsModel(model, 0)
	m.Subgraphs(&sub, 0)
	r := &run{model: m, sub: &sub, values: make([]*tensor, sub.TensorsLength())}
	r.constants()
	for i, in := range inputs {
		t := r.empty(int(sub.Inputs(i)))
		if len(in) != len(t.data) {
			return nil, fmt.Errorf("input %d has %d elements, the model wants %v", i, len(in), t.shape)
		}
		for j, x := range in {
			t.data[j] = float64(x)
		}
	}
	for i := range sub.OperatorsLength() {
		var op schema.Operator
		sub.Operators(&op, i)
		if err := r.op(&op); err != nil {
			return nil, fmt.Errorf("operator %d: %w", i, err)
		}
	}
	return r.outputs(), nil
}

type run struct {
	model  *schema.Model
	sub    *schema.SubGraph
	values []*tensor
}

// empty returns the value of tensor i, all zero.
func (r *run) empty(i int) *tensor {
	var t schema.Tensor
	r.sub.Tensors(&t, i)
	v := &tensor{}
	n := 1
	for d := range t.ShapeLength() {
		v.shape = append(v.shape, int(t.Shape(d)))
		n *= int(t.Shape(d))
	}
	v.data = make([]float64, n)
	r.values[i] = v
	return v
}

// constants reads every tensor with data in its buffer.
func (r *run) constants() {
	for i := range r.sub.TensorsLength() {
		var t schema.Tensor
		var b schema.Buffer
		r.sub.Tensors(&t, i)
		r.model.Buffers(&b, int(t.Buffer()))
		raw := b.DataBytes()
		if len(raw) == 0 {
			continue
		}
		v := r.empty(i)
		for j := range v.data {
			v.data[j] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:])))
		}
	}
}

func (r *run) outputs() [][]float32 {
	out := make([][]float32, r.sub.OutputsLength())
	for i := range out {
		for _, x := range r.values[r.sub.Outputs(i)].data {
			out[i] = append(out[i], float32(x))
		}
	}
	return out
}

// op computes one operator's output.
func (r *run) op(op *schema.Operator) error {
	var code schema.OperatorCode
	r.model.OperatorCodes(&code, int(op.OpcodeIndex()))
	in := make([]*tensor, op.InputsLength())
	for i := range in {
		in[i] = r.values[op.Inputs(i)]
	}
	out := r.empty(int(op.Outputs(0)))
	var options flatbuffers.Table
	op.BuiltinOptions(&options)
	switch code.BuiltinCode() {
	case schema.BuiltinOperatorCONV_2D:
		conv(out, in, options)
	case schema.BuiltinOperatorDEPTHWISE_CONV_2D:
		depthwise(out, in, options)
	case schema.BuiltinOperatorFULLY_CONNECTED:
		fullyConnected(out, in, options)
	case schema.BuiltinOperatorAVERAGE_POOL_2D:
		return averagePool(out, in[0], options)
	case schema.BuiltinOperatorADD:
		var o schema.AddOptions
		o.Init(options.Bytes, options.Pos)
		binaryOp(out, in, o.FusedActivationFunction(), func(a, b float64) float64 { return a + b })
	case schema.BuiltinOperatorMUL:
		var o schema.MulOptions
		o.Init(options.Bytes, options.Pos)
		binaryOp(out, in, o.FusedActivationFunction(), func(a, b float64) float64 { return a * b })
	case schema.BuiltinOperatorHARD_SWISH:
		unary(out, in[0], func(x float64) float64 { return x * min(max(x+3, 0), 6) / 6 })
	case schema.BuiltinOperatorLOGISTIC:
		unary(out, in[0], func(x float64) float64 { return 1 / (1 + math.Exp(-x)) })
	default:
		return fmt.Errorf("%s is not known to the evaluator", code.BuiltinCode())
	}
	return nil
}

// window is how a kernel moves along one axis.
type window struct{ kernel, stride, before int }

// slide computes SAME padding; the smaller half is in front.
func slide(padding schema.Padding, in, kernel, stride int) window {
	w := window{kernel: kernel, stride: stride}
	if padding == schema.PaddingSAME {
		covered := (in+stride-1)/stride*stride - stride + kernel
		w.before = max(covered-in, 0) / 2
	}
	return w
}

// at is the input row or column under the kernel's k-th one for output o.
func (w window) at(o, k int) int { return o*w.stride - w.before + k }

func conv(out *tensor, in []*tensor, options flatbuffers.Table) {
	var o schema.Conv2DOptions
	o.Init(options.Bytes, options.Pos)
	x, f, bias := in[0], in[1], in[2]
	rows := slide(o.Padding(), x.shape[1], f.shape[1], int(o.StrideH()))
	cols := slide(o.Padding(), x.shape[2], f.shape[2], int(o.StrideW()))
	each(out, func(y, z, c int) float64 {
		sum := bias.data[c]
		for i := range rows.kernel {
			for j := range cols.kernel {
				for k := range f.shape[3] {
					sum += x.at(rows.at(y, i), cols.at(z, j), k) * f.data[((c*f.shape[1]+i)*f.shape[2]+j)*f.shape[3]+k]
				}
			}
		}
		return activate(o.FusedActivationFunction(), sum)
	})
}

func depthwise(out *tensor, in []*tensor, options flatbuffers.Table) {
	var o schema.DepthwiseConv2DOptions
	o.Init(options.Bytes, options.Pos)
	x, f, bias := in[0], in[1], in[2]
	rows := slide(o.Padding(), x.shape[1], f.shape[1], int(o.StrideH()))
	cols := slide(o.Padding(), x.shape[2], f.shape[2], int(o.StrideW()))
	each(out, func(y, z, c int) float64 {
		sum := bias.data[c]
		for i := range rows.kernel {
			for j := range cols.kernel {
				sum += x.at(rows.at(y, i), cols.at(z, j), c) * f.data[(i*f.shape[2]+j)*f.shape[3]+c]
			}
		}
		return activate(o.FusedActivationFunction(), sum)
	})
}

func fullyConnected(out *tensor, in []*tensor, options flatbuffers.Table) {
	var o schema.FullyConnectedOptions
	o.Init(options.Bytes, options.Pos)
	x, f, bias := in[0], in[1], in[2]
	units, depth := f.shape[0], f.shape[1]
	for i := range out.data {
		row, unit := i/units, i%units
		sum := bias.data[unit]
		for k := range depth {
			sum += x.data[row*depth+k] * f.data[unit*depth+k]
		}
		out.data[i] = activate(o.FusedActivationFunction(), sum)
	}
}

// averagePool supports only pools without padding.
func averagePool(out, x *tensor, options flatbuffers.Table) error {
	var o schema.Pool2DOptions
	o.Init(options.Bytes, options.Pos)
	if o.Padding() != schema.PaddingVALID {
		return fmt.Errorf("average pool with padding %s is not known to the evaluator", o.Padding())
	}
	h, w := int(o.FilterHeight()), int(o.FilterWidth())
	each(out, func(y, z, c int) float64 {
		sum := 0.0
		for i := range h {
			for j := range w {
				sum += x.at(y*int(o.StrideH())+i, z*int(o.StrideW())+j, c)
			}
		}
		return activate(o.FusedActivationFunction(), sum/float64(h*w))
	})
	return nil
}

// binaryOp repeats the second input over the map if it has one value per channel.
func binaryOp(out *tensor, in []*tensor, act schema.ActivationFunctionType, f func(a, b float64) float64) {
	a, b := in[0].data, in[1].data
	for i := range out.data {
		out.data[i] = activate(act, f(a[i], b[i%len(b)]))
	}
}

func unary(out, x *tensor, f func(float64) float64) {
	for i, v := range x.data {
		out.data[i] = f(v)
	}
}

// each fills a map of batch 1 by row, column and channel.
func each(out *tensor, f func(y, x, c int) float64) {
	w, c := out.shape[2], out.shape[3]
	for i := range out.data {
		out.data[i] = f(i/c/w, i/c%w, i%c)
	}
}

// at is 0 outside the map.
func (t *tensor) at(y, x, c int) float64 {
	if y < 0 || y >= t.shape[1] || x < 0 || x >= t.shape[2] {
		return 0
	}
	return t.data[(y*t.shape[2]+x)*t.shape[3]+c]
}

func activate(f schema.ActivationFunctionType, x float64) float64 {
	if f == schema.ActivationFunctionTypeRELU6 {
		return min(max(x, 0), 6)
	}
	return x
}

// Difference is the largest |got-want| over the largest |want|; infinite if lengths differ or a value is NaN.
func Difference(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	worst, largest := 0.0, 0.0
	for i, w := range want {
		d := math.Abs(float64(got[i]) - float64(w))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, largest = max(worst, d), max(largest, math.Abs(float64(w)))
	}
	if worst == 0 {
		return 0
	}
	return worst / largest
}

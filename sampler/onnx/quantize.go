package onnx

import "math"

// A tensor of an int8 model is uint8 here: real = scale * (q - zero), with the scale of the
// .tflite and its zero point + 128.

// affine is the names of a tensor's scale and zero point.
type affine struct{ scale, zero string }

// addAffine adds tensor t's scale and zero point.
func (b *builder) addAffine(t int) affine {
	a := b.quantized.Tensors[t]
	names := affine{b.scalar(b.tensors[t]+"/scale", a.Scale), b.unique(b.tensors[t] + "/zero")}
	b.constants = append(b.constants, constant{name: names.zero, kind: uint8Type, values: []byte{byte(a.Zero + 128)}})
	return names
}

// quantize makes a value with tensor t's quantization of its real values.
func (b *builder) quantize(t int, name, real string) {
	a := b.affine[t]
	b.node(node{opType: "QuantizeLinear", name: name + "/quantize", inputs: []string{real, a.scale, a.zero}, output: name})
}

// dequantized makes real values of a value with tensor t's quantization.
func (b *builder) dequantized(t int, name string) string {
	a, real := b.affine[t], b.unique(name+"/real")
	b.node(node{opType: "DequantizeLinear", name: name + "/dequantize", inputs: []string{name, a.scale, a.zero}, output: real})
	return real
}

// rounded puts a quantization between an op and the Clip behind it, where there is one: an
// op whose output is not quantized itself is mapped neither by Qualcomm's compiler nor to
// an integer kernel by onnxruntime. It has the tensor's scale, so that it changes nothing.
func (b *builder) rounded(t int, real string) string {
	if b.quantized == nil {
		return real
	}
	name := b.unique(b.tensors[t] + "/unclipped")
	b.quantize(t, name, real)
	return b.dequantized(t, name)
}

// dequantize makes tensor t real for the ops that read it. One node serves them all:
// runtimes give each reader a copy of its own where they want one.
func (b *builder) dequantize(t int) {
	if b.quantized == nil || !b.read[t] {
		return
	}
	b.real[t] = b.dequantized(t, b.tensors[t])
}

// saturates says that quantization alone cuts the tensor off at 0 and 6, by the rule with
// which TFLite clamps a fused ReLU6: a Clip would change nothing and hinder fusion.
func (b *builder) saturates(t int) bool {
	if b.quantized == nil {
		return false
	}
	a := b.quantized.Tensors[t]
	six := float64(a.Zero) + math.Round(6/float64(a.Scale))
	return a.Zero <= math.MinInt8 && six >= math.MaxInt8
}

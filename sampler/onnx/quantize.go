package onnx

import "math"

// A tensor of an int8 model is uint8 in ONNX: real = scale * (q - zero), with the scale of the
// .tflite and its zero point + 128.

// affine is the names of a tensor's scale and zero point.
type affine struct{ scale, zero string }

// addAffine adds tensor t's scale and zero point.
func (b *builder) addAffine(t int) affine {
	a := b.quantized.Tensors[t]
	return affine{b.scalar(b.tensors[t]+"/scale", a.Scale), b.literal(b.tensors[t]+"/zero", uint8Type, []byte{byte(a.Zero + 128)})}
}

// quantize adds a node that quantizes real values with tensor t's quantization.
func (b *builder) quantize(t int, name, real string) {
	a := b.affine[t]
	b.node(node{opType: "QuantizeLinear", name: name + "/quantize", inputs: []string{real, a.scale, a.zero}, output: name})
}

// dequantized adds a node that returns the real values of a tensor t.
func (b *builder) dequantized(t int, name string) string {
	a, real := b.affine[t], b.unique(name+"/real")
	b.node(node{opType: "DequantizeLinear", name: name + "/dequantize", inputs: []string{name, a.scale, a.zero}, output: real})
	return real
}

// rounded adds a quantization between an op and the following Clip, if there is one: if an op's output is
// not quantized, Qualcomm's compiler cannot map the op and onnxruntime cannot use an integer kernel. It
// has the tensor's scale, so it changes no values.
func (b *builder) rounded(t int, real string) string {
	if b.quantized == nil {
		return real
	}
	name := b.unique(b.tensors[t] + "/unclipped")
	b.quantize(t, name, real)
	return b.dequantized(t, name)
}

// dequantize makes the real values of tensor t available to the ops that read it. All of them share one
// node; runtimes duplicate it if they prefer.
func (b *builder) dequantize(t int) {
	if b.quantized == nil || !b.read[t] {
		return
	}
	b.real[t] = b.dequantized(t, b.tensors[t])
}

// saturates reports whether the quantization alone cuts the tensor off at 0 and 6, by TFLite's rule for
// clamping a fused ReLU6: a Clip would then change nothing and prevent fusion.
func (b *builder) saturates(t int) bool {
	if b.quantized == nil {
		return false
	}
	a := b.quantized.Tensors[t]
	six := float64(a.Zero) + math.Round(6/float64(a.Scale))
	return a.Zero <= math.MinInt8 && six >= math.MaxInt8
}

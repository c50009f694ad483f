// Package weights is the seeded random values of a graph's weights, in float32 and int8,
// and the quantization of its tensors: what every format's writer puts into its file, so
// that a network is the same network in all of them.
//
// Weights are uniform, the same on every machine, and scaled so that activations neither
// blow up nor die through a deep network: a device's time must not depend on infinities
// or denormals. Values are a function of an op's name, its number of weights and the mean
// square of what it reads; nothing else of the graph, and no clock or host, enters.
//
// int8 is the full-integer scheme of TensorFlow Lite's quantization specification: weights
// symmetric with one scale an output channel, biases int32, activations with one scale and
// zero point a tensor. The int8 weights are the float32 ones, rounded: each channel's scale
// is its largest magnitude over 127, as converters choose it. Uniform weights fill the 255
// values evenly, so a compiler that compresses them finds nothing to gain: 8.00 bits a
// weight in the coder of Vela 5.2.0, where normally distributed ones take 8.0 at a fan-in
// of 32, 7.6 at 288 and 7.2 at 4608. Drawing int8 weights of another distribution was
// rejected: int8 and float32 would be two networks that nothing can compare.
//
// The package refuses to know file formats (sampler/tflite and sampler/onnx lay the values
// out) and does not run networks: ranges are predicted, see Quantize.
package weights

import (
	"encoding/binary"
	"math"

	"latlab/sampler/graph"
)

// Revision changes whenever a value of some graph changes: a weight, a bias, a scale or a zero
// point. Every writer's revision ends in it, so a change of the ranges here makes a model
// another one in every format, and no cache serves the old values. It is empty for the first
// values, which files of revision "1" hold, then ".2", ".3" and so on. float32 and int8 share
// it: a change of ranges alone makes float32 files be written once more for nothing, which is
// cheap, where two revisions would leave it to memory which of them a change concerns.
const Revision = ""

// Set is the values of a graph's weights. It holds none of them: they are drawn when
// asked for, and again when asked again.
type Set struct {
	g  *graph.Graph
	ms []float64 // mean square of every tensor
}

// New follows the mean square of every tensor through the graph, which is cheap: no weight
// is drawn. What Graph.Check refuses has no values.
func New(g *graph.Graph) (*Set, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	return &Set{g: g, ms: meanSquares(g)}, nil
}

// Floats is one buffer of float32 values, drawn from its beginning to its end.
type Floats struct {
	N      int64 // elements
	step   float32
	stream stream
}

// Fill draws the next len(dst)/4 values as little-endian float32. Only the last call may
// have a len(dst) that is no multiple of 16.
func (f *Floats) Fill(dst []byte) { f.stream.fill(dst, f.step) }

// Weights are those of Graph.Ops[op], an op that has weights, in TFLite's order: output
// channel, row, column, input channel of a convolution; row, column, channel of a depthwise
// one; output, input of a fully connected one.
func (s *Set) Weights(op int) Floats {
	o := s.g.Ops[op]
	n := s.g.Weights(o)
	return Floats{
		N:      n,
		step:   stepFor(1 / (float64(fanIn(s.g, o)) * s.ms[o.Inputs[0]])),
		stream: newStream(o.Name, "weights", n),
	}
}

// Bias is that of Graph.Ops[op], one value an output channel.
func (s *Set) Bias(op int) Floats {
	o := s.g.Ops[op]
	n := int64(s.g.Out(o)[3])
	return Floats{N: n, step: stepFor(biasVariance), stream: newStream(o.Name, "bias", n)}
}

// Float is Weights and Bias in memory.
func (s *Set) Float(op int) (w, b []float32) {
	return s.Weights(op).all(), s.Bias(op).all()
}

func (f Floats) all() []float32 {
	raw := make([]byte, 4*f.N)
	f.Fill(raw)
	xs := make([]float32, f.N)
	for i := range xs {
		xs[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return xs
}

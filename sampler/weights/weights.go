// Package weights generates the seeded random values of a graph's weights, in float32 and int8, and the
// quantization of its tensors. The writers of all formats use it, so that a network has the same values in
// every format.
//
// Weights are uniform, the same on every machine, and scaled so that activations neither grow nor vanish
// through a deep network: a device's latency must not depend on infinities or denormals. Values depend only
// on an op's name, its number of weights and the mean square of its input, and not on the rest of the
// graph, the time or the host.
//
// int8 is the full-integer scheme of TensorFlow Lite's quantization specification: weights symmetric with
// one scale per output channel, biases int32, activations with one scale and zero point per tensor. The int8
// weights are the rounded float32 ones: each channel's scale is its largest magnitude over 127, as
// converters choose it. Uniform weights fill the 255 values evenly, so compression gains nothing: 8.00 bits
// per weight in the coder of Vela 5.2.0, while normally distributed ones take 8.0 at a fan-in of 32, 7.6 at
// 288 and 7.2 at 4608. Drawing int8 weights from a different distribution was rejected: int8 and float32
// would be two networks that cannot be compared.
//
// The package knows nothing about file formats (sampler/tflite and sampler/onnx lay the values out) and does
// not run networks: ranges are predicted, see Quantize.
package weights

import (
	"encoding/binary"
	"math"

	"latlab/sampler/graph"
)

// Revision changes whenever a value of some graph changes: a weight, a bias, a scale or a zero point. Every
// writer's revision ends with it, so a change gives a model a new identity in every format and no cache
// returns old values. It is empty for the first values, which files of revision "1" hold, then ".2", ".3" and
// so on. float32 and int8 share it: a change of ranges alone needlessly rewrites float32 files, which is
// cheap; with two revisions a change could miss one of them.
const Revision = ""

// Set represents the values of a graph's weights. It stores none of them: they are drawn on every request.
type Set struct {
	g  *graph.Graph
	ms []float64 // mean square of every tensor
}

// New computes the mean square of every tensor, which is cheap: no weight is drawn. A graph that
// Graph.Check refuses is an error.
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

// Fill draws the next len(dst)/4 values as little-endian float32. Only the last call may have a len(dst)
// that is not a multiple of 16.
func (f *Floats) Fill(dst []byte) { f.stream.fill(dst, f.step) }

// Weights are those of Graph.Ops[op], in TFLite's order: output channel, row, column, input channel for a
// convolution; row, column, channel for a depthwise one; output, input for a fully connected one.
func (s *Set) Weights(op int) Floats {
	o := s.g.Ops[op]
	n := s.g.Weights(o)
	return Floats{
		N:      n,
		step:   stepFor(1 / (float64(fanIn(s.g, o)) * s.ms[o.Inputs[0]])),
		stream: newStream(o.Name, "weights", n),
	}
}

// Bias is that of Graph.Ops[op], one value per output channel.
func (s *Set) Bias(op int) Floats {
	o := s.g.Ops[op]
	n := int64(s.g.Out(o)[3])
	return Floats{N: n, step: stepFor(biasVariance), stream: newStream(o.Name, "bias", n)}
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

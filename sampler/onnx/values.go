package onnx

import (
	"encoding/binary"
	"math"

	"latlab/sampler/graph"
	"latlab/sampler/weights"
)

// source computes the values of ops in the form of raw_data: little-endian, in ONNX's order. It holds
// those of one op at a time.
type source struct {
	g         *graph.Graph
	set       *weights.Set
	quantized *weights.Quantized // nil in float32
	drawn     []byte             // weights in TFLite's order
	out       []byte
}

func (s *source) weightScales(op int) []byte {
	s.out = appendFloats(s.out[:0], s.quantized.Scales(op))
	return s.out
}

func (s *source) weights(op int) []byte {
	o := s.g.Ops[op]
	n, size := s.g.Weights(o), int64(1)
	if s.quantized == nil {
		size = 4
	}
	s.drawn = resize(s.drawn, n*size)
	if s.quantized == nil {
		w := s.set.Weights(op)
		w.Fill(s.drawn)
	} else {
		s.quantized.Weights(op).Fill(s.drawn)
	}
	runs, area, channels := weightOrder(s.g, o)
	if area == 1 {
		return s.drawn
	}
	s.out = resize(s.out, n*size)
	run := len(s.out) / runs
	for i := range runs {
		from, to := s.drawn[i*run:(i+1)*run], s.out[i*run:(i+1)*run]
		if size == 4 {
			channelsFirst4(to, from, area, channels)
		} else {
			channelsFirst1(to, from, area, channels)
		}
	}
	return s.out
}

func (s *source) bias(op int) []byte {
	if s.quantized == nil {
		b := s.set.Bias(op)
		s.out = resize(s.out, 4*b.N)
		b.Fill(s.out)
		return s.out
	}
	s.out = s.out[:0]
	for _, x := range s.quantized.Bias(op) {
		s.out = binary.LittleEndian.AppendUint32(s.out, uint32(x))
	}
	return s.out
}

// biasScales are TFLite's: the input's scale times the weights'.
func (s *source) biasScales(op int) []byte {
	in := s.quantized.Tensors[s.g.Ops[op].Inputs[0]].Scale
	s.out = s.out[:0]
	for _, w := range s.quantized.Scales(op) {
		s.out = appendFloats(s.out, []float32{in * w})
	}
	return s.out
}

// weightOrder describes TFLite's order of weights: runs of area x channels, which ONNX stores as
// channels x area. A convolution has one run per output channel; a depthwise convolution is a single
// run whose channels are the output channels.
func weightOrder(g *graph.Graph, op graph.Op) (runs, area, channels int) {
	switch op.Kind {
	case graph.FullyConnected:
		return 1, 1, int(g.Weights(op))
	case graph.DepthwiseConv:
		return 1, op.Kernel[0] * op.Kernel[1], g.Out(op)[3]
	}
	return g.Out(op)[3], op.Kernel[0] * op.Kernel[1], g.In(op)[3]
}

func channelsFirst1(to, from []byte, area, channels int) {
	for a := range area {
		for c, x := range from[a*channels : (a+1)*channels] {
			to[c*area+a] = x
		}
	}
}

// channelsFirst4 moves elements of four bytes.
func channelsFirst4(to, from []byte, area, channels int) {
	for a := range area {
		row := from[4*a*channels : 4*(a+1)*channels]
		for c := range channels {
			binary.LittleEndian.PutUint32(to[4*(c*area+a):], binary.LittleEndian.Uint32(row[4*c:]))
		}
	}
}

func appendFloats(p []byte, xs []float32) []byte {
	for _, x := range xs {
		p = binary.LittleEndian.AppendUint32(p, math.Float32bits(x))
	}
	return p
}

// resize returns n bytes of any content.
func resize(p []byte, n int64) []byte {
	if int64(cap(p)) < n {
		return make([]byte, n)
	}
	return p[:n]
}

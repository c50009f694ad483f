package tflite

import (
	"encoding/binary"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
	"latlab/sampler/weights"
)

// encoding is how a file stores a graph's numbers: types, quantization and buffers.
type encoding struct {
	g    *graph.Graph
	opts Options
	set  *weights.Set
	int8 *int8Encoding // nil in float32
}

// int8Encoding is the additional data of an int8 file.
type int8Encoding struct {
	tensors []weights.Affine   // one per graph tensor
	scales  [][]float32        // of an op's weights; empty without weights
	values  *weights.Quantized // nil if only sizes are needed
}

func newEncoding(g *graph.Graph, opts Options, p purpose) (*encoding, error) {
	set, err := weights.New(g)
	if err != nil {
		return nil, err
	}
	e := &encoding{g: g, opts: opts, set: set}
	if opts.Precision != precisionInt8 {
		return e, nil
	}
	e.int8 = &int8Encoding{tensors: make([]weights.Affine, len(g.Tensors)), scales: make([][]float32, len(g.Ops))}
	if p == numbers {
		e.int8.values = set.Quantize()
		e.int8.tensors = e.int8.values.Tensors
	}
	for i, op := range g.Ops {
		if op.HasWeights() {
			e.int8.scales[i] = e.weightScales(i, op)
		}
	}
	return e, nil
}

// weightScales is one scale per output channel. FULLY_CONNECTED has a single scale: scales per channel were
// added in 2024, and older compilers refuse them.
func (e *encoding) weightScales(i int, op graph.Op) []float32 {
	scales := make([]float32, e.g.Out(op)[3])
	if e.int8.values != nil {
		scales = e.int8.values.Scales(i)
	}
	if op.Kind == graph.FullyConnected {
		return scales[:1]
	}
	return scales
}

// precisionText is empty for float32.
func (e *encoding) precisionText() string {
	if e.int8 == nil {
		return ""
	}
	return precisionInt8
}

// blobs lists two buffers for every op with weights: weights, then bias.
func (e *encoding) blobs() []blob {
	var bs []blob
	for i, op := range e.g.Ops {
		if !op.HasWeights() {
			continue
		}
		n, channels := e.g.Weights(op), int64(e.g.Out(op)[3])
		w, b := blob{bytes: 4 * n, open: e.floats(e.set.Weights, i)}, blob{bytes: 4 * channels, open: e.floats(e.set.Bias, i)}
		if e.int8 != nil {
			w = blob{bytes: n, open: func() filler { return e.int8.values.Weights(i) }}
			b.open = func() filler { return newLiteral(e.int8.values.Bias(i)) }
		}
		bs = append(bs, w, b)
	}
	return bs
}

func (e *encoding) floats(values func(op int) weights.Floats, op int) func() filler {
	return func() filler {
		f := values(op)
		return &f
	}
}

// literal is a buffer whose bytes are in memory.
type literal []byte

func newLiteral(xs []int32) *literal {
	l := make(literal, 0, 4*len(xs))
	for _, x := range xs {
		l = binary.LittleEndian.AppendUint32(l, uint32(x))
	}
	return &l
}

// Fill copies the next bytes.
func (l *literal) Fill(dst []byte) { *l = (*l)[copy(dst, *l):] }

// role is a tensor's purpose.
type role int

const (
	activation role = iota
	weight
	bias
	input // uint8, before the graph's own input
)

// typeOf is a tensor's type by its role.
func (e *encoding) typeOf(r role) schema.TensorType {
	switch {
	case e.int8 == nil:
		return schema.TensorTypeFLOAT32
	case r == bias:
		return schema.TensorTypeINT32
	case r == input:
		return schema.TensorTypeUINT8
	}
	return schema.TensorTypeINT8
}

// quantization is that of a tensor: real = scale * (q - zero), with one scale for all elements or one per
// index of an axis. It is absent in float32.
type quantization struct {
	scales []float32
	zero   int64 // of every scale
	axis   int32
}

// of is the quantization of graph tensor t in a role of an activation.
func (e *int8Encoding) of(t int, r role) quantization {
	a := e.tensors[t]
	q := quantization{scales: []float32{a.Scale}, zero: int64(a.Zero)}
	if r == input {
		q.zero += 128
	}
	return q
}

func (e *int8Encoding) ofWeights(i int, op graph.Op) quantization {
	q := quantization{scales: e.scales[i]}
	if op.Kind == graph.DepthwiseConv {
		q.axis = 3
	}
	return q
}

// ofBias has the product of the input's and the weights' scale.
func (e *int8Encoding) ofBias(i int, op graph.Op) quantization {
	in := e.tensors[op.Inputs[0]].Scale
	q := quantization{scales: make([]float32, len(e.scales[i]))}
	for c, s := range e.scales[i] {
		q.scales[c] = in * s
	}
	return q
}

// version is the lowest version of an operator that supports its types, by TensorFlow's
// tools/versioning/op_version.cc. In float32 it is 1.
func (e *encoding) version(code schema.BuiltinOperator) int32 {
	if e.int8 == nil {
		return 1
	}
	switch code {
	case schema.BuiltinOperatorCONV_2D, schema.BuiltinOperatorDEPTHWISE_CONV_2D:
		return 3
	case schema.BuiltinOperatorFULLY_CONNECTED:
		return 4
	case schema.BuiltinOperatorAVERAGE_POOL_2D, schema.BuiltinOperatorADD, schema.BuiltinOperatorMUL, schema.BuiltinOperatorLOGISTIC:
		return 2
	}
	return 1 // HARD_SWISH and QUANTIZE had int8 from the beginning
}

package onnx

import (
	"encoding/binary"
	"math"
	"strconv"

	"latlab/sampler/graph"
	"latlab/sampler/weights"
)

// builder creates the nodes and lists the constants of a model.
type builder struct {
	g         *graph.Graph
	source    *source
	quantized *weights.Quantized // nil in float32
	nodes     message            // GraphProto's nodes
	constants []constant
	used      map[string]bool
	tensors   []string // the names of the graph's tensors
	real      []string // the names of their real values: in int8 the outputs of DequantizeLinear
	limits    []string // the names of 0 and 6, once there is a Clip
	affine    []affine // in int8, by tensor
	read      []bool   // which tensors some op reads
}

// constant is an initializer.
type constant struct {
	name   string
	kind   dataType
	dims   []int
	values func() []byte // valid until the next constant's are computed
}

func newBuilder(s *source) *builder {
	g, q := s.g, s.quantized
	b := &builder{g: g, source: s, quantized: q, used: map[string]bool{}}
	for _, t := range g.Tensors {
		b.tensors = append(b.tensors, b.unique(t.Name))
	}
	b.real = b.tensors
	if q == nil {
		return b
	}
	b.real = make([]string, len(g.Tensors))
	b.read = make([]bool, len(g.Tensors))
	for t := range g.Tensors {
		b.affine = append(b.affine, b.addAffine(t))
	}
	for _, op := range g.Ops {
		for _, t := range op.Inputs {
			b.read[t] = true
		}
	}
	return b
}

// unique returns a distinct name for a value, which ONNX requires. The names in a graph that was read
// from a user's file may be empty or repeated.
func (b *builder) unique(name string) string {
	try := name
	for i := 2; try == "" || b.used[try]; i++ {
		try = name + "#" + strconv.Itoa(i)
	}
	b.used[try] = true
	return try
}

func (b *builder) build() {
	for _, t := range b.g.Inputs {
		b.dequantize(t)
	}
	for i, op := range b.g.Ops {
		b.op(i, op)
		b.dequantize(op.Output)
	}
}

func (b *builder) node(n node) { b.nodes.message(graphNode, n.message()) }

// op adds the op, its fused activation and, in int8, the following QuantizeLinear.
func (b *builder) op(i int, op graph.Op) {
	out := b.tensors[op.Output]
	target := out
	if b.quantized != nil {
		target = b.unique(out + "/exact")
	}
	result := target
	clips := op.Activation == graph.ReLU6 && !b.saturates(op.Output)
	if clips {
		result = b.unique(out + "/linear")
	}
	b.compute(i, op, result)
	if clips {
		b.clip(op, b.rounded(op.Output, result), target)
	}
	if b.quantized != nil {
		b.quantize(op.Output, out, target)
	}
}

func (b *builder) compute(i int, op graph.Op, out string) {
	n := node{name: op.Name, output: out}
	for _, t := range op.Inputs {
		n.inputs = append(n.inputs, b.real[t])
	}
	switch op.Kind {
	case graph.Conv2D, graph.DepthwiseConv, graph.FullyConnected:
		n.opType, n.attributes = "Conv", b.convAttributes(op)
		n.inputs = append(n.inputs, b.weights(i, op), b.bias(i, op))
	case graph.AveragePool:
		n.opType = "GlobalAveragePool"
	case graph.Add:
		n.opType = "Add"
	case graph.Mul:
		n.opType = "Mul"
	case graph.Logistic:
		n.opType = "Sigmoid"
	case graph.HardSwish:
		if b.quantized == nil {
			b.hardSwish(n)
			return
		}
		n.opType = "HardSwish"
	}
	b.node(n)
}

// hardSwish is x * HardSigmoid(x): the operator HardSwish was added in opset 14, three after the
// newest that TensorRT 7 reads.
func (b *builder) hardSwish(n node) {
	gate := b.unique(n.output + "/gate")
	b.node(node{
		opType: "HardSigmoid", name: n.name + "/gate", inputs: n.inputs, output: gate,
		attributes: []message{floatOf("alpha", 1.0/6), floatOf("beta", 0.5)},
	})
	b.node(node{opType: "Mul", name: n.name, inputs: []string{n.inputs[0], gate}, output: n.output})
}

// clip is ReLU6. Its limits are initializers, which TensorRT 7 requires.
func (b *builder) clip(op graph.Op, in, out string) {
	if b.limits == nil {
		b.limits = []string{b.scalar("relu6/min", 0), b.scalar("relu6/max", 6)}
	}
	b.node(node{opType: "Clip", name: op.Name + "/relu6", inputs: append([]string{in}, b.limits...), output: out})
}

func (b *builder) scalar(name string, x float32) string {
	return b.literal(name, float32Type, binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
}

// literal adds a constant without axes.
func (b *builder) literal(name string, kind dataType, value []byte) string {
	name = b.unique(name)
	b.constants = append(b.constants, constant{name: name, kind: kind, values: func() []byte { return value }})
	return name
}

// convAttributes writes a fully connected op as a 1x1 convolution on its 1x1 map: this needs no Flatten
// or Reshape, and compilers use the same kernels.
func (b *builder) convAttributes(op graph.Op) []message {
	if op.Kind == graph.FullyConnected {
		return []message{intsOf("kernel_shape", 1, 1)}
	}
	in := b.g.In(op)
	top, bottom := samePadding(in[1], op.Kernel[0], op.Stride[0])
	left, right := samePadding(in[2], op.Kernel[1], op.Stride[1])
	as := []message{
		intsOf("kernel_shape", op.Kernel[0], op.Kernel[1]),
		intsOf("pads", top, left, bottom, right),
		intsOf("strides", op.Stride[0], op.Stride[1]),
	}
	if op.Kind == graph.DepthwiseConv {
		as = append(as, intOf("group", in[3]))
	}
	return as
}

// samePadding is TFLite's SAME: an odd remainder goes after the map. ONNX's auto_pad has the same as
// SAME_UPPER, but is deprecated.
func samePadding(size, kernel, stride int) (before, after int) {
	total := max(((size+stride-1)/stride-1)*stride+kernel-size, 0)
	return total / 2, total - total/2
}

// weightDims are those of ONNX: output channels, input channels of the group, height, width.
func weightDims(g *graph.Graph, op graph.Op) []int {
	in, out := g.In(op)[3], g.Out(op)[3]
	switch op.Kind {
	case graph.DepthwiseConv:
		return []int{out, 1, op.Kernel[0], op.Kernel[1]}
	case graph.FullyConnected:
		return []int{out, in, 1, 1}
	}
	return []int{out, in, op.Kernel[0], op.Kernel[1]}
}

// weights adds the op's weights and returns the name of their real values.
func (b *builder) weights(i int, op graph.Op) string {
	c := constant{kind: int8Type, dims: weightDims(b.g, op), values: func() []byte { return b.source.weights(i) }}
	return b.parameter(op.Name+"/weights", c, func() []byte { return b.source.weightScales(i) })
}

// bias adds the op's bias and returns the name of its real values.
func (b *builder) bias(i int, op graph.Op) string {
	c := constant{kind: int32Type, dims: []int{b.g.Out(op)[3]}, values: func() []byte { return b.source.bias(i) }}
	return b.parameter(op.Name+"/bias", c, func() []byte { return b.source.biasScales(i) })
}

// parameter adds a convolution's weights or bias; c.kind is their type in int8, where they have a scale for every
// output channel, axis 0.
func (b *builder) parameter(name string, c constant, scales func() []byte) string {
	c.name = b.unique(name)
	if b.quantized == nil {
		c.kind = float32Type
		b.constants = append(b.constants, c)
		return c.name
	}
	s := constant{name: b.unique(c.name + "/scale"), kind: float32Type, dims: c.dims[:1], values: scales}
	b.constants = append(b.constants, c, s)
	real := b.unique(c.name + "/real")
	b.node(node{
		opType: "DequantizeLinear", name: c.name + "/dequantize", inputs: []string{c.name, s.name}, output: real,
		attributes: []message{intOf("axis", 0)},
	})
	return real
}

// inputsAndOutputs writes the graph's name, inputs and outputs.
func (b *builder) inputsAndOutputs() message {
	kind := float32Type
	if b.quantized != nil {
		kind = uint8Type
	}
	var m message
	m.text(graphName, b.g.Name)
	for _, t := range b.g.Inputs {
		m.message(graphInput, valueInfo(b.tensors[t], kind, channelsFirstShape(b.g.Tensors[t].Shape)))
	}
	for _, t := range b.g.Outputs {
		m.message(graphOutput, valueInfo(b.tensors[t], kind, channelsFirstShape(b.g.Tensors[t].Shape)))
	}
	return m
}

func channelsFirstShape(s [4]int) [4]int { return [4]int{s[0], s[3], s[1], s[2]} }

// The oldest versions with the operators in use, since an old TensorRT refuses newer ones. For int8,
// opset 13 added scales per channel, 14 HardSwish.
func (b *builder) versions() (ir, opset uint64) {
	if b.quantized == nil {
		return 6, 11
	}
	return 7, 14
}

// model is the ModelProto without its graph.
func (b *builder) model() message {
	ir, version := b.versions()
	var m, opset message
	m.int(modelIRVersion, ir)
	m.text(modelProducer, "latlab")
	m.text(modelProducerVersion, WriterRelease)
	opset.int(opsetVersion, version)
	m.message(modelOpset, opset)
	for _, e := range [][2]string{
		{"tool", "latlab " + WriterRelease}, {"writer", WriterRevision}, {"name", b.g.Name}, {"space", b.g.Space}, {"indices", b.g.Indices},
	} {
		if e[1] == "" {
			continue
		}
		var entry message
		entry.text(entryKey, e[0])
		entry.text(entryValue, e[1])
		m.message(modelMetadata, entry)
	}
	return m
}

package onnx

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/internal/text"
	"latlab/sampler/precision"

	"google.golang.org/protobuf/encoding/protowire"
)

// value is what is known of a tensor: in which type its elements are, and where they come from.
type value struct {
	kind dataType // 0 = unknown
	// stored is the type in which the file holds a constant, before any DequantizeLinear or Cast; 0 if it is computed.
	stored   dataType
	elements int64 // of a constant
	// quantized is the integer type that a dequantized activation had.
	quantized dataType
	// dynamic integers were quantized from floats for the next product only (DynamicQuantizeLinear).
	dynamic bool
}

func (v value) constant() bool { return v.stored != 0 }

// scopeOf has what is known of the values of a graph. The branches of an If and the bodies of loops see those around
// them.
type scopeOf[T any] struct {
	outer  *scopeOf[T]
	values map[string]T
}

type scope = scopeOf[value]

func (s *scopeOf[T]) find(name string) (v T) {
	for ; s != nil && name != ""; s = s.outer {
		if v, found := s.values[name]; found {
			return v
		}
	}
	return v
}

func (s *scopeOf[T]) set(name string, v T) {
	if name != "" {
		s.values[name] = v
	}
}

// maxDepth bounds how deep graphs may be nested: work is proportional to the product of depth and bytes.
const maxDepth = 16

var errDepth = fmt.Errorf("its graphs are nested deeper than %d", maxDepth)

// graph reads a graph: first its constants and inputs, then its nodes, in execution order. The order of fields
// in a file is free.
func (c *checker) graph(data []byte, outer *scope) error {
	s := &scope{outer, map[string]value{}}
	if c.depth++; c.depth > maxDepth {
		return errDepth
	}
	err := fields(data, func(f field) error { return c.define(f, s) })
	if err == nil {
		err = c.nodesOf(data, graphNode, s)
	}
	c.depth--
	return err
}

func (c *checker) nodesOf(data []byte, number protowire.Number, s *scope) error {
	n := 0
	return fields(data, func(f field) error {
		if !f.is(number) {
			return nil
		}
		if err := c.node(f.bytes, s); err != nil {
			return fmt.Errorf("node %d: %w", n, err)
		}
		n++
		return nil
	})
}

func (c *checker) define(f field, s *scope) error {
	top := c.depth == 1
	switch {
	case f.is(graphNode) && top:
		c.nodes++
	case f.is(graphInitializer), f.is(graphSparseInitializer):
		name, v, err := c.constant(f.bytes, f.is(graphSparseInitializer))
		if err != nil {
			return fmt.Errorf("initializer %q: %w", text.Clip(name), err)
		}
		s.set(name, v)
		if top {
			c.initialized[name] = true
		}
	case f.is(graphInput):
		in, err := readInput(f.bytes)
		if err != nil {
			return err
		}
		if top {
			c.inputs = append(c.inputs, in)
		}
		if _, found := s.values[in.Name]; !found {
			s.set(in.Name, value{kind: in.kind})
		}
	case f.is(graphOutput) && top:
		c.outputs++
	}
	return nil
}

// constant reads a TensorProto, or a SparseTensorProto, and counts its bytes.
func (c *checker) constant(data []byte, sparse bool) (string, value, error) {
	if sparse {
		return c.sparse(data)
	}
	t, err := readTensor(data)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return t.name, value{}, err
	}
	c.bytes[t.kind] += int64(len(data))
	return t.name, value{kind: t.kind, stored: t.kind, elements: t.elements}, nil
}

// sparse has the name and type of its values.
func (c *checker) sparse(data []byte) (name string, v value, err error) {
	err = fields(data, func(f field) error {
		if !f.is(sparseValues) && !f.is(sparseIndices) {
			return nil
		}
		n, x, err := c.constant(f.bytes, false)
		if f.is(sparseValues) {
			name, v = n, x
		}
		return err
	})
	return name, v, err
}

// op is a node while it is read.
type op struct {
	kind            string
	inputs, outputs []string
	to              dataType // of a Cast
	made            value    // by a Constant
	graphs          [][]byte
}

func (c *checker) node(data []byte, s *scope) error {
	var o op
	err := fields(data, func(f field) error {
		switch {
		case f.is(nodeOpType):
			o.kind = string(f.bytes)
		case f.is(nodeInput):
			o.inputs = append(o.inputs, string(f.bytes))
		case f.is(nodeOutput):
			o.outputs = append(o.outputs, string(f.bytes))
		case f.is(nodeAttribute):
			return c.attribute(f.bytes, &o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if o.kind == "" {
		return errors.New("it has no operator")
	}
	for _, g := range o.graphs {
		if err := c.graph(g, s); err != nil {
			return err
		}
	}
	c.count(&o, s)
	if len(o.outputs) > 0 {
		s.set(o.outputs[0], o.result(s))
	}
	return nil
}

// attribute reads the attributes that hold values, types and graphs. Nested values are checked like initializers.
func (c *checker) attribute(data []byte, o *op) error {
	name := ""
	return fields(data, func(f field) error {
		switch {
		case f.is(attributeName):
			name = string(f.bytes)
		case f.is(attributeGraph), f.is(attributeGraphs):
			o.graphs = append(o.graphs, f.bytes)
		case f.is(attributeTensor), f.is(attributeTensors), f.is(attributeSparse), f.is(attributeSparses):
			_, v, err := c.constant(f.bytes, f.is(attributeSparse) || f.is(attributeSparses))
			if err != nil {
				return fmt.Errorf("its value %s: %w", text.Clip(name), err)
			}
			o.made = v
		case f.number == attributeInt && f.kind == protowire.VarintType:
			if name == "to" || name == "output_dtype" {
				o.to = dataType(min(f.value, uint64(dataTypes)))
			}
			o.scalars(int64Type, 1)
		case f.number == attributeFloat && f.kind == protowire.Fixed32Type:
			o.scalars(float32Type, 1)
		case f.number == attributeFloats:
			o.scalars(float32Type, max(1, int64(len(f.bytes)/4)))
		case f.number == attributeInts:
			o.scalars(int64Type, max(1, int64(len(f.bytes))))
		case f.is(attributeString):
			o.scalars(stringType, 1)
		}
		return nil
	})
}

// scalars are the values of a Constant that are no tensor.
func (o *op) scalars(kind dataType, n int64) {
	if o.kind != "" && o.kind != "Constant" || o.made.stored != 0 && o.made.stored != kind {
		return
	}
	o.made = value{kind: kind, stored: kind, elements: o.made.elements + n}
}

func (o *op) input(s *scope, i int) value {
	if i >= len(o.inputs) {
		return value{}
	}
	return s.find(o.inputs[i])
}

// result is what is known of an op's first output.
func (o *op) result(s *scope) value {
	x := o.input(s, 0)
	switch o.kind {
	case "Constant":
		return o.made
	case "Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze":
		return x
	case "Cast":
		return value{kind: o.to, stored: x.stored, elements: x.elements}
	case "CastLike":
		return value{kind: o.input(s, 1).kind, stored: x.stored, elements: x.elements}
	case "QuantizeLinear":
		// Of a weight this is done once, so it counts as one that is stored as integers.
		kind := cmp.Or(o.input(s, 2).kind, o.to, uint8Type)
		if x.constant() {
			return value{kind: kind, stored: kind, elements: x.elements}
		}
		return value{kind: kind}
	case "DynamicQuantizeLinear":
		return value{kind: uint8Type, dynamic: true}
	case "DequantizeLinear":
		y := value{kind: cmp.Or(o.input(s, 1).kind, float32Type), stored: x.stored, elements: x.elements}
		if !x.constant() && !x.dynamic {
			y.quantized = cmp.Or(x.kind, o.input(s, 2).kind, uint8Type)
		}
		return y
	}
	return value{kind: x.kind}
}

// product describes operators that multiply activations by weights: the inputs that may be weights, and whether
// the op itself computes with integers.
type product struct {
	weights []int
	// integer ops take integers: always of a quantized network, unless only for this product (dynamic).
	integer bool
	// mixed ops take activations of floats and weights of integers.
	mixed bool
}

// products are those of ONNX, and of onnxruntime's com.microsoft.
//
// Source: onnx/docs/Operators.md; onnxruntime/docs/ContribOperators.md.
var products = map[string]product{
	"Conv": {weights: []int{1}}, "ConvTranspose": {weights: []int{1}}, "DeformConv": {weights: []int{1}},
	"Gemm": {weights: []int{1, 0}}, "MatMul": {weights: []int{1, 0}}, "Einsum": {weights: []int{1, 0}},
	"LSTM": {weights: []int{1, 2}}, "GRU": {weights: []int{1, 2}}, "RNN": {weights: []int{1, 2}},
	"FusedConv": {weights: []int{1}}, "FusedGemm": {weights: []int{1, 0}}, "FusedMatMul": {weights: []int{1, 0}}, "Attention": {weights: []int{1}},

	"QLinearConv": {weights: []int{3}, integer: true}, "QLinearMatMul": {weights: []int{3}, integer: true},
	"ConvInteger": {weights: []int{1, 0}, integer: true}, "MatMulInteger": {weights: []int{1, 0}, integer: true}, "QGemm": {weights: []int{3}, integer: true},
	"QAttention": {weights: []int{1}, integer: true},

	"MatMulNBits": {weights: []int{1}, mixed: true}, "MatMulBnb4": {weights: []int{1}, mixed: true},
	"DynamicQuantizeMatMul": {weights: []int{1}, mixed: true}, "DynamicQuantizeLSTM": {weights: []int{1, 2}, mixed: true},
	"MatMulIntegerToFloat": {weights: []int{1}, mixed: true},
}

// flow is the type of an op's activations, and its precision.
type flow struct{ activations, precision string }

// count adds an op to the model's work, which is measured in elements of weights: multiply-accumulates, by which
// the reader of a .tflite measures it, need shapes that an ONNX file does not have.
func (c *checker) count(o *op, s *scope) {
	c.quantizes = c.quantizes || strings.HasPrefix(o.kind, "QLinear") || o.kind == "QuantizeLinear" && !o.input(s, 0).constant()
	p, found := products[o.kind]
	if !found {
		return
	}
	at := slices.IndexFunc(p.weights, func(i int) bool { return o.input(s, i).constant() })
	if at < 0 && !p.integer && !p.mixed {
		return // two activations
	}
	var w value
	elements := int64(1)
	for _, i := range p.weights {
		if x := o.input(s, i); x.constant() {
			w = cmp.Or(w, x)
			elements += x.elements
		}
	}
	c.work[o.flow(s, p, w)] += elements
}

func (o *op) flow(s *scope, p product, w value) flow {
	x := o.input(s, 0)
	if x.constant() {
		x = o.input(s, 1) // the weights are the first operand
	}
	activations := cmp.Or(w.kind, x.kind, float32Type)
	switch {
	case p.integer && x.dynamic, p.mixed:
		activations = float32Type
		if !p.integer && x.kind.floating() {
			activations = x.kind
		}
	case p.integer:
		return integers(x.kind)
	case x.quantized != 0 && w.stored.bits() > 0 && w.stored.bits() <= 16 && !w.stored.floating():
		return integers(x.quantized)
	}
	if !activations.floating() {
		activations = float32Type
	}
	stored := cmp.Or(w.stored, activations)
	if (p.integer || p.mixed) && !w.constant() {
		stored = int8Type
	}
	return flow{names[activations], precision.Of(names[activations], names[stored], stored.bits())}
}

// integers are networks whose activations are quantized; those of 8 bits are called int8 in ONNX, where uint8
// activations with int8 weights are usual.
func integers(kind dataType) flow {
	if kind.bits() == 16 && !kind.floating() {
		return flow{"int16", precision.Of("int16", "int8", 8)}
	}
	return flow{"int8", "int8"}
}

// precision is that of most work. Without weights in products it is int8 if the activations are quantized, and
// otherwise the floating type of most bytes of constants, or of the first input if there are none.
func (c *checker) precision() (name, activations string) {
	best := flow{"float32", "float32"}
	for f, n := range c.work {
		more := cmp.Or(cmp.Compare(n, c.work[best]), -cmp.Compare(f.precision+f.activations, best.precision+best.activations))
		if more > 0 {
			best = f
		}
	}
	if len(c.work) > 0 {
		return best.precision, best.activations
	}
	if c.quantizes {
		return "int8", "int8"
	}
	kind := float32Type
	for k, n := range c.bytes {
		if n > c.bytes[kind] && dataType(k).floating() {
			kind = dataType(k)
		}
	}
	if c.bytes[kind] == 0 && len(c.info.Inputs) > 0 && c.info.Inputs[0].kind.floating() {
		kind = c.info.Inputs[0].kind
	}
	return names[kind], names[kind]
}

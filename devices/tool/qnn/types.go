package qnn

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// The compiler maps a network of floats as willingly as one of integers, and float inputs
// add a large constant to its time. So the file itself is read: what of it is not between a
// DequantizeLinear and a QuantizeLinear is computed in floating point.
//
// Field numbers and data types: onnx/onnx.proto, frozen by its versioning rules.

// onnxGraph is what of a GraphProto the data types follow from.
type onnxGraph struct {
	nodes           []onnxNode
	constants       map[string]bool // initializers: true where they are floats
	inputs, outputs []onnxValue
}

type onnxNode struct {
	name, op        string
	inputs, outputs []string
}

// onnxValue is an input or output of the graph.
type onnxValue struct {
	name  string
	float bool
}

// isFloat: FLOAT, FLOAT16, DOUBLE, BFLOAT16.
func isFloat(dataType uint64) bool {
	return dataType == 1 || dataType == 10 || dataType == 11 || dataType == 16
}

// unquantized lists what of a model is computed in floating point, in the file's order.
func unquantized(data []byte) ([]string, error) {
	g := onnxGraph{constants: map[string]bool{}}
	if err := g.readModel(data); err != nil {
		return nil, fmt.Errorf("the ONNX file: %w", err)
	}
	return g.floats(), nil
}

func (g *onnxGraph) floats() []string {
	var found []string
	for _, v := range g.inputs {
		// In old files initializers are inputs too.
		if _, constant := g.constants[v.name]; v.float && !constant {
			found = append(found, "input "+v.name)
		}
	}
	by, of := map[string]*onnxNode{}, map[string][]*onnxNode{}
	for i := range g.nodes {
		n := &g.nodes[i]
		for _, x := range n.outputs {
			by[x] = n
		}
		for _, x := range n.inputs {
			of[x] = append(of[x], n)
		}
	}
	for i := range g.nodes {
		if n := &g.nodes[i]; !g.integer(n, by, of) {
			found = append(found, n.String())
		}
	}
	for _, v := range g.outputs {
		if v.float {
			found = append(found, "output "+v.name)
		}
	}
	return found
}

func (n *onnxNode) String() string {
	if n.name == "" && len(n.outputs) > 0 {
		return n.op + " " + n.outputs[0]
	}
	return n.op + " " + n.name
}

const (
	quantizeOp   = "QuantizeLinear"
	dequantizeOp = "DequantizeLinear"
)

// fused are activations that the compiler joins with the node before them, so that no
// quantization stands between.
func fused(op string) bool { return op == "Relu" || op == "Clip" }

// weighted are operators whose constants are weights, to be integers; a constant of
// another is a bound or a shape.
func weighted(op string) bool {
	return op == "Conv" || op == "ConvTranspose" || op == "Gemm" || op == "MatMul"
}

// integer reports whether a node stands between DequantizeLinear and QuantizeLinear.
func (g *onnxGraph) integer(n *onnxNode, by map[string]*onnxNode, of map[string][]*onnxNode) bool {
	if n.op == quantizeOp || n.op == dequantizeOp || n.op == "Constant" {
		return true
	}
	for _, x := range n.inputs {
		float, constant := g.constants[x]
		maker := by[x]
		switch {
		case x == "":
		case constant && (!float || !weighted(n.op)):
		case maker == nil:
			return false // a graph's input, or a float weight
		case maker.op == dequantizeOp || maker.op == "Constant" && !weighted(n.op) || fused(n.op) && !fused(maker.op):
		default:
			return false
		}
	}
	for _, x := range n.outputs {
		if len(of[x]) == 0 {
			return false // a graph's output, of whatever this computes in
		}
		for _, user := range of[x] {
			if user.op != quantizeOp && (!fused(user.op) || fused(n.op)) {
				return false
			}
		}
	}
	return true
}

var errDamaged = errors.New("truncated or damaged")

// each calls f for each field of a message; v is a number's value, b a string's bytes.
func each(data []byte, f func(number protowire.Number, v uint64, b []byte) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errDamaged
		}
		data = data[n:]
		var v uint64
		var b []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return errDamaged
		}
		data = data[n:]
		if err := f(number, v, b); err != nil {
			return err
		}
	}
	return nil
}

func (g *onnxGraph) readModel(data []byte) error {
	return each(data, func(number protowire.Number, _ uint64, b []byte) error {
		if number == 7 && b != nil {
			return g.readGraph(b)
		}
		return nil
	})
}

func (g *onnxGraph) readGraph(data []byte) error {
	return each(data, func(number protowire.Number, _ uint64, b []byte) error {
		switch number {
		case 1:
			return g.readNode(b)
		case 5:
			return g.readConstant(b)
		case 11, 12:
			v, err := readValue(b)
			if number == 11 {
				g.inputs = append(g.inputs, v)
			} else {
				g.outputs = append(g.outputs, v)
			}
			return err
		}
		return nil
	})
}

func (g *onnxGraph) readNode(data []byte) error {
	var n onnxNode
	err := each(data, func(number protowire.Number, _ uint64, b []byte) error {
		switch number {
		case 1:
			n.inputs = append(n.inputs, string(b))
		case 2:
			n.outputs = append(n.outputs, string(b))
		case 3:
			n.name = string(b)
		case 4:
			n.op = string(b)
		}
		return nil
	})
	g.nodes = append(g.nodes, n)
	return err
}

func (g *onnxGraph) readConstant(data []byte) error {
	name, float := "", false
	err := each(data, func(number protowire.Number, v uint64, b []byte) error {
		switch number {
		case 2:
			float = isFloat(v)
		case 8:
			name = string(b)
		}
		return nil
	})
	g.constants[name] = float
	return err
}

// readValue reads ValueInfoProto: name, and type.tensor_type.elem_type.
func readValue(data []byte) (onnxValue, error) {
	var v onnxValue
	elem := func(number protowire.Number, x uint64, _ []byte) error {
		if number == 1 {
			v.float = isFloat(x)
		}
		return nil
	}
	tensor := func(number protowire.Number, _ uint64, b []byte) error {
		if number == 1 {
			return each(b, elem)
		}
		return nil
	}
	err := each(data, func(number protowire.Number, _ uint64, b []byte) error {
		switch number {
		case 1:
			v.name = string(b)
		case 2:
			return each(b, tensor)
		}
		return nil
	})
	return v, err
}

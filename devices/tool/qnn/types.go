package qnn

import (
	"fmt"

	"latlab/sampler/onnx"
)

// The compiler accepts a network of floats as readily as one of integers, and float inputs add a large
// constant to its time. So the model file is inspected: a node that is not between a DequantizeLinear
// and a QuantizeLinear is computed in floating point.

// unquantized lists the nodes of a model that are computed in floating point, in the file's order.
func unquantized(data []byte) ([]string, error) {
	n, err := onnx.Read(data)
	if err != nil {
		return nil, fmt.Errorf("the ONNX file: %w", err)
	}
	return floats(n), nil
}

func floats(g *onnx.Network) []string {
	var found []string
	for _, v := range g.Inputs {
		// In old files the inputs include the initializers.
		if _, constant := g.Constants[v.Name]; v.Float && !constant {
			found = append(found, "input "+v.Name)
		}
	}
	by, of := map[string]*onnx.Op{}, map[string][]*onnx.Op{}
	for i := range g.Ops {
		n := &g.Ops[i]
		for _, x := range n.Outputs {
			by[x] = n
		}
		for _, x := range n.Inputs {
			of[x] = append(of[x], n)
		}
	}
	for i := range g.Ops {
		if n := &g.Ops[i]; !integer(g, n, by, of) {
			found = append(found, called(n))
		}
	}
	for _, v := range g.Outputs {
		if v.Float {
			found = append(found, "output "+v.Name)
		}
	}
	return found
}

func called(n *onnx.Op) string {
	if n.Name == "" && len(n.Outputs) > 0 {
		return n.Type + " " + n.Outputs[0]
	}
	return n.Type + " " + n.Name
}

const (
	quantizeOp   = "QuantizeLinear"
	dequantizeOp = "DequantizeLinear"
)

// fused are activations that the compiler fuses into the node before them, so that there is no
// quantization between the two.
func fused(op string) bool { return op == "Relu" || op == "Clip" }

// weighted are operators whose constants are weights, which have to be integers; a constant of any
// other operator is a bound or a shape.
func weighted(op string) bool {
	return op == "Conv" || op == "ConvTranspose" || op == "Gemm" || op == "MatMul"
}

// integer reports whether a node stands between DequantizeLinear and QuantizeLinear.
func integer(g *onnx.Network, n *onnx.Op, by map[string]*onnx.Op, of map[string][]*onnx.Op) bool {
	if n.Type == quantizeOp || n.Type == dequantizeOp || n.Type == "Constant" {
		return true
	}
	for _, x := range n.Inputs {
		float, constant := g.Constants[x]
		maker := by[x]
		switch {
		case x == "":
		case constant && (!float || !weighted(n.Type)):
		case maker == nil:
			return false // an input of the graph, or a float weight
		case maker.Type == dequantizeOp || maker.Type == "Constant" && !weighted(n.Type) || fused(n.Type) && !fused(maker.Type):
		default:
			return false
		}
	}
	for _, x := range n.Outputs {
		if x == "" {
			continue // an optional output that is not used
		}
		if len(of[x]) == 0 {
			return false // an output of the graph, in floating point
		}
		for _, user := range of[x] {
			if user.Type != quantizeOp && (!fused(user.Type) || fused(n.Type)) {
				return false
			}
		}
	}
	return true
}

package tflite

import (
	"fmt"

	"latlab/sampler/graph"
)

// checkGraph refuses graphs that a runtime would refuse, or worse, read out of bounds.
func checkGraph(g *graph.Graph) error {
	for _, t := range g.Tensors {
		for _, d := range t.Shape {
			if d < 1 || d > 1<<20 {
				return fmt.Errorf("tensor %s has shape %v", t.Name, t.Shape)
			}
		}
	}
	known := make([]bool, len(g.Tensors))
	for _, t := range g.Inputs {
		if t < 0 || t >= len(known) {
			return fmt.Errorf("input %d is not one of %d tensors", t, len(known))
		}
		known[t] = true
	}
	names := map[string]bool{}
	for _, op := range g.Ops {
		if names[op.Name] {
			return fmt.Errorf("two ops are named %s", op.Name)
		}
		names[op.Name] = true
		if err := checkWiring(op, known); err != nil {
			return fmt.Errorf("op %s: %w", op.Name, err)
		}
		if err := checkShapes(g, op); err != nil {
			return fmt.Errorf("op %s: %w", op.Name, err)
		}
	}
	for _, t := range g.Outputs {
		if t < 0 || t >= len(known) || !known[t] {
			return fmt.Errorf("output %d is computed by no op", t)
		}
	}
	return nil
}

// checkWiring marks the op's output as known.
func checkWiring(op graph.Op, known []bool) error {
	want := map[graph.Kind]int{
		graph.Conv2D: 1, graph.DepthwiseConv: 1, graph.FullyConnected: 1, graph.AveragePool: 1,
		graph.Add: 2, graph.Mul: 2, graph.HardSwish: 1, graph.Logistic: 1,
	}[op.Kind]
	if want == 0 {
		return fmt.Errorf("kind %q has no TFLite operator here", op.Kind)
	}
	if !op.Plain() {
		return fmt.Errorf("%s with the padding, dilation, groups, weights or outputs of a network that was read", op.Kind)
	}
	if len(op.Inputs) != want {
		return fmt.Errorf("%s has %d inputs, want %d", op.Kind, len(op.Inputs), want)
	}
	for _, t := range op.Inputs {
		if t < 0 || t >= len(known) || !known[t] {
			return fmt.Errorf("input %d is computed by no op before it", t)
		}
	}
	if op.Output < 0 || op.Output >= len(known) || known[op.Output] {
		return fmt.Errorf("output %d is not a tensor of its own", op.Output)
	}
	known[op.Output] = true
	return nil
}

func checkShapes(g *graph.Graph, op graph.Op) error {
	if op.Activation != graph.Linear && op.Activation != graph.ReLU6 && op.Activation != "" {
		return fmt.Errorf("activation %q cannot be fused", op.Activation)
	}
	in := g.In(op)
	want := in
	switch op.Kind {
	case graph.Conv2D, graph.DepthwiseConv:
		if op.Kernel[0] < 1 || op.Kernel[1] < 1 || op.Stride[0] < 1 || op.Stride[1] < 1 {
			return fmt.Errorf("kernel %v, stride %v", op.Kernel, op.Stride)
		}
		want[1], want[2] = ceilDiv(in[1], op.Stride[0]), ceilDiv(in[2], op.Stride[1])
		if op.Kind == graph.Conv2D {
			want[3] = g.Out(op)[3]
		}
	case graph.FullyConnected:
		if in[1] != 1 || in[2] != 1 {
			return fmt.Errorf("fully connected needs a 1x1 map, not %v", in)
		}
		want[3] = g.Out(op)[3]
	case graph.AveragePool:
		if op.Kernel != [2]int{in[1], in[2]} || op.Stride[0] < 1 || op.Stride[1] < 1 {
			return fmt.Errorf("pool of kernel %v, stride %v does not cover the map %v", op.Kernel, op.Stride, in)
		}
		want[1], want[2] = 1, 1
	case graph.Add, graph.Mul:
		b := g.Tensors[op.Inputs[1]].Shape
		gate := op.Kind == graph.Mul && b == [4]int{in[0], 1, 1, in[3]}
		if b != in && !gate {
			return fmt.Errorf("shapes %v and %v do not fit", in, b)
		}
	}
	if g.Out(op) != want {
		return fmt.Errorf("output shape is %v, want %v", g.Out(op), want)
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

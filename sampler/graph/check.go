package graph

import (
	"errors"
	"fmt"
)

// maxWeights limits an op's weights, so that no count of them overflows. Each format's writer
// checks the format's own limit.
const maxWeights = 1 << 40

// Check returns an error unless g is a network like those of Lower, which can get weights and be
// written: ops of the kinds that spaces have, plain (Op.Plain), each after the ops that compute
// its inputs, with unique names and shapes that follow from their inputs' shapes. Check refuses
// most networks that were read from files; those are described and timed unchanged.
//
// Writers rely on it: no runtime reads out of bounds in a file of a checked graph.
func (g *Graph) Check() error {
	if err := g.checkSizes(); err != nil {
		return err
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
		if err := op.checkWiring(known); err != nil {
			return fmt.Errorf("op %s: %w", op.Name, err)
		}
		if err := g.checkShapes(op); err != nil {
			return fmt.Errorf("op %s: %w", op.Name, err)
		}
	}
	for _, t := range g.Outputs {
		if t < 0 || t >= len(known) || !known[t] {
			return fmt.Errorf("no op computes output %d", t)
		}
	}
	return nil
}

// inputsOf is how many inputs an op of a space has.
var inputsOf = map[Kind]int{
	Conv2D: 1, DepthwiseConv: 1, FullyConnected: 1, AveragePool: 1,
	Add: 2, Mul: 2, HardSwish: 1, Logistic: 1,
}

// checkWiring marks the op's output as known.
func (o Op) checkWiring(known []bool) error {
	want := inputsOf[o.Kind]
	switch {
	case want == 0:
		return fmt.Errorf("op kind %q does not occur in any space", o.Kind)
	case !o.Plain():
		return fmt.Errorf("%s has padding, dilation, groups, weights or outputs that only networks read from files have", o.Kind)
	case o.Activation != Linear && o.Activation != ReLU6 && o.Activation != "":
		return fmt.Errorf("activation %q does not occur in any space", o.Activation)
	case len(o.Inputs) != want:
		return fmt.Errorf("%s has %d inputs, want %d", o.Kind, len(o.Inputs), want)
	}
	for _, t := range o.Inputs {
		if t < 0 || t >= len(known) || !known[t] {
			return fmt.Errorf("no earlier op computes input %d", t)
		}
	}
	if o.Output < 0 || o.Output >= len(known) || known[o.Output] {
		return fmt.Errorf("output %d is already in use", o.Output)
	}
	known[o.Output] = true
	return nil
}

func (g *Graph) checkShapes(op Op) error {
	in := g.In(op)
	want := in
	switch op.Kind {
	case Conv2D, DepthwiseConv:
		if err := checkWindow(op); err != nil {
			return err
		}
		want[1], want[2] = same(in[1], op.Stride[0]), same(in[2], op.Stride[1])
		if op.Kind == Conv2D {
			want[3] = g.Out(op)[3]
		}
	case FullyConnected:
		if in[1] != 1 || in[2] != 1 {
			return fmt.Errorf("fully connected needs a 1x1 map, not %v", in)
		}
		want[3] = g.Out(op)[3]
	case AveragePool:
		if op.Kernel != [2]int{in[1], in[2]} || op.Stride[0] < 1 || op.Stride[1] < 1 {
			return fmt.Errorf("pool of kernel %v, stride %v does not cover the map %v", op.Kernel, op.Stride, in)
		}
		want[1], want[2] = 1, 1
	case Add, Mul:
		b := g.Tensors[op.Inputs[1]].Shape
		gate := op.Kind == Mul && b == [4]int{in[0], 1, 1, in[3]}
		if b != in && !gate {
			return fmt.Errorf("shapes %v and %v do not fit", in, b)
		}
	}
	if g.Out(op) != want {
		return fmt.Errorf("output shape is %v, want %v", g.Out(op), want)
	}
	if op.HasWeights() && float64(op.Kernel[0])*float64(op.Kernel[1])*float64(in[3])*float64(want[3]) > maxWeights {
		return errors.New("too many weights for any file")
	}
	return nil
}

func checkWindow(op Op) error {
	for _, n := range []int{op.Kernel[0], op.Kernel[1], op.Stride[0], op.Stride[1]} {
		if n < 1 || n > maxElements {
			return fmt.Errorf("kernel %v, stride %v", op.Kernel, op.Stride)
		}
	}
	return nil
}

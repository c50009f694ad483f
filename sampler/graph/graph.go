// Package graph is a network as a list of ops with shapes: what a point of a space, a
// fixture or a read-back file is made of. It counts multiply-accumulates, parameters,
// activation and weight bytes, and says which position of the cost table pays for
// each op.
//
// It refuses to know file formats (sampler/tflite writes them) and time (devices).
package graph

// Bias is the Position of ops that no decision influences: the cost model's bias pays.
const Bias = -1

// Kind is an operation. The set is what MobileDet spaces and their heads need.
type Kind string

// The operations.
const (
	Conv2D         Kind = "conv"
	DepthwiseConv  Kind = "depthwise"
	FullyConnected Kind = "fully_connected"
	AveragePool    Kind = "average_pool" // whole map to 1x1 (squeeze, classifier)
	Add            Kind = "add"
	Mul            Kind = "mul"     // second input 1x1xC is broadcast
	HardSwish      Kind = "h-swish" // x * relu6(x+3) / 6
	Logistic       Kind = "logistic"
)

// Activation is the non-linearity fused into an op's output.
type Activation string

// The activations that the runtime fuses.
const (
	Linear Activation = "none"
	ReLU6  Activation = "relu6"
)

// Tensor is an activation tensor.
type Tensor struct {
	Name  string
	Shape [4]int // batch, height, width, channels
}

// Elements is the product of the shape.
func (t Tensor) Elements() int64 {
	return int64(t.Shape[0]) * int64(t.Shape[1]) * int64(t.Shape[2]) * int64(t.Shape[3])
}

// Op is one operation. Padding is always SAME for convolutions, as in the released
// MobileDets, and VALID for the pool that covers the whole map.
type Op struct {
	Kind       Kind
	Name       string // unique: "stage2/layer1/expand"
	Inputs     []int  // activation tensors, indices into Graph.Tensors
	Output     int
	Kernel     [2]int // height, width; zero where it means nothing
	Stride     [2]int
	Activation Activation
	// BatchNorm says that a batch norm (scale, shift, moving mean and variance) is folded
	// into weights and bias; without it the op has a bias of its own (convolutions only).
	BatchNorm bool
	// Position pays for the op: an index into Space.Positions(), or Bias.
	Position int
}

// Graph is a network. Ops are in execution order.
type Graph struct {
	Name    string // SPACE-ID or the fixture's name
	Space   string // empty where the network is a point of no space
	Indices string // text form, with Space
	Tensors []Tensor
	Ops     []Op
	Inputs  []int
	Outputs []int
}

// In is the shape of the op's first input.
func (g *Graph) In(op Op) [4]int { return g.Tensors[op.Inputs[0]].Shape }

// Out is the shape of the op's output.
func (g *Graph) Out(op Op) [4]int { return g.Tensors[op.Output].Shape }

// HasWeights reports whether the op has weights and a bias.
func (op Op) HasWeights() bool {
	return op.Kind == Conv2D || op.Kind == DepthwiseConv || op.Kind == FullyConnected
}

// Weights is the number of elements of the op's weight tensor, bias not included.
func (g *Graph) Weights(op Op) int64 {
	k := int64(op.Kernel[0]) * int64(op.Kernel[1])
	in, out := int64(g.In(op)[3]), int64(g.Out(op)[3])
	switch op.Kind {
	case Conv2D:
		return k * in * out
	case DepthwiseConv:
		return k * out
	case FullyConnected:
		return in * out
	}
	return 0
}

// MACs counts multiply-accumulates of convolutions, depthwise and fully connected ops;
// all others count zero, as in the published figures.
func (g *Graph) MACs(op Op) int64 {
	out := g.Out(op)
	return g.Weights(op) * int64(out[0]) * int64(out[1]) * int64(out[2])
}

// Params counts weights, biases and batch norm's four vectors before folding.
func (g *Graph) Params(op Op) int64 {
	if !op.HasWeights() {
		return 0
	}
	c := int64(g.Out(op)[3])
	if op.BatchNorm {
		return g.Weights(op) + 4*c
	}
	return g.Weights(op) + c
}

// TrainableParams is Params without the moving mean and variance: half of batch norm's.
func (g *Graph) TrainableParams(op Op) int64 {
	if !op.BatchNorm {
		return g.Params(op)
	}
	return g.Params(op) - 2*int64(g.Out(op)[3])
}

// InputElements counts the elements of all the op's activation inputs.
func (g *Graph) InputElements(op Op) int64 {
	var n int64
	for _, x := range op.Inputs {
		n += g.Tensors[x].Elements()
	}
	return n
}

// OutputElements counts the elements of the op's output.
func (g *Graph) OutputElements(op Op) int64 { return g.Tensors[op.Output].Elements() }

// InputBytes is the activation traffic of all inputs for elements of a size: 4 for
// float32, 2 for float16, 1 for int8.
func (g *Graph) InputBytes(op Op, elementSize int) int64 {
	return g.InputElements(op) * int64(elementSize)
}

// OutputBytes is the same of the output.
func (g *Graph) OutputBytes(op Op, elementSize int) int64 {
	return g.OutputElements(op) * int64(elementSize)
}

// WeightBytes is the folded weights and bias of an op as a model holds them. The bias of
// an int8 op (size 1) is int32, all others are of the element's own type.
func (g *Graph) WeightBytes(op Op, elementSize int) int64 {
	if !op.HasWeights() {
		return 0
	}
	biasSize := elementSize
	if elementSize == 1 {
		biasSize = 4
	}
	return g.Weights(op)*int64(elementSize) + int64(g.Out(op)[3])*int64(biasSize)
}

// TotalMACs is the sum over all ops.
func (g *Graph) TotalMACs() int64 { return g.sum(g.MACs) }

// TotalParams is the sum over all ops.
func (g *Graph) TotalParams() int64 { return g.sum(g.Params) }

func (g *Graph) sum(f func(Op) int64) int64 {
	var n int64
	for _, op := range g.Ops {
		n += f(op)
	}
	return n
}

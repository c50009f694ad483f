// Package graph is a network as a list of ops with shapes: what a point of a space, a
// fixture or a read-back file is made of. It counts multiply-accumulates, parameters,
// activation and weight bytes, and says which position of the cost table pays for
// each op.
//
// It refuses to know file formats (sampler/tflite writes them) and time (devices).
package graph

// Bias is the Position of ops that no decision influences: the cost model's bias pays.
const Bias = -1

// Kind is an operation.
type Kind string

// The operations of MobileDet spaces and their heads.
const (
	Conv2D         Kind = "conv"
	DepthwiseConv  Kind = "depthwise"       // any depth multiplier: out is a multiple of in
	FullyConnected Kind = "fully_connected" // over all of a batch entry, whatever its shape
	AveragePool    Kind = "average_pool"    // whole map to 1x1 (squeeze, classifier) in a space
	Add            Kind = "add"
	Mul            Kind = "mul"     // second input 1x1xC is broadcast
	HardSwish      Kind = "h-swish" // x * relu6(x+3) / 6
	Logistic       Kind = "logistic"
)

// Further operations that networks of other origin have and that multiply and accumulate.
// Any other Kind is an op without multiply-accumulates, under the lower-case name that
// TFLite gives it: "softmax", "resize_bilinear", "concatenation".
const (
	TransposeConv Kind = "transpose_conv"
	MaxPool       Kind = "max_pool"
	// Those below multiply by what Op.Counted says: shapes of four axes do not tell.
	BatchMatMul     Kind = "batch_matmul"
	Conv3D          Kind = "conv_3d"
	TransposeConv3D Kind = "transpose_conv_3d"
	Recurrent       Kind = "recurrent" // LSTM, RNN, SVDF and their sequences
)

// Activation is the non-linearity fused into an op's output.
type Activation string

// The activations that the runtime fuses. Spaces have the first two.
const (
	Linear    Activation = "none"
	ReLU6     Activation = "relu6"
	ReLU      Activation = "relu"
	ReLUN1To1 Activation = "relu_n1_to_1" // clipped to [-1, 1]
	Tanh      Activation = "tanh"
	SignBit   Activation = "sign_bit"
)

// Padding is how a window meets the map's edge.
type Padding string

// The paddings. An empty one is Same for convolutions and Valid for pools: what spaces have.
const (
	Same  Padding = "same"  // output extent = ceil(input / stride)
	Valid Padding = "valid" // the window stays inside
)

// Tensor is an activation tensor. Tensors of other ranks than 4 are laid out by Shape4.
type Tensor struct {
	Name  string
	Shape [4]int // batch, height, width, channels
}

// Shape4 lays a shape of any rank out as batch, height, width, channels: [] is 1x1x1x1,
// [c] 1x1x1xc, [n c] nx1x1xc, [n w c] nx1xwxc; of more than four axes the leading ones
// are multiplied into the batch. Elements and the last axis always stay what they were.
func Shape4(shape []int) [4]int {
	out := [4]int{1, 1, 1, 1}
	n := len(shape)
	for i, d := range shape {
		switch fromEnd := n - 1 - i; {
		case fromEnd >= 3 || i == 0 && n > 1:
			out[0] *= d
		default:
			out[3-fromEnd] = d
		}
	}
	return out
}

// Counts are multiply-accumulates and parameters that a reader counted itself.
type Counts struct {
	MACs    int64
	Weights int64 // elements of weights: matrices, a PRELU's slopes, an addition's constant
	Biases  int64 // elements
}

// Elements is the product of the shape.
func (t Tensor) Elements() int64 {
	return int64(t.Shape[0]) * int64(t.Shape[1]) * int64(t.Shape[2]) * int64(t.Shape[3])
}

// Op is one operation. Fields from Padding on are of networks that were read: they are
// zero in spaces and fixtures, where padding is always SAME for convolutions, as in the
// released MobileDets, and VALID for the pool that covers the whole map.
type Op struct {
	Kind       Kind
	Name       string // unique: "stage2/layer1/expand"
	Inputs     []int  // activation tensors, indices into Graph.Tensors; constants are none
	Output     int
	Kernel     [2]int // height, width; zero where it means nothing
	Stride     [2]int
	Activation Activation
	// BatchNorm says that a batch norm (scale, shift, moving mean and variance) is folded
	// into weights and bias; without it the op has a bias of its own (convolutions only).
	BatchNorm bool
	// Position pays for the op: an index into Space.Positions(), or Bias.
	Position int

	Padding  Padding
	Dilation [2]int // height, width; zero is 1
	Groups   int    // of a convolution's channels; zero is 1
	NoBias   bool   // it has weights and no bias
	// DynamicWeights says that an op before computes the weights: the last of Inputs. Such
	// an op multiplies all the same, but has no parameters.
	DynamicWeights bool
	MoreOutputs    []int  // outputs after the first: of a split, a top-k
	Counted        Counts // what Kind and shapes do not tell
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

// In is the shape of the op's first input; all zero where it has none, as an op that
// makes its output from constants.
func (g *Graph) In(op Op) [4]int {
	if len(op.Inputs) == 0 {
		return [4]int{}
	}
	return g.Tensors[op.Inputs[0]].Shape
}

// Out is the shape of the op's (first) output.
func (g *Graph) Out(op Op) [4]int { return g.Tensors[op.Output].Shape }

// HasWeights reports whether the op is of a kind with weights, and a bias unless NoBias,
// that are its own.
func (op Op) HasWeights() bool {
	switch op.Kind {
	case Conv2D, DepthwiseConv, FullyConnected, TransposeConv:
		return !op.DynamicWeights
	}
	return false
}

// Weights is the number of elements of the op's weight tensors, bias not included.
func (g *Graph) Weights(op Op) int64 {
	if !op.HasWeights() {
		return op.Counted.Weights
	}
	return g.kernelElements(op) + op.Counted.Weights
}

// kernelElements is the size of what the op multiplies by, whoever computes it.
func (g *Graph) kernelElements(op Op) int64 {
	k := int64(op.Kernel[0]) * int64(op.Kernel[1])
	in, out := int64(g.In(op)[3]), int64(g.Out(op)[3])
	switch op.Kind {
	case Conv2D:
		return k * in / int64(max(op.Groups, 1)) * out
	case DepthwiseConv:
		return k * out
	case TransposeConv:
		return k * in * out
	case FullyConnected:
		if rows := positions(g.Out(op)); rows > 0 && len(op.Inputs) > 0 {
			return g.Tensors[op.Inputs[0]].Elements() / rows * out
		}
	}
	return 0
}

// positions is how often a kernel is applied to make a shape.
func positions(shape [4]int) int64 {
	return int64(shape[0]) * int64(shape[1]) * int64(shape[2])
}

// MACs counts multiply-accumulates of convolutions (depthwise, transposed and 3D ones
// too), fully connected ops, matrix products and recurrent layers; all others count zero,
// as in the published figures. Windows are counted whole, also where they reach over the
// edge. A transposed convolution applies its kernel once a position of its input.
func (g *Graph) MACs(op Op) int64 {
	at := g.Out(op)
	if op.Kind == TransposeConv {
		at = g.In(op)
	}
	return g.kernelElements(op)*positions(at) + op.Counted.MACs
}

// Params counts weights, biases and batch norm's four vectors before folding.
func (g *Graph) Params(op Op) int64 {
	return g.Weights(op) + g.vectors(op, 4)
}

// vectors is the elements of the bias, or of so many vectors of batch norm in its place.
func (g *Graph) vectors(op Op, norm int64) int64 {
	c := int64(g.Out(op)[3])
	switch {
	case !op.HasWeights() || op.NoBias:
		return op.Counted.Biases
	case op.BatchNorm:
		return norm * c
	}
	return c
}

// TrainableParams is Params without the moving mean and variance: half of batch norm's.
func (g *Graph) TrainableParams(op Op) int64 {
	return g.Weights(op) + g.vectors(op, 2)
}

// InputElements counts the elements of all the op's activation inputs.
func (g *Graph) InputElements(op Op) int64 {
	var n int64
	for _, x := range op.Inputs {
		n += g.Tensors[x].Elements()
	}
	return n
}

// OutputElements counts the elements of the op's outputs.
func (g *Graph) OutputElements(op Op) int64 {
	n := g.Tensors[op.Output].Elements()
	for _, x := range op.MoreOutputs {
		n += g.Tensors[x].Elements()
	}
	return n
}

// InputBytes is the activation traffic of all inputs for elements of a size: 4 for
// float32, 2 for float16, 1 for int8.
func (g *Graph) InputBytes(op Op, elementSize int) int64 {
	return g.InputElements(op) * int64(elementSize)
}

// OutputBytes is the same of the outputs.
func (g *Graph) OutputBytes(op Op, elementSize int) int64 {
	return g.OutputElements(op) * int64(elementSize)
}

// WeightBytes is the folded weights and bias of an op as a model holds them. The bias of
// an int8 op (size 1) is int32, all others are of the element's own type.
func (g *Graph) WeightBytes(op Op, elementSize int) int64 {
	biasSize := elementSize
	if elementSize == 1 {
		biasSize = 4
	}
	return g.Weights(op)*int64(elementSize) + g.vectors(op, 1)*int64(biasSize)
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

// Plain reports whether the op is one that spaces have: of their kinds, and with none of
// the fields that only networks that were read set. It is what latlab's own writers take.
func (op Op) Plain() bool {
	switch op.Kind {
	case Conv2D, DepthwiseConv, FullyConnected, AveragePool, Add, Mul, HardSwish, Logistic:
	default:
		return false
	}
	return op.Padding == "" && op.Dilation == [2]int{} && op.Groups == 0 && !op.NoBias &&
		!op.DynamicWeights && len(op.MoreOutputs) == 0 && op.Counted == Counts{}
}

// Package graph describes a network as a list of ops with shapes: the common form of a point of a
// space, a fixture and a file that was read. It counts multiply-accumulates, parameters,
// activation and weight bytes, and says which position of the cost table pays for each op.
//
// It knows nothing about file formats (sampler/tflite writes them) or latency (devices).
package graph

// Bias is the Position of ops that depend on no decision: the cost model's bias pays for them.
const Bias = -1

// Kind is an operation.
type Kind string

// The operations of MobileDet spaces and their heads.
const (
	Conv2D         Kind = "conv"
	DepthwiseConv  Kind = "depthwise"       // any depth multiplier: out is a multiple of in
	FullyConnected Kind = "fully_connected" // over a whole batch entry of any shape
	AveragePool    Kind = "average_pool"    // whole map to 1x1 (squeeze, classifier) in a space
	Add            Kind = "add"
	Mul            Kind = "mul"     // second input 1x1xC is broadcast
	HardSwish      Kind = "h-swish" // x * relu6(x+3) / 6
	Logistic       Kind = "logistic"
)

// Further operations with multiply-accumulates, which only networks of other origin have. Any
// other Kind is an op without multiply-accumulates, named by the lower-case form of its TFLite
// name: "softmax", "resize_bilinear", "concatenation".
const (
	TransposeConv Kind = "transpose_conv"
	MaxPool       Kind = "max_pool"
	// For the kinds below Op.Counted has the counts: shapes of four axes are not enough.
	BatchMatMul     Kind = "batch_matmul"
	Conv3D          Kind = "conv_3d"
	TransposeConv3D Kind = "transpose_conv_3d"
	Recurrent       Kind = "recurrent" // LSTM, RNN, SVDF and their sequences
)

// Activation is the non-linearity fused into an op's output.
type Activation string

// The activations that runtimes fuse. Spaces use only the first two.
const (
	Linear    Activation = "none"
	ReLU6     Activation = "relu6"
	ReLU      Activation = "relu"
	ReLUN1To1 Activation = "relu_n1_to_1" // clipped to [-1, 1]
	Tanh      Activation = "tanh"
	SignBit   Activation = "sign_bit"
)

// Padding is how a window is placed at the map's edge.
type Padding string

// The paddings. An empty one means Same for convolutions and Valid for pools, as in spaces.
const (
	Same  Padding = "same"  // output extent = ceil(input / stride)
	Valid Padding = "valid" // the window stays inside
)

// Tensor is an activation tensor. Shape4 converts shapes of other ranks than 4.
type Tensor struct {
	Name  string
	Shape [4]int // batch, height, width, channels
}

// Shape4 converts a shape of any rank to batch, height, width, channels: [] is 1x1x1x1, [c]
// 1x1x1xc, [n c] nx1x1xc, [n w c] nx1xwxc. Of more than four axes the leading ones are multiplied
// into the batch. The number of elements and the last axis never change.
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

// Counts are multiply-accumulates and parameters counted by the reader of a file.
type Counts struct {
	MACs    int64
	Weights int64 // elements of weights: matrices, a PRELU's slopes, an addition's constant
	Biases  int64 // elements
}

// Elements is the product of the shape.
func (t Tensor) Elements() int64 {
	return int64(t.Shape[0]) * int64(t.Shape[1]) * int64(t.Shape[2]) * int64(t.Shape[3])
}

// Op is one operation. Fields from Padding on are set only for networks read from files. They are
// zero in spaces and fixtures, whose padding is SAME for convolutions, as in the released
// MobileDets, and VALID for the pool over the whole map.
type Op struct {
	Kind       Kind
	Name       string // unique: "stage2/layer1/expand"
	Inputs     []int  // activation tensors, indices into Graph.Tensors; without constants
	Output     int
	Kernel     [2]int // height, width; zero for ops without a kernel
	Stride     [2]int
	Activation Activation
	// BatchNorm says that a batch norm (scale, shift, moving mean and variance) is folded into
	// weights and bias; without it the op has a plain bias (convolutions only).
	BatchNorm bool
	// Position pays for the op: an index into Space.Positions(), or Bias.
	Position int

	Padding  Padding
	Dilation [2]int // height, width; zero means 1
	Groups   int    // of a convolution's channels; zero means 1
	NoBias   bool   // it has weights and no bias
	// DynamicWeights says that an earlier op computes the weights, which are then the last of
	// Inputs. Such an op has multiply-accumulates but no parameters.
	DynamicWeights bool
	MoreOutputs    []int  // outputs after the first: of a split, a top-k
	Counted        Counts // counts that do not follow from Kind and shapes
}

// Graph is a network. Ops are in execution order.
type Graph struct {
	Name    string // SPACE-ID or the fixture's name
	Space   string // empty if the network is not in any search space
	Indices string // text form, with Space
	Tensors []Tensor
	Ops     []Op
	Inputs  []int
	Outputs []int
}

// In is the shape of the op's first input; all zero if it has none, like an op that computes its
// output from constants.
func (g *Graph) In(op Op) [4]int {
	if len(op.Inputs) == 0 {
		return [4]int{}
	}
	return g.Tensors[op.Inputs[0]].Shape
}

// Out is the shape of the op's (first) output.
func (g *Graph) Out(op Op) [4]int { return g.Tensors[op.Output].Shape }

// HasWeights reports whether the op has constant weights (and a bias unless NoBias).
func (op Op) HasWeights() bool {
	switch op.Kind {
	case Conv2D, DepthwiseConv, FullyConnected, TransposeConv:
		return !op.DynamicWeights
	}
	return false
}

// Weights is the number of elements of the op's weight tensors, without the bias.
func (g *Graph) Weights(op Op) int64 {
	if !op.HasWeights() {
		return op.Counted.Weights
	}
	return g.kernelElements(op) + op.Counted.Weights
}

// kernelElements is the size of the op's weights, constant or computed.
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

// positions is how often a kernel is applied to compute a shape.
func positions(shape [4]int) int64 {
	return int64(shape[0]) * int64(shape[1]) * int64(shape[2])
}

// MACs counts multiply-accumulates of convolutions (including depthwise, transposed and 3D ones),
// fully connected ops, matrix products and recurrent layers. All other ops count zero, as in the
// published figures. Windows count fully even where they extend over the edge. A transposed
// convolution applies its kernel once per position of its input.
func (g *Graph) MACs(op Op) int64 {
	at := g.Out(op)
	if op.Kind == TransposeConv {
		at = g.In(op)
	}
	return g.kernelElements(op)*positions(at) + op.Counted.MACs
}

// Params counts weights, biases and, before folding, the four vectors of batch norm.
func (g *Graph) Params(op Op) int64 {
	return g.Weights(op) + g.vectors(op, 4)
}

// vectors is the number of elements of the bias, or of norm vectors of batch norm in its place.
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

// WeightBytes is the size of an op's folded weights and bias in a model file. elementSize is 4 bytes for
// float32, 2 for float16, 1 for int8. The bias of an int8
// op (size 1) is int32; all others have the element's own type.
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

// Plain reports whether the op is one that spaces have: of their kinds, and without the fields that
// only networks read from files set. latlab's writers accept only such ops.
func (op Op) Plain() bool {
	return inputsOf[op.Kind] > 0 && op.Padding == "" && op.Dilation == [2]int{} && op.Groups == 0 && !op.NoBias &&
		!op.DynamicWeights && len(op.MoreOutputs) == 0 && op.Counted == Counts{}
}

// Package features computes what a fit weighs beside a table's indicators: op-level features of ops and
// of whole networks, from their shapes. It also says how a user's own features may be named.
//
// It knows graphs only; what the weights are is regress's matter.
package features

import (
	"math"

	"latlab/sampler/graph"
)

// Feature is one op-level quantity that the ops method uses. A network's value is the sum over
// its ops, so a table entry's value is the sum over the ops that belong to the entry.
type Feature struct {
	Name string // "macs/conv1x1"
	Doc  string
	of   func(Op) float64
}

// Value is the quantity of one op.
func (f Feature) Value(o Op) float64 { return f.of(o) }

// Op is an op with the data that features need beyond its own shapes.
type Op struct {
	graph.PaidOp
	// level is how many times the network's input was halved to reach the op's output:
	// round(log2(input height / output height)), 1 to 6 or more.
	level int
}

// NewOp is an op of a network whose input has so many rows.
func NewOp(p graph.PaidOp, inputHeight int) Op {
	return Op{PaidOp: p, level: level(inputHeight, p.Out[1])}
}

// All lists the op-level features in the order of the design matrix.
//
// The families are: multiply-accumulates by op kind and kernel; the same with channels padded to
// 16 and 32, the tile sizes of vector units and accelerators; input, output and weight elements
// by op kind (memory traffic); multiply-accumulates by resolution; the number of ops (dispatch
// overhead). Quantities that are proportional for every op (input and output elements of an
// activation Op) appear only once, as a second column would add nothing. Features of
// space-specific details (stage, choice) were rejected: the indicator table covers them.
func All() []Feature {
	return append(append(append(macFeatures(), paddedFeatures()...), trafficFeatures()...), shapeFeatures()...)
}

func macFeatures() []Feature {
	return []Feature{
		{"macs/conv1x1", "multiply-accumulates of 1x1 convolutions", where(pointwise, macs)},
		{"macs/conv3x3", "multiply-accumulates of 3x3 convolutions", where(kernel(conv, 3), macs)},
		{"macs/conv5x5", "multiply-accumulates of 5x5 convolutions", where(kernel(conv, 5), macs)},
		{"macs/conv-other", "multiply-accumulates of convolutions of any other kernel", where(otherKernel(conv), macs)},
		{"macs/depthwise3x3", "multiply-accumulates of 3x3 depthwise convolutions", where(kernel(depthwise, 3), macs)},
		{"macs/depthwise5x5", "multiply-accumulates of 5x5 depthwise convolutions", where(kernel(depthwise, 5), macs)},
		{"macs/depthwise-other", "multiply-accumulates of depthwise convolutions of any other kernel", where(otherKernel(depthwise), macs)},
		{"macs/fully-connected", "multiply-accumulates of fully connected ops", where(kind(graph.FullyConnected), macs)},
	}
}

func paddedFeatures() []Feature {
	return []Feature{
		{"macs16/conv1x1", "multiply-accumulates of 1x1 convolutions, channels padded to 16", where(pointwise, padded(16))},
		{"macs16/conv3x3", "multiply-accumulates of 3x3 convolutions, channels padded to 16", where(kernel(conv, 3), padded(16))},
		{"macs16/conv-other", "multiply-accumulates of larger convolutions, channels padded to 16", where(larger(conv), padded(16))},
		{"macs16/depthwise", "multiply-accumulates of depthwise convolutions, channels padded to 16", where(depthwise, padded(16))},
		{"macs32/conv1x1", "multiply-accumulates of 1x1 convolutions, channels padded to 32", where(pointwise, padded(32))},
		{"macs32/conv3x3", "multiply-accumulates of 3x3 convolutions, channels padded to 32", where(kernel(conv, 3), padded(32))},
		{"macs32/conv-other", "multiply-accumulates of larger convolutions, channels padded to 32", where(larger(conv), padded(32))},
		{"macs32/depthwise", "multiply-accumulates of depthwise convolutions, channels padded to 32", where(depthwise, padded(32))},
	}
}

func trafficFeatures() []Feature {
	return []Feature{
		{"in/conv1x1", "input elements of 1x1 convolutions", where(pointwise, inputs)},
		{"in/conv", "input elements of larger convolutions", where(spatial, inputs)},
		{"in/depthwise", "input elements of depthwise convolutions", where(depthwise, inputs)},
		{"in/pool", "input elements of average pools", where(kind(graph.AveragePool), inputs)},
		{"out/conv1x1", "output elements of 1x1 convolutions", where(pointwise, outputs)},
		{"out/conv", "output elements of larger convolutions", where(spatial, outputs)},
		{"out/depthwise", "output elements of depthwise convolutions", where(depthwise, outputs)},
		{"out/add", "output elements of additions", where(kind(graph.Add), outputs)},
		{"out/mul", "output elements of multiplications", where(kind(graph.Mul), outputs)},
		{"out/h-swish", "output elements of h-swish", where(kind(graph.HardSwish), outputs)},
		{"out/logistic", "output elements of sigmoids", where(kind(graph.Logistic), outputs)},
		{"out32/conv1x1", "output elements of 1x1 convolutions, channels padded to 32", where(pointwise, outputs32)},
		{"out32/conv", "output elements of larger convolutions, channels padded to 32", where(spatial, outputs32)},
		{"patch/conv", "input elements of larger convolutions copied once a kernel position (im2col)", where(spatial, patches)},
		{"weights/conv1x1", "weight elements of 1x1 convolutions", where(pointwise, weights)},
		{"weights/conv", "weight elements of larger convolutions", where(spatial, weights)},
		{"weights/depthwise", "weight elements of depthwise convolutions", where(depthwise, weights)},
		{"weights/fully-connected", "weight elements of fully connected ops", where(kind(graph.FullyConnected), weights)},
	}
}

func shapeFeatures() []Feature {
	return []Feature{
		{"macs/at-2", "multiply-accumulates at half the input's height or more, depthwise left out", where(atLevel(1), macs)},
		{"macs/at-4", "multiply-accumulates at a quarter of the input's height, depthwise left out", where(atLevel(2), macs)},
		{"macs/at-8", "multiply-accumulates at an eighth, depthwise left out", where(atLevel(3), macs)},
		{"macs/at-16", "multiply-accumulates at a sixteenth, depthwise left out", where(atLevel(4), macs)},
		{"macs/at-32", "multiply-accumulates at a 32nd, depthwise left out", where(atLevel(5), macs)},
		{"macs/at-64", "multiply-accumulates at a 64th or less, depthwise left out", where(atLevel(6), macs)},
		{"macs/conv-strided", "multiply-accumulates of convolutions with a stride", where(strided(conv), macs)},
		{"macs/depthwise-strided", "multiply-accumulates of depthwise convolutions with a stride", where(strided(depthwise), macs)},
		{"ops/conv1x1", "number of 1x1 convolutions", where(pointwise, one)},
		{"ops/conv", "number of larger convolutions", where(spatial, one)},
		{"ops/depthwise", "number of depthwise convolutions", where(depthwise, one)},
		{"ops/fully-connected", "number of fully connected ops", where(kind(graph.FullyConnected), one)},
		{"ops/pool", "number of average pools", where(kind(graph.AveragePool), one)},
		{"ops/add", "number of additions", where(kind(graph.Add), one)},
		{"ops/elementwise", "number of multiplications, h-swishes and sigmoids", where(elementwise, one)},
	}
}

// MACs is the one feature of the macs method.
func MACs() []Feature {
	return []Feature{{"macs", "multiply-accumulates of all ops", macs}}
}

type (
	predicate func(Op) bool
	quantity  func(Op) float64
)

// where is the quantity for ops that satisfy the predicate, and 0 for all others.
func where(is predicate, q quantity) func(Op) float64 {
	return func(o Op) float64 {
		if !is(o) {
			return 0
		}
		return q(o)
	}
}

func kind(k graph.Kind) predicate { return func(o Op) bool { return o.Kind == k } }
func conv(o Op) bool              { return o.Kind == graph.Conv2D }
func depthwise(o Op) bool         { return o.Kind == graph.DepthwiseConv }
func pointwise(o Op) bool         { return conv(o) && o.Kernel == [2]int{1, 1} }
func spatial(o Op) bool           { return conv(o) && !pointwise(o) }

func elementwise(o Op) bool {
	return o.Kind == graph.Mul || o.Kind == graph.HardSwish || o.Kind == graph.Logistic
}

func kernel(of predicate, k int) predicate {
	return func(o Op) bool { return of(o) && o.Kernel == [2]int{k, k} }
}

// otherKernel holds for kernels without their own column: not 1x1, 3x3 or 5x5. A 1x1 depthwise
// convolution is one of them.
func otherKernel(of predicate) predicate {
	return func(o Op) bool {
		return of(o) && !pointwise(o) && o.Kernel != [2]int{3, 3} && o.Kernel != [2]int{5, 5}
	}
}

func larger(of predicate) predicate {
	return func(o Op) bool { return of(o) && !pointwise(o) && o.Kernel != [2]int{3, 3} }
}

func strided(of predicate) predicate {
	return func(o Op) bool { return of(o) && max(o.Stride[0], o.Stride[1]) > 1 }
}

func atLevel(l int) predicate {
	return func(o Op) bool { return !depthwise(o) && o.level == l }
}

func macs(o Op) float64    { return float64(o.MACs) }
func inputs(o Op) float64  { return float64(o.InputElements) }
func outputs(o Op) float64 { return float64(o.OutputElements) }
func weights(o Op) float64 { return float64(o.WeightElements) }
func one(Op) float64       { return 1 }

func outputs32(o Op) float64 {
	return float64(o.OutputElements) / float64(o.Out[3]) * roundUp(o.Out[3], 32)
}

// patches is the size of the im2col matrix of a convolution.
func patches(o Op) float64 {
	return float64(o.Out[1]) * float64(o.Out[2]) * float64(o.Kernel[0]) * float64(o.Kernel[1]) * float64(o.In[3])
}

// padded is MACs with input and output channels rounded up to a multiple. A depthwise
// convolution has one channel axis, which is rounded once.
func padded(multiple int) quantity {
	return func(o Op) float64 {
		scale := roundUp(o.Out[3], multiple) / float64(o.Out[3])
		if !depthwise(o) {
			scale *= roundUp(o.In[3], multiple) / float64(o.In[3])
		}
		return scale * float64(o.MACs)
	}
}

func roundUp(n, multiple int) float64 { return float64((n + multiple - 1) / multiple * multiple) }

// level of an output height, clamped to the columns that exist.
func level(inputHeight, outputHeight int) int {
	l := math.Round(math.Log2(float64(inputHeight) / float64(outputHeight)))
	return int(min(max(l, 1), 6))
}

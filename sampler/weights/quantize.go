package weights

import (
	"math"
	"slices"

	"latlab/sampler/graph"
)

// Affine is a tensor's quantization: real = Scale * (q - Zero) for an int8 q. For uint8 both q and Zero
// are 128 larger.
type Affine struct {
	Scale float32
	Zero  int32
}

// The fixed quantizations.
var (
	// inputAffine is that of released quantized detectors: (uint8 - 128) / 128.
	inputAffine = Affine{Scale: 1.0 / 128, Zero: 0}
	// gateAffine is required by LOGISTIC: 0 to 1 minus one step.
	gateAffine = Affine{Scale: 1.0 / 256, Zero: -128}
)

// A channel's range ends this many standard deviations beyond its mean. A normal variable exceeds 3.5 on
// one side with a probability of 2e-4, and only the outermost channels of a tensor reach the limit at
// all. An output that sums few values, as in depthwise convolutions, is not normal: relu6 and h-swish
// before it give it long tails.
const (
	reachOfMany = 3.5
	reachOfOne  = 8 // divided by the fan-in, and added
)

// Quantized is a graph in int8. It holds scales and biases but no weights, which are drawn on demand.
type Quantized struct {
	Tensors []Affine // one per graph tensor

	set *Set
	ops []int8Scales // one per op; empty for ops without weights
}

// int8Scales holds the scales and biases of an op.
type int8Scales struct {
	weights []float32 // one per output channel
	bias    []int32
}

// Quantize predicts every tensor's range and quantizes the weights. The weights are drawn
// once; memory does not grow with their number.
//
// Mean and variance of every channel of every tensor are propagated through the graph with the actual
// weights, from inputs that are uniform between -1 and 1 (see channels). A tensor's range extends from 3.5
// or more standard deviations below the mean of one channel to as many above that of another, within the
// limits of its activation, and always includes zero. Running the network on samples, as converters do,
// costs as much as the sweep itself. Propagating one variance per tensor was tried first and is off by a
// factor of 3 after thirty layers of 8 to 16 channels: the squares of so few weights do not average out.
//
// The prediction ignores that whole positions of a map are louder or quieter than others. relu6 evens this
// out, and the outputs of a whole MobileDet-EdgeTPU are within 6 % of float32. h-swish amplifies it: the
// float32 activations of a MobileDet-CPU grow by a factor of 20 to 30 through seventy layers, while the
// prediction stays constant and int8 clips a percent or two in every layer. Its outputs vary and each
// tensor uses its range, but they are not float32's.
//
// The rules of TFLite's quantization specification hold: a pool's output has its input's quantization,
// LOGISTIC's is 1/256 and -128.
func (s *Set) Quantize() *Quantized {
	q := &Quantized{Tensors: make([]Affine, len(s.g.Tensors)), set: s, ops: make([]int8Scales, len(s.g.Ops))}
	stats := make([]channels, len(s.g.Tensors))
	for _, t := range s.g.Inputs {
		q.Tensors[t] = inputAffine
		stats[t] = uniform(s.g.Tensors[t].Shape[3], inputSquare)
	}
	for i, op := range s.g.Ops {
		var pre channels
		if op.HasWeights() {
			largest := make([]int32, s.g.Out(op)[3])
			pre = s.convolve(i, stats[op.Inputs[0]], largest)
			if op.Kind == graph.FullyConnected {
				shareLargest(largest)
			}
			q.ops[i] = s.scales(i, largest, q.Tensors[op.Inputs[0]].Scale)
		} else {
			pre = s.combine(op, stats)
		}
		stats[op.Output] = pre.activated(op)
		q.Tensors[op.Output] = q.affine(op, pre)
	}
	return q
}

// affine is the quantization of an op's output.
func (q *Quantized) affine(op graph.Op, pre channels) Affine {
	switch op.Kind {
	case graph.AveragePool:
		return q.Tensors[op.Inputs[0]]
	case graph.Logistic:
		return gateAffine
	}
	low, high := pre.limits(op)
	finest := float32(0)
	if op.Kind == graph.Mul {
		// A finer scale than a product of two steps is useless and would need the operator's version 3.
		finest = 1.001 * q.Tensors[op.Inputs[0]].Scale * q.Tensors[op.Inputs[1]].Scale
	}
	return affineOf(low, high, finest)
}

// narrowest keeps the scale of an all-zero tensor above zero.
const narrowest = 1.0 / 256

// affineOf spreads the 256 values over a range, widened to include zero, and shifts it so that zero is
// represented exactly. The scale is at least finest.
func affineOf(low, high float64, finest float32) Affine {
	low, high = min(low, 0), max(high, 0)
	scale := max(float32(max(high-low, narrowest)/255), finest)
	zero := math.Round(-128 - low/float64(scale))
	return Affine{Scale: scale, Zero: int32(min(max(zero, -128), 127))}
}

// shareLargest gives a fully connected op a single scale, as in TFLite's files.
func shareLargest(largest []int32) {
	most := slices.Max(largest)
	for c := range largest {
		largest[c] = most
	}
}

// scales maps the largest magnitude of each channel to 127.
func (s *Set) scales(op int, largest []int32, input float32) int8Scales {
	step := float64(s.Weights(op).step)
	bias := s.Bias(op).all()
	r := int8Scales{weights: make([]float32, len(largest)), bias: make([]int32, len(largest))}
	for c, m := range largest {
		r.weights[c] = float32(step * float64(m) / 127)
		one := float64(input) * float64(r.weights[c])
		r.bias[c] = int32(min(max(math.RoundToEven(float64(bias[c])/one), math.MinInt32), math.MaxInt32))
	}
	return r
}

// Scales are the weight scales of Graph.Ops[op], one per output channel.
func (q *Quantized) Scales(op int) []float32 { return q.ops[op].weights }

// Bias has one value per output channel, in units of input scale * weight scale.
func (q *Quantized) Bias(op int) []int32 { return q.ops[op].bias }

// Weights draws the int8 weights of Graph.Ops[op] from their beginning.
func (q *Quantized) Weights(op int) *Int8s {
	o := q.set.g.Ops[op]
	f := q.set.Weights(op)
	w := &Int8s{N: f.N, stream: f.stream, run: f.N / int64(len(q.ops[op].weights))}
	if o.Kind == graph.DepthwiseConv {
		w.run = 1
	}
	for _, scale := range q.ops[op].weights {
		w.factors = append(w.factors, int64(math.Round(float64(f.step)/float64(scale)*(1<<fraction))))
	}
	return w
}

// fraction is the number of fractional bits of a factor. A factor is at most 127, and its product with
// the largest draw of its channel is at most 127 too.
const fraction = 40

// Int8s is one buffer of int8 weights, drawn from its beginning to its end.
type Int8s struct {
	N       int64 // elements
	stream  stream
	factors []int64 // per channel: weight = draw * factor / 2^fraction
	run     int64   // successive weights of one channel
	channel int     // of the next weight
	used    int64   // weights of the current run already drawn
	draws   [512]int32
}

// Fill draws the next len(dst) weights, one byte each. Only the last call may have a len(dst) that is not
// a multiple of 4.
func (w *Int8s) Fill(dst []byte) {
	for len(dst) > 0 {
		n := min(len(dst), len(w.draws))
		w.stream.odds(w.draws[:n])
		w.round(dst[:n], w.draws[:n])
		dst = dst[n:]
	}
}

// round turns draws into weights, run by run.
func (w *Int8s) round(dst []byte, draws []int32) {
	for len(dst) > 0 {
		n := int(min(int64(len(dst)), w.run-w.used))
		factor := w.factors[w.channel]
		for i, d := range draws[:n] {
			dst[i] = byte((int64(d)*factor + 1<<(fraction-1)) >> fraction)
		}
		dst, draws = dst[n:], draws[n:]
		if w.used += int64(n); w.used == w.run {
			w.used = 0
			w.channel = (w.channel + 1) % len(w.factors)
		}
	}
}

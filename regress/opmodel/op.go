// Package opmodel fits the time of single ops to profiles of whole networks.
//
// An op's time is a non-negative sum of features of its shape. The weights differ by group, and groups
// form a tree: all ops, ops of a kind, of a kind with its window and stride (a type), and of a type that the
// device ran by one kernel, as it names kernels. Each group's weights are shrunk towards those of the group
// above, so a kernel that few rows show follows its type. An op of a window or stride that no profile has takes the
// weights of the most similar one of its kind, an op of a kind that none has those of all ops. Rows are compared with what the weights say of shapes nearby (nearby.go), since no
// handful of features knows every step of a kernel.
//
// A runtime may run several ops at once. Such a row's time is divided between its ops in proportion to what
// the model expects of each, again in every round of the fit, so that the sum stays what was observed.
//
// The package knows graphs and numbers. regress makes a cost model of the times; regress/observe reads profiles.
package opmodel

import (
	"fmt"
	"math"

	"latlab/sampler/graph"
)

// Op is an op with the features of its shape. It is shared by all rows and table entries that have it.
type Op struct {
	x      []float64
	kind   string
	typ    string
	place  [dims]float64
	window [2]float64 // octaves of its area and of the stride
}

// dims of the space in which shapes are near or far: octaves of channels in, channels out and positions.
const dims = 3

// Key is what ops of the same time have in common.
type Key struct {
	kind           graph.Kind
	kernel, stride [2]int
	in, out        [4]int
	inputs         int64
}

// KeyOf is the key of an op.
func KeyOf(p *graph.PaidOp) Key {
	return Key{p.Kind, p.Kernel, p.Stride, p.In, p.Out, p.InputElements}
}

// NewOp computes an op's features. bytes is the size of an element of activations and weights.
func NewOp(p *graph.PaidOp, bytes float64) *Op {
	o := &Op{kind: string(p.Kind), typ: typeOf(p), x: features(p, bytes)}
	for i, n := range []int{p.In[3], p.Out[3], p.Out[1] * p.Out[2]} {
		o.place[i] = math.Log2(float64(max(n, 1)))
	}
	o.window = [2]float64{math.Log2(float64(max(p.Kernel[0]*p.Kernel[1], 1))), math.Log2(float64(max(p.Stride[0], 1)))}
	if p.Out[1]*p.Out[2] == 1 { // a pool's work is where it reads
		o.place[2] = math.Log2(float64(max(p.In[1]*p.In[2], 1)))
	}
	return o
}

func typeOf(p *graph.PaidOp) string {
	switch p.Kind {
	case graph.Conv2D, graph.DepthwiseConv, graph.TransposeConv:
		return fmt.Sprintf("%s %dx%d/%d", p.Kind, p.Kernel[0], p.Kernel[1], max(p.Stride[0], p.Stride[1]))
	}
	return string(p.Kind)
}

// caches are sizes, in bytes, from which on an op's data no longer fits a level of some cache: those of the
// first and second level and of shared ones or of an accelerator's memory.
func caches() []float64 { return []float64{32 << 10, 256 << 10, 1 << 20, 4 << 20} }

// features are, in this order: 1; multiply-accumulates, plain and with channels padded to 16 and 32; output
// positions; input, output and weight bytes; output bytes with channels padded to 16; bytes of the input
// copied once a window position (im2col); and for each cache the bytes of all three that do not fit. Every
// one is a cost that grows with an op, so no weight is below zero.
func features(p *graph.PaidOp, bytes float64) []float64 {
	macs, positions := float64(p.MACs), float64(p.Out[1]*p.Out[2])
	in, out, weights := bytes*float64(p.InputElements), bytes*float64(p.OutputElements), bytes*float64(p.WeightElements)
	pad := func(multiple int) float64 {
		scale := padded(p.Out[3], multiple)
		if p.Kind != graph.DepthwiseConv {
			scale *= padded(p.In[3], multiple)
		}
		return scale * macs
	}
	patches := 0.0
	if p.MACs > 0 {
		patches = bytes * positions * float64(p.Kernel[0]*p.Kernel[1]*p.In[3])
	}
	x := []float64{1, macs, pad(16), pad(32), positions, in, out, weights, out * padded(p.Out[3], 16), patches}
	for _, c := range caches() {
		x = append(x, max(0, in+out+weights-c))
	}
	return x
}

// padded is how much more a number of channels is when rounded up to a multiple.
func padded(n, multiple int) float64 {
	if n < 1 {
		return 1
	}
	return float64((n+multiple-1)/multiple*multiple) / float64(n)
}

// work is what an op's time is nearly in proportion to where it is large.
func (o *Op) work() float64 {
	if macs := o.x[1]; macs > 0 {
		return macs
	}
	return max(o.x[5]+o.x[6], 1) // bytes in and out
}

// distance is that of two shapes, squared.
func distance(a, b *Op) float64 {
	d := 0.0
	for i, x := range a.place {
		d += (x - b.place[i]) * (x - b.place[i])
	}
	return d
}

// apart is how different the windows of two ops are.
func apart(a, b *Op) float64 {
	return math.Hypot(a.window[0]-b.window[0], a.window[1]-b.window[1])
}

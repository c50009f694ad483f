package sim

import (
	"fmt"
	"math"
	"slices"

	"latlab/sampler/graph"
)

// cost is the time and memory of a network on a device without noise, at the highest clock.
type cost struct {
	seconds float64 // a whole call
	clocked float64 // part of seconds that grows when the clock is lowered
	ops     []opCost

	nodes, delegated, partitions int
	why                          []string // for nodes left to the host
	hostSeconds                  float64  // time of the host for the whole network

	weightBytes     float64 // on the device
	activationBytes float64 // largest size alive at once
}

// opCost is one op's share of a call.
type opCost struct {
	seconds float64
	compute float64
	memory  float64
	host    bool
}

// coster evaluates ops of one graph.
type coster struct {
	s *Spec
	p *Precision
	g *graph.Graph
	// cached is the free part of the weight cache, in bytes.
	cached float64
	work   work // of the current op
}

// evaluate is the analytic model: a sum over ops of
//
//	max(compute, memory) + dispatch
//
// and the call's own overhead. Compute is padded work over the roof's share (Williams et
// al., "Roofline", CACM 2009, with tiles and waves); memory is traffic over the bandwidth of
// the level where it lies. Maximum, padding, waves and spills make it no linear function of
// anything that a cost table sums.
//
// It allocates little: a sweep calls it for every block.
func (s *Spec) evaluate(g *graph.Graph, p *Precision) cost {
	c := coster{s: s, p: p, g: g}
	if w := s.Memory.WeightCacheBytes; w != nil {
		c.cached = w.Value
	}
	r := cost{ops: make([]opCost, len(g.Ops)), nodes: len(g.Ops)}
	call := s.Overhead.CallSeconds.Value
	r.seconds, r.clocked = call, call
	left := s.left(g)
	for i := range g.Ops {
		w := c.measure(&g.Ops[i])
		onHost, wasOnHost := left != nil && left[i], left != nil && i > 0 && left[i-1]
		o := c.op(w, onHost)
		if onHost != wasOnHost {
			o.seconds += c.handover(w) // change between host and accelerator
		}
		if !onHost && (i == 0 || wasOnHost) {
			r.partitions++
		}
		r.add(i, o)
		if s.Host != nil {
			r.hostSeconds += c.onHost(w)
		}
		r.weightBytes += w.weights * p.ElementBytes.Value
	}
	if left != nil {
		r.why = s.reasons(g, left)
	}
	r.activationBytes = float64(peakElements(g)) * p.ElementBytes.Value
	return r
}

func (r *cost) add(i int, o opCost) {
	r.ops[i] = o
	r.seconds += o.seconds
	if !o.host {
		r.delegated++
	}
	if o.compute >= o.memory {
		r.clocked += o.seconds
	}
}

// work is the amount of work of an op. It is computed once because the counts are needed several
// times and an Op is large to copy.
type work struct {
	op                     *graph.Op
	macs                   float64
	inputs, outputs        float64 // elements
	weights, extraInputs   float64 // elements; extraInputs are the inputs after the first
	positions, outChannels float64
}

func (c *coster) measure(op *graph.Op) *work {
	w, out := &c.work, c.g.Out(*op)
	*w = work{
		op: op, macs: float64(c.g.MACs(*op)), outputs: float64(c.g.OutputElements(*op)), weights: float64(c.g.Weights(*op)),
		positions: float64(out[0]) * float64(out[1]) * float64(out[2]), outChannels: float64(out[3]),
	}
	for i, x := range op.Inputs {
		n := float64(c.g.Tensors[x].Elements())
		w.inputs += n
		if i > 0 {
			w.extraInputs += n
		}
	}
	return w
}

func (c *coster) op(w *work, onHost bool) opCost {
	size := c.p.ElementBytes.Value
	switch {
	case onHost:
		t := c.onHost(w)
		return opCost{seconds: t, compute: t, host: true}
	case len(c.s.Fused) > 0 && slices.Contains(c.s.Fused, w.op.Kind):
		t := c.traffic(w.extraInputs*size, 0)
		return opCost{seconds: t, memory: t}
	}
	o := opCost{compute: c.compute(w), memory: c.traffic((w.inputs+w.outputs)*size, w.weights*size)}
	o.seconds = max(o.compute, o.memory) + c.s.Overhead.OpSeconds.Value
	return o
}

func (c *coster) compute(w *work) float64 {
	if w.macs <= 0 {
		return w.elements() / c.elementRate(w.op.Kind)
	}
	return w.macs * c.padding(w) / (c.p.MACsPerSecond.Value * c.efficiency(w.op))
}

// padding returns how many times as much work the device does as the op needs: at least 1. For
// ops that occur in no space (transposed, recurrent, matrix products) the tiling is unknown, so
// nothing is padded.
func (c *coster) padding(w *work) float64 {
	t := &c.s.Tile
	switch w.op.Kind {
	case graph.DepthwiseConv:
		return roundUp(w.outChannels, t.DepthwiseChannels.Value) / w.outChannels
	case graph.Conv2D, graph.FullyConnected:
	default:
		return 1
	}
	tiles := math.Ceil(w.positions/t.Positions.Value) * math.Ceil(w.outChannels/t.OutChannels.Value)
	waves := math.Ceil(tiles / t.Units.Value)
	outputs := waves * t.Units.Value * t.Positions.Value * t.OutChannels.Value
	// The reduction runs over kernel positions and input channels as one axis, so a 3x3
	// convolution of an image's three channels pads 27 and not three.
	depth := w.macs / (w.positions * w.outChannels)
	return outputs / (w.positions * w.outChannels) * roundUp(depth, t.InChannels.Value) / depth
}

func (c *coster) efficiency(op *graph.Op) float64 {
	e := &c.s.Efficiency
	switch {
	case op.Kind == graph.DepthwiseConv:
		return e.Depthwise.Value
	case op.Kind == graph.FullyConnected:
		return e.FullyConnected.Value
	case op.Kernel[0] <= 1 && op.Kernel[1] <= 1:
		return e.Pointwise.Value
	}
	return e.Conv.Value
}

func (c *coster) elementRate(k graph.Kind) float64 {
	e := &c.s.Elementwise
	switch k {
	case graph.Add:
		return e.Add.Value
	case graph.Mul:
		return e.Mul.Value
	case graph.HardSwish:
		return e.HSwish.Value
	case graph.Logistic:
		return e.Logistic.Value
	case graph.AveragePool:
		return e.AveragePool.Value
	}
	return e.Other.Value
}

// elements returns the work of an op without multiply-accumulates: the elements that it reads or
// those that it writes, whichever are more. A sliding window (a user's max_pool) reads every
// input several times, which is not counted.
func (w *work) elements() float64 { return max(w.inputs, w.outputs) }

// traffic returns the seconds of moving data. Activations beyond the on-chip memory spill; weights
// come from the cache until it is used up.
func (c *coster) traffic(activations, weights float64) float64 {
	m := &c.s.Memory
	cached := min(weights, c.cached)
	c.cached -= cached
	spilled := max(0, activations-m.OnChipBytes.Value)
	near, far := activations-spilled+cached, spilled+weights-cached
	return near/m.OnChipBytesPerSecond.Value + far/m.DRAMBytesPerSecond.Value
}

func (c *coster) onHost(w *work) float64 {
	h := c.s.Host
	return w.macs/h.MACsPerSecond.Value + w.elements()/h.ElementsPerSecond.Value
}

func (c *coster) handover(w *work) float64 {
	h := c.s.Host
	return h.HandoverSeconds.Value + w.inputs*c.p.ElementBytes.Value/h.BytesPerSecond.Value
}

// left marks the ops that the delegate leaves to the host; nil if it takes all.
func (s *Spec) left(g *graph.Graph) []bool {
	if len(s.Unsupported) == 0 {
		return nil
	}
	var left []bool
	rest := false
	for i := range g.Ops {
		u := s.unsupported(g.Ops[i].Kind)
		if u == nil && !rest {
			continue
		}
		if left == nil {
			left = make([]bool, len(g.Ops))
		}
		left[i] = true
		rest = rest || u != nil && u.Rest
	}
	return left
}

func (s *Spec) unsupported(k graph.Kind) *Unsupported {
	for i := range s.Unsupported {
		if s.Unsupported[i].Kind == k {
			return &s.Unsupported[i]
		}
	}
	return nil
}

// reasons lists each kind of op that was left once, with its count and the reason.
func (s *Spec) reasons(g *graph.Graph, left []bool) []string {
	var kinds []graph.Kind
	count, behind := map[graph.Kind]int{}, 0
	for i, op := range g.Ops {
		switch {
		case !left[i]:
		case s.unsupported(op.Kind) == nil:
			behind++
		default:
			if count[op.Kind] == 0 {
				kinds = append(kinds, op.Kind)
			}
			count[op.Kind]++
		}
	}
	var why []string
	for _, k := range kinds {
		why = append(why, fmt.Sprintf("%s x%d: %s", k, count[k], s.unsupported(k).Why))
	}
	if behind > 0 {
		why = append(why, fmt.Sprintf("%d ops behind them: one subgraph only", behind))
	}
	return why
}

// peakElements returns the largest number of activation elements alive at once, including an op's
// inputs and output.
func peakElements(g *graph.Graph) int64 {
	last := make([]int, len(g.Tensors))
	for i, op := range g.Ops {
		for _, x := range op.Inputs {
			last[x] = i
		}
	}
	for _, x := range g.Outputs {
		last[x] = len(g.Ops)
	}
	var alive, peak int64
	for _, x := range g.Inputs {
		alive += g.Tensors[x].Elements()
	}
	for i, op := range g.Ops {
		alive += g.OutputElements(op)
		peak = max(peak, alive)
		for k, x := range op.Inputs {
			if last[x] == i && !slices.Contains(op.Inputs[:k], x) {
				alive -= g.Tensors[x].Elements()
			}
		}
	}
	return peak
}

func roundUp(x, multiple float64) float64 { return math.Ceil(x/multiple) * multiple }

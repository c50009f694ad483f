package weights

import (
	"math"

	"latlab/sampler/graph"
)

// channels is the mean and variance of every channel of a tensor, over positions and inputs. Channels
// and positions are assumed to be independent. With random weights of mean zero this is right on
// average over the weights, even if inputs depend on each other.
//
// Scales are bytes of a file, so all machines must agree on every bit. A product is therefore converted
// to float64 before it is added, which forbids a compiler to fuse the two operations; and there are no
// transcendental functions.
type channels struct {
	mean, variance []float64
	// reach is how many standard deviations beyond the mean a channel's range ends.
	reach float64
}

func newChannels(n int) channels {
	return channels{mean: make([]float64, n), variance: make([]float64, n), reach: reachOfMany}
}

func uniform(n int, variance float64) channels {
	c := newChannels(n)
	for i := range c.variance {
		c.variance[i] = variance
	}
	return c
}

// taps is the mean and variance of the values that each weight of an output channel multiplies. At some
// positions a tap of a padded convolution lies in the padding, so it meets its channel in only a share
// of the positions.
type taps struct {
	mean, variance []float64
}

// coverage is the share of output positions at which tap k of a kernel lies inside.
func coverage(in, out, kernel, stride, k int) float64 {
	before := max((out-1)*stride+kernel-in, 0) / 2
	inside := 0
	for o := range out {
		if at := o*stride - before + k; at >= 0 && at < in {
			inside++
		}
	}
	return float64(inside) / float64(out)
}

// tapsOf lists the taps of the op's weights row by row, column by column, channel by channel.
func (s *Set) tapsOf(op graph.Op, in channels) taps {
	shape, out := s.g.In(op), s.g.Out(op)
	rows, cols := []float64{1}, []float64{1}
	if op.Kind != graph.FullyConnected {
		rows, cols = make([]float64, op.Kernel[0]), make([]float64, op.Kernel[1])
		for k := range rows {
			rows[k] = coverage(shape[1], out[1], op.Kernel[0], op.Stride[0], k)
		}
		for k := range cols {
			cols[k] = coverage(shape[2], out[2], op.Kernel[1], op.Stride[1], k)
		}
	}
	n := len(rows) * len(cols) * len(in.mean)
	t := taps{mean: make([]float64, 0, n), variance: make([]float64, 0, n)}
	for _, row := range rows {
		for _, col := range cols {
			p := float64(row * col)
			for c, m := range in.mean {
				t.mean = append(t.mean, p*m)
				t.variance = append(t.variance, float64(p*in.variance[c])+float64(p*(1-p)*m*m))
			}
		}
	}
	return t
}

// convolve draws the weights of Ops[op] once. It returns mean and variance of the output before the
// activation, and stores each output channel's largest draw in largest.
func (s *Set) convolve(op int, in channels, largest []int32) channels {
	o := s.g.Ops[op]
	w := s.Weights(op)
	acc := accumulator{
		taps: s.tapsOf(o, in), sums: newChannels(len(largest)), largest: largest,
	}
	add := acc.addRuns
	if o.Kind == graph.DepthwiseConv {
		add = acc.addInterleaved
	}
	var draws [4096]int32
	for left := w.N; left > 0; {
		n := min(left, int64(len(draws)))
		w.stream.odds(draws[:n])
		add(draws[:n])
		left -= n
	}
	out := acc.sums
	out.reach = reachOfMany + reachOfOne/float64(fanIn(s.g, o))
	step := float64(w.step)
	for c, b := range s.Bias(op).all() {
		out.mean[c] = float64(step*out.mean[c]) + float64(b)
		out.variance[c] = step * step * out.variance[c]
	}
	return out
}

// accumulator sums the products of draws and taps, in units of the step.
type accumulator struct {
	taps    taps
	sums    channels
	largest []int32
	channel int // of the next draw
	tap     int // that the next draw meets
}

// addRuns adds draws whose output channel changes after all taps.
func (a *accumulator) addRuns(draws []int32) {
	for len(draws) > 0 {
		n := min(len(draws), len(a.taps.mean)-a.tap)
		m, v, l := a.sums.mean[a.channel], a.sums.variance[a.channel], a.largest[a.channel]
		means, variances := a.taps.mean[a.tap:a.tap+n], a.taps.variance[a.tap:a.tap+n]
		for i, d := range draws[:n] {
			x := float64(d)
			m += float64(x * means[i])
			v += float64(x * x * variances[i])
			l = max(l, d, -d)
		}
		a.sums.mean[a.channel], a.sums.variance[a.channel], a.largest[a.channel] = m, v, l
		draws = draws[n:]
		if a.tap += n; a.tap == len(a.taps.mean) {
			a.tap = 0
			a.channel++
		}
	}
}

// addInterleaved adds draws whose output channel changes with every draw.
func (a *accumulator) addInterleaved(draws []int32) {
	for _, d := range draws {
		x := float64(d)
		c := a.tap % len(a.largest)
		a.sums.mean[c] += float64(x * a.taps.mean[a.tap])
		a.sums.variance[c] += float64(x * x * a.taps.variance[a.tap])
		a.largest[c] = max(a.largest[c], d, -d)
		a.tap++
	}
}

// averaged is the most that a pool divides the variance by. Without this limit squeeze-and-excite
// clipped up to an eighth of its few values; with a limit of 9, a quarter in some networks of the CPU's
// spaces; with 2 it used only a twentieth of its range in others.
const averaged = 4

// combine is mean and variance of the output of an op without weights, before its activation and before
// h-swish and logistic.
func (s *Set) combine(op graph.Op, stats []channels) channels {
	a := stats[op.Inputs[0]]
	out := newChannels(len(a.mean))
	copy(out.mean, a.mean)
	copy(out.variance, a.variance)
	out.reach = a.reach
	if len(op.Inputs) > 1 {
		out.reach = max(a.reach, stats[op.Inputs[1]].reach)
	}
	switch op.Kind {
	case graph.AveragePool:
		// Independent positions would divide by n, equal ones by 1. An image's positions are neither, and
		// a variance that is too small here is negligible beside the error of the predicted mean.
		n := min(math.Sqrt(float64(op.Kernel[0])*float64(op.Kernel[1])), averaged)
		for c := range out.variance {
			out.variance[c] /= n
		}
	case graph.Add:
		b := stats[op.Inputs[1]]
		for c := range out.mean {
			out.mean[c] += b.mean[c]
			out.variance[c] += b.variance[c]
		}
	case graph.Mul:
		b := stats[op.Inputs[1]]
		for c := range out.mean {
			out.mean[c] *= b.mean[c]
			out.variance[c] = float64(a.variance[c]*(float64(b.mean[c]*b.mean[c])+b.variance[c])) +
				float64(a.mean[c]*a.mean[c]*b.variance[c])
		}
	}
	return out
}

// normal is sixteen values that represent a standard normal variable: the medians of sixteen equal
// shares, scaled to a variance of 1. Gauss-Hermite quadrature with few points is inaccurate for
// functions with kinks like relu6.
var normal = [...]float64{
	-1.938159, -1.371381, -1.050887, -0.807861, -0.602583, -0.418538, -0.246807, -0.081588,
	0.081588, 0.246807, 0.418538, 0.602583, 0.807861, 1.050887, 1.371381, 1.938159,
}

// function is the final element-wise function of an op, nil for none.
func function(op graph.Op) func(float64) float64 {
	switch {
	case op.Activation == graph.ReLU6:
		return func(x float64) float64 { return min(max(x, 0), 6) }
	case op.Kind == graph.HardSwish:
		return func(x float64) float64 { return x * min(max(x+3, 0), 6) / 6 }
	case op.Kind == graph.Logistic:
		return sigmoid
	}
	return nil
}

// sigmoid has the logistic function's value, slope and limits at the points that matter, and is within
// 0.04 of it everywhere. It avoids exp, whose result differs between machines.
func sigmoid(x float64) float64 { return 0.5 + float64(x/(2*math.Sqrt(float64(x*x)+4))) }

// activated applies the op's function to normally distributed channels.
func (c channels) activated(op graph.Op) channels {
	f := function(op)
	if f == nil {
		return c
	}
	out := newChannels(len(c.mean))
	out.reach = c.reach
	for i, m := range c.mean {
		sigma := math.Sqrt(c.variance[i])
		sum, square := 0.0, 0.0
		for _, z := range normal {
			y := f(m + float64(sigma*z))
			sum += y
			square += float64(y * y)
		}
		mean := sum / float64(len(normal))
		out.mean[i] = mean
		out.variance[i] = max(square/float64(len(normal))-float64(mean*mean), 0)
	}
	return out
}

// limits is the range of the op's output; c are its channels before the function.
func (c channels) limits(op graph.Op) (low, high float64) {
	for i, m := range c.mean {
		reach := float64(c.reach * math.Sqrt(c.variance[i]))
		low, high = min(low, m-reach), max(high, m+reach)
	}
	f := function(op)
	if f == nil {
		return low, high
	}
	if op.Kind == graph.HardSwish {
		return hardSwishLow(low, f), f(high) // it falls before it rises
	}
	return f(low), f(high)
}

// hardSwishLow is the least value from x up to 0: the function's minimum is at -1.5.
func hardSwishLow(x float64, f func(float64) float64) float64 { return f(max(x, -1.5)) }

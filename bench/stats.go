package bench

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
	"gonum.org/v1/gonum/stat/distuv"

	"latlab/devices"
)

// Estimators name how a network's value came from its blocks. A fit or comparison
// refuses to mix them.
const (
	// MedianOfMedians: the median over blocks of each block's median sample.
	MedianOfMedians = "median of block medians v1"
	// MedianOfMeans: the same where a tool prints only a mean a block.
	MedianOfMeans = "median of block means v1"
	// MedianOfToolMedians: the same where a tool prints a median as well, of its own rule
	// (benchmark_model's is the upper one of an even number of runs).
	MedianOfToolMedians = "median of block medians by the tool v1"
	// ToolEstimate: what a vendor's tool computed, of devices whose Kind is estimated.
	ToolEstimate = "tool's estimate v1"
)

// orderBlocks is how many blocks a network needs before its interval comes from its own
// order statistics: with 5, the widest interval there is has 93.75 % confidence, with 6
// it has 96.9 %.
const orderBlocks = 6

// BlockSeconds is a block's value: the median of its samples, or else the median, or else the
// mean, that its tool printed. It is not ok where the block has no usable figure.
func BlockSeconds(b *devices.Block) (seconds float64, estimator string, ok bool) {
	if len(b.Samples) > 0 {
		for _, s := range b.Samples {
			if !usable(s) {
				return 0, MedianOfMedians, false
			}
		}
		return Median(b.Samples), MedianOfMedians, true
	}
	switch s := b.Summary; {
	case s == nil || !usable(s.Mean):
		return 0, MedianOfMeans, false
	case s.Median != nil:
		return *s.Median, MedianOfToolMedians, usable(*s.Median)
	}
	return b.Summary.Mean, MedianOfMeans, true
}

func usable(s float64) bool { return s > 0 && !math.IsInf(s, 1) }

// Median is the middle value, or the mean of the two middle ones; NaN of none. The values
// keep their order.
func Median(xs []float64) float64 {
	s := slices.Clone(xs)
	slices.Sort(s)
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// Noise is the variance between blocks of the same network, pooled over networks: the
// sum over networks of the squared deviations of log block values from their mean, and
// the degrees of freedom, sum of (blocks - 1). Latencies of one space span a factor of
// 30 and noise is multiplicative, hence the logarithm.
//
// Reference: Snedecor and Cochran, "Statistical Methods", 8th ed. (1989), section 12.10
// (pooled within-class variance).
type Noise struct {
	SumSquares float64 `json:"sum_squares"`
	DF         int     `json:"degrees_of_freedom"`
}

// NoiseOf is one network's contribution.
func NoiseOf(values []float64) Noise {
	if len(values) < 2 {
		return Noise{}
	}
	var mean, ss float64
	for _, v := range values {
		mean += math.Log(v) / float64(len(values))
	}
	for _, v := range values {
		d := math.Log(v) - mean
		ss += d * d
	}
	return Noise{SumSquares: ss, DF: len(values) - 1}
}

// replicateNoise is the noise of a network's usable blocks, none where different units ran
// them: an accelerator that gave nodes back to the CPU in one block timed two machines, and
// the gap between those is no noise. It was once pooled, and two such blocks in a hundred
// made the noise of a whole sweep ten times what it was, every other network pay for
// blocks that it did not need, and the limit of a step far too wide.
func replicateNoise(blocks []*devices.Block, values []float64) Noise {
	for _, b := range blocks {
		if !sameUnits(b.Delegation, blocks[0].Delegation) {
			return Noise{}
		}
	}
	return NoiseOf(values)
}

// sameUnits reports whether as many nodes were delegated.
func sameUnits(a, b devices.Delegation) bool {
	return a.Delegated == b.Delegated && a.Nodes == b.Nodes
}

// Add pools two noises, Sub takes one network's own contribution out again.
func (n Noise) Add(m Noise) Noise { return Noise{n.SumSquares + m.SumSquares, n.DF + m.DF} }

// Sub takes out what Add put in.
func (n Noise) Sub(m Noise) Noise { return Noise{max(0, n.SumSquares-m.SumSquares), n.DF - m.DF} }

// SD is the standard deviation of log block values, NaN without degrees of freedom.
func (n Noise) SD() float64 {
	if n.DF < 1 {
		return math.NaN()
	}
	return math.Sqrt(n.SumSquares / float64(n.DF))
}

// CV is the coefficient of variation of a log-normal with that SD,
// sqrt(exp(sd^2) - 1); nil without degrees of freedom.
func (n Noise) CV() *float64 {
	if n.DF < 1 {
		return nil
	}
	sd := n.SD()
	return new(math.Sqrt(math.Expm1(sd * sd)))
}

// Interval is a confidence interval of a network's latency. Bounds are nil where the
// data are too few to have any.
type Interval struct {
	Low, High  *float64
	Confidence float64 // achieved, not asked for; 0 without bounds
	Method     string
}

// Names of interval methods.
const (
	PooledT         = "t on log block values, pooled variance"
	OrderStatistics = "order statistics of block values"
	// Deterministic: the bounds are the value itself. They say that it would come again, and
	// nothing of how far an estimator or a simulator is from the truth.
	Deterministic = "deterministic"
)

// exactInterval is that of a device that gives the same again.
func exactInterval(value float64) Interval {
	return Interval{Low: &value, High: new(value), Confidence: 1, Method: Deterministic}
}

// NewInterval is the interval of the median of block values. Below 6 blocks a network
// knows too little of its own noise, so it borrows the sweep's; from 6 on its own order
// statistics assume nothing.
func NewInterval(values []float64, pooled Noise, confidence float64) Interval {
	if len(values) >= orderBlocks {
		return orderInterval(values, confidence)
	}
	return pooledInterval(values, pooled, confidence)
}

// medianVariance is the variance of the sample median of n standard normals (the mean of
// the two middle ones where n is even).
//
// Source: David and Nagaraja, "Order Statistics", 3rd ed. (2003); 3: 1 - sqrt(3)/pi.
// TestMedianVariance checks the others by simulation.
var medianVariance = [orderBlocks]float64{1: 1, 2: 0.5, 3: 0.448671, 4: 0.298247, 5: 0.286834}

// pooledInterval is exp(log m -+ t(df) * sd * sqrt(medianVariance[n])), m the median.
//
// Rejected: the usual sqrt(1/n) around the mean of logs. It is a little narrower, but the
// reported value is the median, which then can lie outside of its own interval when one
// block of three is off.
func pooledInterval(values []float64, pooled Noise, confidence float64) Interval {
	half := pooledHalf(len(values), pooled, confidence)
	if math.IsInf(half, 1) {
		return Interval{Method: PooledT}
	}
	m := Median(values)
	return Interval{Low: new(m * math.Exp(-half)), High: new(m * math.Exp(half)), Confidence: confidence, Method: PooledT}
}

// pooledHalf is half the width of the logarithm's interval, infinite where nothing is known.
func pooledHalf(n int, pooled Noise, confidence float64) float64 {
	if n == 0 || pooled.DF < 1 {
		return math.Inf(1)
	}
	return tQuantile((1+confidence)/2, pooled.DF) * pooled.SD() * math.Sqrt(medianVariance[n])
}

// halfWidth is Measurement.HalfWidth of NewInterval. Under borrowed noise it depends on how
// many values there are and not on the values, and planning asks for every network's with
// every batch.
func halfWidth(values []float64, pooled Noise, confidence float64) float64 {
	if len(values) < orderBlocks {
		return math.Expm1(pooledHalf(len(values), pooled, confidence))
	}
	iv := orderInterval(values, confidence)
	m := Measurement{Seconds: Median(values), Low: iv.Low, High: iv.High}
	return m.HalfWidth()
}

// asymptoticDF is from where on the series is as good as the inverted integral: at 200
// degrees of freedom they differ by less than 1e-9, relative (TestTQuantile).
const asymptoticDF = 200

// tQuantile is the quantile of Student's t. Every network's interval is looked at again
// with every batch, under pooled noise of thousands of degrees of freedom; inverting the
// integral for each took an eighth of a sweep on a simulator.
//
// Source: Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5.
func tQuantile(p float64, df int) float64 {
	nu := float64(df)
	if df < asymptoticDF {
		return distuv.StudentsT{Sigma: 1, Nu: nu}.Quantile(p)
	}
	x := distuv.UnitNormal.Quantile(p)
	y := x * x
	g1 := x * (y + 1) / 4
	g2 := x * ((5*y+16)*y + 3) / 96
	g3 := x * (((3*y+19)*y+17)*y - 15) / 384
	g4 := x * ((((79*y+776)*y+1482)*y-1920)*y - 945) / 92160
	return x + (g1+(g2+(g3+g4/nu)/nu)/nu)/nu
}

// orderInterval lies between two order statistics of the values: those that enclose the
// population median with at least the confidence asked for. With too few values a bound
// is infinite, which is no bound.
//
// Source: Hahn and Meeker, "Statistical Intervals" (1991), section 5.2, as benchmath
// (go-moremath's stats.QuantileCI) has it.
func orderInterval(values []float64, confidence float64) Interval {
	thresholds := benchmath.DefaultThresholds
	sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &thresholds), confidence)
	if math.IsInf(sum.Lo, 0) || math.IsInf(sum.Hi, 0) {
		return Interval{Method: OrderStatistics}
	}
	return Interval{Low: new(sum.Lo), High: new(sum.Hi), Confidence: sum.Confidence, Method: OrderStatistics}
}

// unlikeSpread is the probability that a network's own blocks spread this much or more
// if their noise were that of the others: the F test of two variances. 1 where there is
// too little to say, and where it spreads no more than they do.
//
// Source: Snedecor and Cochran (1989), section 6.12.
func unlikeSpread(own, others Noise) float64 {
	if own.DF < 1 || others.DF < fewDF || others.SumSquares == 0 {
		return 1
	}
	f := (own.SumSquares / float64(own.DF)) / (others.SumSquares / float64(others.DF))
	if f <= 1 {
		return 1 // the integral is dear, and asked for every network with every batch
	}
	return 1 - distuv.F{D1: float64(own.DF), D2: float64(others.DF)}.CDF(f)
}

// theilSen is the median slope over all pairs of points at 0, 1, 2, ...
//
// Source: Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63
// (1968), 1379-1389.
func theilSen(ys []float64) float64 {
	var slopes []float64
	for i := range ys {
		for j := i + 1; j < len(ys); j++ {
			slopes = append(slopes, (ys[j]-ys[i])/float64(j-i))
		}
	}
	return Median(slopes)
}

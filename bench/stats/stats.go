// Package stats computes the value of a block and its clock, percentiles, how the level of a device changed over
// a sweep, the noise between blocks of a network and of a sweep's
// networks, and the interval of a latency.
//
// It does not judge whether a number is right (verdict) and plans nothing (bench). It uses no device,
// only the blocks that one returned.
package stats

import (
	"math"
	"slices"
	"sort"

	"golang.org/x/perf/benchmath"
	"gonum.org/v1/gonum/stat/distuv"

	"latlab/devices"
)

// Estimators name how a network's value is computed from its blocks. Fits and comparisons
// refuse to mix them.
const (
	// MedianOfUndisturbed: the median over blocks of each block's median undisturbed sample
	// (devices.Undisturbed), on a device with Info.OneThread that gives CPU times.
	MedianOfUndisturbed = "median of block medians of undisturbed samples v2"
	// MedianOfMedians: the median over blocks of each block's median sample.
	MedianOfMedians = "median of block medians v1"
	// MedianOfMeans: the same for a tool that prints only a mean per block.
	MedianOfMeans = "median of block means v1"
	// MedianOfToolMedians: the same for a tool that prints its own median (benchmark_model takes
	// the upper one of an even number of runs).
	MedianOfToolMedians = "median of block medians by the tool v1"
	// ToolEstimate: computed by a vendor's tool, for devices whose Kind is estimated.
	ToolEstimate = "tool's estimate v1"
)

// OrderBlocks is how many blocks a network needs before its interval comes from its own
// order statistics: the widest interval of 5 blocks has 93.75 % confidence, of 6 blocks
// 96.9 %.
const OrderBlocks = 6

// MinUndisturbed is how many samples of a block must be undisturbed, or all if it has fewer.
// docs/measuring.md has the study that chose it.
const MinUndisturbed = 3

// Seconds is the value of a block of a device: the median of its undisturbed samples if the device gives CPU
// times that show them, otherwise BlockSeconds. ok is false if the block has no usable figure, or is disturbed:
// has too few undisturbed samples.
func Seconds(info devices.Info, b *devices.Block) (seconds float64, estimator string, ok bool) {
	if !ShowsDisturbance(info, b) {
		return BlockSeconds(b)
	}
	used := Undisturbed(info, b)
	if len(used) < min(MinUndisturbed, len(b.Samples)) || slices.ContainsFunc(used, func(s float64) bool { return !usable(s) }) {
		return 0, MedianOfUndisturbed, false
	}
	return Median(used), MedianOfUndisturbed, true
}

// StoppedLimit is the share of a block for which a CPU quota may stop its process. Beyond it no sample counts as
// undisturbed: those that ran to their end without a stop had cold caches, and were 21 % above the quiet latency under a
// quota of half a core (tools/undisturbed).
const StoppedLimit = 0.01

// Undisturbed lists the samples that the value of a block comes from, in the order taken.
func Undisturbed(info devices.Info, b *devices.Block) []float64 {
	if !ShowsDisturbance(info, b) {
		return b.Samples
	}
	if was, is := b.Before.QuotaSeconds, b.After.QuotaSeconds; was != nil && is != nil && *is-*was > StoppedLimit*b.Elapsed {
		return nil
	}
	used := make([]float64, 0, len(b.Samples))
	for i, wall := range b.Samples {
		if devices.Undisturbed(b.Samples, b.CPUSamples, i) {
			used = append(used, wall)
		}
	}
	return used
}

// ShowsDisturbance reports whether the CPU times of a block show which samples were disturbed.
func ShowsDisturbance(info devices.Info, b *devices.Block) bool {
	return info.OneThread() && len(b.Samples) > 0 && len(b.CPUSamples) == len(b.Samples)
}

// Share is part over whole, nil of nothing.
func Share(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	return new(float64(part) / float64(whole))
}

// BlockSeconds is a block's value without regard to what disturbed it: the median of its samples, otherwise
// the median, otherwise the mean that its tool printed. ok is false if the block has no usable figure.
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

func usableBy(all []devices.Block, value func(*devices.Block) (float64, string, bool)) (blocks []*devices.Block, values []float64, estimator string) {
	for i := range all {
		v, e, ok := value(&all[i])
		if !ok || (estimator != "" && e != estimator) {
			continue
		}
		estimator = e
		blocks = append(blocks, &all[i])
		values = append(values, v)
	}
	return blocks, values, estimator
}

func usable(s float64) bool { return s > 0 && !math.IsInf(s, 1) }

// Median is the middle value, or the mean of the two middle ones; NaN without values. It does
// not reorder xs.
func Median(xs []float64) float64 {
	s := slices.Clone(xs)
	slices.Sort(s)
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return s[(n-1)/2]/2 + s[n/2]/2 // the sum of two huge ones would be infinite
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

// ReplicateNoise is the noise of a network's usable blocks, and zero if different units ran
// them: an accelerator that returned nodes to the CPU in one block timed two machines, and the
// gap between them is not noise. When it was pooled, two such blocks in a hundred raised the
// noise of a whole sweep tenfold, cost every other network needless extra blocks, and made the
// step limit far too wide.
func ReplicateNoise(blocks []*devices.Block, values []float64) Noise {
	for _, b := range blocks {
		if !SameUnits(b, blocks[0]) {
			return Noise{}
		}
	}
	return NoiseOf(values)
}

// SameUnits reports whether one device ran both blocks and delegated equally many nodes.
func SameUnits(a, b *devices.Block) bool {
	return a.Unit == b.Unit && a.Delegation.Delegated == b.Delegation.Delegated && a.Delegation.Nodes == b.Delegation.Nodes
}

// Add pools two noises.
func (n Noise) Add(m Noise) Noise { return Noise{n.SumSquares + m.SumSquares, n.DF + m.DF} }

// Sub removes what Add added.
func (n Noise) Sub(m Noise) Noise { return Noise{max(0, n.SumSquares-m.SumSquares), n.DF - m.DF} }

// Variance is that of log block values, NaN without degrees of freedom.
func (n Noise) Variance() float64 { return n.SumSquares / float64(n.DF) }

// SD is the standard deviation of log block values, NaN without degrees of freedom.
func (n Noise) SD() float64 {
	if n.DF < 1 {
		return math.NaN()
	}
	return math.Sqrt(n.SumSquares / float64(n.DF))
}

// CV is the coefficient of variation of a log-normal with that SD,
// sqrt(exp(sd^2) - 1); nil without degrees of freedom, and where it is no finite number: blocks of
// an older store may differ by any factor.
func (n Noise) CV() *float64 {
	if n.DF < 1 {
		return nil
	}
	sd := n.SD()
	cv := math.Sqrt(math.Expm1(sd * sd))
	if math.IsInf(cv, 0) || math.IsNaN(cv) {
		return nil
	}
	return &cv
}

// CVOn is the CV between blocks of a device: 0 on a deterministic one, which has no noise to pool.
func (n Noise) CVOn(info devices.Info) *float64 {
	if info.Deterministic {
		return new(0.0)
	}
	return n.CV()
}

// Interval is a confidence interval of a network's latency. Bounds are nil if there are too
// few data.
type Interval struct {
	Low, High  *float64
	Confidence float64 // achieved, not requested; 0 without bounds
	Method     string
}

// HalfWidth is the half-width relative to the value, the larger side; infinite without bounds.
func (iv Interval) HalfWidth(value float64) float64 {
	if iv.Low == nil || iv.High == nil {
		return math.Inf(1)
	}
	return max(*iv.High/value-1, 1-*iv.Low/value)
}

// Names of interval methods.
const (
	PooledT         = "t on log block values, pooled variance"
	OwnT            = "t on log block values, own variance"
	OrderStatistics = "order statistics of block values"
	// Deterministic: the bounds are the value itself. They mean that the value is repeatable, not
	// that the estimator or simulator is accurate.
	Deterministic = "deterministic"
)

// NewInterval is the interval of the median of block values. Below 6 blocks a network's own
// noise is poorly known, so noise is that of the sweep's networks, or the network's own if it is unlike
// theirs; from 6 blocks on, its own order
// statistics, which assume nothing about the distribution.
func NewInterval(values []float64, pooled Noise, confidence float64) Interval {
	if len(values) >= OrderBlocks {
		return orderInterval(values, confidence)
	}
	return pooledInterval(values, pooled, confidence)
}

// medianVariance is the variance of the sample median of n standard normals (the mean of
// the two middle ones where n is even).
//
// Source: David and Nagaraja, "Order Statistics", 3rd ed. (2003); 3: 1 - sqrt(3)/pi.
// TestMedianVariance checks the others by simulation.
var medianVariance = [OrderBlocks]float64{1: 1, 2: 0.5, 3: 0.448671, 4: 0.298247, 5: 0.286834}

// MedianVariance is the variance of the median of n values, relative to that of one value. From 6
// values on it is an approximation: at most 2 % too small for an odd number, 12 % too large for an even one.
func MedianVariance(n int) float64 {
	if n < OrderBlocks {
		return medianVariance[n]
	}
	return math.Pi / (2*float64(n) + math.Pi - 2)
}

// pooledInterval is exp(log m -+ t(df) * sd * sqrt(medianVariance[n])), m the median.
//
// Rejected: the usual sqrt(1/n) around the mean of logs. It is slightly narrower, but the
// reported value is the median, which can then lie outside its own interval if one block of
// three is off.
func pooledInterval(values []float64, pooled Noise, confidence float64) Interval {
	half := pooledHalf(len(values), pooled, confidence)
	if math.IsInf(half, 1) {
		return Interval{Method: PooledT}
	}
	m := Median(values)
	low, high := m*math.Exp(-half), m*math.Exp(half)
	if math.IsInf(high, 1) || math.IsNaN(high) {
		return Interval{Method: PooledT}
	}
	return Interval{Low: &low, High: &high, Confidence: confidence, Method: PooledT}
}

// pooledHalf is half the width of the logarithm's interval, infinite if the noise is unknown.
func pooledHalf(n int, pooled Noise, confidence float64) float64 {
	if n == 0 || pooled.DF < 1 {
		return math.Inf(1)
	}
	return tQuantile((1+confidence)/2, pooled.DF) * pooled.SD() * math.Sqrt(medianVariance[n])
}

// HalfWidth is that of NewInterval. With pooled noise it depends only on
// the number of values, which saves time: planning needs every network's with every batch.
func HalfWidth(values []float64, pooled Noise, confidence float64) float64 {
	if len(values) < OrderBlocks {
		return math.Expm1(pooledHalf(len(values), pooled, confidence))
	}
	return orderInterval(values, confidence).HalfWidth(Median(values))
}

// asymptoticDF is the number of degrees of freedom from which the series replaces the inverted
// integral: at 200 they differ by less than 1e-9, relative (TestTQuantile).
const asymptoticDF = 200

// tQuantile is the quantile of Student's t. Every batch needs every network's interval, under
// pooled noise of thousands of degrees of freedom; inverting the integral for each took an
// eighth of a sweep on a simulator.
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

// orderInterval lies between two order statistics of the values: the pair that encloses the
// population median with at least the requested confidence. With too few values a bound is
// infinite, which means no bound.
//
// Source: Hahn and Meeker, "Statistical Intervals" (1991), section 5.2, as implemented in
// benchmath (go-moremath's stats.QuantileCI).
func orderInterval(values []float64, confidence float64) Interval {
	thresholds := benchmath.DefaultThresholds
	sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &thresholds), confidence)
	if math.IsInf(sum.Lo, 0) || math.IsInf(sum.Hi, 0) {
		return Interval{Method: OrderStatistics}
	}
	return Interval{Low: new(sum.Lo), High: new(sum.Hi), Confidence: sum.Confidence, Method: OrderStatistics}
}

// orderFactor is by how much the interval of order statistics of n normal values is wider than that of a known
// variance: their confidence comes in steps.
func orderFactor(n int) float64 { return 1 + 2/float64(n) }

// ExpectedHalfWidth is roughly the half-width of the interval of n blocks under a noise; infinite if it is unknown.
func ExpectedHalfWidth(n int, noise Noise, confidence float64) float64 {
	if n < 1 || noise.DF < 1 {
		return math.Inf(1)
	}
	sd := orderFactor(n) * math.Sqrt(math.Pi/2/float64(n))
	if n < OrderBlocks {
		sd = math.Sqrt(medianVariance[n])
	}
	return math.Expm1(tQuantile((1+confidence)/2, noise.DF) * noise.SD() * sd)
}

// Reached reports whether blocks suffice for a half-width where sampling stops as soon as they do: the interval is
// within it, and so is the one that the noise makes expect of so many blocks. The second condition keeps the
// interval's coverage. A network stops by the first alone when its blocks happen to lie close together, which is when
// an interval from its own blocks misses: TestStoppingKeepsCoverage has both. noise is the sweep's, or
// the network's own if it is unlike the others (Pool.NoiseFor).
func Reached(values []float64, noise Noise, confidence, halfWidth float64) bool {
	return HalfWidth(values, noise, confidence) <= halfWidth && ExpectedHalfWidth(len(values), noise, confidence) <= halfWidth
}

// BlocksNeeded is roughly how many blocks, from least to most, bring an interval of so much confidence
// within a relative half-width under a noise.
func BlocksNeeded(noise Noise, confidence, halfWidth float64, least, most int) int {
	if noise.DF < 1 {
		return least
	}
	enough := func(n int) bool { return ExpectedHalfWidth(n, noise, confidence) <= halfWidth }
	for n := least; n < min(most, OrderBlocks); n++ {
		if enough(n) {
			return n
		}
	}
	from := min(most, max(least, OrderBlocks))
	return from + sort.Search(most-from, func(i int) bool { return enough(from + i) })
}

const (
	// FewDF is the number of degrees of freedom below which noise is poorly known.
	FewDF = 10
	// unlikeChance is the p-value of a network's spread under the others' noise below which it is unlike them.
	unlikeChance = 1e-3
)

// unlikeSpread is the p-value of the F test of two variances: the probability that a network's
// own blocks spread this much or more if their noise were that of the others. It is 1 if there
// are too few data, or if the network spreads no more than the others.
//
// Source: Snedecor and Cochran (1989), section 6.12.
func unlikeSpread(own, others Noise) float64 {
	if others.DF < FewDF {
		return 1
	}
	return varianceChance(own, others)
}

// varianceChance is the p-value of the F test: 1 if there are no data, or if own is not above others.
func varianceChance(own, others Noise) float64 {
	if own.DF < 1 || others.DF < 1 || others.SumSquares == 0 {
		return 1
	}
	f := own.Variance() / others.Variance()
	if f <= 1 {
		return 1 // skip the expensive integral: every batch needs it for every network
	}
	return 1 - distuv.F{D1: float64(own.DF), D2: float64(others.DF)}.CDF(f)
}

// TheilSen is the median slope over all pairs of points at 0, 1, 2, ...
//
// Source: Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63
// (1968), 1379-1389.
func TheilSen(ys []float64) float64 {
	var slopes []float64
	for i := range ys {
		for j := i + 1; j < len(ys); j++ {
			slopes = append(slopes, (ys[j]-ys[i])/float64(j-i))
		}
	}
	return Median(slopes)
}

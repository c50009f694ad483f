package stats

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"latlab/devices"
)

// Rule is how the value of a block is computed.
type Rule struct {
	Info       devices.Info
	Percentile float64 // of all samples, such as 0.9; 0 = their median, as Seconds computes it
	SlowHz     float64 // blocks whose clock is below it are not usable; 0 = all are
	Trend      Trend   // blocks at a level that is off are not usable; the values of the others are corrected
}

// usedShare is the share of a block's samples that must be undisturbed for a percentile of all of them. What the
// system itself interrupts belongs to the tail, 1 to 3 % of the samples on an idle machine, with those after them; with one disturbed
// sample in twenty the 90th percentile of all is at most the 95th of the others.
const usedShare = 0.95

// tailChance is how often the true percentile of a block is above all its samples, at most.
const tailChance = 0.025

// SamplesFor is how many samples a block needs for a percentile: with fewer, no sample bounds it from above
// in an interval of 95 %. That is 36 for the 90th percentile and 368 for the 99th; 0 for the median.
//
// Source: Hahn and Meeker, "Statistical Intervals" (1991), section 5.2: the largest of n values is below the
// percentile q with probability q^n.
func SamplesFor(percentile float64) int {
	if !(percentile > 0 && percentile < 1) {
		return 0
	}
	return int(math.Ceil(math.Log(tailChance) / math.Log(percentile)))
}

// ofPercentiles is the end of the names of estimators of percentiles.
const ofPercentiles = "th percentiles v1"

// IsPercentile reports whether an estimator is one of a percentile.
func IsPercentile(estimator string) bool { return strings.HasSuffix(estimator, ofPercentiles) }

// Seconds is the value of a block: that of the function Seconds, or a percentile of all its samples. ok is false if
// the block has no usable figure, too few samples for the percentile (SamplesFor), or is Disturbed.
func (r Rule) Seconds(b *devices.Block) (seconds float64, estimator string, ok bool) {
	if r.Percentile == 0 {
		return Seconds(r.Info, b)
	}
	seconds, estimator, ok = r.timed(b)
	if ok && ShowsDisturbance(r.Info, b) {
		ok = float64(len(Undisturbed(r.Info, b))) >= usedShare*float64(len(b.Samples))
	}
	return seconds, estimator, ok
}

// timed is Seconds without regard to what disturbed the block.
func (r Rule) timed(b *devices.Block) (seconds float64, estimator string, ok bool) {
	if r.Percentile == 0 {
		return BlockSeconds(b)
	}
	_, _, ok = BlockSeconds(b)
	estimator = fmt.Sprintf("median of block %.10g%s", 100*r.Percentile, ofPercentiles)
	if !ok || len(b.Samples) < SamplesFor(r.Percentile) {
		return 0, estimator, false
	}
	return percentile(b.Samples, r.Percentile), estimator, true
}

// Disturbed reports whether a block has a time, and too few undisturbed samples for its value.
func (r Rule) Disturbed(b *devices.Block) bool {
	_, _, usable := r.Seconds(b)
	_, _, timed := r.timed(b)
	return timed && !usable
}

// Used lists the samples that the value of a block comes from, in the order taken.
func (r Rule) Used(b *devices.Block) []float64 {
	if r.Percentile == 0 {
		return Undisturbed(r.Info, b)
	}
	return b.Samples
}

// Usable drops blocks without a figure, which no sweep stores, disturbed ones, slow ones and those that are off, and takes the
// estimator of the first: a device does not change harness within a sweep.
func (r Rule) Usable(all []devices.Block) (blocks []*devices.Block, values []float64, estimator string) {
	return usableBy(all, func(b *devices.Block) (float64, string, bool) {
		v, e, ok := r.Seconds(b)
		return v * math.Exp(-r.Trend.Log(b.Order)), e, ok && !CoreClockOf(r.Info, b).Slow(r.SlowHz) && !r.Trend.Off(b.Order)
	})
}

// Timed is Usable with the disturbed, slow and off blocks too; their levels are not corrected.
func (r Rule) Timed(all []devices.Block) (blocks []*devices.Block, values []float64, estimator string) {
	return usableBy(all, r.timed)
}

// percentile is the sample at index n*q of the sorted samples, counted from 0.
//
// Source: LoadGen of MLPerf Inference (results.cc, ProcessLatencies).
func percentile(samples []float64, q float64) float64 {
	s := slices.Clone(samples)
	slices.Sort(s)
	return s[int(q*float64(len(s)))]
}

// Package verdict turns a network's blocks into a Measurement and says whether its number is reliable.
//
// Measure is a pure function: a number and its verdict can always be computed anew from the blocks
// that a store keeps. A Measurement carries its doubts: a verdict with reasons, and warnings with
// their figures. No doubt is dropped; what is left out of a number, or corrected,
// has a figure of its own.
//
// The package reads no store and plans no block (bench); its numbers come from stats, its limits from
// the protocol.
package verdict

import (
	"encoding/json"
	"math"

	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/devices"
)

// Verdict says whether a number is reliable.
type Verdict string

// The verdicts.
const (
	Valid     Verdict = "VALID"
	Imprecise Verdict = "IMPRECISE" // right within its interval, which is wider than the protocol asks for
	Invalid   Verdict = "INVALID"   // wrong or unproven
)

// Doubt is one reason of a verdict or one warning: a stable code for stores and metrics,
// a sentence for people, and the figure with its limit if there are any.
type Doubt struct {
	Code  string   `json:"code"`
	Text  string   `json:"text"`
	Value *float64 `json:"value"`
	Limit *float64 `json:"limit"`
}

// Measurement is the estimate over a network's blocks.
type Measurement struct {
	Seconds    float64      `json:"latency_seconds"`
	Low        *float64     `json:"low_seconds"`  // null = too few blocks for a bound
	High       *float64     `json:"high_seconds"` // null likewise
	Confidence float64      `json:"confidence"`   // achieved by the bounds; 0 without them
	Method     string       `json:"interval"`     // the bounds' method
	Estimator  string       `json:"estimator"`
	Kind       devices.Kind `json:"kind"`
	Blocks     int          `json:"blocks"`   // that the estimate comes from
	Samples    int          `json:"samples"`  // of these blocks, disturbed ones included
	NoiseCV    *float64     `json:"noise_cv"` // between blocks, pooled; null = unknown, 0 = the device is deterministic
	Verdict    Verdict      `json:"verdict"`
	Reasons    []Doubt      `json:"reasons"`  // why INVALID or IMPRECISE
	Warnings   []Doubt      `json:"warnings"` // doubts that leave the verdict as it is

	// DisturbedBlocks had too few undisturbed samples, and are not used.
	DisturbedBlocks int `json:"disturbed_blocks"`
	// UndisturbedShare is the share of the samples of all blocks that are undisturbed; null if the device
	// does not show that (stats.Seconds).
	UndisturbedShare *float64 `json:"undisturbed_share"`
	// JudgedSamples are the samples behind that share, UndisturbedSamples those of them that are undisturbed.
	JudgedSamples, UndisturbedSamples int `json:"-"`
	// SlowBlocks ran at a clock far below the highest of the sweep's blocks, or more than a third of their samples
	// did, and are not used.
	SlowBlocks int `json:"slow_blocks"`
	// OffBlocks were timed while the device was far from its usual level (stats.Trend), and are not used.
	OffBlocks int `json:"off_blocks"`
	// UncorrectedSeconds is the latency without the correction by the sweep's trend; null if none was seen.
	UncorrectedSeconds *float64 `json:"uncorrected_seconds"`
	// Rule is how the blocks became values.
	Rule stats.Rule `json:"-"`
	// StandardError is that of the latency's logarithm, so about relative; null = unknown.
	StandardError *float64 `json:"relative_standard_error"`
	NoiseDF       int      `json:"-"` // degrees of freedom of the sweep's noise, 0 on a deterministic device

	// Percentiles of samples: the median over the blocks of each block's, with its interval. They are null where fewer
	// blocks than the protocol's minimum have enough samples (stats.SamplesFor), and on deterministic devices.
	P90Seconds *float64 `json:"p90_seconds"`
	P90Low     *float64 `json:"p90_low_seconds"`
	P90High    *float64 `json:"p90_high_seconds"`
	P99Seconds *float64 `json:"p99_seconds"`
	P99Low     *float64 `json:"p99_low_seconds"`
	P99High    *float64 `json:"p99_high_seconds"`

	BlockSeconds    []float64          `json:"block_seconds"` // each block's value, corrected as Seconds is, in the order run
	MinSeconds      *float64           `json:"min_seconds"`   // fastest sample; null if the tool reports none
	FirstSeconds    float64            `json:"first_seconds"` // first inference, median over blocks
	InitSeconds     float64            `json:"init_seconds"`
	PeakMemoryBytes int64              `json:"peak_memory_bytes"`  // largest over blocks
	Delegation      devices.Delegation `json:"delegation"`         // of the last block
	Bounds          *devices.Bounds    `json:"bounds,omitempty"`   // by the estimator, of the first block; not an interval
	Counters        map[string]float64 `json:"counters,omitempty"` // of the first block, each named with its unit
	Runtime         string             `json:"runtime"`
	Signature       string             `json:"signature,omitempty"` // of the model that was timed; empty if it has none
	ModelSHA256     string             `json:"model_sha256"`
	TemperatureC    *float64           `json:"temperature_celsius"` // hottest sensor seen
}

// HalfWidth is the interval's half-width relative to the value, the larger side;
// infinite without bounds.
func (m *Measurement) HalfWidth() float64 {
	return stats.Interval{Low: m.Low, High: m.High}.HalfWidth(m.Seconds)
}

// MarshalJSON writes empty lists as [], so that readers need no null check.
func (m Measurement) MarshalJSON() ([]byte, error) {
	type plain Measurement
	p := plain(m)
	if p.Reasons == nil {
		p.Reasons = []Doubt{}
	}
	if p.Warnings == nil {
		p.Warnings = []Doubt{}
	}
	return json.Marshal(p)
}

// Input is all that a Measurement depends on.
type Input struct {
	Blocks   []devices.Block // in the order run; not changed
	Info     devices.Info
	Protocol protocol.Protocol
	// Pooled is the noise of the sweep's networks without outlying ones, this one included. The zero
	// value means that there are no other networks.
	Pooled stats.Noise
	// LeftOut says that this network is outlying, so that Pooled is without it.
	LeftOut bool
	// Clock is that of all blocks of the sweep; the zero value means that it is that of Blocks.
	Clock stats.CoreClock
	// Trend is that of the sweep; the zero value corrects nothing.
	Trend stats.Trend
	// All is the noise of all networks; the zero value means that it is Pooled.
	All stats.Noise
}

func (in Input) rule() stats.Rule {
	return stats.Rule{Info: in.Info, Percentile: in.Protocol.Percentile, Trend: in.Trend}
}

// others is the noise of the other networks.
func (in Input) others(own stats.Noise) stats.Noise {
	if in.LeftOut {
		return in.Pooled
	}
	return in.Pooled.Sub(own)
}

// Measure turns blocks into a Measurement. It is pure: the same input gives the same
// result on any machine. ok is false if no block has a usable figure.
func Measure(in Input) (m Measurement, ok bool) {
	in.Protocol = in.Protocol.For(in.Info)
	if in.Clock.Hz == 0 {
		in.Clock = in.ownClock()
	}
	rule := in.rule()
	rule.SlowHz = in.Clock.SlowHz(in.Protocol.ClockMargin(in.Info))
	blocks, values, estimator := rule.Usable(in.Blocks)
	if len(values) == 0 {
		// All are disturbed, slow or off: the number is INVALID, and better than none.
		rule.SlowHz, rule.Trend = 0, stats.Trend{}
		if blocks, values, estimator = rule.Timed(in.Blocks); len(values) == 0 {
			return Measurement{}, false
		}
	}
	if in.Info.Kind == devices.Estimated {
		estimator = stats.ToolEstimate
	}
	own := stats.ReplicateNoise(blocks, values)
	if in.Pooled.DF < own.DF && !in.LeftOut {
		in.Pooled = own
	}
	if in.All.DF < in.Pooled.DF {
		in.All = in.Pooled
	}
	iv := in.interval(values, own)
	if in.Info.Deterministic {
		iv = stats.Interval{Low: new(stats.Median(values)), High: new(stats.Median(values)), Confidence: 1, Method: stats.Deterministic}
	}
	first, last := blocks[0], blocks[len(blocks)-1]
	m = Measurement{
		Seconds: stats.Median(values), Low: iv.Low, High: iv.High, Confidence: iv.Confidence, Method: iv.Method,
		Estimator: estimator, Kind: in.Info.Kind, Blocks: len(blocks), NoiseCV: in.All.CVOn(in.Info), BlockSeconds: values,
		Delegation: last.Delegation, Bounds: first.Bounds, Counters: first.Counters,
		Runtime: last.Runtime, Signature: last.Signature, ModelSHA256: last.ModelSHA256,
	}
	m.StandardError = in.standardError(len(values), own)
	if !in.Info.Deterministic {
		m.NoiseDF = in.Pooled.DF
	}
	m.Rule = rule
	m.addUnused(in)
	m.UncorrectedSeconds = uncorrected(rule, blocks)
	m.P90Seconds, m.P90Low, m.P90High = in.percentile(&m, 0.9)
	m.P99Seconds, m.P99Low, m.P99High = in.percentile(&m, 0.99)
	addFigures(&m, blocks)
	judge(&m, evidence{in: in, blocks: blocks, values: values, own: own})
	return m, true
}

// interval rests on the network's own noise if that is unlike the others'.
func (in Input) interval(values []float64, own stats.Noise) stats.Interval {
	if !stats.IsAlone(own, in.Pooled, in.LeftOut) {
		return stats.NewInterval(values, in.Pooled, in.Protocol.Confidence)
	}
	iv := stats.NewInterval(values, own, in.Protocol.Confidence)
	if iv.Method == stats.PooledT {
		iv.Method = stats.OwnT
	}
	return iv
}

// standardError is that of the median of n values: 0 on a deterministic device, nil if the noise is unknown.
func (in Input) standardError(n int, own stats.Noise) *float64 {
	noise := in.Pooled
	if n >= stats.OrderBlocks || stats.IsAlone(own, in.Pooled, in.LeftOut) {
		noise = own
	}
	switch {
	case in.Info.Deterministic:
		return new(0.0)
	case noise.DF < 1:
		return nil
	}
	return new(noise.SD() * math.Sqrt(stats.MedianVariance(n)))
}

// uncorrected is the latency of blocks whose levels are not corrected; nil without a trend.
func uncorrected(rule stats.Rule, blocks []*devices.Block) *float64 {
	if !rule.Trend.Seen() {
		return nil
	}
	var values []float64
	for _, b := range blocks {
		v, _, _ := rule.Seconds(b)
		values = append(values, v)
	}
	return new(stats.Median(values))
}

// ownClock is that of the network's blocks.
func (in Input) ownClock() stats.CoreClock {
	var all []stats.CoreClock
	for i := range in.Blocks {
		all = append(all, stats.CoreClockOf(in.Info, &in.Blocks[i]))
	}
	return stats.CoreClockOfSweep(all)
}

// percentile is one of the samples with its interval. The interval is the latency's where the latency is that
// percentile. Otherwise it rests on the network's own blocks, because the pooled noise is that of latencies.
func (in Input) percentile(m *Measurement, q float64) (seconds, low, high *float64) {
	if in.Protocol.Percentile == q {
		return new(m.Seconds), m.Low, m.High
	}
	rule := m.Rule
	rule.Percentile = q
	blocks, values, _ := rule.Usable(in.Blocks)
	if len(values) == 0 || len(values) < in.Protocol.MinBlocks || in.Info.Deterministic {
		return nil, nil, nil
	}
	iv := stats.NewInterval(values, stats.ReplicateNoise(blocks, values), in.Protocol.Confidence)
	return new(stats.Median(values)), iv.Low, iv.High
}

// addUnused counts what of the blocks is not used.
func (m *Measurement) addUnused(in Input) {
	slowHz := in.Clock.SlowHz(in.Protocol.ClockMargin(in.Info))
	for i := range in.Blocks {
		b := &in.Blocks[i]
		switch {
		case in.rule().Disturbed(b):
			m.DisturbedBlocks++
		case stats.CoreClockOf(in.Info, b).Slow(slowHz):
			m.SlowBlocks++
		case in.Trend.Off(b.Order):
			m.OffBlocks++
		}
		if stats.ShowsDisturbance(in.Info, b) {
			m.JudgedSamples += len(b.Samples)
			m.UndisturbedSamples += len(stats.Undisturbed(in.Info, b))
		}
	}
	m.UndisturbedShare = stats.Share(m.UndisturbedSamples, m.JudgedSamples)
}

func addFigures(m *Measurement, blocks []*devices.Block) {
	var first, init []float64
	for _, b := range blocks {
		m.Samples += len(b.Samples)
		for _, s := range b.Samples {
			if m.MinSeconds == nil || s < *m.MinSeconds {
				m.MinSeconds = new(s)
			}
		}
		first = append(first, b.FirstSeconds)
		init = append(init, b.InitSeconds)
		m.PeakMemoryBytes = max(m.PeakMemoryBytes, b.PeakMemoryBytes)
		for _, t := range []*float64{b.Before.HottestC(), b.After.HottestC()} {
			if t != nil && (m.TemperatureC == nil || *t > *m.TemperatureC) {
				m.TemperatureC = t
			}
		}
	}
	m.FirstSeconds, m.InitSeconds = stats.Median(first), stats.Median(init)
}

// Package protocol says how networks are timed and when a number is good enough: the Protocol, its
// presets, a user's own as a file (file.go), and what it asks of a device. It times nothing (bench) and
// judges nothing (verdict).
package protocol

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"latlab/bench/stats"
	"latlab/devices"
	"latlab/internal/text"
)

// Protocol is how networks are timed and when a number is good enough. It is part of a
// sweep's identity: two sweeps under different protocols are two sweeps.
type Protocol struct {
	Name string `json:"name"` // of the preset or file, with the fields that were set; not part of the identity

	// A block is one fresh process. Process start, memory layout and other load differ between
	// processes, so the spread between blocks shows how well a latency is known; the spread
	// within a block does not.
	MinBlocks int `json:"min_blocks"` // a network, at least 3
	MaxBlocks int `json:"max_blocks"` // the budget: no network gets more

	WarmUpRuns     int     `json:"warmup_runs"`     // invokes before timing, at least
	WarmUpSeconds  float64 `json:"warmup_seconds"`  // and at least this long
	MinRuns        int     `json:"min_runs"`        // timed invokes a block, at least
	MinSeconds     float64 `json:"min_seconds"`     // and at least this long
	MaxRuns        int     `json:"max_runs"`        // but never more than this
	MaxSeconds     float64 `json:"max_seconds"`     // or this long, once MinRuns are done
	TimeoutSeconds float64 `json:"timeout_seconds"` // a whole block, process start included

	Confidence float64 `json:"confidence"`        // of the interval asked for, 0.95
	HalfWidth  float64 `json:"target_half_width"` // of the interval, relative: 0.05 is 5 %

	Batch        int     `json:"batch_networks"` // networks whose rounds are interleaved
	PauseSeconds float64 `json:"pause_seconds"`  // before every block: a fixed cool-down

	Retries           int     `json:"retries"`             // of a block after a fault of the device
	RetryDelaySeconds float64 `json:"retry_delay_seconds"` // before the first retry; doubles
	FailureLimit      int     `json:"failure_limit"`       // different networks in a row on which the device failed, retries and all, that stop the sweep

	// Limits of a verdict; beyond them a measurement is INVALID.
	StepLimit      float64 `json:"step_limit"`      // slowest block over fastest, minus 1
	DriftLimit     float64 `json:"drift_limit"`     // relative change within blocks, or over 6 and more blocks
	CPURatioLimit  float64 `json:"cpu_ratio_limit"` // CPU time over what is expected of several threads, at least
	FrequencyLimit float64 `json:"frequency_limit"` // clock after a block over the highest seen, at least

	// MinUndisturbed is how many undisturbed samples a block goes on for on a device with Info.OneThread, past its
	// maxima and for at most LimitSeconds; 0 is min_runs, and three times max_seconds, but never more than half of timeout_seconds. They are omitted when 0
	// for the same reason as AllowPartial.
	MinUndisturbed int     `json:"min_undisturbed,omitempty"`
	LimitSeconds   float64 `json:"limit_seconds,omitempty"`

	// ClockLimit is how far, relatively, the measured clock of a block may be below the highest of the sweep's
	// blocks, and the level of a block (stats.Trend) from that of most; 0 is 0.05, and 0.2 for the clock of an x86 core.
	// A block beyond it is not used, and run again within max_blocks.
	ClockLimit float64 `json:"clock_limit,omitempty"`

	// ReferenceEvery is after how many blocks of others one of the reference networks, the first three of a sweep, is
	// timed again, beyond max_blocks; 0 is 50, as many as a round has.
	ReferenceEvery int `json:"reference_every_blocks,omitempty"`

	// AllowPartial lets an accelerator leave nodes to the CPU, with a warning. It is omitted
	// when false, so that protocols stored before the field existed keep their identity.
	AllowPartial bool `json:"allow_partial,omitempty"`

	// Percentile makes the latency that of a block's samples, such as 0.9; 0 is their median. It is omitted
	// when 0 likewise.
	Percentile float64 `json:"percentile,omitempty"`
}

// Statistic ends a sentence on the protocol where the latency is not the median.
func (p Protocol) Statistic() string {
	if p.Percentile == 0 {
		return ""
	}
	return fmt.Sprintf(", of the p%.10g of the runs", 100*p.Percentile)
}

// For is the protocol as it applies to a device. On a deterministic device further blocks add
// nothing: it gets one block and no extra ones. An estimator gets more time, because it compiles in every
// block, and how long that takes says nothing about the device.
func (p Protocol) For(info devices.Info) Protocol {
	if info.Deterministic {
		p.MinBlocks, p.MaxBlocks = 1, 1
	}
	if info.Kind == devices.Estimated {
		p.TimeoutSeconds = max(p.TimeoutSeconds, estimateTimeout)
	}
	return p
}

// estimateTimeout is in seconds: on a busy host Vela took 94 for an ARGMAX of 513x513, which it splits into 65,797
// operations, and 269 for one of 769x769.
const estimateTimeout = 1800

// presets is a function, so that no caller can change a preset for others.
//
// default: 3 blocks of 10-50 invokes keep a 60-network sweep of 20-80 ms networks at
// about three minutes. 3 blocks reach the target of 5 % at the usual block noise of a quiet
// machine (1-3 %), so extra blocks go only to networks that need them.
func presets() []Protocol {
	def := Protocol{
		Name: "default", MinBlocks: 3, MaxBlocks: 10,
		WarmUpRuns: 3, WarmUpSeconds: 0.05,
		MinRuns: 10, MinSeconds: 0.2, MaxRuns: 50, MaxSeconds: 1, TimeoutSeconds: 60,
		Confidence: 0.95, HalfWidth: 0.05, Batch: 50,
		Retries: 2, RetryDelaySeconds: 1, FailureLimit: 6,
		StepLimit: 0.25, DriftLimit: 0.15, CPURatioLimit: 0.9, FrequencyLimit: 0.7,
	}
	quick := def
	quick.Name, quick.MaxBlocks, quick.HalfWidth = "quick", 5, 0.10
	quick.WarmUpRuns, quick.WarmUpSeconds = 1, 0.02
	quick.MinRuns, quick.MinSeconds, quick.MaxRuns, quick.MaxSeconds = 5, 0.05, 20, 0.4
	precise := def
	precise.Name, precise.MinBlocks, precise.MaxBlocks, precise.HalfWidth = "precise", 6, 20, 0.02
	precise.MinRuns, precise.MinSeconds, precise.MaxRuns, precise.MaxSeconds = 20, 0.5, 100, 3
	// MLPerf Mobile's single stream: at least 1,024 queries and 60 s, and the 90th percentile of all of them. A
	// result must be repeated within 5 %, in at most 5 tries: hence the target and max_blocks. Its runs end when
	// both minima are reached, so max_runs only keeps a block's samples in memory.
	//
	// Source: MLPerf Mobile Inference Rules 4.0 (2025), "Performance run" and "Replicability is mandatory",
	// github.com/mlcommons/mobile_open, rules/mobile_inference_rules.adoc.
	mobile := def
	mobile.Name, mobile.MaxBlocks, mobile.Percentile = "mlperf-mobile", 5, 0.9
	mobile.MinRuns, mobile.MinSeconds, mobile.MaxRuns, mobile.MaxSeconds, mobile.TimeoutSeconds = 1024, 60, mostRuns, 60, 3600
	return []Protocol{def, quick, precise, mobile}
}

// Presets lists the names of the presets, the default first.
func Presets() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.Name)
	}
	return names
}

// Named returns a preset. For an unknown name the error suggests the nearest one.
func Named(name string) (Protocol, error) {
	for _, p := range presets() {
		if p.Name == name {
			return p, nil
		}
	}
	hint := ""
	if near := text.Nearest(name, Presets()); near != "" {
		hint = fmt.Sprintf("did you mean %q? ", near)
	}
	return Protocol{}, userError("protocol", fmt.Errorf("no protocol is named %q; %sthere are %s, and files of your own that end in .yaml",
		name, hint, strings.Join(Presets(), ", ")))
}

// Purpose says in a sentence what a preset is for; it is empty for other names.
func Purpose(preset string) string {
	return map[string]string{
		"default":       "for sweeps: 60 networks of 20 to 80 ms take about 3 minutes on a quiet machine.",
		"quick":         "for a first look. Its warm-up is too short for a device that is cold at first, as a phone is: small networks then seem a tenth slower than they are, and their intervals do not show it.",
		"precise":       "for numbers to quote: each interval rests on the network's own blocks.",
		"mlperf-mobile": "the 90th percentile of at least 1,024 inferences and 60 s, as MLPerf Mobile's single stream.",
	}[preset]
}

// Plan is one block's plan. The seed is that of the input values.
func (p Protocol) Plan(seed uint64) devices.Plan {
	return devices.Plan{
		WarmUpRuns: p.WarmUpRuns, WarmUpSeconds: p.WarmUpSeconds,
		MinRuns: p.MinRuns, MinSeconds: p.MinSeconds, MaxRuns: p.MaxRuns, MaxSeconds: p.MaxSeconds,
		Timeout: time.Duration(p.TimeoutSeconds * float64(time.Second)), Seed: seed,
		MinUndisturbed: cmp.Or(p.MinUndisturbed, p.MinRuns), LimitSeconds: min(cmp.Or(p.LimitSeconds, 3*p.MaxSeconds), p.TimeoutSeconds/2),
	}
}

// LevelMargin is ClockLimit or its default, for the level of a device.
func (p Protocol) LevelMargin() float64 { return cmp.Or(p.ClockLimit, clockLimit) }

// ClockMargin is ClockLimit or its default, for the clock of a device.
func (p Protocol) ClockMargin(info devices.Info) float64 {
	if info.Fingerprint["arch"] == "amd64" {
		return cmp.Or(p.ClockLimit, turboLimit)
	}
	return p.LevelMargin()
}

// ReferenceBlocks is ReferenceEvery or its default.
func (p Protocol) ReferenceBlocks() int { return cmp.Or(p.ReferenceEvery, referenceEvery) }

const referenceEvery = 50

// clockLimit is the precision that default asks for: a clock that is lower by less moves a latency by less. The first
// step of a throttled phone is 7 % and more.
const clockLimit = 0.05

// turboLimit is that of x86, whose turbo clock depends on what all cores of the package do, those of other virtual
// machines too. It was 3.5 to 4.1 GHz on one, where a limit of 5 % left out 199 of 406 blocks, and 16 of 40 networks were INVALID
// instead of 11.
const turboLimit = 0.2

// Forecast is roughly how long networks of a given latency take one after the other, without
// extra blocks. overhead is the cost per block of starting the process, loading the model and
// reading the device's state. Call it on the protocol For the device.
func (p Protocol) Forecast(networks int, latency, overhead float64) time.Duration {
	warm := max(float64(p.WarmUpRuns+1)*latency, p.WarmUpSeconds)
	timed := max(float64(p.MinRuns)*latency, p.MinSeconds)
	timed = min(timed, max(p.MaxSeconds, float64(p.MinRuns)*latency), float64(p.MaxRuns)*latency)
	block := warm + timed + overhead + p.PauseSeconds
	return time.Duration(float64(networks*p.MinBlocks) * block * float64(time.Second))
}

// Identity is the Hash of every field except the name.
func (p Protocol) Identity() string {
	p.Name = ""
	return Hash(p)
}

// check is a rule that some fields break. The first one is at fault; the others contradict it.
type check struct {
	bad    bool
	fields []string
	text   string // follows the first field's name
}

// mostRuns and mostSeconds keep a block's samples in memory and its timeout a number of nanoseconds.
const (
	mostRuns    = 1_000_000
	mostSeconds = 7 * 24 * 3600
)

func (p Protocol) checks() []check {
	enough := stats.SamplesFor(p.Percentile)
	all := []check{
		{p.MinBlocks < 3, []string{"min_blocks"}, "is below 3: the spread between blocks needs three"},
		{p.MaxBlocks < p.MinBlocks, []string{"max_blocks", "min_blocks"}, "is below min_blocks"},
		{p.MinRuns < 1, []string{"min_runs"}, "is below 1"},
		{p.MaxRuns < p.MinRuns, []string{"max_runs", "min_runs"}, "is below min_runs"},
		{p.MaxRuns > mostRuns, []string{"max_runs"}, fmt.Sprintf("is above %d", mostRuns)},
		{p.MaxSeconds < p.MinSeconds, []string{"max_seconds", "min_seconds"}, "is below min_seconds"},
		{p.TimeoutSeconds <= p.WarmUpSeconds+p.MaxSeconds, []string{"timeout_seconds", "warmup_seconds", "max_seconds"}, "is not above warmup_seconds and max_seconds together"},
		{p.TimeoutSeconds > mostSeconds, []string{"timeout_seconds"}, "is above a week"},
		{p.Confidence <= 0 || p.Confidence >= 1, []string{"confidence"}, "is not between 0 and 1"},
		{p.Batch < 1, []string{"batch_networks"}, "is below 1"},
		{p.FailureLimit < 1, []string{"failure_limit"}, "is below 1"},
		{p.CPURatioLimit > 1, []string{"cpu_ratio_limit"}, "is above 1"},
		{p.FrequencyLimit > 1, []string{"frequency_limit"}, "is above 1"},
		{p.ClockLimit >= 1, []string{"clock_limit"}, "is not below 1"},
		{p.LimitSeconds > 0 && p.LimitSeconds < p.MaxSeconds, []string{"limit_seconds", "max_seconds"}, "is below max_seconds"},
		{p.MinUndisturbed > 0 && p.MinUndisturbed < stats.MinUndisturbed, []string{"min_undisturbed"}, fmt.Sprintf("is below %d, which a block needs", stats.MinUndisturbed)},
		{p.Percentile != 0 && !(p.Percentile > 0.5 && p.Percentile < 1), []string{"percentile"}, "is not between 0.5 and 1; 0 is the median"},
		{p.Percentile != 0 && p.MinRuns < enough, []string{"min_runs", "percentile"}, fmt.Sprintf("is below %d, which percentile %v of a block needs", enough, p.Percentile)},
	}
	for _, f := range p.fields() {
		switch x := f.at.(type) {
		case *int:
			all = append(all, check{*x < 0, []string{f.name}, "is negative"})
		case *float64:
			all = append(all, check{!(*x >= 0) || math.IsInf(*x, 1), []string{f.name}, "is not a number from 0 up"})
			if f.positive {
				all = append(all, check{*x == 0, []string{f.name}, "is not above 0"})
			}
		}
	}
	return all
}

// Check names the first field with an impossible value.
func (p Protocol) Check() error {
	for _, c := range p.checks() {
		if c.bad {
			return userError("protocol "+p.Name, fmt.Errorf("%s %s", c.fields[0], c.text))
		}
	}
	return nil
}

// CheckDevice refuses a protocol with a rule that needs figures that the device does not give.
func (p Protocol) CheckDevice(info devices.Info) error {
	switch {
	case p.MinUndisturbed > 0 && (!info.OneThread() || info.NoSamples):
		return userError("protocol "+p.Name, fmt.Errorf("min_undisturbed needs the CPU time of each sample, which %s does not give; leave it out", info.Name))
	case p.Percentile > 0 && info.NoSamples:
		return userError("protocol "+p.Name, fmt.Errorf("percentile needs the time of each inference, which %s does not give; choose another protocol", info.Name))
	case p.Percentile > 0 && info.Deterministic:
		return userError("protocol "+p.Name, fmt.Errorf("percentile needs times that vary, and %s gives the same one always; choose another protocol", info.Name))
	}
	return nil
}

func userError(op string, err error) error {
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: "usage", Err: err}
}

// Hash is the first 12 hex digits of the sha256 of a value's JSON; the value is made of plain structs and
// finite numbers.
func Hash(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("protocol: " + err.Error()) // JSON refuses channels, functions, NaN and infinity, and callers give none
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:12]
}

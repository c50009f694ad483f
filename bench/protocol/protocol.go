// Package protocol says how networks are timed and when a number is good enough: the Protocol, its
// presets, and what it asks of a device. It times nothing (bench) and judges nothing (verdict).
package protocol

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"latlab/devices"
	"latlab/internal/text"
)

// Protocol is how networks are timed and when a number is good enough. It is part of a
// sweep's identity: two sweeps under different protocols are two sweeps.
type Protocol struct {
	Name string `json:"name"` // of the preset; not part of the identity

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
	CPURatioLimit  float64 `json:"cpu_ratio_limit"` // CPU time over wall time, at least
	FrequencyLimit float64 `json:"frequency_limit"` // clock after a block over the highest seen, at least

	// AllowPartial lets an accelerator leave nodes to the CPU, with a warning. It is omitted
	// when false, so that protocols stored before the field existed keep their identity.
	AllowPartial bool `json:"allow_partial,omitempty"`
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
	return []Protocol{def, quick, precise}
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
	return Protocol{}, userError("protocol", fmt.Errorf("no protocol is named %q; %sthere are %s",
		name, hint, strings.Join(Presets(), ", ")))
}

// Plan is one block's plan. The seed is that of the input values.
func (p Protocol) Plan(seed uint64) devices.Plan {
	return devices.Plan{
		WarmUpRuns: p.WarmUpRuns, WarmUpSeconds: p.WarmUpSeconds,
		MinRuns: p.MinRuns, MinSeconds: p.MinSeconds, MaxRuns: p.MaxRuns, MaxSeconds: p.MaxSeconds,
		Timeout: time.Duration(p.TimeoutSeconds * float64(time.Second)), Seed: seed,
	}
}

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

// Check names the first field with an impossible value.
func (p Protocol) Check() error {
	for _, c := range []struct {
		bad  bool
		text string
	}{
		{p.MinBlocks < 3, "min_blocks is below 3: the spread between blocks needs three"},
		{p.MaxBlocks < p.MinBlocks, "max_blocks is below min_blocks"},
		{p.MinRuns < 1, "min_runs is below 1"},
		{p.MaxRuns < p.MinRuns, "max_runs is below min_runs"},
		{p.WarmUpRuns < 0 || p.WarmUpSeconds < 0 || p.MinSeconds < 0, "a warm-up or a minimum is negative"},
		{p.MaxSeconds < p.MinSeconds, "max_seconds is below min_seconds"},
		{p.TimeoutSeconds <= p.MaxSeconds, "timeout_seconds is not above max_seconds"},
		{p.Confidence <= 0 || p.Confidence >= 1, "confidence is not between 0 and 1"},
		{p.HalfWidth <= 0, "target_half_width is not above 0"},
		{p.Batch < 1, "batch_networks is below 1"},
		{p.PauseSeconds < 0 || p.RetryDelaySeconds < 0, "a pause is negative"},
		{p.Retries < 0, "retries is negative"},
		{p.FailureLimit < 1, "failure_limit is below 1"},
		{p.StepLimit <= 0 || p.DriftLimit <= 0, "step_limit or drift_limit is not above 0"},
	} {
		if c.bad {
			return userError("protocol "+p.Name, fmt.Errorf("%s", c.text))
		}
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

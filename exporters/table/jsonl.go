package table

import (
	"encoding/json"
	"io"
	"iter"
	"math"
	"time"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/devices"
	"latlab/exporters"
)

// LinesSchema is the version of the lines of JSONL.
const LinesSchema = 1

// line is a network in JSONL: the columns of the CSV under the same names, and its blocks.
type line struct {
	SchemaVersion int `json:"schema_version"`
	Record
	BlockSeconds []*float64 `json:"block_seconds"`
	Details      []block    `json:"block_details"`
}

// block has the raw figures of a fresh process and the conditions under which it ran.
type block struct {
	Started        time.Time          `json:"started"`
	ElapsedSeconds float64            `json:"elapsed_seconds"`
	Seconds        *float64           `json:"seconds"`         // the block's value by the estimator; null if it is not used
	Disturbed      bool               `json:"disturbed"`       // too few undisturbed samples, so not used in the estimate
	Slow           bool               `json:"slow"`            // too low a clock, so not used either
	Off            bool               `json:"off"`             // at an unusual level of the device, so not used either
	ClockHz        *float64           `json:"clock_hz"`        // of its core, measured
	Level          *float64           `json:"level_ratio"`     // of the device over that of most blocks; null without a trend
	SamplesSeconds []float64          `json:"samples_seconds"` // wall time of every timed invoke
	Summary        *summary           `json:"summary,omitempty"`
	FirstSeconds   *float64           `json:"first_seconds"`
	InitSeconds    *float64           `json:"init_seconds"`
	BeforeC        *float64           `json:"temperature_before_celsius"` // hottest sensor
	AfterC         *float64           `json:"temperature_after_celsius"`
	Delegation     devices.Delegation `json:"delegation"`
	Unit           string             `json:"unit,omitempty"` // the twin that ran it
}

// summary is a tool's statistics, if it gave no samples.
type summary struct {
	Count  int      `json:"count"`
	Mean   float64  `json:"mean_seconds"`
	Min    *float64 `json:"min_seconds"`
	Max    *float64 `json:"max_seconds"`
	StdDev *float64 `json:"std_seconds"`
	Median *float64 `json:"median_seconds"`
}

// JSONL writes one object per line and network. It stops at the first error of rows. Numbers
// read back to the same bits.
func JSONL(w io.Writer, m bench.Sweep, rows iter.Seq2[exporters.Row, error]) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for r, err := range rows {
		if err != nil {
			return err
		}
		l := line{SchemaVersion: LinesSchema, Record: RecordOf(m, r), BlockSeconds: []*float64{}, Details: []block{}}
		for i := range r.Blocks {
			b := blockOf(m, r, i)
			l.BlockSeconds, l.Details = append(l.BlockSeconds, b.Seconds), append(l.Details, b)
		}
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func blockOf(m bench.Sweep, r exporters.Row, i int) block {
	rule, b := m.Rule(), &r.Blocks[i]
	out := block{
		Started: b.Started, ElapsedSeconds: b.Elapsed, SamplesSeconds: b.Samples,
		FirstSeconds: positive(b.FirstSeconds), InitSeconds: positive(b.InitSeconds),
		BeforeC: b.Before.HottestC(), AfterC: b.After.HottestC(), Delegation: b.Delegation, Unit: b.Unit,
	}
	out.Disturbed = rule.Disturbed(b)
	out.Slow = !out.Disturbed && r.M != nil && stats.CoreClockOf(rule.Info, b).Slow(r.M.Rule.SlowHz)
	if r.M != nil && r.M.Rule.Trend.Seen() {
		out.Level = new(math.Exp(r.M.Rule.Trend.Log(b.Order)))
		out.Off = !out.Disturbed && !out.Slow && r.M.Rule.Trend.Off(b.Order)
	}
	if s, _, ok := rule.Seconds(b); ok && !out.Slow && !out.Off {
		out.Seconds = &s
	}
	if hz, ok := stats.BlockClock(b); ok {
		out.ClockHz = &hz
	}
	if out.SamplesSeconds == nil {
		out.SamplesSeconds = []float64{}
	}
	if s := b.Summary; s != nil {
		out.Summary = &summary{Count: s.Count, Mean: s.Mean, Min: s.Min, Max: s.Max, StdDev: s.StdDev, Median: s.Median}
	}
	return out
}

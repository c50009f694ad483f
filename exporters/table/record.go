package table

import (
	"strings"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/exporters"
)

// Record is one network's estimate on one device, flat: a row of the CSV, and what the other
// formats of measurements begin with. The tags are the names in all of them. Nil and "" are
// unknown, or mean nothing for this network. Text is valid UTF-8 whatever a file or device
// was called: readers of CSV and Parquet refuse a whole file for one wrong byte, so such a
// byte is written as U+FFFD.
type Record struct {
	Sweep           string   `json:"sweep" parquet:"sweep"`
	ID              string   `json:"id,omitempty" parquet:"id,optional"` // empty if the network is not in any search space
	Space           string   `json:"space,omitempty" parquet:"space,optional"`
	Indices         string   `json:"indices,omitempty" parquet:"indices,optional"` // text form, "0:3:1"
	Model           string   `json:"model,omitempty" parquet:"model,optional"`     // name of a listed model; empty where ID is set
	Device          string   `json:"device" parquet:"device"`
	Kind            string   `json:"kind" parquet:"kind"` // measured, estimated or simulated
	Precision       string   `json:"precision" parquet:"precision"`
	Estimator       string   `json:"estimator,omitempty" parquet:"estimator,optional"`
	LatencySeconds  *float64 `json:"latency_seconds" parquet:"latency_seconds"`
	LowSeconds      *float64 `json:"low_seconds" parquet:"low_seconds"`
	HighSeconds     *float64 `json:"high_seconds" parquet:"high_seconds"`
	Verdict         string   `json:"verdict,omitempty" parquet:"verdict,optional"` // VALID, IMPRECISE, INVALID; empty where nothing was measured
	Reasons         []string `json:"reasons" parquet:"reasons,list"`
	Warnings        []string `json:"warnings" parquet:"warnings,list"`
	Blocks          int64    `json:"blocks" parquet:"blocks"`
	Samples         int64    `json:"samples" parquet:"samples"`
	MACs            *int64   `json:"macs" parquet:"macs"`
	Params          *int64   `json:"params" parquet:"params"`
	Status          string   `json:"status" parquet:"status"`         // planned, measured, failed
	Confidence      *float64 `json:"confidence" parquet:"confidence"` // achieved by the bounds
	NoiseCV         *float64 `json:"noise_cv" parquet:"noise_cv"`     // between blocks, pooled
	FirstSeconds    *float64 `json:"first_seconds" parquet:"first_seconds"`
	InitSeconds     *float64 `json:"init_seconds" parquet:"init_seconds"`
	PeakMemoryBytes *int64   `json:"peak_memory_bytes" parquet:"peak_memory_bytes"`
	TemperatureC    *float64 `json:"temperature_celsius" parquet:"temperature_celsius"` // hottest sensor seen
	Delegate        string   `json:"delegate,omitempty" parquet:"delegate,optional"`    // what executed the graph
	Nodes           *int64   `json:"nodes" parquet:"nodes"`                             // of the graph before delegation
	DelegatedNodes  *int64   `json:"delegated_nodes" parquet:"delegated_nodes"`
	Runtime         string   `json:"runtime,omitempty" parquet:"runtime,optional"`
	ModelSHA256     string   `json:"model_sha256,omitempty" parquet:"model_sha256,optional"`
	DisturbedBlocks *int64   `json:"disturbed_blocks" parquet:"disturbed_blocks"` // not used in the estimate
	// UndisturbedShare is that of the samples of all blocks.
	UndisturbedShare *float64 `json:"undisturbed_share" parquet:"undisturbed_share"`
	StandardError    *float64 `json:"relative_standard_error" parquet:"relative_standard_error"` // of the latency's logarithm
	P90Seconds       *float64 `json:"p90_seconds" parquet:"p90_seconds"`                         // of samples; nil where they do not suffice
	P90Low           *float64 `json:"p90_low_seconds" parquet:"p90_low_seconds"`
	P90High          *float64 `json:"p90_high_seconds" parquet:"p90_high_seconds"`
	P99Seconds       *float64 `json:"p99_seconds" parquet:"p99_seconds"`
	P99Low           *float64 `json:"p99_low_seconds" parquet:"p99_low_seconds"`
	P99High          *float64 `json:"p99_high_seconds" parquet:"p99_high_seconds"`
	Uncorrected      *float64 `json:"uncorrected_seconds" parquet:"uncorrected_seconds"` // without the sweep's trend; nil = there was none
}

// RecordOf flattens a row.
func RecordOf(m bench.Sweep, r exporters.Row) Record {
	rec := Record{
		Sweep: m.ID, ID: r.ID, Space: clean(r.Network.Space), Indices: r.Network.Indices,
		Device: clean(m.Device.Name), Kind: string(m.Device.Kind), Precision: string(m.Precision),
		MACs: r.MACs, Params: r.Params, Status: string(r.Network.Status), Reasons: []string{}, Warnings: []string{},
	}
	if r.ID == "" {
		rec.Model = clean(r.Network.Name)
	}
	if r.M != nil {
		rec.add(r.M)
	}
	return rec
}

func (r *Record) add(m *verdict.Measurement) {
	r.Estimator, r.Verdict = m.Estimator, string(m.Verdict)
	r.LatencySeconds, r.LowSeconds, r.HighSeconds = &m.Seconds, m.Low, m.High
	r.P90Seconds, r.P90Low, r.P90High = m.P90Seconds, m.P90Low, m.P90High
	r.P99Seconds, r.P99Low, r.P99High = m.P99Seconds, m.P99Low, m.P99High
	r.Uncorrected = m.UncorrectedSeconds
	r.Reasons, r.Warnings = texts(m.Reasons), texts(m.Warnings)
	r.Blocks, r.Samples, r.NoiseCV = int64(m.Blocks), int64(m.Samples), m.NoiseCV
	if m.Low != nil && m.High != nil {
		r.Confidence = &m.Confidence
	}
	r.FirstSeconds, r.InitSeconds, r.TemperatureC = positive(m.FirstSeconds), positive(m.InitSeconds), m.TemperatureC
	if m.UndisturbedShare != nil {
		r.DisturbedBlocks, r.UndisturbedShare = new(int64(m.DisturbedBlocks)), m.UndisturbedShare
	}
	r.StandardError = m.StandardError
	if m.PeakMemoryBytes > 0 {
		r.PeakMemoryBytes = &m.PeakMemoryBytes
	}
	r.Delegate, r.Runtime, r.ModelSHA256 = clean(m.Delegation.Name), clean(m.Runtime), m.ModelSHA256
	if d := m.Delegation; d.Nodes > 0 {
		r.Nodes, r.DelegatedNodes = new(int64(d.Nodes)), new(int64(d.Delegated))
	}
}

// positive is nil for 0, which tools use for an unknown time.
func positive(x float64) *float64 {
	if x > 0 {
		return &x
	}
	return nil
}

func texts(doubts []verdict.Doubt) []string {
	ts := []string{}
	for _, d := range doubts {
		ts = append(ts, clean(d.Text))
	}
	return ts
}

// clean replaces invalid bytes in a text of a file, device or tool. NUL is replaced too, since
// readers written in C end there, and NumPy drops it at an end.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

package table

import (
	"strings"

	"latlab/bench"
	"latlab/exporters"
)

// Record is one network's estimate on one device, flat: a row of the CSV. Nil and "" are
// unknown, or mean nothing for this network. Text is valid UTF-8 whatever a file or device
// was called: readers of CSV and Parquet refuse a whole file for one wrong byte, so such a
// byte is written as U+FFFD.
type Record struct {
	Sweep           string
	ID              string // empty where the network is a point of no space
	Space           string
	Indices         string // text form, "0:3:1"
	Model           string // name of a listed model; empty where ID is set
	Device          string
	Kind            string // measured, estimated or simulated
	Precision       string
	Estimator       string
	LatencySeconds  *float64
	LowSeconds      *float64
	HighSeconds     *float64
	Verdict         string // VALID, INVALID; empty where nothing was measured
	Reasons         []string
	Warnings        []string
	Blocks          int64
	Samples         int64
	MACs            *int64
	Params          *int64
	Status          string   // planned, measured, failed
	Confidence      *float64 // achieved by the bounds
	NoiseCV         *float64 // between blocks, pooled
	FirstSeconds    *float64
	InitSeconds     *float64
	PeakMemoryBytes *int64
	TemperatureC    *float64 // hottest sensor seen
	Delegate        string   // who executed the graph
	Nodes           *int64
	DelegatedNodes  *int64
	Runtime         string
	ModelSHA256     string
}

// RecordOf flattens a row.
func RecordOf(m bench.Sweep, r exporters.Row) Record {
	rec := Record{
		Sweep: m.ID, ID: r.ID, Space: clean(r.Network.Space), Indices: r.Network.Indices,
		Device: clean(m.Device.Name), Kind: string(m.Device.Kind), Precision: string(m.Precision),
		MACs: r.MACs, Params: r.Params, Status: string(r.Network.Status),
	}
	if r.ID == "" {
		rec.Model = clean(r.Network.Name)
	}
	if r.M != nil {
		rec.add(r.M)
	}
	return rec
}

func (r *Record) add(m *bench.Measurement) {
	r.Estimator, r.Verdict = m.Estimator, string(m.Verdict)
	r.LatencySeconds, r.LowSeconds, r.HighSeconds = &m.Seconds, m.Low, m.High
	r.Reasons, r.Warnings = texts(m.Reasons), texts(m.Warnings)
	r.Blocks, r.Samples, r.NoiseCV = int64(m.Blocks), int64(m.Samples), m.NoiseCV
	if m.Low != nil && m.High != nil {
		r.Confidence = &m.Confidence
	}
	r.FirstSeconds, r.InitSeconds, r.TemperatureC = positive(m.FirstSeconds), positive(m.InitSeconds), m.TemperatureC
	if m.PeakMemoryBytes > 0 {
		r.PeakMemoryBytes = &m.PeakMemoryBytes
	}
	r.Delegate, r.Runtime, r.ModelSHA256 = clean(m.Delegation.Name), clean(m.Runtime), m.ModelSHA256
	if d := m.Delegation; d.Nodes > 0 {
		r.Nodes, r.DelegatedNodes = new(int64(d.Nodes)), new(int64(d.Delegated))
	}
}

// positive is nil for the 0 with which tools say that they do not know a time.
func positive(x float64) *float64 {
	if x > 0 {
		return &x
	}
	return nil
}

func texts(doubts []bench.Doubt) []string {
	var ts []string
	for _, d := range doubts {
		ts = append(ts, clean(d.Text))
	}
	return ts
}

func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

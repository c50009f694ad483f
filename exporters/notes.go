package exporters

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"latlab/devices"
	"latlab/sampler/model"

	"latlab/bench"
	"latlab/internal/atomicfile"
	"latlab/regress"
)

// NotesSchema is the version of the notes file's JSON.
const NotesSchema = 1

// Loss is something that a format omits.
type Loss struct {
	What string `json:"what"` // "intercept"
	Why  string `json:"why"`  // a sentence, with where to find it instead
}

// Notes lists what an export omits and the origin of its numbers. It is written beside
// the file as NAME.notes.json, or as notes.json in the folder of a format with several files.
type Notes struct {
	SchemaVersion int    `json:"schema_version"`
	Format        string `json:"format"`
	Lost          []Loss `json:"lost"`
	// Sweep is the manifest of exported measurements, Cost the origin of exported coefficients.
	Sweep *bench.Sweep `json:"sweep,omitempty"`
	Cost  *CostOrigin  `json:"cost_model,omitempty"`
}

// CostOrigin is a cost model without its table.
type CostOrigin struct {
	Space     string          `json:"space"`
	Device    string          `json:"device"`
	Kind      devices.Kind    `json:"kind"`
	Precision model.Precision `json:"precision"`
	Method    string          `json:"method"`
	Estimator string          `json:"estimator"`
	DataHash  string          `json:"data_hash"`
	// MeasuredUntil is when the last of its measurements ended; absent if unknown.
	MeasuredUntil *time.Time        `json:"measured_until,omitempty"`
	Fingerprint   map[string]string `json:"fingerprint,omitempty"`
	BiasSeconds   float64           `json:"bias_seconds"`
	Warnings      []string          `json:"warnings,omitempty"`
}

// OriginOf returns the origin of a cost model's numbers.
func OriginOf(m *regress.CostModel) *CostOrigin {
	warnings := slices.Clone(m.Warnings)
	if n := m.Negative(); n != "" && !slices.Contains(warnings, n) { // a model of an older fit
		warnings = append(warnings, n)
	}
	return &CostOrigin{
		Space: m.Space, Device: m.Device, Kind: m.Kind, Precision: m.Precision, Method: m.Method,
		Estimator: m.Estimator, DataHash: m.DataHash, MeasuredUntil: m.MeasuredUntil,
		Fingerprint: m.Fingerprint, BiasSeconds: m.Bias, Warnings: warnings,
	}
}

// Write writes the notes to a file atomically.
func (n Notes) Write(path string) error {
	n.SchemaVersion = NotesSchema
	if n.Lost == nil {
		n.Lost = []Loss{}
	}
	return WriteJSON(path, n)
}

// WriteJSON writes a document to a file atomically, indented.
func WriteJSON(path string, doc any) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(doc)
	})
}

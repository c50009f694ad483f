package table

import (
	"encoding/csv"
	"io"
	"iter"
	"strconv"
	"strings"
)

// Measurement is one network's estimate on one device, as a row. Whoever holds a store
// fills it in; the package knows no store.
type Measurement struct {
	Sweep          string
	ID             string // empty for a user's own file
	Space          string
	Indices        string // text form, "0:3:1"
	Model          string // file or fixture, where the network is a point of no space
	Device         string
	Kind           string // measured, estimated or simulated
	Precision      string
	Estimator      string
	LatencySeconds *float64 // nil: nothing was measured
	LowSeconds     *float64 // nil: unknown, as are all nil figures
	HighSeconds    *float64
	Verdict        string // VALID or INVALID
	Reasons        []string
	Warnings       []string
	Blocks         int
	Samples        int
	MACs           *int64
	Params         *int64
}

// MeasurementColumns are the columns of Measurements, in order.
func MeasurementColumns() []string {
	return []string{
		"sweep", "id", "space", "indices", "model", "device", "kind", "precision", "estimator",
		"latency_seconds", "low_seconds", "high_seconds", "verdict", "reasons", "warnings",
		"blocks", "samples", "macs", "params",
	}
}

// Measurements writes one row a network as it gets them, so that a sweep need not fit in
// memory. Reasons and warnings are joined by "; ". It stops at the first error of rows.
func Measurements(w io.Writer, rows iter.Seq2[Measurement, error]) error {
	c := csv.NewWriter(w)
	if err := c.Write(MeasurementColumns()); err != nil {
		return err
	}
	for m, err := range rows {
		if err != nil {
			return err
		}
		if err := c.Write(m.row()); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (m Measurement) row() []string {
	return []string{
		m.Sweep, m.ID, m.Space, m.Indices, m.Model, m.Device, m.Kind, m.Precision, m.Estimator,
		optional(m.LatencySeconds), optional(m.LowSeconds), optional(m.HighSeconds),
		m.Verdict, strings.Join(m.Reasons, "; "), strings.Join(m.Warnings, "; "),
		strconv.Itoa(m.Blocks), strconv.Itoa(m.Samples), count(m.MACs), count(m.Params),
	}
}

func optional(x *float64) string {
	if x == nil {
		return ""
	}
	return number(*x)
}

func count(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

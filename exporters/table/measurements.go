package table

import (
	"encoding/csv"
	"io"
	"iter"
	"strconv"
	"strings"

	"latlab/bench"
	"latlab/exporters"
)

// MeasurementColumns are the columns of Measurements, in order. New ones are added at the
// end, since some programs read columns by position.
func MeasurementColumns() []string {
	return []string{
		"sweep", "id", "space", "indices", "model", "device", "kind", "precision", "estimator",
		"latency_seconds", "low_seconds", "high_seconds", "verdict", "reasons", "warnings",
		"blocks", "samples", "macs", "params",
		"status", "confidence", "noise_cv", "first_seconds", "init_seconds", "peak_memory_bytes", "temperature_celsius",
		"delegate", "nodes", "delegated_nodes", "runtime", "model_sha256",
		"disturbed_blocks", "undisturbed_share", "relative_standard_error",
		"p90_seconds", "p90_low_seconds", "p90_high_seconds", "p99_seconds", "p99_low_seconds", "p99_high_seconds",
		"uncorrected_seconds",
	}
}

// Measurements writes one row per network as it reads them, so that a sweep need not fit in
// memory. Reasons and warnings are joined by "; ". It stops at the first error of rows.
func Measurements(w io.Writer, m bench.Sweep, rows iter.Seq2[exporters.Row, error]) error {
	c := csv.NewWriter(w)
	if err := c.Write(MeasurementColumns()); err != nil {
		return err
	}
	for r, err := range rows {
		if err != nil {
			return err
		}
		if err := c.Write(RecordOf(m, r).row()); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (r Record) row() []string {
	return []string{
		r.Sweep, r.ID, r.Space, r.Indices, r.Model, r.Device, r.Kind, r.Precision, r.Estimator,
		optional(r.LatencySeconds), optional(r.LowSeconds), optional(r.HighSeconds),
		r.Verdict, strings.Join(r.Reasons, "; "), strings.Join(r.Warnings, "; "),
		strconv.FormatInt(r.Blocks, 10), strconv.FormatInt(r.Samples, 10), count(r.MACs), count(r.Params),
		r.Status, optional(r.Confidence), optional(r.NoiseCV), optional(r.FirstSeconds), optional(r.InitSeconds),
		count(r.PeakMemoryBytes), optional(r.TemperatureC),
		r.Delegate, count(r.Nodes), count(r.DelegatedNodes), r.Runtime, r.ModelSHA256,
		count(r.DisturbedBlocks), optional(r.UndisturbedShare), optional(r.StandardError),
		optional(r.P90Seconds), optional(r.P90Low), optional(r.P90High), optional(r.P99Seconds), optional(r.P99Low), optional(r.P99High),
		optional(r.Uncorrected),
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

package trtexec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// row is one inference in the form of --exportTimes, in milliseconds since the run began. Later
// TensorRTs have no endToEndMs, and versions may add fields: only fields that are used are required.
type row struct {
	StartComputeMs *float64 `json:"startComputeMs"`
	EndComputeMs   *float64 `json:"endComputeMs"`
	StartEnqMs     *float64 `json:"startEnqMs"`
	EndEnqMs       *float64 `json:"endEnqMs"`
	H2DMs          *float64 `json:"h2dMs"`
	ComputeMs      *float64 `json:"computeMs"`
	D2HMs          *float64 `json:"d2hMs"`
	LatencyMs      *float64 `json:"latencyMs"`
}

// maxRows limits a trace: a million inferences are 300 MB of text, and more than any plan asks for.
const maxRows = 1 << 20

// parseTimes reads the exported trace. Every row must be complete, consistent and start after the one
// before; a time of zero is refused.
func parseTimes(data []byte) ([]row, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("it is no list")
	}
	var rows []row
	last := math.Inf(-1)
	for dec.More() {
		var r row
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows)+1, err)
		}
		if err := r.check(last); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows)+1, err)
		}
		if len(rows) == maxRows {
			return nil, fmt.Errorf("it has more than %d rows", maxRows)
		}
		last = *r.StartComputeMs
		rows = append(rows, r)
	}
	if t, err := dec.Token(); err != nil || t != json.Delim(']') {
		return nil, errors.New("it does not end")
	}
	if dec.More() {
		return nil, errors.New("something follows it")
	}
	return rows, nil
}

func (r row) check(last float64) error {
	for name, x := range map[string]*float64{
		"startComputeMs": r.StartComputeMs, "endComputeMs": r.EndComputeMs, "startEnqMs": r.StartEnqMs, "endEnqMs": r.EndEnqMs,
		"h2dMs": r.H2DMs, "computeMs": r.ComputeMs, "d2hMs": r.D2HMs, "latencyMs": r.LatencyMs,
	} {
		if x == nil {
			return fmt.Errorf("it has no %s", name)
		}
		if *x < 0 || math.IsInf(*x, 0) {
			return fmt.Errorf("%s is %v", name, *x)
		}
	}
	switch start, end := *r.StartComputeMs, *r.EndComputeMs; {
	case *r.ComputeMs == 0:
		return errors.New("computeMs is 0")
	case start < last:
		return errors.New("it began before the one before it")
	case math.Abs(end-start-*r.ComputeMs) > step(end)+digits(*r.ComputeMs):
		return fmt.Errorf("computeMs is %v, from %v to %v", *r.ComputeMs, start, end)
	}
	if sum := *r.H2DMs + *r.ComputeMs + *r.D2HMs; math.Abs(sum-*r.LatencyMs) > 3*digits(sum) {
		return fmt.Errorf("latencyMs is %v, its parts are %v", *r.LatencyMs, sum)
	}
	return nil
}

// digits is how far a figure printed with six significant digits, as all are, may be from the exact
// value.
func digits(x float64) float64 { return 1e-5 * x }

// step is the resolution of the difference of two points in time that are printed with six digits.
func step(x float64) float64 { return 2 * digits(x) }

// statsOf computes the figures that trtexec prints from the exported values.
func statsOf(ms []float64) stats {
	sorted := slices.Sorted(slices.Values(ms))
	n := len(sorted)
	s := stats{min: sorted[0], max: sorted[n-1], median: sorted[n/2]}
	if n%2 == 0 {
		s.median = (sorted[n/2-1] + sorted[n/2]) / 2
	}
	for _, x := range ms {
		s.mean += x / float64(n)
	}
	return s
}

// agrees compares the printed figures with those of the export. Both are rounded to six digits; the
// mean was also summed in single precision, which loses more digits the more values there are.
func (s stats) agrees(printed stats, n int) error {
	for _, f := range []struct {
		name      string
		got, want float64
		slack     float64
	}{
		{"min", s.min, printed.min, 2e-5}, {"max", s.max, printed.max, 2e-5}, {"median", s.median, printed.median, 2e-5},
		{"mean", s.mean, printed.mean, 2e-5 + float64(n)*0x1p-24},
	} {
		if !(math.Abs(f.got-f.want) <= f.slack*f.want) {
			return fmt.Errorf("its %s is printed as %v ms and exported as %v ms", f.name, f.want, f.got)
		}
	}
	return nil
}

// column takes one field of every row.
func column(rows []row, of func(row) float64) []float64 {
	xs := make([]float64, len(rows))
	for i, r := range rows {
		xs[i] = of(r)
	}
	return xs
}

func computeOf(r row) float64 { return *r.ComputeMs }
func latencyOf(r row) float64 { return *r.LatencyMs }
func h2dOf(r row) float64     { return *r.H2DMs }
func d2hOf(r row) float64     { return *r.D2HMs }
func enqueueOf(r row) float64 { return max(0, *r.EndEnqMs-*r.StartEnqMs) }

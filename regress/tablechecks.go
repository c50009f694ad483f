package regress

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"latlab/internal/text"
	"latlab/regress/csvtable"
)

// skippedRows says how many rows had no latency, nothing if all had one.
func skippedRows(t *csvtable.Table) []string {
	rows, kinds := 0, []string{}
	for i, s := range t.Skipped {
		rows += s.Rows
		if i < 5 {
			kinds = append(kinds, fmt.Sprintf("%d with %q (first on line %d)", s.Rows, text.Line(s.Value, 20), s.Line))
		}
	}
	if rows == 0 {
		return nil
	}
	if more := len(t.Skipped) - len(kinds); more > 0 {
		kinds = append(kinds, fmt.Sprintf("%d more values", more))
	}
	return []string{fmt.Sprintf("%d of %d rows have no latency above 0 and were skipped: %s", rows, rows+len(t.Y), strings.Join(kinds, ", "))}
}

// mixedUnits warns of latencies in two units in one column, such as seconds and milliseconds. of is
// the network of each row.
func (d *design) mixedUnits(ctx context.Context, t *csvtable.Table, of []int) ([]string, error) {
	for _, decades := range []float64{2, 3} {
		large, err := d.secondUnit(ctx, t.Y, of, decades)
		if err != nil {
			return nil, err
		}
		if large == nil {
			continue
		}
		minority, word := all(len(t.Y)), "smaller"
		minority = slices.DeleteFunc(minority, func(i int) bool { return large[i] })
		if 2*len(minority) > len(t.Y) {
			minority, word = slices.DeleteFunc(all(len(t.Y)), func(i int) bool { return !large[i] }), "larger"
		}
		return []string{fmt.Sprintf("%d of %d rows are some %.0f times %s than the others would be, as if %s were in two units: lines %s",
			len(minority), len(t.Y), math.Pow(10, decades), word, t.Target, lineRanges(t.Lines, minority))}, nil
	}
	return nil, nil
}

// secondUnit finds the rows that are larger by a number of decades than a fit to the others, nil if
// there are none. It fits the logarithms, moves the rows that are above half of the distance down by
// it, and fits again until no row moves. The two clusters of residuals must lie at that distance,
// with a gap of 0.4 times it between them: latencies of one space span a factor of 30, most of
// which the fit explains.
func (d *design) secondUnit(ctx context.Context, y []float64, of []int, decades float64) (large []bool, err error) {
	logs := make([]float64, len(y))
	for i := range y {
		logs[i] = math.Log10(y[i])
	}
	r, err := d.residuals(ctx, logs, of)
	if err != nil {
		return nil, err
	}
	before := floats.Dot(r, r)
	large = make([]bool, len(y))
	cut := (slices.Min(r) + slices.Max(r)) / 2
	after := before
	const rounds = 20
	for range rounds {
		moved := slices.Clone(logs)
		changed := false
		for i := range large {
			above := r[i] > cut
			changed = changed || above != large[i]
			if large[i] = above; above {
				moved[i] -= decades
			}
		}
		if !changed {
			break
		}
		if r, err = d.residuals(ctx, moved, of); err != nil {
			return nil, err
		}
		after = floats.Dot(r, r)
		for i := range r {
			r[i] += logs[i] - moved[i]
		}
		cut = decades / 2
	}
	// A row in another unit costs a fit up to the square of the distance, and half as much if half of
	// the rows are. Without this test, a split along the features themselves would pass: the fit to
	// the moved rows follows it.
	gain := (before - after) / float64(min(count(large, true), count(large, false)))
	if gain < decades*decades/5 || !apart(r, large, decades) {
		return nil, nil
	}
	return large, nil
}

func count(rows []bool, want bool) int {
	n := 0
	for _, r := range rows {
		if r == want {
			n++
		}
	}
	return n
}

// apart reports whether residuals are two clusters at a distance.
func apart(r []float64, large []bool, distance float64) bool {
	var low, high []float64
	for i, x := range r {
		if large[i] {
			high = append(high, x)
		} else {
			low = append(low, x)
		}
	}
	if len(low) == 0 || len(high) == 0 {
		return false
	}
	between := median(high) - median(low)
	return math.Abs(between-distance) < 0.35 && slices.Min(high)-slices.Max(low) > 0.4*distance
}

// residuals are those of a linear fit to values of the rows. A network's value is the mean of its
// rows', so rows of one network in two units stay apart.
func (d *design) residuals(ctx context.Context, values []float64, of []int) ([]float64, error) {
	mean := &design{layout: d.layout, rows: d.rows, y: make([]float64, len(d.y)), scale: 1}
	n := make([]float64, len(d.y))
	for i, net := range of {
		mean.y[net] += values[i]
		n[net]++
	}
	floats.Div(mean.y, n)
	s, err := fitIndicator(ctx, mean, all(len(mean.y)), Options{Method: Indicator, Absolute: true, Penalties: []float64{0.1}})
	r := make([]float64, len(values))
	for i, net := range of {
		r[i] = values[i] - s.predict(d.rows[net])
	}
	return r, err
}

func median(values []float64) float64 {
	return stat.Quantile(0.5, stat.LinInterp, slices.Sorted(slices.Values(values)), nil)
}

// lineRanges lists the lines of rows: "2-9, 12, 40-41 and 17 more ranges".
func lineRanges(lines []int32, rows []int) string {
	at := make([]int32, len(rows))
	for i, r := range rows {
		at[i] = lines[r]
	}
	slices.Sort(at)
	var ranges []string
	for i := 0; i < len(at); {
		j := i + 1
		for j < len(at) && at[j] == at[j-1]+1 {
			j++
		}
		if j-i == 1 {
			ranges = append(ranges, fmt.Sprint(at[i]))
		} else {
			ranges = append(ranges, fmt.Sprintf("%d-%d", at[i], at[j-1]))
		}
		i = j
	}
	const most = 20
	if len(ranges) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(ranges[:most], ", "), len(ranges)-most)
	}
	return strings.Join(ranges, ", ")
}

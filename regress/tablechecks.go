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

// mixedUnits warns of latencies in several units in one column, such as seconds and milliseconds. of is
// the network of each row.
func (d *design) mixedUnits(ctx context.Context, t *csvtable.Table, of []int) ([]string, error) {
	logs := make([]float64, len(t.Y))
	for i, y := range t.Y {
		logs[i] = math.Log10(y)
	}
	r, err := d.residuals(ctx, logs, of)
	if err != nil {
		return nil, err
	}
	// Of three units, two may be found along the features: the least residuals decide. Where half of the rows
	// are in other units, the first fit explains their distances in part, and the latencies themselves are the
	// better start.
	var best units
	var level []int
	left := math.Inf(1)
	for _, u := range []units{{2, 2, "two"}, {2, 3, "two"}, {3, 3, "three"}, {2, 6, "two"}} {
		for _, start := range [][]float64{r, centred(logs)} {
			l, after, err := d.levels(ctx, logs, start, floats.Dot(r, r), of, u)
			if err != nil {
				return nil, err
			}
			if u.count == 3 {
				after *= thirdUnit
			}
			if l != nil && after < left {
				best, level, left = u, l, after
			}
		}
	}
	if level == nil {
		return nil, nil
	}
	usual := 0
	for l := range best.count {
		if inLevel(level, l) >= inLevel(level, usual) {
			usual = l
		}
	}
	word := "smaller or larger"
	switch usual {
	case 0:
		word = "larger"
	case best.count - 1:
		word = "smaller"
	}
	others := slices.DeleteFunc(all(len(t.Y)), func(i int) bool { return level[i] == usual })
	return []string{fmt.Sprintf("%d of %d rows are some %.0f times %s than the others would be, as if %s were in %s units: lines %s",
		len(others), len(t.Y), math.Pow(10, best.decades), word, t.Target, best.word, lineRanges(t.Lines, others))}, nil
}

// thirdUnit is how many times as much two units may leave as three: a third always explains some more.
const thirdUnit = 1.25

func centred(values []float64) []float64 {
	c := slices.Clone(values)
	floats.AddConst(-stat.Mean(values, nil), c)
	return c
}

// units are so many units in one column, each larger than the next by a number of decades.
type units struct {
	count   int
	decades float64
	word    string // the count
}

// levels finds the unit of each row, from 0 for the smallest values, and what the fit leaves; nil if the
// rows are not in such units. first are residuals of the logarithms, or the logarithms themselves, and before the
// sum of squares of the former. It moves the rows of higher
// levels down, and fits again until no row changes its level. The clusters of residuals must lie at the
// units' distance, with a gap of 0.4 times it between them: latencies of one space span a factor of 30,
// most of which the fit explains.
func (d *design) levels(ctx context.Context, logs, first []float64, before float64, of []int, u units) (level []int, after float64, err error) {
	r := slices.Clone(first)
	level = make([]int, len(logs))
	step := (slices.Max(r) - slices.Min(r)) / float64(u.count)
	cut := slices.Min(r) + step // between the levels 0 and 1
	after = before
	const rounds = 20
	for range rounds {
		moved := slices.Clone(logs)
		changed := false
		for i := range level {
			l := 0
			for l < u.count-1 && r[i] > cut+float64(l)*step {
				l++
			}
			changed = changed || l != level[i]
			level[i] = l
			moved[i] -= float64(l) * u.decades
		}
		if !changed {
			break
		}
		if r, err = d.residuals(ctx, moved, of); err != nil {
			return nil, 0, err
		}
		after = floats.Dot(r, r)
		for i := range r {
			r[i] += logs[i] - moved[i]
		}
		cut, step = u.decades/2, u.decades
	}
	least := len(logs)
	for l := range u.count {
		least = min(least, inLevel(level, l))
	}
	// A row in another unit costs a fit up to the square of the distance, and half as much if half of
	// the rows are. Without this test, a split along the features themselves would pass: the fit to
	// the moved rows follows it.
	gain := (before - after) / float64(least)
	if least == 0 || gain < u.decades*u.decades/5 {
		return nil, 0, nil
	}
	for l := 1; l < u.count; l++ {
		if !apart(r, level, l, u.decades) {
			return nil, 0, nil
		}
	}
	return level, after, nil
}

// inLevel counts the rows of a level.
func inLevel(level []int, want int) int {
	n := 0
	for _, l := range level {
		if l == want {
			n++
		}
	}
	return n
}

// apart reports whether the residuals of a level and of the one below are two clusters at a distance.
func apart(r []float64, level []int, of int, distance float64) bool {
	var low, high []float64
	for i, x := range r {
		switch level[i] {
		case of - 1:
			low = append(low, x)
		case of:
			high = append(high, x)
		}
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

// lineRanges lists the lines of rows: "2-9, 12, 40-41 and 17 more".
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
	return text.Few(ranges, 20)
}

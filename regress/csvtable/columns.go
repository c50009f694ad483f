package csvtable

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// category is a column while it is being read.
type category struct {
	name   string
	field  int
	index  map[string]int32
	values []string
	rows   []int32
	many   bool // more than maxValues: its rows are not kept any more
}

func (c *category) add(value string) {
	if c.many {
		return
	}
	i, ok := c.index[value]
	if !ok {
		i = int32(len(c.values))
		value = strings.Clone(value) // the record is reused
		c.index[value] = i
		c.values = append(c.values, value)
	}
	c.rows = append(c.rows, i)
	if len(c.values) > maxValues {
		c.many, c.rows = true, nil
	}
}

// unfit is why a column is not a category, "" if it is one. A column that the user named may
// consist of decimal numbers.
func (c *category) unfit(rows int, named bool) string {
	switch {
	case c.many:
		return fmt.Sprintf("more than %d values", maxValues)
	case len(c.values) == rows && rows > 1:
		return "a different value in every row"
	case !named && c.numbers(true):
		return "decimal numbers, not categories"
	case !named && latencyName(c.name) && c.numbers(false):
		return "a measurement, by its name"
	}
	return ""
}

// numbers reports whether all values are numbers, also in percent or a unit of time, and with decimal whether one of them has a
// fractional part. Missing values do not count: a benchmark leaves gaps in figures.
func (c *category) numbers(decimal bool) bool {
	some, fractional := false, false
	for _, v := range c.values {
		if missing(v) {
			continue
		}
		end := strings.LastIndexFunc(v, func(r rune) bool { return unicode.IsDigit(r) || r == '.' }) + 1
		unit := strings.ToLower(strings.TrimSpace(v[end:]))
		x, err := strconv.ParseFloat(strings.Replace(v[:end], ",", ".", 1), 64)
		if err != nil || unit != "" && unit != "%" && units[unit] == 0 {
			return false
		}
		some, fractional = true, fractional || x != float64(int64(x))
	}
	return some && (fractional || !decimal)
}

// missing reports whether a value is one of the words that programs write for a run that failed
// or for no value.
func missing(value string) bool {
	switch strings.ToLower(value) {
	case "", "-", "--", "?", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none", "nil", "inf", "+inf", "-inf", "infinity", "-infinity",
		"fail", "failed", "error", "err", "timeout", "timed out", "oom", "crash", "crashed", "killed":
		return true
	}
	return false
}

// words are the parts of a column's name between other characters than letters and digits.
func words(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// units are the words for units of time, with the seconds of one.
var units = map[string]float64{
	"s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
	"ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millis": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
	"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "usec": 1e-6, "usecs": 1e-6, "micros": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6,
	"ns": 1e-9, "nsec": 1e-9, "nsecs": 1e-9, "nanos": 1e-9, "nanosecond": 1e-9, "nanoseconds": 1e-9,
}

// latencyName reports whether a name says that its column is a latency, or a figure of the same runs:
// "latency_pixel4", "pixel4 (ms)", "fps".
func latencyName(name string) bool {
	return slices.ContainsFunc(words(name), func(w string) bool {
		switch w {
		case "latency", "latencies", "runtime", "time", "duration", "inference", "fps", "throughput", "cycles", "energy":
			return true
		case "s": // also a size or the plural of a word
			return strings.HasSuffix(name, "_s") || strings.ContainsAny(name, "([")
		}
		return units[w] > 0
	})
}

// unitOf is the unit in a column's name: the last of its words that is one, as in pixel_ms,
// ms_pixel and "pixel (ms)"; otherwise what follows the last "_", "" if there is none.
func unitOf(column string) string {
	w := words(column)
	for _, word := range slices.Backward(w) {
		if units[word] > 0 {
			return word
		}
	}
	if i := strings.LastIndex(column, "_"); i >= 0 {
		return column[i+1:]
	}
	return ""
}

// Seconds is the seconds of one unit of the target, 0 if its name has no unit of time.
func (t *Table) Seconds() float64 { return units[strings.ToLower(unitOf(t.Target))] }

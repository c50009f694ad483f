package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchunit"
)

// A Scale formats the numbers of one table column, axis or range with the same unit and the same
// number of decimals, so that they can be compared at a glance.
type Scale struct {
	factor   float64 // of the unit
	decimals int
	unit     string // "ms"; empty for a plain count
}

// SecondsScale is the common scale of times in seconds: ns, us, ms or s.
func SecondsScale(seconds ...float64) Scale {
	return commonScale(seconds, benchunit.Decimal, "s")
}

// CountScale is the common scale of MACs, parameters or other counts: plain, k, M, G or T.
// Counts below 10,000 are whole numbers.
func CountScale(counts ...float64) Scale {
	if _, greatest := extremes(counts); greatest < 1e4 {
		return Scale{factor: 1}
	}
	return commonScale(counts, benchunit.Decimal, "")
}

// BytesScale is the common scale of sizes in bytes: B, KiB, MiB, GiB or TiB.
func BytesScale(bytes ...float64) Scale {
	if _, greatest := extremes(bytes); greatest < 1<<10 {
		return Scale{factor: 1, unit: "B"}
	}
	return commonScale(bytes, benchunit.Binary, "B")
}

// commonScale gives the smallest value 4 significant digits, as benchunit does. If the values
// span more than a factor of 1,000 (the layers of a network), that could print the largest in
// nanoseconds, so their geometric mean gets 4 digits instead.
func commonScale(values []float64, class benchunit.Class, unit string) Scale {
	least, greatest := extremes(values)
	if greatest == 0 {
		return Scale{factor: 1, unit: unit}
	}
	if greatest/least > 1000 {
		least = math.Sqrt(least * greatest)
	}
	s := benchunit.CommonScale([]float64{least}, class)
	return Scale{factor: s.Factor, decimals: s.Prec, unit: strings.Replace(s.Prefix, "µ", "u", 1) + unit}
}

// extremes returns the smallest and the largest magnitude of the values that are finite and not
// 0, and 0 if there are none.
func extremes(values []float64) (least, greatest float64) {
	for _, v := range values {
		v = math.Abs(v)
		if v == 0 || unknown(v) {
			continue
		}
		if least == 0 || v < least {
			least = v
		}
		greatest = max(greatest, v)
	}
	return least, greatest
}

func unknown(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// Factor is the size of the scale's unit: 0.001 for ms.
func (s Scale) Factor() float64 { return s.factor }

// Unit is the scale's unit with its prefix: "ms", "G", "KiB"; empty for plain counts.
func (s Scale) Unit() string { return s.unit }

// Number is x in the scale's unit, without it; "-" for NaN and infinities.
func (s Scale) Number(x float64) string {
	switch {
	case unknown(x):
		return "-"
	case s.factor == 1 && s.decimals == 0:
		return Thousands(int(math.Round(x)))
	case x == 0:
		return "0"
	}
	return strconv.FormatFloat(x/s.factor, 'f', s.decimals, 64)
}

// Format is x with the scale's unit: "21.43 ms".
func (s Scale) Format(x float64) string {
	return strings.TrimSpace(s.Number(x) + " " + s.unit)
}

// Range is "21.43 to 25.10 ms".
func (s Scale) Range(low, high float64) string { return s.Number(low) + " to " + s.Format(high) }

// Seconds formats a single time in a suitable unit.
func Seconds(seconds float64) string { return SecondsScale(seconds).Format(seconds) }

// SecondsRange formats two times with one unit: "21.43 to 25.10 ms".
func SecondsRange(low, high float64) string { return SecondsScale(low, high).Range(low, high) }

// HertzRange formats two clocks with one unit, and equal ones as one: "2.600 to 2.612 GHz".
func HertzRange(low, high float64) string {
	s := commonScale([]float64{low, high}, benchunit.Decimal, "Hz")
	if s.Number(low) == s.Number(high) {
		return s.Format(low)
	}
	return s.Range(low, high)
}

// Count formats a single count: 4,620 or 4.290 G.
func Count(n int64) string { return CountScale(float64(n)).Format(float64(n)) }

// Bytes formats a single size.
func Bytes(bytes float64) string { return BytesScale(bytes).Format(bytes) }

// Digits is x with n significant digits and no exponent, without zeros at its end.
func Digits(x float64, n int) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', n, 64), 64)
	if err != nil {
		return strconv.FormatFloat(x, 'g', n, 64)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// ThreeDigits is x with three digits, or all before the point: 5.40, 17.3, 1,345.
func ThreeDigits(x float64) string {
	switch a := math.Abs(x); {
	case unknown(x):
		return "-"
	case a >= 99.95:
		return Thousands(int(math.Round(x)))
	case a >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// Shape is height x width x channels of a shape, with the batch in front where it is not 1.
func Shape(s [4]int) string {
	if s[0] != 1 {
		return fmt.Sprintf("%dx%dx%dx%d", s[0], s[1], s[2], s[3])
	}
	return fmt.Sprintf("%dx%dx%d", s[1], s[2], s[3])
}

// Percent formats a ratio in percent, with one decimal below 100 % and none above.
func Percent(x float64) string {
	switch {
	case unknown(x):
		return "-"
	case math.Abs(x) >= 1 && math.Abs(x) < 1e6:
		return Thousands(int(math.Round(100*x))) + " %"
	}
	return strconv.FormatFloat(100*x, 'f', 1, 64) + " %"
}

// Overhead says what something costs, as a ratio of the time without it. Below 0 it is noise.
func Overhead(x float64) string {
	if x <= 0 {
		return "nothing that can be seen"
	}
	return Percent(x)
}

// NotComputed is printed for a figure that could not be computed.
const NotComputed = "not computed"

// Optional formats x, or returns NotComputed where it is nil, NaN or infinite.
func Optional(x *float64, format func(float64) string) string {
	if x == nil || unknown(*x) {
		return NotComputed
	}
	return format(*x)
}

// Fixed4 is x with 4 decimals, as r2 and rank correlations are printed.
func Fixed4(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }

// Duration formats a duration for people: "1 h 05 min", "4 min 07 s", "12 s", "3.2 s".
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", max(d.Seconds(), 0.1))
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// Thousands is a whole number with separators: 4,620.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural is "1 network" or "3,000 networks".
func Plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Thousands(n) + " " + noun
}

package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
)

// NotComputed stands for a figure that the lab does not compute yet, or could not.
const NotComputed = "not computed"

// KindWord is a kind as a person must not overlook it.
func KindWord(k devices.Kind) string { return strings.ToUpper(string(k)) }

// KindMeaning says in a sentence what a kind is.
func KindMeaning(k devices.Kind) string {
	switch k {
	case devices.Simulated:
		return "computed by a simulator of latlab's: no device was timed, and no number here says how fast a real one is"
	case devices.Estimated:
		return "predicted by a vendor's tool: no device was timed"
	case devices.Measured:
		return "timed on the device itself"
	}
	return "of a kind that this program does not know"
}

// millis prints seconds in milliseconds with 4 significant digits, zeros at the end too: in a
// column the points stand near each other, and 5.400 is not less exact than 5.394.
func millis(seconds float64) string {
	if unknown(seconds) {
		return "–"
	}
	return padded(seconds * 1e3)
}

// padded prints x with 4 significant digits and no exponent.
func padded(x float64) string {
	if x == 0 {
		return "0"
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 3, 64), 64)
	if err != nil {
		rounded = x
	}
	decimals := 3 - int(math.Floor(math.Log10(math.Abs(rounded))))
	return strconv.FormatFloat(rounded, 'f', max(decimals, 0), 64)
}

// duration prints seconds that stand alone, with the unit that suits them.
func duration(seconds float64) string {
	if !unknown(seconds) && seconds != 0 && math.Abs(seconds) < 1e-5 {
		return padded(seconds*1e6) + " µs"
	}
	return millis(seconds) + " ms"
}

// percent prints a ratio with one decimal, a large one without.
func percent(x float64) string {
	if unknown(x) {
		return "–"
	}
	if math.Abs(x) >= 1 && math.Abs(x) < 1e6 {
		return thousands(int(math.Round(100*x))) + " %"
	}
	return strconv.FormatFloat(100*x, 'f', 1, 64) + " %"
}

// plainPercent prints a ratio that somebody chose: 95 %, 2.5 %.
func plainPercent(x float64) string { return digits(100*x, 4) + " %" }

func signed(x float64) string {
	if unknown(x) {
		return "–"
	}
	switch text := percent(x); {
	case text == "-0.0 %":
		return "0.0 %"
	case x < 0 || text == "0.0 %":
		return text
	default:
		return "+" + text
	}
}

// millions prints MACs or parameters in millions.
func millions(x float64) string {
	if unknown(x) {
		return "–"
	}
	return digits(x/1e6, 4)
}

func unknown(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// figure prints a figure that may not have been computed.
func figure(x *float64, format func(float64) string) string {
	if x == nil || unknown(*x) {
		return NotComputed
	}
	return format(*x)
}

func fourDecimals(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }

// digits prints x with n significant digits and no exponent.
func digits(x float64, n int) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', n, 64), 64)
	if err != nil {
		return strconv.FormatFloat(x, 'g', n, 64)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return thousands(n) + " " + word
}

// thousands prints a count with separators: 4,620.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// when prints a time for people; a report goes to other time zones, so it says UTC.
func when(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// quoted is a word for a POSIX shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Package describe formats a report's content as text: numbers with their units, the names of
// sweeps and the facts that identify them. The page, the model card and the charts use its
// texts. It computes no figures and knows no markup: its callers escape the texts.
package describe

import (
	"cmp"
	"math"
	"strings"
	"time"
	"unicode"

	"latlab/devices"
	"latlab/internal/ui"
)

// Kind is a kind in capitals, so that nobody overlooks it.
func Kind(k devices.Kind) string { return strings.ToUpper(string(k)) }

// KindMeaning explains a kind.
func KindMeaning(k devices.Kind) string {
	switch k {
	case devices.Simulated:
		return "computed by a simulator in latlab: no device was timed, and no number here describes a real one"
	case devices.Estimated:
		return "predicted by a vendor's tool: no device was timed"
	case devices.Measured:
		return "timed on the device itself"
	}
	return "of a kind that this program does not know"
}

// ChosenPercent prints a configured ratio: 95 %, 2.5 %.
func ChosenPercent(x float64) string { return ui.Digits(100*x, 4) + " %" }

// Signed prints a ratio in per cent with its sign.
func Signed(x float64) string {
	if Unknown(x) {
		return "-"
	}
	switch text := ui.Percent(x); {
	case text == "-0.0 %":
		return "0.0 %"
	case x < 0 || text == "0.0 %":
		return text
	default:
		return "+" + text
	}
}

// Unknown reports whether a figure is unknown.
func Unknown(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// Number is "1 entry" or "3,000 entries".
func Number(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return ui.Thousands(n) + " " + more
}

// Time prints a time for people; a report goes to other time zones, so it says UTC.
func Time(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// Quoted is a word for a POSIX shell.
func Quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Clip shortens a name to at most limit letters.
func Clip(name string, limit int) string {
	runes := []rune(name)
	if len(runes) <= limit {
		return name
	}
	return string(runes[:limit-1]) + "…"
}

// OrNone is "none" for an empty word.
func OrNone(s string) string { return cmp.Or(s, "none") }

// Plain removes characters that a text must not have: XML has no control characters, and
// characters that change the direction of writing would affect the text after the name.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Package text has string functions that all other packages share: clipping of untrusted text, the end
// and the last line of an output, suggestions for a mistyped word, quoting for a shell, and what kind of
// file latlab's users have before them. Clipped text says how much is missing.
//
// It refuses to know units, colours and columns, which internal/ui formats.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWord is how many bytes of a word from a user or a file an error shows.
const maxWord = 80

// Clip makes untrusted text fit for an error: ClipTo of 80 bytes.
func Clip(s string) string { return ClipTo(s, maxWord) }

// ClipTo is Cut with '?' for each unprintable character: a YAML key may contain a line break, an
// escape sequence, or bytes that are not UTF-8.
func ClipTo(s string, most int) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, Cut(s, most))
}

// Cut keeps at most the given number of bytes of a text, without splitting a character, and
// appends how many more there were.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := boundary(s, most)
	more := "bytes"
	if len(s)-n == 1 {
		more = "byte"
	}
	return fmt.Sprintf("%s... (%d more %s)", s[:n], len(s)-n, more)
}

// boundary is the last place up to n where a character begins.
func boundary(s string, n int) int {
	for i := n; i > n-utf8.UTFMax && i >= 0; i-- {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	return n // not UTF-8
}

// OneLine joins the lines and words of a text with single blanks.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Line is ClipTo of OneLine, for the output of a program.
func Line(s string, most int) string { return ClipTo(OneLine(s), most) }

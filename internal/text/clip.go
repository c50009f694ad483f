// Package text is what all rooms do to text that people read: clipping what came from outside, the end
// and the last line of an output, the word that was probably meant, and quoting for a shell. What it
// shortens says how much is missing.
//
// It refuses to know units, colours and columns: those are the terminal's and the report's.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWord is how many bytes of a word that a user or a file gave fit into an error.
const maxWord = 80

// Clip makes text that came from outside fit for an error: ClipTo of 80 bytes.
func Clip(s string) string { return ClipTo(s, maxWord) }

// ClipTo is Cut with '?' for whatever a terminal would not print but obey: a YAML key may hold
// a line break, an escape sequence, or bytes that are not UTF-8.
func ClipTo(s string, most int) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, Cut(s, most))
}

// Cut keeps at most so many bytes of a text, up to the end of a character, and says how many more
// there were.
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

// Line is one line of at most so many bytes of what a program said: ClipTo of OneLine.
func Line(s string, most int) string { return ClipTo(OneLine(s), most) }

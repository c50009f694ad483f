// Package text is what all rooms do to text that people read: clipping what came from outside, and the
// word that was probably meant.
package text

import (
	"strings"
	"unicode"
)

// Clip makes text that came from outside fit for an error: at most 80 bytes and dots, on
// one line, with '?' for whatever a terminal would not print but obey. A YAML key may hold
// a line break, an escape sequence, or bytes that are no UTF-8.
func Clip(s string) string {
	const limit = 80
	more := len(s) > limit
	if more {
		s = strings.ToValidUTF8(s[:limit], "?") // the limit may cut a character
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
	if more {
		s += "..."
	}
	return s
}

package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A Safe makes text fit for a terminal, which executes control characters. It is put around stdout
// and stderr once, so no verb needs to know which of its words came from a tool, a phone, a store or
// a file. Colours are added behind it.
type Safe struct {
	w    io.Writer
	text func(string) string
	half []byte // of a character of which only the beginning was written
}

// NewSafe applies Printable to all that is written to w.
func NewSafe(w io.Writer) *Safe { return &Safe{w: w, text: Printable} }

// NewSafeJSON writes JSON to w with \u escapes for the characters that Printable replaces, so it
// decodes to the same data. encoding/json escapes only those below a space, U+2028 and U+2029.
func NewSafeJSON(w io.Writer) *Safe { return &Safe{w: w, text: escaped} }

func escaped(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }

// Write implements io.Writer.
func (s *Safe) Write(b []byte) (int, error) {
	text := slices.Concat(s.half, b)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if c := text[len(text)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-back:]) {
				whole -= back
			}
			break
		}
	}
	s.half = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(s.w, s.text(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Flush writes what is left of a broken character.
func (s *Safe) Flush() error {
	if len(s.half) == 0 {
		return nil
	}
	s.half = nil
	_, err := io.WriteString(s.w, string(utf8.RuneError))
	return err
}

// unwrapped is the writer behind a Safe, for what draws on a terminal itself.
func unwrapped(w io.Writer) io.Writer {
	if s, ok := w.(*Safe); ok {
		return s.w
	}
	return w
}

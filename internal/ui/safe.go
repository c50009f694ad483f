package ui

import (
	"io"
	"slices"
	"unicode/utf8"
)

// A Safe makes text fit for a terminal: Printable is applied to all that is written. It is put
// around stdout and stderr once, so no verb needs to know which of its words came from a tool, a
// phone, a store or a file. Colours are added behind it.
type Safe struct {
	w    io.Writer
	half []byte // of a character of which only the beginning was written
}

// NewSafe makes what is written to w fit for a terminal.
func NewSafe(w io.Writer) *Safe { return &Safe{w: w} }

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
	if _, err := io.WriteString(s.w, Printable(string(text[:whole]))); err != nil {
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

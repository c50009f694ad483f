package text_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"latlab/internal/text"
)

func TestClip(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{"", ""},
		{"ratio ½", "ratio ½"},
		{"a\nb\r\tc\x00\x1b[31m", "a?b??c??[31m"},
		{"bidi \u202e and line \u2028", "bidi ? and line ?"},
		{"no \xff UTF-8", "no ? UTF-8"},
		{strings.Repeat("a", 80), strings.Repeat("a", 80)},
		{strings.Repeat("a", 81), strings.Repeat("a", 80) + "... (1 more byte)"},
		{strings.Repeat("a", 79) + "½", strings.Repeat("a", 79) + "... (2 more bytes)"},
		{strings.Repeat("\x80", 100), strings.Repeat("?", 80) + "... (20 more bytes)"},
	} {
		if got := text.Clip(tc.text); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.text, got, tc.want)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		said string
		most int
		want string
	}{
		{"", 5, ""}, {"12345", 5, "12345"}, {"123456", 5, "12345... (1 more byte)"}, {" a\r\n\tb  c ", 9, "a b c"},
		{"wrong\xffbyte", 20, "wrong?byte"}, {"aé", 2, "a... (2 more bytes)"}, {"é", 0, "... (2 more bytes)"},
	} {
		if got := text.Line(c.said, c.most); got != c.want {
			t.Errorf("%q to %d bytes: %q, want %q", c.said, c.most, got, c.want)
		}
	}
}

// TestClipProperties: whatever comes, what is kept is printable UTF-8 of at most so many bytes of the
// text, and what is said to be missing is.
func TestClipProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) })).Draw(t, "text")
		most := rapid.IntRange(0, 100).Draw(t, "most")
		got := text.ClipTo(s, most)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", got)
		}
		if len(s) <= most {
			if again := text.ClipTo(got, most); again != got {
				t.Errorf("%q became %q", got, again)
			}
			return
		}
		kept := len(s)
		missing := func(n int) string {
			return strings.Replace(fmt.Sprintf("... (%d more bytes)", n), "(1 more bytes)", "(1 more byte)", 1)
		}
		for kept > 0 && !strings.HasSuffix(got, missing(len(s)-kept)) {
			kept--
		}
		if kept > most || kept < most-3 || utf8.ValidString(s) && !utf8.ValidString(s[:kept]) {
			t.Errorf("%q to %d bytes: %q", s, most, got)
		}
	})
}

package text

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestClip(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", ""},
		{"ratio ½", "ratio ½"},
		{"a\nb\r\tc\x00\x1b[31m", "a?b??c??[31m"},
		{"bidi \u202e and line \u2028", "bidi ? and line ?"},
		{"no \xff UTF-8", "no ? UTF-8"},
		{strings.Repeat("a", 80), strings.Repeat("a", 80)},
		{strings.Repeat("a", 81), strings.Repeat("a", 80) + "..."},
		{strings.Repeat("a", 79) + "½", strings.Repeat("a", 79) + "?..."},
	} {
		if got := Clip(tc.text); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.text, got, tc.want)
		}
	}
}

func TestClipProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := Clip(string(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "text")))
		if len(got) > 83 || !utf8.ValidString(got) {
			t.Errorf("%q of %d bytes", got, len(got))
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %U", got, r)
			}
		}
		if again := Clip(got); len(got) <= 80 && again != got {
			t.Errorf("%q became %q", got, again)
		}
	})
}

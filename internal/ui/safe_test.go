package ui

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ünïcode, 漢字, +-5 %\n\ttab\n": "plain, ünïcode, 漢字, +-5 %\n\ttab\n",
		"\x1b[2J\x1b]0;title\x07":            "?[2J?]0;title?",
		"a\rb\r\nc\x00\x08\x7f":              "a?b\nc???",
		"\u009b31m\u0085":                    "?31m?",          // C1 as characters
		"\x9b31m":                            "\ufffd31m",      // and as a byte
		"user\u202egnp.exe\u2066\u200f":      "user?gnp.exe??", // bidi controls
		"\u200b\ufeff\u2028\U000e0041":       "????",           // characters that nobody sees
	} {
		for _, chunk := range []int{1, 2, 3, 1000} {
			if chunk < 1000 && strings.Contains(text, "\r\n") {
				continue // the pair may be cut; then the first becomes ?
			}
			var b strings.Builder
			s := NewSafe(&b)
			for rest := text; rest != ""; {
				n := min(chunk, len(rest))
				if got, err := s.Write([]byte(rest[:n])); got != n || err != nil {
					t.Fatal(got, err)
				}
				rest = rest[n:]
			}
			if err := s.Flush(); err != nil || b.String() != want {
				t.Errorf("%q by %d bytes: %q, want %q (%v)", text, chunk, b.String(), want, err)
			}
		}
	}
}

func TestSafeJSON(t *testing.T) {
	const data = "漢 +-5 %\x1b[2J\x7f\u009b31m\u0085 user\u202egnp\u2066\u200f\u200b\ufeff\u2028\U000e0041 \\ \\u \" \t\n"
	for chunk := 1; chunk < 100; chunk++ {
		var b strings.Builder
		s := NewSafeJSON(&b)
		var line strings.Builder
		if err := JSON(&line, data); err != nil {
			t.Fatal(err)
		}
		for rest := line.String(); rest != ""; {
			n := min(chunk, len(rest))
			if _, err := s.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if i := strings.IndexFunc(b.String(), unprintable); i >= 0 {
			t.Fatalf("by %d bytes: %q is printed", chunk, b.String()[i:])
		}
		var back string
		if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back != data {
			t.Fatalf("by %d bytes: %q decodes to %q (%v)", chunk, b.String(), back, err)
		}
	}
}

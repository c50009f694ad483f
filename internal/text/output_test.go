package text_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"latlab/internal/text"
)

func TestTail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		said string
		most int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"wrong\xff", 9, "wrong\xff"},
		{"abcd", 3, "[1 bytes left out]\nbcd"}, {"½bc", 3, "[2 bytes left out]\nbc"}, {"a\nb", 2, "[1 bytes left out]\n\nb"},
	} {
		if got := text.Tail(c.said, c.most); got != c.want {
			t.Errorf("%q to %d bytes: %q, want %q", c.said, c.most, got, c.want)
		}
	}
}

// TestTailWriter: in how many pieces an output comes makes no difference.
func TestTailWriter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.String()).Draw(t, "parts")
		w := text.TailWriter{Most: rapid.IntRange(0, 20).Draw(t, "most")}
		for _, p := range parts {
			if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		all := strings.Join(parts, "")
		got := w.String()
		if got != text.Tail(all, w.Most) || !utf8.ValidString(got) {
			t.Errorf("%q of %q", got, all)
		}
		if len(all) <= w.Most {
			return
		}
		var lost int
		head, kept, _ := strings.Cut(got, "\n")
		if _, err := fmt.Sscanf(head, "[%d bytes left out]", &lost); err != nil || all[lost:] != kept || len(kept) > w.Most {
			t.Errorf("%q of %q: %v", got, all, err)
		}
	})
}

// TestEndsWriter: whole lines of both ends are kept, in how many pieces they come makes no difference,
// and no byte is lost without being counted.
func TestEndsWriter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		said string
		most int
		want string
	}{
		{"", 4, ""}, {"abcd", 4, "abcd"}, {"abcde", 4, "ab\n[1 bytes left out]\nde"},
		{"a\nbcd\nefgh\ni\n", 8, "a\n[9 bytes left out]\ni\n"}, {"a\nb\nc\nd\n", 0, "[8 bytes left out]\n"},
	} {
		w := text.EndsWriter{Most: c.most}
		_, _ = w.Write([]byte(c.said))
		if got := w.String(); got != c.want {
			t.Errorf("%q to %d bytes: %q, want %q", c.said, c.most, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.StringMatching(`[ab\n]{0,9}`)).Draw(t, "parts")
		w := text.EndsWriter{Most: rapid.IntRange(0, 20).Draw(t, "most")}
		whole := text.EndsWriter{Most: w.Most}
		for _, p := range parts {
			if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		all := strings.Join(parts, "")
		_, _ = whole.Write([]byte(all))
		got := w.String()
		if got != whole.String() || w.Left() != whole.Left() {
			t.Fatalf("%q, in one piece %q", got, whole.String())
		}
		between := fmt.Sprintf("[%d bytes left out]\n", w.Left())
		head, tail, cut := strings.Cut(got, between)
		if !cut {
			if got != all || len(all) > w.Most {
				t.Fatalf("%q of %q", got, all)
			}
			return
		}
		if len(head) > w.Most/2 { // the line break is not the program's
			head = strings.TrimSuffix(head, "\n")
		}
		if !strings.HasPrefix(all, head) || !strings.HasSuffix(all, tail) || int64(len(all)-len(head)-len(tail)) != w.Left() || len(head)+len(tail) > w.Most {
			t.Fatalf("%q of %q", got, all)
		}
	})
}

func TestLastLine(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{"": "", " \n\n": "", "one": "one", "one\ntwo\r\n \n": "two", "a\n  b c\t\n": "b c"} {
		if got := text.LastLine(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

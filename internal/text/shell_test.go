package text_test

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"latlab/internal/text"
)

func TestShellWord(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"": "''", "plain-1.0_x/y:z@h=%+,": "plain-1.0_x/y:z@h=%+,", "a b": "'a b'", "it's": `'it'\''s'`, "~": "'~'", "*": "'*'", "größe": "'größe'", "!": "'!'",
	} {
		if got := text.ShellWord(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

// FuzzShell: a shell reads every word as it was.
func FuzzShell(f *testing.F) {
	for _, seed := range []string{"", "a b", `"'`, "$(exit 9)", "line\nbreak", "-c", "`id`", "*", "\xff", "~", "a=b", "#", "!!", `\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if strings.ContainsRune(word, 0) {
			t.Skip()
		}
		for _, quoted := range []string{text.ShellQuote(word), text.ShellWord(word)} {
			out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "printf %s "+quoted+" -").Output()
			if err != nil || string(out) != word+"-" {
				t.Errorf("%q as %s: %q, %v", word, quoted, out, err)
			}
		}
	})
}

// TestShellQuoteProperties: words side by side stay words.
func TestShellQuoteProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[^\x00]*`), 1, 5).Draw(t, "words")
		var line []string
		for _, w := range words {
			line = append(line, text.ShellWord(w))
		}
		out, err := exec.Command("/bin/sh", "-c", `set -- `+strings.Join(line, " ")+`; printf '%s\0' "$@"`).Output()
		if want := strings.Join(words, "\x00") + "\x00"; err != nil || string(out) != want {
			t.Errorf("%q: %q, %v", want, out, err)
		}
	})
}

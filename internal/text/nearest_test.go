package text_test

import (
	"testing"

	"latlab/internal/text"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"stride", "residual", "se", "choices", "größe"}
	for word, want := range map[string]string{
		"strid": "stride", "stirde": "stride", "Residual": "residual", "residaul": "residual", "s": "se",
		"groesse": "", "grösse": "größe", "": "", "xyz": "", "choises": "choices", "chs": "",
	} {
		if got := text.Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"strid": `; did you mean "stride"?`, "xyz": ""} {
		if got := text.DidYouMean(word, []string{"residual", "stride"}); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

package text

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"stride", "residual", "se", "choices", "größe"}
	for word, want := range map[string]string{
		"strid": "stride", "stirde": "stride", "Residual": "residual", "residaul": "residual", "s": "se",
		"groesse": "", "grösse": "größe", "": "", "xyz": "", "choises": "choices", "chs": "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

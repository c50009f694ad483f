package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/internal/testenv"
)

// TestClaimStands: what the exact simulators say is the same on every machine, so that part
// of the document must be what the command prints now.
func TestClaimStands(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "platforms.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"sim-pixel4-edgetpu:exact", "sim-pixel4-dsp:exact", "sim-pixel1-cpu:exact", "sim-jetson-xavier:exact"} {
		text, err := claim(t.Context(), settings{devices: []string{d}})
		if err != nil {
			t.Fatal(err)
		}
		if text = strings.TrimSpace(text); !strings.Contains(text, "160x160x16") || !strings.Contains(string(doc), text) {
			t.Errorf("docs/platforms.md does not have what %s says now (`go run ./tools/platforms claim`):\n%s", d, text)
		}
	}
}

// TestReplace keeps what is outside of the marks.
func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	before := "a\n<!-- x begins -->\nold\n<!-- x ends -->\nb\n"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := replace(path, "x", "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(before, "old", "new", 1); string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := replace(path, "y", ""); err == nil {
		t.Error("a mark that is not there was taken")
	}
}

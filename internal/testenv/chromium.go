package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// Chromium is the browser that pages are tried in: LATLAB_CHROMIUM, or the first of the usual
// names in PATH. Debian's package is chromium.
func Chromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("LATLAB_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium in PATH: install Debian's chromium, or name one with LATLAB_CHROMIUM")
	return ""
}

package devicetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Agent is the built latlab-agent: LATLAB_AGENT, or bin/latlab-agent below the module's
// root. Its absence is a failure and no reason to skip: a suite that quietly leaves the
// real runtime out would be green on a broken build.
func Agent(t testing.TB) string {
	t.Helper()
	path := os.Getenv("LATLAB_AGENT")
	if path == "" {
		path = filepath.Join(moduleRoot(t), "bin", "latlab-agent")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the tests need latlab-agent: `make build` first, or name one in LATLAB_AGENT: %v", err)
	}
	return path
}

// moduleRoot is the nearest folder above the test's own that holds go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = filepath.Dir(dir)
	}
}

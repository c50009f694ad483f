package devicetest

import (
	"os"
	"path/filepath"
	"testing"

	"latlab/internal/testenv"
)

// Agent is the built latlab-agent: LATLAB_AGENT, or bin/latlab-agent below the module's
// root. Its absence is a failure and no reason to skip: a suite that quietly leaves the
// real runtime out would be green on a broken build.
func Agent(t testing.TB) string {
	t.Helper()
	path := os.Getenv("LATLAB_AGENT")
	if path == "" {
		path = filepath.Join(testenv.Root(t), "bin", "latlab-agent")
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

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test's own program play latlab, latlab-agent and the helpers of the
// scripts: testscript puts a program of each name on the PATH.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"latlab":     func() { os.Exit(Main()) },
		"fake-agent": fakeAgent,
	})
}

// realAgent is the built latlab-agent. Its absence is a failure and no reason to skip: a
// suite that quietly leaves the real runtime out would be green on a broken build.
func realAgent(t testing.TB) string {
	t.Helper()
	path := os.Getenv("LATLAB_AGENT")
	if path == "" {
		path = filepath.Join("..", "..", "bin", "latlab-agent")
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

// tinySpace is the space of the documents, whose networks run in a tenth of a millisecond.
func tinySpace(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "sampler", "testdata", "tiny.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

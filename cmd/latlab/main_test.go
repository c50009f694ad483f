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

// tinySpace is the space of the documents, whose networks run in a tenth of a millisecond.
func tinySpace(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "sampler", "testdata", "tiny.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

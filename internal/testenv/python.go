// Package testenv finds what tests need from outside the module. It fails where something
// is missing and never skips: a suite that quietly leaves the real thing out would be
// green on a broken build.
package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Python is the interpreter with the packages of scripts/python-packages: LATLAB_PYTHON,
// or build/python/bin/python3 below the module's root, which `make python` makes.
func Python(t testing.TB) string {
	t.Helper()
	path := os.Getenv("LATLAB_PYTHON")
	if path == "" {
		path = filepath.Join(Root(t), "build", "python", "bin", "python3")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no Python with the packages of scripts/python-packages: %v; `make python` makes one, LATLAB_PYTHON names another", err)
	}
	return path
}

// Root is the module's folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

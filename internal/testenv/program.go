package testenv

import (
	"os/exec"
	"testing"
)

// Program is a program of a Debian package, found in PATH.
func Program(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: Debian's package %s has it", err, debian)
	}
	return path
}

// Package testphone emulates a phone for tests, as far as a host can: a root folder with Android's
// userland (mksh, toybox, recorded output of getprop and dumpsys) in which commands can run, and a
// fake benchmark_model that takes its latencies from a simulator.
//
// It contains no file of Android: the shell and the tools are Debian's builds of the same sources,
// and the output is recorded or written by hand. It does not emulate Android's libraries, SELinux
// policy and linker. It refuses to use adb and ssh: the tests of devices/transport connect to the
// folder by them.
package testphone

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"latlab/internal/testenv"
)

var built struct {
	sync.Mutex
	paths map[string]string
}

// BenchmarkModel builds the fake benchmark_model (package benchmarkmodel) for this host once per
// process and returns its path. It is static, so that it runs in a root without libraries.
func BenchmarkModel(t testing.TB) string { return build(t, "benchmarkmodel", "benchmark_model") }

// build builds a program of this package's folder. Test processes that build at the same time each
// rename a complete file into place.
func build(t testing.TB, pkg, name string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path := built.paths[pkg]; path != "" {
		return path
	}
	root := testenv.Root(t)
	dir := filepath.Join(root, "build", "testphone")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	temp, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(temp, name), "./internal/testphone/"+pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	path := filepath.Join(dir, name)
	if err := os.Rename(filepath.Join(temp, name), path); err != nil {
		t.Fatal(err)
	}
	if built.paths == nil {
		built.paths = map[string]string{}
	}
	built.paths[pkg] = path
	return path
}

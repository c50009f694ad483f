// Package testphone emulates a phone for tests, as far as a host can: a root folder with Android's
// userland (mksh, toybox, recorded output of getprop and dumpsys) in which commands can run, and a
// fake benchmark_model whose latencies come from a simulator.
//
// It contains nothing of Android: the shell and the tools are Debian's builds of the same sources,
// and the output is recorded or written by hand. It does not emulate Android's libraries, SELinux
// policy and linker. It refuses to know adb and ssh: devices/transport's tests serve the folder.
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

// BenchmarkModel is the fake benchmark_model (package benchmarkmodel below), built for this
// host, static, so that it runs in a root without libraries. It is built once a process.
func BenchmarkModel(t testing.TB) string { return build(t, "benchmarkmodel", "benchmark_model") }

// build makes a program of this package's folder. Test processes that build at once each
// rename a whole file into place.
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

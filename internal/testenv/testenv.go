// Package testenv finds what tests need from outside the module: programs, the runtime, a
// Python environment, root. It is the only place that decides what happens where something is
// missing: the test is skipped and its reason names what to install, so that `go test ./...`
// passes on a bare clone. With LATLAB_REQUIRE=all, which `make test` sets, the test fails
// instead: a suite that silently skips the real runtime would be green on a broken build.
// It refuses to install anything. Stand-ins for devices are in internal/testphone and
// internal/testboard.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Required reports whether a missing program fails a test instead of skipping it.
func Required() bool { return os.Getenv("LATLAB_REQUIRE") == "all" }

// Missing skips or fails a test: what is missing, and remedy is how to get it.
func Missing(t testing.TB, what, remedy string) {
	t.Helper()
	reason := fmt.Sprintf("needs %s: %s", what, remedy)
	if Required() {
		t.Fatalf("%s (LATLAB_REQUIRE=all forbids skipping)", reason)
	}
	t.Skip(reason)
}

// Program is a program of a Debian package, found in PATH.
func Program(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name, fmt.Sprintf("install Debian's %s, or `make test`", debian))
	}
	return path
}

// Installed returns those of the optional programs that are in PATH. With LATLAB_REQUIRE=all every
// one must be.
func Installed(t testing.TB, names ...string) []string {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := exec.LookPath(name)
		if err != nil && Required() {
			t.Fatalf("%v (LATLAB_REQUIRE=all requires it)", err)
		}
		return err != nil
	})
}

// Chromium is the browser that pages are tested in: LATLAB_CHROMIUM, or the first of the usual
// names in PATH.
func Chromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("LATLAB_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return Program(t, "chromium", "chromium")
}

// Superuser ends a test that needs root unless it runs as root; why is the reason.
func Superuser(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root ("+why+")", "run it as root")
	}
}

// OrdinaryUser skips a test of missing permissions if it runs as root; why is the reason. CI runs as
// root, so it always skips there, whatever LATLAB_REQUIRE says.
func OrdinaryUser(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("needs a user other than root: " + why)
	}
}

// Mount mounts a tmpfs on a new folder until the test ends. options are tmpfs options: "size=1m".
func Mount(t testing.TB, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("latlab", dir, "tmpfs", 0, options); err != nil {
		Missing(t, "permission to mount a tmpfs", fmt.Sprintf("run it as root with mount permission (%v)", err))
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// Python is the interpreter with the packages of scripts/python-packages: LATLAB_PYTHON,
// or build/python/bin/python3 below the module's root.
func Python(t testing.TB) string {
	t.Helper()
	return built(t, "Python with the packages of scripts/python-packages", "python", chosen(t, "LATLAB_PYTHON", "build/python/bin/python3"))
}

// Agent is latlab-agent: LATLAB_AGENT, or bin/latlab-agent below the module's root.
func Agent(t testing.TB) string {
	t.Helper()
	return built(t, "latlab-agent", "build", chosen(t, "LATLAB_AGENT", "bin/latlab-agent"))
}

// Bundles is the folder that has agent-arm64: LATLAB_BUNDLES, or bin below the module's root.
func Bundles(t testing.TB) string {
	t.Helper()
	dir := chosen(t, "LATLAB_BUNDLES", "bin")
	built(t, "latlab-agent for arm64", "agent-arm64", filepath.Join(dir, "agent-arm64", "latlab-agent"))
	return dir
}

// Headers is the include folder of the runtime: that of TFLITE_DIR, or of build/tflite below
// the module's root.
func Headers(t testing.TB) string {
	t.Helper()
	return built(t, "the runtime's headers", "build", filepath.Join(chosen(t, "TFLITE_DIR", "build/tflite"), "include"))
}

// chosen is the path in an environment variable, or the default below the module's root.
func chosen(t testing.TB, variable, usual string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path = filepath.Join(Root(t), filepath.FromSlash(usual))
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// built ends the test if a file that a target of the Makefile builds is missing.
func built(t testing.TB, what, target, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		Missing(t, what, fmt.Sprintf("`make %s` (%v)", target, err))
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

// Package agenttest makes what tests of devices of latlab-agent need and no package has: a
// real external delegate, which takes convolutions and computes them.
//
// It fails where something is missing and never skips. Its neighbours are devicetest, the
// suite, and devices/agent.
package agenttest

import (
	"os"
	"path/filepath"
	"testing"

	"latlab/devices/transport"
	"latlab/internal/testenv"
)

// Plugin compiles the delegate and returns its library. Its options are in its source,
// devices/agent/testdata/delegate/convolutions.c.
func Plugin(t testing.TB) string {
	t.Helper()
	return PluginFor(t, "gcc")
}

// PluginFor is Plugin for a compiler's machine: "aarch64-linux-gnu-gcc".
func PluginFor(t testing.TB, compiler string) string {
	t.Helper()
	source := filepath.Join(testenv.Root(t), "devices", "agent", "testdata", "delegate", "convolutions.c")
	return Compile(t, compiler, source, "libconvolutions.so")
}

// Compile makes a shared library of a C file with the runtime's headers in sight; flags
// come last.
func Compile(t testing.TB, compiler, source, name string, flags ...string) string {
	t.Helper()
	library := filepath.Join(t.TempDir(), name)
	args := append([]string{"-O2", "-shared", "-fPIC", "-I", headers(t),
		"-I", filepath.Join(testenv.Root(t), "cmd", "latlab-agent", "include"), "-o", library, source}, flags...)
	run(t, compiler, args...)
	return library
}

// run runs a program that must succeed and returns what it printed.
func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := transport.Run(t.Context(), transport.Local{}, transport.Command{Path: program, Args: args}, 1<<20)
	if err != nil || out.Exit != (transport.Exit{}) {
		t.Fatalf("%s: %v, %+v\n%s", program, err, out.Exit, out.Stderr)
	}
	return out.Stdout
}

// headers is the include folder of TFLITE_DIR, or of the runtime that `make build` got.
func headers(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TFLITE_DIR")
	if dir == "" {
		dir = filepath.Join(testenv.Root(t), "build", "tflite")
	}
	include, err := filepath.Abs(filepath.Join(dir, "include"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(include); err != nil {
		t.Fatalf("the tests need the runtime's headers: `make build` first, or name its folder in TFLITE_DIR: %v", err)
	}
	return include
}

// Package agenttest provides a real external delegate, which takes and computes convolutions, and
// an emulated root folder to tests of devices that run latlab-agent.
// Its neighbours are devicetest, the suite, and devices/agent.
package agenttest

import (
	"path/filepath"
	"testing"

	"latlab/devices/transport"
	"latlab/internal/testenv"
)

// Plugin compiles the delegate and returns its library. Its options are described in its source,
// devices/agent/testdata/delegate/convolutions.c.
func Plugin(t testing.TB) string {
	t.Helper()
	return PluginFor(t, "gcc")
}

// PluginFor is like Plugin, but with a given compiler: "aarch64-linux-gnu-gcc".
func PluginFor(t testing.TB, compiler string) string {
	t.Helper()
	source := filepath.Join(testenv.Root(t), "devices", "agent", "testdata", "delegate", "convolutions.c")
	return Compile(t, compiler, source, "libconvolutions.so")
}

var debianCompilers = map[string]string{"gcc": "gcc", "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu"}

// Compile makes a shared library of a C file with the runtime's headers on the include path; flags
// come last.
func Compile(t testing.TB, compiler, source, name string, flags ...string) string {
	t.Helper()
	testenv.Program(t, compiler, debianCompilers[compiler])
	library := filepath.Join(t.TempDir(), name)
	args := append([]string{"-O2", "-shared", "-fPIC", "-I", testenv.Headers(t),
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

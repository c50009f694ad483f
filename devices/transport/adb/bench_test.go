package adb_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"latlab/devices/transport"
	"latlab/devices/transport/adb/adbtest"
)

// BenchmarkPut pushes 32 MiB through the real adb to the fake, on one machine.
func BenchmarkPut(b *testing.B) {
	d, _, _ := phone(b, adbtest.Options{})
	content := bytes.Repeat([]byte("latlab 0123456789"), 2<<20)[:32<<20]
	path := filepath.Join(b.TempDir(), "model")
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		f := transport.File{Path: path, Content: bytes.NewReader(content), Size: int64(len(content)), Mode: 0o600}
		if err := d.Put(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTrue measures a program that does nothing.
func BenchmarkTrue(b *testing.B) {
	d, _, _ := phone(b, adbtest.Options{Shell: userlands["mksh"]})
	for b.Loop() {
		out, err := transport.Run(b.Context(), d, transport.Command{Path: "true"}, 100)
		if err != nil || out.Exit != (transport.Exit{}) {
			b.Fatal(err, out.Exit)
		}
	}
}

package ssh_test

import (
	"io"
	"path/filepath"
	"testing"

	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
)

// BenchmarkTrue measures a program that does nothing: a session, and the end of its group.
func BenchmarkTrue(b *testing.B) {
	tr := open(b, options(sshtest.Start(b, sshtest.Options{})))
	for b.Loop() {
		out, err := transport.Run(b.Context(), tr, transport.Command{Path: "true"}, 100)
		if err != nil || out.Exit != (transport.Exit{}) {
			b.Fatalf("%+v, %v", out, err)
		}
	}
}

// BenchmarkOpen measures connecting and logging in.
func BenchmarkOpen(b *testing.B) {
	o := options(sshtest.Start(b, sshtest.Options{}))
	for b.Loop() {
		tr, err := ssh.Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		_ = tr.Close()
	}
}

func BenchmarkStat(b *testing.B) {
	tr := open(b, options(sshtest.Start(b, sshtest.Options{})))
	for b.Loop() {
		if _, err := tr.Stat(b.Context(), "/"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	for name, o := range map[string]sshtest.Options{"sftp": {}, "shell": {NoSFTP: true}} {
		b.Run("way="+name, func(b *testing.B) {
			const size = 64 << 20
			tr := open(b, options(sshtest.Start(b, o)))
			path := filepath.Join(b.TempDir(), "file")
			b.SetBytes(size)
			for b.Loop() {
				if err := tr.Put(b.Context(), transport.File{Path: path, Content: io.LimitReader(zeros{}, size), Size: size, Mode: 0o600}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

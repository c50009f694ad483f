package sshtest

import (
	"os"
	"path/filepath"
	"strings"

	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/internal/text"
)

// sftpServers are the paths of OpenSSH's sftp server in the distributions.
var sftpServers = []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"}

// chroot writes the command that sshd runs instead of the requested one, and returns its path.
// sshd's own ChrootDirectory refuses folders below /tmp, to which others may write.
func (s *Server) chroot() string {
	s.t.Helper()
	path := filepath.Join(s.Dir, "chroot.sh")
	write(s.t, path, []byte("#!/bin/sh\nexec chroot "+text.ShellQuote(s.o.Root)+` /bin/sh -c "$SSH_ORIGINAL_COMMAND"`+"\n"))
	if err := os.Chmod(path, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// sftp returns the command of the subsystem.
func (s *Server) sftp() string {
	s.t.Helper()
	for _, p := range sftpServers {
		if _, err := os.Stat(p); err != nil {
			continue
		}
		if s.o.Root == "" {
			return p
		}
		return s.bring(p)
	}
	testenv.Missing(s.t, "sftp-server", "install Debian's openssh-sftp-server, or `make test`; looked for "+strings.Join(sftpServers, ", "))
	return ""
}

// bring copies the sftp server with its loader and libraries into a separate folder of the
// root, and returns the command that runs it there.
func (s *Server) bring(server string) string {
	s.t.Helper()
	dir := filepath.Join(s.o.Root, ".sshtest")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	out, err := transport.Run(s.t.Context(), transport.Local{}, transport.Command{Path: "ldd", Args: []string{server}}, 64<<10)
	if err != nil || out.Exit != (transport.Exit{}) {
		s.t.Fatalf("ldd %s: %v, %+v", server, err, out)
	}
	loader := ""
	for word := range strings.FieldsSeq(out.Stdout) {
		if !strings.HasPrefix(word, "/") {
			continue
		}
		s.copy(word, dir)
		if strings.HasPrefix(filepath.Base(word), "ld-") {
			loader = "/.sshtest/" + filepath.Base(word)
		}
	}
	s.copy(server, dir)
	s.passwd()
	return loader + " --library-path /.sshtest /.sshtest/" + filepath.Base(server)
}

// passwd names the user: without an entry the sftp server does not start.
func (s *Server) passwd() {
	s.t.Helper()
	path := filepath.Join(s.o.Root, "etc", "passwd")
	if _, err := os.Stat(path); err == nil {
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, path, []byte("root:x:0:0::/:/bin/sh\n"))
}

func (s *Server) copy(from, dir string) {
	s.t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		s.t.Fatal(err)
	}
	to := filepath.Join(dir, filepath.Base(from))
	_ = os.Remove(to) // a running program cannot be overwritten
	if err := os.WriteFile(to, b, 0o755); err != nil {
		s.t.Fatal(err)
	}
}

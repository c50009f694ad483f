// Package sshtest starts a real OpenSSH server on loopback, as the user who runs the tests,
// with its own keys. It neither reads nor changes the ssh files of the user or the system.
//
// A proxy between client and server simulates faults of cables and boards: it breaks the
// connection, stalls it, or slows it to single bytes. The package does not implement a server,
// because the tests check that latlab works with OpenSSH.
package sshtest

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"latlab/devices/transport"
	"latlab/internal/testenv"
)

// Options of a server.
type Options struct {
	// Root is a folder that programs and sftp are confined to (chroot), which needs root. It
	// must have /bin/sh. The sftp server is copied there, to /.sshtest.
	Root string
	// NoSFTP leaves the sftp server out, as Dropbear and small images do.
	NoSFTP bool
	// Config is further lines of sshd_config. They come first, because sshd takes the first of
	// two values of a keyword.
	Config []string
}

// Server is a running sshd.
type Server struct {
	Host       string // "127.0.0.1"
	Port       int    // the proxy's
	User       string
	Key        string // private key file that lets User in
	KnownHosts string // file that has the server's host key
	Dir        string // of all its files

	t     testing.TB
	o     Options
	sshd  *daemon // nil while it is stopped
	log   string
	proxy *proxy
}

// sshdPath is sshd's path on Debian and similar systems; sshd must be called by an absolute
// path.
const sshdPath = "/usr/sbin/sshd"

// Needs skips or fails a test if there is no sshd.
func Needs(t testing.TB) {
	t.Helper()
	testenv.Program(t, sshdPath, "openssh-server")
	testenv.Program(t, "ssh", "openssh-client")
}

// Start starts a server that ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	Needs(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // sshd confines its unprivileged half to this folder
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	s := &Server{Host: "127.0.0.1", User: me.Username, Dir: dir, t: t, o: o}
	s.Key, s.KnownHosts, s.log = filepath.Join(dir, "id"), filepath.Join(dir, "known_hosts"), filepath.Join(dir, "log")
	s.Authorize(NewKey(t, s.Key))
	s.proxy = newProxy(t)
	s.Port = s.proxy.port()
	NewKey(t, s.hostKeyFile())
	t.Cleanup(func() {
		s.proxy.close()
		s.stop()
	})
	s.run()
	s.Trust()
	return s
}

// NewKey writes an unlocked ed25519 key and returns its public half.
func NewKey(t testing.TB, path string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "sshtest")
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, pem.EncodeToMemory(block))
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Authorize adds a key that may log in.
func (s *Server) Authorize(key ssh.PublicKey) {
	s.t.Helper()
	path := filepath.Join(s.Dir, "authorized_keys")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	write(s.t, path, append(old, ssh.MarshalAuthorizedKey(key)...))
}

// Trust writes KnownHosts with only the server's present host key.
func (s *Server) Trust() {
	s.t.Helper()
	write(s.t, s.KnownHosts, []byte(knownhosts.Line([]string{s.Address()}, s.HostKey())+"\n"))
}

func (s *Server) hostKeyFile() string { return filepath.Join(s.Dir, "host_ed25519") }

// HostKey returns the server's host key.
func (s *Server) HostKey() ssh.PublicKey {
	s.t.Helper()
	b, err := os.ReadFile(s.hostKeyFile())
	if err != nil {
		s.t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return signer.PublicKey()
}

// Address returns HOST:PORT.
func (s *Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Log returns what sshd has written so far.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.log)
	return string(b)
}

// ChangeHostKey restarts the server with a new host key that is in no known_hosts file.
func (s *Server) ChangeHostKey() ssh.PublicKey {
	s.t.Helper()
	s.stop()
	key := NewKey(s.t, s.hostKeyFile())
	s.run()
	return key
}

// run starts sshd on its own port, behind the proxy.
func (s *Server) run() {
	s.t.Helper()
	for range 10 { // a different process may take the free port before sshd does
		port := freePort(s.t)
		s.start(port)
		if s.answers(port) {
			s.proxy.to(net.JoinHostPort(s.Host, strconv.Itoa(port)))
			return
		}
		s.stop()
	}
	s.t.Fatalf("sshd does not start: %s", s.Log())
}

func (s *Server) start(port int) {
	s.t.Helper()
	config := filepath.Join(s.Dir, "sshd_config")
	write(s.t, config, []byte(s.config(port)))
	// The log is a file, because sessions that outlive sshd would hold a pipe open.
	p, err := transport.Local{}.Start(context.Background(), transport.Command{Path: sshdPath, Args: []string{"-D", "-E", s.log, "-f", config}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.sshd = &daemon{p, make(chan struct{})}
	go s.sshd.wait()
}

// daemon is a running sshd.
type daemon struct {
	p    transport.Process
	done chan struct{}
}

func (d *daemon) wait() {
	defer close(d.done)
	_, _ = io.Copy(io.Discard, d.p.Stderr())
	_, _ = io.Copy(io.Discard, d.p.Stdout())
	d.p.Wait()
	_ = d.p.Stdin().Close()
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// answers waits until sshd accepts connections or has failed.
func (s *Server) answers(port int) bool {
	for range 1000 {
		c, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", net.JoinHostPort(s.Host, strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
			if s.pid() > 0 { // sshd writes it once it listens
				return true
			}
		}
		select {
		case <-s.sshd.done:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// pid returns sshd's process id from its file; 0 if there is none.
func (s *Server) pid() int {
	b, _ := os.ReadFile(s.pidFile())
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

func (s *Server) pidFile() string { return filepath.Join(s.Dir, "pid") }

func (s *Server) config(port int) string {
	lines := append([]string{}, s.o.Config...)
	lines = append(lines,
		"Port "+strconv.Itoa(port), "ListenAddress "+s.Host,
		"HostKey "+s.hostKeyFile(),
		"AuthorizedKeysFile "+filepath.Join(s.Dir, "authorized_keys"),
		"PidFile "+s.pidFile(), "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PermitRootLogin yes", "PrintMotd no", "UseDNS no", "LogLevel VERBOSE",
		"MaxStartups 100", // many connections at once are the tests' doing, not an attack
		// bash reads the user's own ~/.bashrc when sshd starts it, unless it seems to be
		// nested.
		"SetEnv SHLVL=2",
	)
	if s.o.Root != "" {
		lines = append(lines, "ForceCommand "+s.chroot())
	}
	if !s.o.NoSFTP {
		lines = append(lines, "Subsystem sftp "+s.sftp())
	}
	return strings.Join(lines, "\n") + "\n"
}

// stop ends sshd and the sessions that it serves.
func (s *Server) stop() {
	if s.sshd == nil {
		return
	}
	for _, pid := range s.Sessions() {
		kill(pid)
	}
	s.sshd.p.Kill()
	<-s.sshd.done
	s.sshd = nil
	_ = os.Remove(s.pidFile())
}

package ssh_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"latlab/devices"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testenv"
)

// knowing rewrites known_hosts.
func knowing(t testing.TB, s *sshtest.Server, lines ...string) {
	t.Helper()
	if err := os.WriteFile(s.KnownHosts, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func line(s *sshtest.Server, key gossh.PublicKey) string {
	return knownhosts.Line([]string{s.Address()}, key)
}

func refused(t testing.TB, s *sshtest.Server, words ...string) {
	t.Helper()
	tr, err := ssh.Open(t.Context(), options(s))
	if err == nil {
		_ = tr.Close()
		t.Fatal("it connected")
	}
	wants(t, err, devices.FaultUser, devices.ReasonHostKey, words...)
}

func TestHostKeyUnknown(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	knowing(t, s, "# nothing")
	refused(t, s, gossh.FingerprintSHA256(s.HostKey()), "not known", "ssh_host_ed25519_key.pub", "accept it: `ssh ")
	if err := os.Remove(s.KnownHosts); err != nil {
		t.Fatal(err)
	}
	refused(t, s, "not known")
}

// TestHostKeyAdvice runs the command that the error suggests, and accepts the key.
func TestHostKeyAdvice(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	knowing(t, s, "# nothing")
	_, err := ssh.Open(t.Context(), options(s))
	_, typed, _ := strings.Cut(err.Error(), "accept it: `")
	typed, _, ok := strings.Cut(typed, "`")
	if !ok {
		t.Fatal(err)
	}
	yes := filepath.Join(t.TempDir(), "yes")
	if err := os.WriteFile(yes, []byte("#!/bin/sh\necho yes\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", typed)
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+yes, "SSH_ASKPASS_REQUIRE=force")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", typed, err, out)
	}
	open(t, options(s))
}

func TestHostKeyChanged(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	old := s.HostKey()
	knowing(t, s, "# a comment", line(s, old))
	open(t, options(s))
	key := s.ChangeHostKey()
	refused(t, s, "CHANGED", s.KnownHosts+":2", gossh.FingerprintSHA256(key), "ssh-keygen -f")
}

// TestHostKeyChangedUnderway: a reconnect checks the host key again.
func TestHostKeyChangedUnderway(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	s.ChangeHostKey()
	var err error
	eventually(t, "the old connection breaks", func() bool {
		_, err = tr.Stat(t.Context(), "/")
		return err != nil && strings.Contains(err.Error(), "CHANGED")
	})
	wants(t, err, devices.FaultUser, devices.ReasonHostKey)
}

func TestHostKeyHashed(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	_, key, _ := strings.Cut(line(s, s.HostKey()), " ")
	knowing(t, s, knownhosts.HashHostname(knownhosts.Normalize(s.Address()))+" "+key)
	open(t, options(s))
	s.ChangeHostKey()
	refused(t, s, "CHANGED", s.KnownHosts+":1")
}

func TestHostKeyRevoked(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	knowing(t, s, line(s, s.HostKey()), "@revoked * "+strings.TrimSpace(string(gossh.MarshalAuthorizedKey(s.HostKey()))))
	refused(t, s, "revoked")
}

// TestHostKeyOfAnotherKind: the server has an ECDSA and an ed25519 key, and only one of them
// is in known_hosts.
func TestHostKeyOfAnotherKind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "host_ecdsa")
	ec := newECDSA(t, file)
	s := sshtest.Start(t, sshtest.Options{Config: []string{"HostKey " + file}})
	for _, key := range []gossh.PublicKey{s.HostKey(), ec} {
		knowing(t, s, line(s, key))
		open(t, options(s))
	}
	one := sshtest.Start(t, sshtest.Options{})
	knowing(t, one, line(one, ec))
	refused(t, one, "CHANGED", one.KnownHosts+":1")
}

func newECDSA(t testing.TB, path string) gossh.PublicKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := gossh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestHostKeyAuthority: a host with a certificate is verified by its authority; the
// authority's own key is not accepted as a host's.
func TestHostKeyAuthority(t *testing.T) {
	dir := t.TempDir()
	ca, host := filepath.Join(dir, "ca"), filepath.Join(dir, "host")
	caKey := sshtest.NewKey(t, ca)
	hostKey := sshtest.NewKey(t, host)
	if err := os.WriteFile(host+".pub", gossh.MarshalAuthorizedKey(hostKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(testenv.Program(t, "ssh-keygen", "openssh-client"), "-q", "-s", ca, "-h", "-I", "board", "-n", "127.0.0.1", host+".pub").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := sshtest.Start(t, sshtest.Options{Config: []string{"HostKey " + host, "HostCertificate " + host + "-cert.pub"}})
	authority := "@cert-authority " + line(s, caKey)
	knowing(t, s, authority)
	open(t, options(s))

	impostor := sshtest.Start(t, sshtest.Options{Config: []string{"HostKey " + ca}})
	knowing(t, impostor, "@cert-authority "+line(impostor, caKey), line(impostor, newECDSA(t, filepath.Join(dir, "other"))))
	refused(t, impostor)
	knowing(t, impostor, "@cert-authority "+line(impostor, caKey))
	refused(t, impostor)
}

func TestHostKeyAlias(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	knowing(t, s, knownhosts.Line([]string{"the-board"}, s.HostKey()))
	refused(t, s, "not known")
	o := options(s)
	o.Host, o.Port, o.User = "board", 0, ""
	o.Config = config(t, s, "HostKeyAlias the-board")
	open(t, o)
}

// TestKnownHostsThatIsNone: ssh skips malformed lines.
func TestKnownHostsThatIsNone(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	knowing(t, s, "nonsense here")
	refused(t, s, "not known")
}

// config writes a config file with an alias "board" for a server.
func config(t testing.TB, s *sshtest.Server, more ...string) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "Host other\n  HostName 192.0.2.1\n\nHost board\n  HostName %s\n  Port %d\n  User %s\n", s.Host, s.Port, s.User)
	for _, m := range more {
		fmt.Fprintf(&b, "  %s\n", m)
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

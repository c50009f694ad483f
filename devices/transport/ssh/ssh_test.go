package ssh_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
)

// If x/crypto waits for a channel for ever, that is a fault of the library: see link.go's
// open.
func TestMain(m *testing.M) {
	if address := os.Getenv(dialVariable); address != "" {
		dial(address)
	}
	if port := os.Getenv(heldVariable); port != "" {
		hold(port)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/crypto/ssh.(*mux).openChannel"))
}

// options connect to a server with its own key and files, and with none of the user's.
func options(s *sshtest.Server) ssh.Options {
	return ssh.Options{
		Host: s.Host, Port: s.Port, User: s.User, IdentityFiles: []string{s.Key}, KnownHosts: []string{s.KnownHosts},
		Config: "none", Agent: "none",
	}
}

func open(t testing.TB, o ssh.Options) *ssh.Transport {
	t.Helper()
	tr, err := ssh.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

func sh(t testing.TB, tr transport.Transport, script string, args ...string) transport.Process {
	t.Helper()
	p, err := tr.Start(t.Context(), transport.Command{Path: "sh", Args: append([]string{"-c", script, "sh"}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// finish closes stdin, reads both streams to their end and waits.
func finish(t testing.TB, p transport.Process) (stdout, stderr string, exit transport.Exit) {
	t.Helper()
	_ = p.Stdin().Close()
	out, err := io.ReadAll(p.Stdout())
	if err != nil {
		t.Error(err)
	}
	errs, err := io.ReadAll(p.Stderr())
	if err != nil {
		t.Error(err)
	}
	return string(out), string(errs), p.Wait()
}

// wants checks an error's fault and reason, and that it contains certain words.
func wants(t testing.TB, err error, fault devices.Fault, reason string, words ...string) {
	t.Helper()
	var e *devices.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T: %v", err, err)
	}
	if e.Fault != fault || e.Reason != reason {
		t.Errorf("%s, %s: %v", e.Fault, e.Reason, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for range 3000 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: it did not happen", what)
}

func TestRun(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	for _, tt := range []struct {
		script         string
		stdout, stderr string
		exit           transport.Exit
	}{
		{"echo out; echo err >&2", "out\n", "err\n", transport.Exit{}},
		{"exit 42", "", "", transport.Exit{Code: 42}},
		{"exit 139", "", "", transport.Exit{Code: 139}},
		{"kill -SEGV $$", "", "", transport.Exit{Code: -1, Signal: "segmentation fault"}},
		{"kill -KILL $$", "", "", transport.Exit{Code: -1, Signal: "killed"}},
		{"kill -TERM $$", "", "", transport.Exit{Code: -1, Signal: "terminated"}},
		{"kill -BUS $$", "", "", transport.Exit{Code: -1, Signal: "a signal that ssh has no name for"}},
		{"cat", "", "", transport.Exit{}},
		{"sleep 3600 & echo left", "left\n", "", transport.Exit{}},
		{"sleep 3600 >/dev/null 2>&1 & echo left", "left\n", "", transport.Exit{}},
	} {
		out, errs, exit := finish(t, sh(t, tr, tt.script))
		if out != tt.stdout || errs != tt.stderr || exit != tt.exit {
			t.Errorf("%q: %q, %q, %+v; want %q, %q, %+v", tt.script, out, errs, exit, tt.stdout, tt.stderr, tt.exit)
		}
	}
	eventually(t, "nothing is left", func() bool { return len(s.Left()) == 0 })
}

func TestPutGetStat(t *testing.T) {
	for name, o := range map[string]sshtest.Options{"sftp": {}, "shell": {NoSFTP: true}} {
		t.Run(name, func(t *testing.T) {
			s := sshtest.Start(t, o)
			tr := open(t, options(s))
			putGetStat(t, tr)
		})
	}
}

func putGetStat(t *testing.T, tr *ssh.Transport) {
	name := filepath.Join(t.TempDir(), "a 'file' $(touch x)\n\"`-*")
	content := strings.Repeat("0123456789abcdef", 200_000)
	f := transport.File{Path: name, Content: strings.NewReader(content), Size: int64(len(content)), Mode: 0o750}
	if err := tr.Put(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != content {
		t.Errorf("%d bytes are there: %v", len(b), err)
	}
	st, err := tr.Stat(t.Context(), name)
	if err != nil || st.Size != f.Size || st.Mode != 0o750 {
		t.Errorf("stat: %+v, %v", st, err)
	}
	var b strings.Builder
	if err := tr.Get(t.Context(), name, &b, f.Size); err != nil || b.String() != content {
		t.Errorf("got %d bytes: %v", b.Len(), err)
	}
	b.Reset()
	if err := tr.Get(t.Context(), name, &b, f.Size-1); err == nil || !strings.Contains(err.Error(), "has more than") {
		t.Errorf("got more than the limit: %v", err)
	}
}

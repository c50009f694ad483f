package ssh_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testenv"
)

// impatient notices a silent link soon.
func impatient(s *sshtest.Server) ssh.Options {
	o := options(s)
	o.KeepAlive = time.Second
	return o
}

// firstLine reads the first line of a program that keeps running.
func firstLine(t testing.TB, p transport.Process) string {
	t.Helper()
	var b strings.Builder
	one := make([]byte, 1)
	for one[0] != '\n' {
		if _, err := io.ReadFull(p.Stdout(), one); err != nil {
			t.Fatal(err)
		}
		b.WriteByte(one[0])
	}
	return b.String()
}

func TestBlackholeIsNoticed(t *testing.T) {
	t.Parallel() // it mostly waits
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, impatient(s))
	p := sh(t, tr, "echo $$; exec sleep 3600")
	pid, err := strconv.Atoi(strings.TrimSpace(firstLine(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	// The program cannot be killed any more: its sshd keeps a session whose client vanished.
	defer func() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}()
	s.Blackhole(true)
	_, _, exit := finish(t, p)
	if exit.Code != -1 || exit.Signal != "" {
		t.Errorf("exit: %+v", exit)
	}
	wants(t, exit.Err, devices.FaultDevice, devices.ReasonOffline, "not responding")
	s.Blackhole(false)
	eventually(t, "it connects again", func() bool { _, err := tr.Stat(t.Context(), "/"); return err == nil })
}

// TestQuietIsNotDead: keep-alive does not disturb a program without output.
func TestQuietIsNotDead(t *testing.T) {
	t.Parallel() // it mostly waits
	s := sshtest.Start(t, sshtest.Options{})
	o := options(s)
	o.KeepAlive = time.Second
	tr := open(t, o)
	p := sh(t, tr, "sleep 5; echo done") // longer than the keep-alive timeout
	if out, _, exit := finish(t, p); out != "done\n" || exit != (transport.Exit{}) {
		t.Errorf("%q, %+v", out, exit)
	}
}

func TestBlackholeDuringPut(t *testing.T) {
	t.Parallel() // it mostly waits
	for name, so := range map[string]sshtest.Options{"sftp": {}, "shell": {NoSFTP: true}} {
		t.Run(name, func(t *testing.T) {
			s := sshtest.Start(t, so)
			tr := open(t, impatient(s))
			path := t.TempDir() + "/file"
			endless := &silencing{s: s, after: 8 << 20}
			err := tr.Put(t.Context(), transport.File{Path: path, Content: endless, Size: 1 << 30, Mode: 0o600})
			wants(t, err, devices.FaultDevice, devices.ReasonOffline)
			s.Blackhole(false)
			eventually(t, "it connects again", func() bool { _, err = tr.Stat(t.Context(), "/"); return err == nil })
			if _, err := tr.Stat(t.Context(), path); err == nil {
				t.Error("half a file is there")
			}
		})
	}
}

// silencing is content that stalls the link while it is read.
type silencing struct {
	s     *sshtest.Server
	after int
}

func (r *silencing) Read(b []byte) (int, error) {
	if r.after -= len(b); r.after < 0 {
		r.s.Blackhole(true)
	}
	return len(b), nil
}

func TestCutFailsWhatIsOpenAndTheNextCallConnects(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	for range 3 {
		p := sh(t, tr, "echo ready; cat")
		firstLine(t, p)
		s.Cut()
		_, _, exit := finish(t, p)
		wants(t, exit.Err, devices.FaultDevice, devices.ReasonOffline, "does `ssh -F none")
		if out, err := transport.Shell(t.Context(), tr, 100, "echo again"); err != nil || out != "again\n" {
			t.Errorf("%q, %v", out, err)
		}
	}
	eventually(t, "cat ends with its stdin", func() bool { return len(s.Left()) <= 1 })
}

func TestOffline(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	s.Refuse(true)
	s.Cut()
	eventually(t, "it is offline", func() bool {
		_, err := tr.Stat(t.Context(), "/")
		var e *devices.Error
		return errors.As(err, &e) && e.Reason == devices.ReasonOffline && strings.HasPrefix(e.Op, "ssh to ")
	})
	s.Refuse(false)
	if _, err := tr.Stat(t.Context(), "/"); err != nil {
		t.Error(err)
	}
	o := options(s)
	o.Port = unused(t)
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultDevice, devices.ReasonOffline, "refused")
}

func unused(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestTetherEndsWithTheConnection: without a tether, sshd leaves a program without a terminal
// running.
func TestTetherEndsWithTheConnection(t *testing.T) {
	for name, end := range map[string]func(*sshtest.Server, transport.Process){
		"cut":   func(s *sshtest.Server, _ transport.Process) { s.Cut() },
		"close": func(_ *sshtest.Server, p transport.Process) { _ = p.Stdin().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := sshtest.Start(t, sshtest.Options{})
			tr := open(t, options(s))
			p, err := tr.Start(t.Context(), transport.Command{Path: "sh", Args: []string{"-c", "sleep 3600 & echo ready; sleep 3600"}, Tether: true})
			if err != nil {
				t.Fatal(err)
			}
			firstLine(t, p)
			eventually(t, "the shell and both sleeps run", func() bool { return len(s.Left()) >= 3 })
			end(s, p)
			_, _, exit := finish(t, p)
			if name == "close" && exit.Signal != "killed" {
				t.Errorf("exit: %+v", exit)
			}
			eventually(t, "nothing is left", func() bool { return len(s.Left()) == 0 })
		})
	}
}

func TestTetheredProgramEndsByItself(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	out, err := transport.Run(t.Context(), tr, transport.Command{Path: "sh", Args: []string{"-c", "echo out; exit 7"}, Tether: true}, 100)
	if err != nil || out.Stdout != "out\n" || out.Exit != (transport.Exit{Code: 7}) {
		t.Errorf("%+v, %v", out, err)
	}
	eventually(t, "nothing is left", func() bool { return len(s.Left()) == 0 })
}

func TestKillCancelAndCloseEndTheWholeGroup(t *testing.T) {
	for name, end := range map[string]func(transport.Process, *ssh.Transport, context.CancelFunc){
		"kill":   func(p transport.Process, _ *ssh.Transport, _ context.CancelFunc) { p.Kill() },
		"cancel": func(_ transport.Process, _ *ssh.Transport, cancel context.CancelFunc) { cancel() },
		"close":  func(_ transport.Process, tr *ssh.Transport, _ context.CancelFunc) { _ = tr.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := sshtest.Start(t, sshtest.Options{})
			tr := open(t, options(s))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p, err := tr.Start(ctx, transport.Command{Path: "sh", Args: []string{"-c", "sleep 3600 & echo ready; sleep 3600"}})
			if err != nil {
				t.Fatal(err)
			}
			firstLine(t, p)
			end(p, tr, cancel)
			if _, _, exit := finish(t, p); name != "close" && exit.Signal != "killed" {
				t.Errorf("exit: %+v", exit)
			}
			p.Kill() // does nothing once it has ended
			eventually(t, "nothing is left", func() bool { return len(s.Left()) == 0 })
		})
	}
}

// TestEscapedProcessHoldsNobody: a process that left the group keeps the streams open, and
// nothing waits for it.
func TestEscapedProcessHoldsNobody(t *testing.T) {
	t.Parallel() // it mostly waits
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	out, _, exit := finish(t, sh(t, tr, "setsid sleep 15 & echo left"))
	if out != "left\n" || exit != (transport.Exit{}) {
		t.Errorf("%q, %+v", out, exit)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			want := fmt.Sprintf("%d\n", i)
			out, err := transport.Shell(t.Context(), tr, 100, `sleep 0.1; echo "$1"`, fmt.Sprint(i))
			if err != nil || out != want {
				t.Errorf("%d: %q, %v", i, out, err)
			}
			if _, err := tr.Stat(t.Context(), "/"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	eventually(t, "nothing is left", func() bool { return len(s.Left()) <= 1 }) // the idle sftp server
}

func TestServerWithOneSession(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{Config: []string{"MaxSessions 1"}})
	tr := open(t, options(s))
	p := sh(t, tr, "echo ready; cat")
	firstLine(t, p)
	_, err := tr.Start(t.Context(), transport.Command{Path: "true"})
	wants(t, err, devices.FaultDevice, "ssh-sessions", "MaxSessions")
	if _, _, exit := finish(t, p); exit != (transport.Exit{}) {
		t.Errorf("exit: %+v", exit)
	}
}

// TestProgramThatCannotBeEnded: there is no session left to kill it in, it writes nothing that
// would fail, and sshd does not close its session while it lives.
func TestProgramThatCannotBeEnded(t *testing.T) {
	t.Parallel() // it mostly waits
	s := sshtest.Start(t, sshtest.Options{Config: []string{"MaxSessions 1"}})
	tr := open(t, options(s))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := tr.Start(ctx, transport.Command{Path: "sleep", Args: []string{"3600"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endAll(t, s) })
	cancel()
	ended := make(chan transport.Exit, 1)
	go func() { ended <- p.Wait() }()
	select {
	case exit := <-ended:
		wants(t, exit.Err, devices.FaultDevice, devices.ReasonOffline, "cannot be ended")
	case <-time.After(time.Minute):
		t.Fatal("it is still waited for")
	}
	if out, err := transport.Shell(t.Context(), tr, 100, "echo again"); err != nil || out != "again\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestStuckSFTP: a stopped sftp server does not answer, and does not notice that its session
// closed.
func TestStuckSFTP(t *testing.T) {
	t.Parallel() // it mostly waits
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	if _, err := tr.Stat(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endAll(t, s) })
	for _, pid := range s.Left() {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() { _, err := tr.Stat(ctx, "/"); ended <- err }()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it is still waited for")
	}
	if _, err := tr.Stat(t.Context(), "/"); err != nil {
		t.Error(err)
	}
}

// endAll ends the processes that the server's sessions left on purpose.
func endAll(t testing.TB, s *sshtest.Server) {
	for _, pid := range s.Left() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}
}

func TestMuchOutput(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	for _, script := range []string{"", "exec >&2; "} {
		out, err := transport.Run(t.Context(), tr, transport.Command{Path: "sh", Args: []string{"-c", script + "yes | head -n 1000000; echo end; exit 3"}}, 1000)
		if all := out.Stdout + out.Stderr; err != nil || out.Exit != (transport.Exit{Code: 3}) || out.Left < 1_999_000 || !strings.HasPrefix(all, "y\ny\n") || !strings.HasSuffix(all, "y\nend\n") {
			t.Errorf("%q: %v, %d bytes, %d left out, exit %+v", script, err, len(all), out.Left, out.Exit)
		}
	}
	for _, script := range []string{"yes", "yes >&2"} {
		if out, err := transport.Shell(t.Context(), tr, 1000, script); !errors.Is(err, transport.ErrTooLong) || len(out) > 1000 {
			t.Errorf("%s: %v, %d bytes", script, err, len(out))
		}
	}
	eventually(t, "nothing is left", func() bool { return len(s.Left()) == 0 })
}

func TestDripDoesNotHoldLogin(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	s.Drip(50 * time.Millisecond)
	o := options(s)
	o.ConnectTimeout = 500 * time.Millisecond
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultDevice, devices.ReasonOffline, "within 500ms")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := ssh.Open(ctx, options(s)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

// TestHostileServers: servers that send garbage before any key exchange.
func TestHostileServers(t *testing.T) {
	testenv.Program(t, "ssh", "openssh-client")
	for name, talk := range map[string]func(net.Conn){
		"silent":        func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"endless line":  func(c net.Conn) { spill(c, "x") },
		"endless lines": func(c net.Conn) { spill(c, "hello\n") },
		"no ssh":        func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"wrong length": func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n\xff\xff\xff\xff\x00aaaaaaaaaa")
			_, _ = io.Copy(io.Discard, c)
		},
		"endless packets": func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			spill(c, "\x00\x00\x00\x0c\x0a\x02aaaaaaaaaa")
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var served sync.WaitGroup
			served.Go(func() {
				c, err := l.Accept()
				if err == nil {
					talk(c)
					_ = c.Close()
				}
			})
			_, err = ssh.Open(t.Context(), ssh.Options{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "x", Config: "none", Agent: "none",
				KnownHosts: []string{"/nonexistent"}, ConnectTimeout: time.Second})
			wants(t, err, devices.FaultDevice, devices.ReasonOffline)
			served.Wait()
		})
	}
}

// spill writes the same text until the reader is gone.
func spill(c net.Conn, s string) {
	block := []byte(strings.Repeat(s, 1000))
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

func TestClosed(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	_ = tr.Close()
	if _, err := tr.Stat(t.Context(), "/"); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("error is %v", err)
	}
}

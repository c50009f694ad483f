package ssh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"latlab/devices"
	"latlab/devices/transport"
)

// endTimeout limits killing, and the wait for streams whose program has ended.
const endTimeout = 5 * time.Second

// process is a program in its own session.
type process struct {
	link   *link
	s      opened
	stdout *bufio.Reader
	stdin  io.WriteCloser
	group  int // its process group on the host

	kill sync.Once
	exit atomic.Pointer[transport.Exit]
	done chan struct{} // closed when the program, its group and its session have ended
}

// Start starts a program in its own process group. It returns when the program is running; a
// missing program is fs.ErrNotExist.
func (t *Transport) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	line, err := startLine(c)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: "start " + c.Path + " on " + t.o.String(), Reason: "command", Err: err}
	}
	l, err := t.connected(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.slot(ctx); err != nil {
		return nil, err
	}
	p, err := l.start(ctx, line)
	if err != nil {
		l.free()
		return nil, fmtStart(c, t.o, err)
	}
	p.stdin = stdin{p, c.Tether}
	l.mu.Lock()
	l.running[p] = struct{}{}
	l.mu.Unlock()
	if !l.spawn(p.reap) {
		p.reap()
	}
	stop := context.AfterFunc(ctx, p.Kill)
	l.spawn(func() { <-p.done; stop() })
	return p, nil
}

func fmtStart(c transport.Command, o Options, err error) error {
	var known *devices.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("start %s on %s: %w", c.Path, o, err)
}

// start opens a session and waits for the program's greeting.
func (l *link) start(ctx context.Context, line string) (*process, error) {
	s, err := l.exec(ctx, line)
	if err != nil {
		return nil, err
	}
	p := &process{link: l, s: s, stdout: bufio.NewReaderSize(s, 32<<10), done: make(chan struct{})}
	said := make(chan error, 1)
	if !l.spawn(func() { said <- p.greet() }) {
		return nil, l.lost("start a program on", io.EOF)
	}
	select {
	case err = <-said:
	case <-ctx.Done():
		// The program may have started all the same: its greeting comes late, or never.
		l.spawn(func() { p.abandon(said) })
		return nil, ctx.Err()
	}
	if err != nil {
		go ssh.DiscardRequests(s.requests)
		_ = s.Close()
		return nil, l.lost("start a program on", err)
	}
	return p, nil
}

// exec opens a session and runs a line in the host's login shell.
func (l *link) exec(ctx context.Context, line string) (opened, error) {
	s, err := l.session(ctx)
	if err != nil {
		return s, err
	}
	gone := make(chan struct{})
	defer close(gone)
	stop := context.AfterFunc(ctx, func() { l.hangUp(s, gone) })
	ok, err := s.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{line}))
	if err == nil && !ok {
		err = errors.New("it refuses to run commands")
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		go ssh.DiscardRequests(s.requests)
		_ = s.Close()
		return s, l.lost("run a command on", err)
	}
	return s, nil
}

// greet reads up to the greeting of the program's shell.
func (p *process) greet() (err error) {
	p.group, err = transport.ReadGreeting(p.stdout)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no such program: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return p.silent()
	}
	return err
}

// silent is the error of a shell that ended before the program started, with its messages.
func (p *process) silent() error {
	b, _ := io.ReadAll(io.LimitReader(p.s.Stderr(), 4<<10))
	if text := strings.TrimSpace(string(b)); text != "" {
		return fmt.Errorf("its shell ended before the program started and said %s", clip(text))
	}
	return errSilent{}
}

// errSilent is a shell that ended without a message. A connection that broke at that moment
// looks the same, and may be noticed a little later; lost treats it as a broken stream.
type errSilent struct{}

func (errSilent) Error() string { return "its shell ended before the program started and said nothing" }
func (errSilent) Unwrap() error { return io.ErrUnexpectedEOF }

func clip(s string) string {
	if len(s) > 500 {
		s = s[:500] + "..."
	}
	return s
}

// abandon kills a program whose Start was given up.
func (p *process) abandon(said <-chan error) {
	go ssh.DiscardRequests(p.s.requests)
	select {
	case err := <-said:
		if err == nil {
			p.link.killGroups(p.group)
		}
	case <-time.After(endTimeout):
	case <-p.link.dead:
	}
	_ = p.s.Close()
}

// reap waits for the program and then ends the processes it left.
func (p *process) reap() {
	l := p.link
	swept := make(chan struct{})
	for r := range p.s.requests {
		if e := exitOf(r); e != nil && p.exit.CompareAndSwap(nil, e) {
			if !l.spawn(func() { p.sweep(swept) }) {
				close(swept)
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
	if p.exit.Load() == nil {
		err := l.lost("run a program on", fmt.Errorf("it closed the session without reporting how the program ended: %w", io.ErrUnexpectedEOF))
		p.exit.CompareAndSwap(nil, &transport.Exit{Code: -1, Err: err})
		close(swept)
	}
	<-swept
	_ = p.s.Close()
	l.mu.Lock()
	delete(l.running, p)
	l.mu.Unlock()
	close(p.done)
	l.free()
}

// sweep ends the rest of the group, and then the session, because a process that left the
// group may hold its streams open for ever.
func (p *process) sweep(swept chan<- struct{}) {
	p.link.killGroups(p.group)
	close(swept)
	p.closeLate()
}

// closeLate closes the session if it does not close by itself.
func (p *process) closeLate() {
	select {
	case <-p.done:
	case <-p.link.dead:
	case <-time.After(endTimeout):
		p.link.hangUp(p.s, p.done)
	}
}

// exitOf reads how a program ended, nil if the request is a different one.
func exitOf(r *ssh.Request) *transport.Exit {
	switch r.Type {
	case "exit-status":
		var m struct{ Status uint32 }
		if ssh.Unmarshal(r.Payload, &m) == nil {
			return &transport.Exit{Code: int(m.Status)}
		}
	case "exit-signal":
		var m struct {
			Signal     string
			CoreDumped bool
			Message    string
			Language   string
		}
		if ssh.Unmarshal(r.Payload, &m) == nil {
			return &transport.Exit{Code: -1, Signal: signalName(m.Signal)}
		}
	}
	return nil
}

// signals are those of RFC 4254 6.10. OpenSSH reports all others, such as SIGBUS and SIGSYS,
// as "SIG@openssh.com", so their number is lost.
var signals = map[string]syscall.Signal{
	"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP,
	"ILL": syscall.SIGILL, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE,
	"QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1,
	"USR2": syscall.SIGUSR2,
}

// signalName returns a signal's name as syscall.Signal has it.
func signalName(name string) string {
	if s, ok := signals[name]; ok {
		return s.String()
	}
	if name == "SIG@openssh.com" {
		return "a signal that ssh has no name for"
	}
	return "signal " + strconv.Quote(clip(name))
}

// killGroups ends process groups through a separate session.
func (l *link) killGroups(groups ...int) {
	l.killer.Lock()
	defer l.killer.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	s, err := l.exec(ctx, killLine(groups...))
	if err != nil {
		return
	}
	gone := make(chan struct{})
	defer close(gone)
	stop := context.AfterFunc(ctx, func() { l.hangUp(s, gone) })
	defer stop()
	go func() { _, _ = io.Copy(io.Discard, s) }()
	ssh.DiscardRequests(s.requests)
	_ = s.Close()
}

// killAll ends every program of the connection.
func (l *link) killAll() {
	l.mu.Lock()
	var groups []int
	for p := range l.running {
		groups = append(groups, p.group)
	}
	l.mu.Unlock()
	if len(groups) > 0 && l.alive() {
		l.killGroups(groups...)
	}
}

// stdin closes its side of the session, and ends a tethered program.
type stdin struct {
	p      *process
	tether bool
}

func (i stdin) Write(b []byte) (int, error) { return i.p.s.Write(b) }

func (i stdin) Close() error {
	if i.tether {
		i.p.Kill()
	}
	if err := i.p.s.CloseWrite(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (p *process) Stdin() io.WriteCloser { return p.stdin }
func (p *process) Stdout() io.Reader     { return p.stdout }
func (p *process) Stderr() io.Reader     { return p.s.Stderr() }

// Kill ends the group through a separate session. If that does not work it closes the
// program's session, and if the host does not release that, the connection: nothing waits for
// ever.
func (p *process) Kill() {
	p.kill.Do(func() {
		p.link.spawn(func() {
			select {
			case <-p.done:
				return
			default:
			}
			p.link.killGroups(p.group)
			p.closeLate()
		})
	})
}

func (p *process) Wait() transport.Exit {
	<-p.done
	return *p.exit.Load()
}

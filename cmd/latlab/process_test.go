package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latlab/internal/testenv"
)

// patience bounds waits for something that must happen. It decides no test that passes.
const patience = 3 * time.Minute

// lab is a folder with an environment of its own in which a test runs latlab.
type lab struct {
	t   *testing.T
	dir string
	env []string
}

func newLab(t *testing.T, vars ...string) *lab {
	t.Helper()
	fake, err := exec.LookPath("fake-agent")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := &lab{t: t, dir: dir}
	l.env = append(isolate(os.Environ(), dir), "LATLAB_AGENT="+fake, "TMPDIR="+dir, fakeLog+"="+filepath.Join(dir, ".blocks"))
	l.env = append(l.env, vars...)
	return l
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// with is the same lab with more variables.
func (l *lab) with(vars ...string) *lab {
	return &lab{t: l.t, dir: l.dir, env: append(slices.Clone(l.env), vars...)}
}

// proc is a running program.
type proc struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err lockedBuffer
	done     chan struct{}
}

// lockedBuffer may be read while the program still writes.
type lockedBuffer struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	wrote chan struct{} // closed by the next Write, where somebody waits for one
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrote != nil {
		close(b.wrote)
		b.wrote = nil
	}
	return b.buf.Write(p)
}

// read is the text so far, and what is closed once there is more.
func (b *lockedBuffer) read() (string, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrote == nil {
		b.wrote = make(chan struct{})
	}
	return b.buf.String(), b.wrote
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs a program in a process group of its own.
func (l *lab) start(name string, args ...string) *proc {
	l.t.Helper()
	return l.startWith(nil, name, args...)
}

// startWith hands files over, the first as descriptor 3.
func (l *lab) startWith(files []*os.File, name string, args ...string) *proc {
	l.t.Helper()
	p := &proc{t: l.t, cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.ExtraFiles = l.dir, l.env, files
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	l.t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	})
	return p
}

func (p *proc) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit code.
func (p *proc) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%v does not end\n%s", p.cmd.Args, &p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// says waits until the program has written a text to one of its streams.
func (p *proc) says(b *lockedBuffer, want string) {
	p.t.Helper()
	late := time.After(patience)
	for {
		text, more := b.read()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-more:
		case <-p.done: // all of it is written
			if text, _ := b.read(); !strings.Contains(text, want) {
				p.t.Fatalf("%v ended and did not say %q: %s%s", p.cmd.Args, want, &p.out, &p.err)
			}
			return
		case <-late:
			p.t.Fatalf("%v does not say %q: %s%s", p.cmd.Args, want, &p.out, &p.err)
		}
	}
}

// run runs latlab to its end and wants an exit code.
func (l *lab) run(code int, args ...string) (stdout, stderr string) {
	l.t.Helper()
	p := l.start("latlab", args...)
	if got := p.wait(); got != code {
		l.t.Fatalf("latlab %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, &p.out, &p.err)
	}
	return p.out.String(), p.err.String()
}

// until polls for what another process does and tells nobody of.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// blocks is how many blocks the fake agent was asked for.
func (l *lab) blocks() int {
	text, err := os.ReadFile(l.path(".blocks"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

func sweepArgs(t *testing.T, n string) []string {
	return []string{"sweep", "--device", "cpu", "--space", tinySpace(t), "-n", n, "--protocol", "quick", "--db", "my lab.db"}
}

func TestInterruptFinishesTheBlockAndPrintsTheCommandThatResumes(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			gate := newGate(t)
			p := l.with(gate.variable()).start("latlab", sweepArgs(t, "5")...)
			gate.waitForBlock()
			p.signal(s)
			p.says(&p.err, "again to kill it")
			gate.open()
			if code := p.wait(); code != exitInterrupted {
				t.Fatalf("exit code %d, want %d\n%s", code, exitInterrupted, &p.err)
			}
			if n := l.blocks(); n != 1 {
				t.Errorf("%d blocks were begun, want the one that was being timed", n)
			}
			if p.out.String() != "" {
				t.Errorf("stdout has %q", &p.out)
			}
			l.checkStore("my lab.db", 1)

			_, hint, found := strings.Cut(p.err.String(), "To resume, type:\n")
			if !found {
				t.Fatalf("no command is printed:\n%s", &p.err)
			}
			again := l.start("sh", "-c", strings.TrimSpace(hint))
			if code := again.wait(); code != 0 {
				t.Fatalf("%q: exit code %d\n%s", hint, code, &again.err)
			}
			if want := "5 of 5 networks measured, 14 blocks now"; !strings.Contains(again.out.String(), want) {
				t.Errorf("no %q in %q", want, &again.out)
			}
			l.checkStore("my lab.db", 15)
		})
	}
}

func TestSecondInterruptKillsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	gate := newGate(t)
	p := l.with(gate.variable()).start("latlab", sweepArgs(t, "5")...)
	gate.waitForBlock()
	p.signal(syscall.SIGINT)
	// Two signals that are pending together would be one, in the kernel and in Go's runtime.
	p.says(&p.err, "again to kill it")
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != exitInterrupted {
		t.Fatalf("exit code %d, want %d\n%s", code, exitInterrupted, &p.err)
	}
	if !strings.Contains(p.err.String(), "To resume, type:") {
		t.Errorf("no command is printed:\n%s", &p.err)
	}
	if left := programsWith(t, gate.variable()); len(left) > 0 {
		t.Errorf("processes %v live on", left)
	}
	l.checkStore("my lab.db", 0)
	gate.open()
	l.run(0, sweepArgs(t, "5")...)
	l.checkStore("my lab.db", 15)
}

func TestInterruptOfAWaitForTheStore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	gate := newGate(t)
	first := l.with(gate.variable()).start("latlab", sweepArgs(t, "2")...)
	gate.waitForBlock()
	p := l.start("latlab", append(sweepArgs(t, "3"), "--wait")...)
	until(t, "the lock is open", func() bool { return holdsOpen(t, p.cmd.Process.Pid, "my lab.db.lock") })
	p.signal(syscall.SIGINT)
	p.wait()
	// Nothing is being timed: the signal ends the process, which a shell calls 130.
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v, want the interrupt\n%s", p.cmd.ProcessState, &p.err)
	}
	gate.open()
	if code := first.wait(); code != 0 {
		t.Errorf("the writer: exit code %d\n%s", code, &first.err)
	}
}

func TestSecondWriterIsRefusedAndReadersAreLetIn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(0, sweepArgs(t, "22")...)
	gate := newGate(t)
	first := l.with(gate.variable()).start("latlab", sweepArgs(t, "24")...)
	gate.waitForBlock()

	out, text := l.run(exitLocked, append(sweepArgs(t, "23"), "--quiet")...)
	if !regexp.MustCompile(`^latlab: store my lab\.db: process \d+ writes to it; --wait waits for it\n$`).MatchString(text) || out != "" {
		t.Errorf("the second writer says %q and %q", out, text)
	}
	for _, args := range [][]string{
		{"show", "--db", "my lab.db"},
		{"fit", "--db", "my lab.db", "-o", "cost.json"},
		{"export", "--db", "my lab.db", "--format", "csv", "-o", "m.csv"},
		{"predict", "--cost", "cost.json", "0:0:0:0:0:0:0:0:0:0"},
	} {
		l.run(0, args...)
	}

	waiting := l.start("latlab", append(sweepArgs(t, "23"), "--wait", "--quiet")...)
	until(t, "the lock is open", func() bool { return holdsOpen(t, waiting.cmd.Process.Pid, "my lab.db.lock") })
	gate.open()
	for _, p := range []*proc{first, waiting} {
		if code := p.wait(); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", p.cmd.Args, code, &p.err)
		}
	}
	if want := "23 of 23 networks measured, 0 blocks now"; !strings.Contains(waiting.out.String(), want) {
		t.Errorf("no %q in %q", want, &waiting.out)
	}
	l.checkStore("my lab.db", 24*3)
}

func TestVerbsInProcess(t *testing.T) {
	var out, text bytes.Buffer
	s := streams{in: strings.NewReader(""), out: &out, err: &text}
	if code := run(context.Background(), []string{"latlab", "spaces", "--json"}, s); code != exitOK || text.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, &text)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	args := []string{"latlab", "compile", "--fixture", "mobiledet_cpu", "-o", t.TempDir()}
	if code := run(cancelled, args, s); code != exitInterrupted {
		t.Errorf("cancelled: exit code %d, want %d", code, exitInterrupted)
	}
}

// brokenPipe is a stdout whose reader went away.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestAResultThatCannotBeWrittenIsAFailure(t *testing.T) {
	for _, args := range []string{
		"spaces", "spaces --json", "sample --space mobiledet_cpu_ibn -n 3", "describe --fixture mobiledet_cpu",
		"describe --fixture mobiledet_cpu --json", "version", "version --json", "devices", "devices check cpu",
	} {
		var text bytes.Buffer
		s := streams{in: strings.NewReader(""), out: brokenPipe{}, err: &text}
		agent := testenv.Agent(t)
		t.Setenv("LATLAB_AGENT", agent)
		if code := run(context.Background(), append([]string{"latlab"}, strings.Fields(args)...), s); code != exitFailed {
			t.Errorf("%s: exit code %d, want %d; stderr %q", args, code, exitFailed, &text)
		}
	}
}

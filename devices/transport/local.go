package transport

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Local runs programs on this machine.
type Local struct{}

var _ Transport = Local{}

// Push returns the absolute path: files of this machine are there already.
func (Local) Push(_ context.Context, local string) (string, error) { return filepath.Abs(local) }

// Start starts the program in a process group of its own: an interrupt typed at the
// terminal reaches latlab, which finishes its block, and not the program that is timing.
func (Local) Start(ctx context.Context, c Command) (Process, error) {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := &localProcess{cmd: cmd}
	cmd.Cancel = func() error { p.Kill(); return nil }
	// A grandchild may hold the streams open after the program is gone.
	cmd.WaitDelay = 2 * time.Second
	var err [3]error
	p.stdin, err[0] = cmd.StdinPipe()
	p.stdout, err[1] = cmd.StdoutPipe()
	p.stderr, err[2] = cmd.StderrPipe()
	if e := errors.Join(err[:]...); e != nil {
		return nil, e
	}
	if e := cmd.Start(); e != nil {
		return nil, e
	}
	return p, nil
}

type localProcess struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
	stderr io.Reader

	mu   sync.Mutex
	done bool // waited for: its id may be another's by now
}

func (p *localProcess) Stdin() io.WriteCloser { return p.stdin }
func (p *localProcess) Stdout() io.Reader     { return p.stdout }
func (p *localProcess) Stderr() io.Reader     { return p.stderr }

// Kill signals the whole group, whose id is the process's.
func (p *localProcess) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

func (p *localProcess) Wait() Exit {
	err := p.cmd.Wait()
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	state := p.cmd.ProcessState
	if state == nil {
		return Exit{Code: -1, Err: err}
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return Exit{Code: -1, Signal: ws.Signal().String()}
	}
	return Exit{Code: state.ExitCode()}
}

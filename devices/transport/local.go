package transport

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
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
	p := &localProcess{cmd: cmd, done: make(chan struct{})}
	cmd.Cancel = func() error { p.Kill(); return nil }
	var theirs [2]*os.File
	if err := p.pipes(&theirs); err != nil {
		return nil, err
	}
	defer theirs[0].Close()
	defer theirs[1].Close()
	if err := cmd.Start(); err != nil {
		_ = p.stdout.Close()
		_ = p.stderr.Close()
		return nil, err
	}
	go p.reap()
	return p, nil
}

type localProcess struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr *os.File
	done           chan struct{} // closed when the program and its group are gone
	err            error         // of waiting, once done
}

// pipes makes plain pipes instead of exec's, whose Wait must not be called before both
// streams were read to their end: a grandchild that holds them open would then keep a
// program that died looking alive for ever.
func (p *localProcess) pipes(theirs *[2]*os.File) (err error) {
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if p.stdout, theirs[0], err = os.Pipe(); err != nil {
		return err
	}
	if p.stderr, theirs[1], err = os.Pipe(); err != nil {
		return errors.Join(err, p.stdout.Close(), theirs[0].Close())
	}
	p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1]
	return nil
}

// reap waits for the program and then ends what it left behind. Only then do the streams
// come to their end. The group's id cannot be another's while a member lives.
func (p *localProcess) reap() {
	p.err = p.cmd.Wait()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	close(p.done)
}

func (p *localProcess) Stdin() io.WriteCloser { return p.stdin }
func (p *localProcess) Stdout() io.Reader     { return p.stdout }
func (p *localProcess) Stderr() io.Reader     { return p.stderr }

// Kill signals the whole group, whose id is the process's.
func (p *localProcess) Kill() {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

func (p *localProcess) Wait() Exit {
	<-p.done
	_ = p.stdout.Close()
	_ = p.stderr.Close()
	state := p.cmd.ProcessState
	if state == nil {
		return Exit{Code: -1, Err: p.err}
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return Exit{Code: -1, Signal: ws.Signal().String()}
	}
	return Exit{Code: state.ExitCode()}
}

package transport

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"latlab/internal/atomicfile"
)

// Local runs programs on this host.
type Local struct{}

var _ Transport = Local{}

// IsLocal marks transports whose files are this host's, so that nothing needs to be copied.
func (Local) IsLocal() {}

// Put writes a file completely or not at all.
func (Local) Put(ctx context.Context, f File) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return atomicfile.Replace(f.Path, f.Mode, func(w io.Writer) error {
		_, err := io.Copy(w, f.Exactly())
		return err
	})
}

// Get implements Transport.
func (Local) Get(ctx context.Context, path string, w io.Writer, limit int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return CopyLimited(w, f, path, limit)
}

// Stat implements Transport.
func (Local) Stat(ctx context.Context, path string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return Info{}, err
	}
	return Info{Size: st.Size(), Mode: st.Mode(), ModTime: st.ModTime()}, nil
}

// Close does nothing.
func (Local) Close() error { return nil }

// Start starts the program in its own process group, so that an interrupt typed at the
// terminal reaches latlab, which finishes its block, and not the timed program.
func (Local) Start(ctx context.Context, c Command) (Process, error) {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Dir = c.Dir
	if len(c.Env) > 0 {
		cmd.Env = append(os.Environ(), c.Env...)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.Tether {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
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
	if c.Tether {
		p.stdin = &tether{WriteCloser: p.stdin, kill: p.Kill}
	}
	return p, nil
}

// leftPatience is how long streams may stay open after their program ended.
const leftPatience = 5 * time.Second

type localProcess struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr *os.File
	done           chan struct{} // closed when the program and its group have ended
	err            error         // of Wait, valid once done is closed
}

// pipes makes plain pipes instead of exec's. exec's Wait must not be called before both
// streams were read to their end, so a grandchild that holds them open would make a dead
// program look alive for ever.
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

// reap waits for the program and then kills the processes it left, which ends the streams. The
// group's id cannot be reused while a member lives.
func (p *localProcess) reap() {
	p.err = p.cmd.Wait()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	// A process that left the group may hold the streams open; it is not waited for.
	end := time.Now().Add(leftPatience)
	_ = p.stdout.SetReadDeadline(end)
	_ = p.stderr.SetReadDeadline(end)
	close(p.done)
}

// tether is the stdin of a tethered program: closing it ends the program.
type tether struct {
	io.WriteCloser
	kill func()
}

func (t *tether) Close() error {
	t.kill()
	return t.WriteCloser.Close()
}

func (p *localProcess) Stdin() io.WriteCloser { return p.stdin }
func (p *localProcess) Stdout() io.Reader     { return p.stdout }
func (p *localProcess) Stderr() io.Reader     { return p.stderr }

// Kill signals the whole process group, whose id is the process's.
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

package adb

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Kinds of frames of the shell protocol.
// Source: AOSP, packages/modules/adb/shell_protocol.h.
const (
	frameStdin      = 0
	frameStdout     = 1
	frameStderr     = 2
	frameExit       = 3
	frameCloseStdin = 4
)

const (
	// maxFrame is the largest frame that is accepted; adbd's have some ten thousand bytes.
	maxFrame = 1 << 20
	// maxLine is the longest request that the server takes, less the service's own name.
	maxLine = 0xffff - 100
	// stdinChunk is the size of one frame of stdin.
	stdinChunk   = 32 << 10
	killPatience = 3 * time.Second
)

// process is a program on the phone.
type process struct {
	d   *Device
	w   *wire
	pid atomic.Int64 // also its group's; 0 until the greeting

	stdin          stdin
	out            *bufio.Reader // of stdout, after the greeting
	stdout, stderr *pipe
	marks          marks
	exited         chan struct{} // closed when exit is known
	exit           transport.Exit
	kill           sync.Once
	killed         chan struct{} // closed by Kill
	release        func() bool
}

// supervised puts a shell between adbd and the line's program. adbd reports how a program
// ended only when no process has its outputs open any more, so a background process would make
// a dead program look alive; and when the connection breaks, adbd sends a SIGHUP only to the
// process that it started. This shell is that process. It kills the whole group on a SIGHUP,
// and also when the program ends, after writing the mark with the exit code to the error
// output. While the program runs, it sleeps in wait with neither its input nor its output
// open.
//
// mksh and dash act on a signal only while they wait for a program in the background. Their
// message about the signal that ended it is discarded.
func supervised(line, mark string) string {
	return "exec 3<&0 4>&2 2>/dev/null; trap 'kill -9 -$$' HUP; ( " + line + "\n) <&3 2>&4 3<&- 4>&- & exec </dev/null >/dev/null 3<&-; " +
		"wait $!; echo \"" + mark + "$?\" >&4; kill -9 -$$"
}

// Start starts a program in the phone's shell, with every word quoted.
func (d *Device) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	line, err := transport.RemoteLine(c)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: "start " + c.Path + " on adb " + d.serial, Reason: "command", Err: err}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	mark := fmt.Sprintf("@latlab-%016x-exit=", rand.Uint64())
	line = supervised(line, mark)
	if len(line) > maxLine {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: "start " + c.Path + " on adb " + d.serial, Reason: "command",
			Err: fmt.Errorf("its command line has %d bytes, more than adb takes", len(line)), Advice: "shorten its arguments or paths"}
	}
	// The connection must outlive ctx by the time needed to kill the program.
	w, err := d.startWire(ctx, line)
	if err != nil {
		return nil, err
	}
	p := &process{d: d, w: w, exited: make(chan struct{}), killed: make(chan struct{}), stdout: newPipe(), stderr: newPipe()}
	p.out = bufio.NewReader(p.stdout)
	p.stdin.w, p.stdin.tether, p.stdin.kill = w, c.Tether, p.Kill
	p.marks = marks{mark: []byte(mark), to: p.stderr}
	if !d.run(p) {
		_ = w.Close()
		return nil, offline(d.serial, errClosed, "")
	}
	if err := p.greet(ctx, c.Path); err != nil {
		return nil, err
	}
	return p, nil
}

// startWire opens the shell. ctx limits only the opening.
func (d *Device) startWire(ctx context.Context, line string) (*wire, error) {
	opening, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	w, err := d.open(opening, "shell,v2,raw:"+line)
	if !stop() && err == nil {
		_ = w.Close()
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	w.release() // from here on cancel must not close it
	cancel()
	w.release = func() bool { return true }
	w.patient = true // programs may be silent for hours
	if err := w.SetDeadline(time.Time{}); err != nil {
		_ = w.Close()
		return nil, d.lost(ctx, w, err)
	}
	return w, nil
}

// greet reads the process id. Until then the phone has to answer in time.
func (p *process) greet(ctx context.Context, program string) error {
	late := time.AfterFunc(p.d.server.stall(), func() { _ = p.w.Close() })
	given := context.AfterFunc(ctx, func() { _ = p.w.Close() })
	pid, err := transport.ReadGreeting(p.out)
	timely, wanted := late.Stop(), given()
	if err == nil && timely && wanted {
		p.pid.Store(int64(pid))
		p.release = context.AfterFunc(ctx, p.Kill)
		return nil
	}
	_ = p.w.Close()
	p.stdout.drop()
	p.stderr.drop()
	<-p.exited
	errs, _ := io.ReadAll(io.LimitReader(p.stderr, maxReply))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("start %s on adb %s: no such program: %w", program, p.d.serial, err)
	case !timely:
		return offline(p.d.serial, fmt.Errorf("its shell is silent for %v", p.d.server.stall()), "adb reconnect "+text.ShellWord(p.d.serial))
	case p.exit.Err != nil:
		return p.exit.Err
	}
	return fmt.Errorf("the phone's shell did not start %s: exit code %d: %s", program, p.exit.Code, text.Line(string(errs), maxClip))
}

// listen parses frames until the exit code or the end of the connection.
func (p *process) listen() {
	code, err := frames(bufio.NewReaderSize(p.w, syncChunk), p.stdout, &p.marks)
	p.marks.flush()
	switch {
	case p.marks.found:
		p.exit = exitOf(p.marks.code)
	case err == nil:
		p.exit = exitOf(code)
	case p.wasKilled(): // and the phone could no longer report it
		p.exit = transport.Exit{Code: -1, Signal: syscall.SIGKILL.String()}
	default:
		p.exit = transport.Exit{Code: -1, Err: p.d.lost(context.Background(), p.w, err)}
	}
	close(p.exited)
	p.stdout.end()
	p.stderr.end()
}

func (p *process) wasKilled() bool {
	select {
	case <-p.killed:
		return true
	default:
		return false
	}
}

// exitOf: adbd sends 128 plus the signal for a program that a signal ended, as shells do.
// Source: AOSP, packages/modules/adb/daemon/shell_service.cpp, Subprocess::WaitForExit.
func exitOf(code byte) transport.Exit {
	if sig := syscall.Signal(code) - 128; sig > 0 && sig <= 64 {
		return transport.Exit{Code: -1, Signal: sig.String()}
	}
	return transport.Exit{Code: int(code)}
}

// frames copies streams until the exit code.
func frames(r io.Reader, stdout, stderr io.Writer) (code byte, err error) {
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, err
		}
		size := binary.LittleEndian.Uint32(head[1:])
		if size > maxFrame {
			return 0, fmt.Errorf("the phone announces a frame of %d bytes", size)
		}
		to := io.Discard
		switch head[0] {
		case frameStdout:
			to = stdout
		case frameStderr:
			to = stderr
		case frameExit:
			if size != 1 {
				return 0, fmt.Errorf("the phone sends an exit code of %d bytes", size)
			}
			var b [1]byte
			_, err := io.ReadFull(r, b[:])
			return b[0], err
		}
		if _, err := io.CopyN(to, r, int64(size)); err != nil {
			return 0, err
		}
	}
}

func (p *process) Stdin() io.WriteCloser { return &p.stdin }
func (p *process) Stdout() io.Reader     { return p.out }
func (p *process) Stderr() io.Reader     { return p.stderr }

// Kill ends the program's group through a second shell. If that does not work in time, it
// closes the program's connection, and adbd sends a SIGHUP to its shell. From now on unread
// output is discarded.
func (p *process) Kill() {
	p.kill.Do(func() {
		close(p.killed)
		p.stdout.drop()
		p.stderr.drop()
		p.d.also(p, p.end)
	})
}

func (p *process) end() {
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	if pid := int(p.pid.Load()); pid != 0 {
		if w, err := p.d.server.open(ctx, p.d.transport(), "shell,v2,raw:"+transport.KillLine(pid)); err == nil {
			_, _ = frames(w, io.Discard, io.Discard)
			_ = w.Close()
			select {
			case <-p.exited:
			case <-ctx.Done():
			}
		}
	}
	_ = p.w.Close()
}

func (p *process) Wait() transport.Exit {
	<-p.exited
	p.release()
	_ = p.w.Close()
	return p.exit
}

// stdin sends what is written to it in frames.
type stdin struct {
	w      *wire
	tether bool
	kill   func()
	mu     sync.Mutex
	closed bool
}

func (s *stdin) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	for n < len(p) {
		chunk := p[n:min(len(p), n+stdinChunk)]
		if err := s.frame(frameStdin, chunk); err != nil {
			return n, err
		}
		n += len(chunk)
	}
	return n, nil
}

func (s *stdin) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.tether {
		s.kill()
	}
	return s.frame(frameCloseStdin, nil)
}

func (s *stdin) frame(kind byte, body []byte) error {
	frame := make([]byte, 5, 5+len(body))
	frame[0] = kind
	binary.LittleEndian.PutUint32(frame[1:], uint32(len(body)))
	_, err := s.w.Write(append(frame, body...))
	return err
}

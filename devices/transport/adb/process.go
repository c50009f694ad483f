package adb

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"latlab/devices/transport"
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
	// maxFrame bounds a frame; adbd's have some ten thousand bytes.
	maxFrame = 1 << 20
	// stdinChunk is what one frame of ours has.
	stdinChunk   = 32 << 10
	killPatience = 3 * time.Second
)

// process is a program on the phone.
type process struct {
	d   *Device
	w   *wire
	pid int

	stdin          stdin
	out            *bufio.Reader // of stdout, behind the greeting
	stdout, stderr *io.PipeReader
	exited         chan struct{} // closed when exit is known
	exit           transport.Exit
	kill           sync.Once
	killed         chan struct{} // closed by Kill
	release        []func() bool
}

// Start starts a program by the phone's shell, whose every word is quoted.
func (d *Device) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	line, err := transport.RemoteLine(c)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// The connection must outlive ctx by the moment that it takes to end the program.
	w, err := d.startWire(ctx, line)
	if err != nil {
		return nil, err
	}
	p := &process{d: d, w: w, exited: make(chan struct{}), killed: make(chan struct{})}
	p.stdin.w = w
	var out, errs *io.PipeWriter
	p.stdout, out = io.Pipe()
	p.stderr, errs = io.Pipe()
	go p.listen(out, errs)
	return p, p.greet(ctx, c.Path)
}

// startWire opens the shell. ctx ends the opening and not what was opened.
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
	w.release() // cancel must not close it any more
	cancel()
	w.release = func() bool { return true }
	w.patient = true // programs may be silent for hours
	return w, nil
}

// greet reads who runs. Until then the phone has to answer in time.
func (p *process) greet(ctx context.Context, program string) error {
	timer := time.AfterFunc(p.d.server.stall(), func() { _ = p.w.Close() })
	stop := context.AfterFunc(ctx, func() { _ = p.w.Close() })
	p.out = bufio.NewReader(p.stdout)
	pid, err := transport.ReadGreeting(p.out)
	timely, alive := timer.Stop(), stop()
	if err == nil && timely && alive {
		p.pid = pid
		p.release = []func() bool{context.AfterFunc(ctx, p.Kill), context.AfterFunc(p.d.life, p.Kill)}
		return nil
	}
	_ = p.w.Close()
	_ = p.stdout.Close()
	errs, _ := io.ReadAll(io.LimitReader(p.stderr, maxReply))
	_ = p.stderr.Close()
	<-p.exited
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", program, fs.ErrNotExist)
	case !timely:
		return offline(p.d.serial, fmt.Errorf("its shell is silent for %v", p.d.server.stall()), "adb reconnect "+p.d.serial)
	case p.exit.Err != nil:
		return p.exit.Err
	}
	return fmt.Errorf("the phone's shell did not start %s: exit code %d: %s", program, p.exit.Code, clip(string(errs)))
}

// listen takes frames apart until the exit code or the end of the connection.
func (p *process) listen(stdout, stderr *io.PipeWriter) {
	code, err := frames(p.w, stdout, stderr)
	p.exit = exitOf(code)
	if err != nil {
		p.exit = transport.Exit{Code: -1, Err: p.d.lost(context.Background(), p.w, err)}
		select {
		case <-p.killed: // we ended it, and the phone could not say so any more
			p.exit = transport.Exit{Code: -1, Signal: syscall.SIGKILL.String()}
		default:
		}
	}
	close(p.exited)
	_ = stdout.Close()
	_ = stderr.Close()
}

// exitOf: adbd sends 128 and the signal where one ended the program, as shells do.
// Source: AOSP, packages/modules/adb/daemon/shell_service.cpp, Subprocess::WaitForExit.
func exitOf(code byte) transport.Exit {
	if sig := syscall.Signal(code) - 128; sig > 0 && sig <= 64 {
		return transport.Exit{Code: -1, Signal: sig.String()}
	}
	return transport.Exit{Code: int(code)}
}

// frames copies streams until the exit code. A stream that nobody reads any more is
// swallowed: the other goes on.
func frames(r io.Reader, stdout, stderr io.Writer) (code byte, err error) {
	var head [5]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, err
		}
		size := binary.LittleEndian.Uint32(head[1:])
		if size > maxFrame {
			return 0, fmt.Errorf("the phone announces a frame of %d bytes", size)
		}
		body := io.LimitReader(r, int64(size))
		switch head[0] {
		case frameStdout:
			err = copyFrame(stdout, body, size)
		case frameStderr:
			err = copyFrame(stderr, body, size)
		case frameExit:
			if size == 0 {
				return 0, errors.New("the phone sends no exit code")
			}
			var b [1]byte
			if _, err := io.ReadFull(r, b[:]); err != nil {
				return 0, err
			}
			return b[0], nil
		default:
			err = copyFrame(io.Discard, body, size)
		}
		if err != nil {
			return 0, err
		}
	}
}

// copyFrame is an error where the frame is cut off.
func copyFrame(w io.Writer, body io.Reader, size uint32) error {
	n, err := io.Copy(w, body)
	if errors.Is(err, io.ErrClosedPipe) {
		var rest int64
		rest, err = io.Copy(io.Discard, body)
		// What Copy had read and could not write is not counted by either.
		if err == nil && n+rest <= int64(size) {
			return nil
		}
	}
	if err == nil && n < int64(size) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (p *process) Stdin() io.WriteCloser { return &p.stdin }
func (p *process) Stdout() io.Reader     { return p.out }
func (p *process) Stderr() io.Reader     { return p.stderr }

// Kill ends the program's group by a second shell. Closing the connection alone makes adbd
// send the group's leader a SIGHUP, which a program may ignore and what it started never gets.
func (p *process) Kill() {
	p.kill.Do(func() {
		select {
		case <-p.exited:
			return
		default:
		}
		close(p.killed)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), killPatience)
			defer cancel()
			if w, err := p.d.server.open(ctx, "host:transport:"+p.d.serial, "shell,v2,raw:"+transport.KillLine(p.pid)); err == nil {
				_, _ = frames(w, io.Discard, io.Discard)
				_ = w.Close()
			}
			select {
			case <-p.exited:
			case <-ctx.Done():
			}
			_ = p.w.Close()
		}()
	})
}

func (p *process) Wait() transport.Exit {
	<-p.exited
	for _, release := range p.release {
		release()
	}
	_ = p.w.Close()
	_ = p.stdout.Close()
	_ = p.stderr.Close()
	return p.exit
}

// stdin sends frames.
type stdin struct {
	w      *wire
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
	return s.frame(frameCloseStdin, nil)
}

func (s *stdin) frame(kind byte, body []byte) error {
	frame := make([]byte, 5, 5+len(body))
	frame[0] = kind
	binary.LittleEndian.PutUint32(frame[1:], uint32(len(body)))
	_, err := s.w.Write(append(frame, body...))
	return err
}

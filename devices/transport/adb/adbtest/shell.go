package adbtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
)

// Frames of the shell protocol. Source: AOSP, packages/modules/adb/shell_protocol.h.
const (
	frameStdin      = 0
	frameStdout     = 1
	frameStderr     = 2
	frameExit       = 3
	frameCloseStdin = 4
)

// shell runs a command as adbd does: the shell leads its own session, its input and output are
// one socket, and when the connection ends it gets a SIGHUP and its sockets are closed. The
// exit code is sent once no process has its outputs open any more.
func (f *Fake) shell(s io.ReadWriteCloser, command string, v2 bool) {
	f.moment(Command)
	c, err := f.start(command, v2)
	if err != nil {
		if v2 {
			_ = writeFrame(s, frameStderr, []byte("error: "+err.Error()+"\n"))
			_ = writeFrame(s, frameExit, []byte{126})
		}
		return
	}
	if v2 {
		c.framed(s)
	} else {
		c.raw(s)
	}
}

// command is a running shell.
type command struct {
	cmd          *exec.Cmd
	inout, errs  *net.UnixConn // errs is nil where it is inout
	out          sync.Mutex
	hangUp       sync.Once
	outputsEnded sync.WaitGroup
}

func (f *Fake) start(text string, v2 bool) (*command, error) {
	argv := slices.Concat(f.o.Shell, []string{"-c", text})
	cmd := &exec.Cmd{Path: argv[0], Args: argv, Dir: "/", SysProcAttr: &syscall.SysProcAttr{Setsid: true, Chroot: f.o.Root}}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/", "USER=shell", "LOGNAME=shell", "SHELL=/system/bin/sh"}, f.o.Env...)
	c := &command{cmd: cmd}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c.inout = ours
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	if v2 {
		ours, theirs, err := socketpair()
		if err != nil {
			_ = c.inout.Close()
			return nil, err
		}
		defer theirs.Close()
		c.errs, cmd.Stderr = ours, theirs
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.listener == nil {
		err = errors.New("the phone is going down")
	} else {
		err = cmd.Start()
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("exec '%s' failed: %w", argv[0], err)
	}
	f.leaders[cmd.Process.Pid] = true
	return c, nil
}

// socketpair returns our end as a connection and the other end as a file.
func socketpair() (*net.UnixConn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "adbd"), os.NewFile(uintptr(fds[1]), "command")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

func (c *command) close() {
	_ = c.inout.Close()
	if c.errs != nil {
		_ = c.errs.Close()
	}
}

// broken handles the end of the connection.
func (c *command) broken() {
	c.hangUp.Do(func() {
		_ = c.cmd.Process.Signal(syscall.SIGHUP)
		c.close()
	})
}

func (c *command) framed(s io.ReadWriteCloser) {
	c.outputsEnded.Add(2)
	go c.output(s, frameStdout, c.inout)
	go c.output(s, frameStderr, c.errs)
	inputEnded := make(chan struct{})
	go func() {
		c.input(s)
		close(inputEnded)
	}()
	c.outputsEnded.Wait()
	_ = c.cmd.Wait()
	status, _ := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	code := byte(status.ExitStatus())
	if status.Signaled() {
		code = 0x80 | byte(status.Signal())
	}
	_ = writeFrame(s, frameExit, []byte{code})
	_ = s.Close()
	c.close()
	<-inputEnded
}

func (c *command) output(s io.Writer, kind byte, from io.Reader) {
	defer c.outputsEnded.Done()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			c.out.Lock()
			werr := writeFrame(s, kind, buf[:n])
			c.out.Unlock()
			if werr != nil {
				c.broken()
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (c *command) input(s io.Reader) {
	for {
		var head [5]byte
		if _, err := io.ReadFull(s, head[:]); err != nil {
			c.broken()
			return
		}
		body := io.LimitReader(s, int64(binary.LittleEndian.Uint32(head[1:])))
		switch head[0] {
		case frameStdin:
			_, _ = io.Copy(c.inout, body)
		case frameCloseStdin:
			_ = c.inout.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, body)
	}
}

// raw is the old shell protocol: one stream, and no exit code.
func (c *command) raw(s io.ReadWriteCloser) {
	inputEnded := make(chan struct{})
	go func() {
		_, _ = io.Copy(c.inout, s)
		c.broken()
		close(inputEnded)
	}()
	_, _ = io.Copy(s, c.inout)
	_ = s.Close()
	_ = c.cmd.Wait()
	<-inputEnded
}

func writeFrame(w io.Writer, kind byte, body []byte) error {
	frame := append([]byte{kind, 0, 0, 0, 0}, body...)
	binary.LittleEndian.PutUint32(frame[1:], uint32(len(body)))
	_, err := w.Write(frame)
	return err
}

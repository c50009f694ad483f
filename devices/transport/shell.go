package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Starter starts programs: a Transport, or a type that wraps one.
type Starter interface {
	Start(ctx context.Context, c Command) (Process, error)
}

// Output is what a program printed and how it ended.
type Output struct {
	Stdout, Stderr string // at most Limit bytes of each
	Cut            bool   // one stream was longer: the program was killed
	Exit           Exit
}

// Run runs a program without input to its end and keeps at most limit bytes of each stream. A
// program that prints more is killed, because its output may never end. The error is that of
// starting the program, or the context's.
func Run(ctx context.Context, t Starter, c Command, limit int) (Output, error) {
	p, err := t.Start(ctx, c)
	if err != nil {
		return Output{}, err
	}
	if !c.Tether {
		_ = p.Stdin().Close()
	}
	stdout, stderr := &head{limit: limit, full: p.Kill}, &head{limit: limit, full: p.Kill}
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(stderr, p.Stderr())
		close(done)
	}()
	_, _ = io.Copy(stdout, p.Stdout())
	<-done
	exit := p.Wait()
	_ = p.Stdin().Close()
	return Output{stdout.buf.String(), stderr.buf.String(), stdout.cut || stderr.cut, exit}, ctx.Err()
}

// Shell runs one of latlab's scripts in the device's shell. Text from a file or a device is
// passed in args, which the script reads as "$1", "$2"; it never becomes part of the script. A
// script that fails, or that prints more than limit, is an error with its output.
func Shell(ctx context.Context, t Starter, limit int, script string, args ...string) (string, error) {
	out, err := Run(ctx, t, Command{Path: "sh", Args: append([]string{"-c", script, "sh"}, args...)}, limit)
	switch {
	case err != nil:
		return out.Stdout, err
	case out.Exit.Err != nil:
		return out.Stdout, out.Exit.Err
	case out.Cut:
		return out.Stdout, fmt.Errorf("a shell %w: %d bytes", ErrTooLong, limit)
	case out.Exit != (Exit{}):
		return out.Stdout, &ShellError{Exit: out.Exit, Stderr: strings.TrimSpace(out.Stderr)}
	}
	return out.Stdout, nil
}

// ErrTooLong is wrapped by the error of a script that prints more than its limit.
var ErrTooLong = errors.New("printed more than its limit")

// ShellError is a script that failed.
type ShellError struct {
	Exit   Exit
	Stderr string
}

// Error returns one line, the last that the script printed.
func (e *ShellError) Error() string {
	last := e.Stderr[strings.LastIndexByte(e.Stderr, '\n')+1:]
	if last != "" {
		return last
	}
	if e.Exit.Signal != "" {
		return "the shell was ended: " + e.Exit.Signal
	}
	return fmt.Sprintf("the shell ended with exit code %d", e.Exit.Code)
}

// head keeps the first bytes written to it and drops the rest.
type head struct {
	limit int
	full  func()
	buf   bytes.Buffer
	cut   bool
}

func (h *head) Write(p []byte) (int, error) {
	keep := p[:min(len(p), h.limit-h.buf.Len())]
	if len(keep) < len(p) {
		h.cut = true
		h.full()
	}
	h.buf.Write(keep)
	return len(p), nil
}

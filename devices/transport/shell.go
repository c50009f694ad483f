package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"latlab/internal/text"
)

// Starter starts programs: a Transport, or a type that wraps one.
type Starter interface {
	Start(ctx context.Context, c Command) (Process, error)
}

// Output is what a program printed and how it ended.
type Output struct {
	Stdout, Stderr string // with a line in place of the middle of a stream that was longer than Run's limit
	Left           int64  // bytes of both streams that were left out
	Exit           Exit
}

// Run runs a program without input to its end and keeps at most limit bytes of each stream, its
// beginning and its end. A program may print as much as it likes: what is not kept is read, because a
// program that nobody listens to would wait for ever, and one that prints megabytes before its result
// is not at fault. Only the context ends one that prints without end. The error is that of starting
// the program, or the context's.
func Run(ctx context.Context, t Starter, c Command, limit int) (Output, error) {
	stdout, stderr := &text.EndsWriter{Most: limit}, &text.EndsWriter{Most: limit}
	exit, err := run(ctx, t, c, func(func()) (io.Writer, io.Writer) { return stdout, stderr })
	return Output{stdout.String(), stderr.String(), stdout.Left() + stderr.Left(), exit}, err
}

// run runs a program whose streams are written to what streams returns; it is given a function that
// kills the program.
func run(ctx context.Context, t Starter, c Command, streams func(kill func()) (stdout, stderr io.Writer)) (Exit, error) {
	p, err := t.Start(ctx, c)
	if err != nil {
		return Exit{}, err
	}
	if !c.Tether {
		_ = p.Stdin().Close()
	}
	stdout, stderr := streams(p.Kill)
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(stderr, p.Stderr())
		close(done)
	}()
	_, _ = io.Copy(stdout, p.Stdout())
	<-done
	exit := p.Wait()
	_ = p.Stdin().Close()
	return exit, ctx.Err()
}

// Shell runs one of latlab's scripts in the device's shell. Text from a file or a device is
// passed in args, which the script reads as "$1", "$2"; it never becomes part of the script. A
// script that fails, or that prints more than limit, is an error with its output: it is killed at the
// limit, since all that a script prints is needed and none needs to print more.
func Shell(ctx context.Context, t Starter, limit int, script string, args ...string) (string, error) {
	stdout, stderr := &head{limit: limit}, &head{limit: limit}
	exit, err := run(ctx, t, Command{Path: "sh", Args: append([]string{"-c", script, "sh"}, args...)}, func(kill func()) (io.Writer, io.Writer) {
		stdout.full, stderr.full = kill, kill
		return stdout, stderr
	})
	out := stdout.buf.String()
	switch {
	case err != nil:
		return out, err
	case exit.Err != nil:
		return out, exit.Err
	case stdout.cut || stderr.cut:
		return out, fmt.Errorf("a shell %w: %d bytes", ErrTooLong, limit)
	case exit != (Exit{}):
		return out, &ShellError{Exit: exit, Stderr: strings.TrimSpace(stderr.buf.String())}
	}
	return out, nil
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

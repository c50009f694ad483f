package search

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

const (
	// maxAnswer limits a line of a program.
	maxAnswer = 4096
	// keptOutput is how much of a program's stderr an error has.
	keptOutput = 32 << 10
)

// Program is a user's program that says how good networks are. It reads lines of indices such as 0:3:1 on
// stdin and prints one number a line on stdout, in the same order. It is started when the first network is
// asked for, stays for all of them, and gets several lines at once (evolve.Batch), so that it can work on
// them together.
//
// It runs in its own process group, which Close kills. If latlab itself is killed, so is the process that it started:
// the program where the command is just that, else the shell, whose programs then see the end of their stdin.
type Program struct {
	Command string        // for sh -c
	Timeout time.Duration // of one answer

	process transport.Process
	out     *bufio.Reader
	stderr  text.TailWriter
	drained chan struct{} // closed when stderr was read to its end
	lines   int           // that it printed
	hung    atomic.Bool
	exit    *transport.Exit // nil while it runs
}

// Ask asks for the quality of networks and calls answered for each, in order. Its errors are the
// context's, that of answered, or a *devices.Error with the program's stderr, of the user's fault.
func (p *Program) Ask(ctx context.Context, networks []string, answered func(i int, quality float64) error) error {
	if p.process == nil {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	watch := time.AfterFunc(p.Timeout, func() {
		p.hung.Store(true)
		p.process.Kill()
	})
	defer watch.Stop()
	// A write fails only when the program has ended, and reading gives the better error.
	_, _ = io.WriteString(p.process.Stdin(), strings.Join(networks, "\n")+"\n")
	for i, network := range networks {
		quality, err := p.answer(ctx, network)
		if err != nil {
			return err
		}
		watch.Reset(p.Timeout)
		if err := answered(i, quality); err != nil {
			return err
		}
	}
	if n := p.out.Buffered(); n > 0 {
		head, _ := p.out.Peek(min(n, 80))
		return p.fail(devices.ReasonGarbage, "", "it printed %q, which nobody asked for: want one line for each network", text.Clip(strings.TrimSpace(string(head))))
	}
	return nil
}

func (p *Program) start(ctx context.Context) error {
	process, err := transport.Local{}.Start(ctx, transport.Command{Path: "/bin/sh", Args: shell(p.Command), Tether: true})
	if err != nil {
		return fmt.Errorf("--quality %s: %w", text.ShellQuote(text.Clip(p.Command)), err)
	}
	p.process, p.drained = process, make(chan struct{})
	p.out = bufio.NewReaderSize(process.Stdout(), maxAnswer)
	p.stderr.Most = keptOutput
	go func() {
		defer close(p.drained)
		_, _ = io.Copy(&p.stderr, process.Stderr())
	}()
	return nil
}

// shell runs a command. Where it is a single program, that takes the place of the shell, as some shells do by
// themselves: command -v prints a path for programs alone, not for what the shell does itself.
func shell(command string) []string {
	words := strings.Fields(command)
	if len(words) == 0 || strings.ContainsAny(command, ";&|\n(){}`") {
		return []string{"-c", command}
	}
	return []string{"-c", `case $(command -v "$1") in */*) eval "exec $2" ;; *) eval "$2" ;; esac`, "sh", words[0], command}
}

// answer reads one line.
func (p *Program) answer(ctx context.Context, network string) (float64, error) {
	line, err := p.out.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return 0, p.fail(devices.ReasonGarbage, "", "line %d that it printed is longer than %d bytes", p.lines+1, maxAnswer)
	case err != nil:
		return 0, p.ended(ctx, network)
	}
	p.lines++
	word := strings.TrimSpace(string(line))
	x, err := strconv.ParseFloat(word, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, p.fail(devices.ReasonGarbage, "print nothing else on stdout: messages belong on stderr",
			"line %d that it printed, for %s, is %q and not a finite number", p.lines, network, text.Clip(word))
	}
	return x, nil
}

// ended is why a program gave no answer.
func (p *Program) ended(ctx context.Context, network string) error {
	exit := p.end() // the timeout ends one that has only closed its stdout
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case p.hung.Load():
		return p.fail(devices.ReasonHung, "does it print a line for each line that it reads, and flush it? --timeout allows more time",
			"it gave no answer for %s within %v, after %d others", network, p.Timeout, p.lines)
	case exit.Err != nil:
		return p.fail(devices.ReasonExited, "", "it ended before it answered for %s: %w", network, exit.Err)
	case exit.Signal != "":
		return p.fail(devices.ReasonCrashed, "", "it was ended by a signal (%s) before it answered for %s, after %d others", exit.Signal, network, p.lines)
	}
	return p.fail(devices.ReasonExited, "", "it ended with exit code %d before it answered for %s, after %d others", exit.Code, network, p.lines)
}

func (p *Program) fail(reason, advice, format string, args ...any) error {
	p.Close()
	return &devices.Error{
		Fault: devices.FaultUser, Op: "--quality " + text.ShellQuote(text.Clip(p.Command)), Reason: reason,
		Err: fmt.Errorf(format, args...), Advice: advice, Output: p.stderr.String(),
	}
}

// Close kills the program, if it runs, with all that it started.
func (p *Program) Close() {
	if p.process != nil {
		p.process.Kill()
		p.end()
	}
}

// end waits for the end of a program that was killed or has closed its stdout.
func (p *Program) end() transport.Exit {
	if p.exit == nil {
		_, _ = io.Copy(io.Discard, p.out)
		<-p.drained
		exit := p.process.Wait()
		p.exit = &exit
	}
	return *p.exit
}

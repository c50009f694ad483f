// Package python runs the vendors' estimators that come as Python packages: a script of
// ours in a Python of the user's, in a process of its own, and what it left behind as an
// answer or as an error that says whose fault it is. devices/tool/vela and
// devices/tool/qnn are built on it.
//
// It refuses to install anything and to keep a Python running from one block to the next:
// that would save 0.1 s of a block and would let one network's compilation leak into the
// next one's, or take it along when it crashes.
package python

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Default is the interpreter where the user names none.
const Default = "python3"

// Reasons of errors besides those of devices.
const (
	ReasonMissing = "python-missing"  // the interpreter cannot be started
	ReasonPackage = "package-missing" // it lacks a package, or cannot load it
	ReasonHost    = "host"            // this machine: disk, memory, permissions
)

// Bounds of what is kept of a process.
const (
	maxAnswer  = 16 << 20
	maxConsole = 8 << 20
	maxOutput  = 64 << 10 // in an error
)

//go:embed prelude.py
var prelude string

// Interpreter is a Python that a transport reaches.
type Interpreter struct {
	Transport transport.Transport
	Path      string // Default where it is empty
}

// Script is a program to run once.
type Script struct {
	Op      string // what is being done, for errors: "estimate mobiledet_dsp-int8"
	Source  string // may call answer(value) and installed(names...), see prelude.py
	Args    []string
	Timeout time.Duration // of the whole process, its start included
}

// Output is what a script left that ended well.
type Output struct {
	Answer  string // the JSON line that it gave to answer(); "" where it gave none
	Console string // all that it and its libraries printed
}

var errHung = errors.New("no answer in time")

// Run runs a script. Whatever happens, its process and all that it started are gone when
// Run returns. Errors are the context's or a *devices.Error; a script that raised is the
// model's fault, unless what it raised is plainly of this machine.
func (i Interpreter) Run(parent context.Context, s Script) (Output, error) {
	ctx, cancel := context.WithTimeoutCause(parent, s.Timeout, errHung)
	defer cancel()
	p, err := i.Transport.Start(ctx, transport.Command{Path: i.path(), Args: append([]string{"-c", prelude + s.Source}, s.Args...)})
	if err != nil {
		return Output{}, i.startError(ctx, s.Op, err)
	}
	answer, console := &head{limit: maxAnswer, full: cancel}, &head{limit: maxConsole, full: cancel}
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(console, p.Stderr())
		close(done)
	}()
	_, _ = io.Copy(answer, p.Stdout())
	<-done
	exit := p.Wait()
	_ = p.Stdin().Close()
	out := Output{Answer: answer.String(), Console: console.String()}
	if exit == (transport.Exit{}) && !answer.cut && !console.cut {
		return out, nil
	}
	if parent.Err() == nil && (answer.cut || console.cut) {
		return out, &devices.Error{Fault: devices.FaultDevice, Op: s.Op, Reason: devices.ReasonGarbage,
			Err: errors.New("the estimator prints without end"), Output: Tail(out.Console)}
	}
	return out, classify(parent, ctx, s.Op, exit, out)
}

func (i Interpreter) path() string {
	if i.Path == "" {
		return Default
	}
	return i.Path
}

// startError is what a transport that did not start the program says: the context's end,
// its own word where it has one (a machine that is away), else that there is no Python.
func (i Interpreter) startError(ctx context.Context, op string, err error) error {
	var known *devices.Error
	switch {
	case errors.Is(context.Cause(ctx), errHung):
		return &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: devices.ReasonHung, Err: errHung}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &known):
		return known
	}
	return &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonMissing,
		Err:    fmt.Errorf("no Python can be started: %w", err),
		Advice: "--python FILE or LATLAB_PYTHON names one"}
}

func classify(parent, ctx context.Context, op string, exit transport.Exit, out Output) error {
	if parent.Err() != nil {
		return parent.Err()
	}
	e := &devices.Error{Fault: devices.FaultDevice, Op: op, Output: Tail(out.Console)}
	switch {
	case errors.Is(context.Cause(ctx), errHung):
		e.Reason, e.Err = devices.ReasonHung, errors.New("the estimator gave no answer in time and was killed")
	case exit.Err != nil:
		e.Reason, e.Err = devices.ReasonExited, fmt.Errorf("the estimator's end is not known: %w", exit.Err)
	case exit.Signal == "killed" || exit.Signal == "terminated":
		e.Reason, e.Err = devices.ReasonKilled, fmt.Errorf("the estimator was ended by somebody: %s", exit.Signal)
		e.Advice = "out of memory? see the kernel's log"
	case exit.Signal != "":
		// The compiler died of this model; trying again would show the same.
		e.Fault, e.Reason, e.Err = devices.FaultModel, devices.ReasonCrashed, fmt.Errorf("the estimator crashed: %s", exit.Signal)
	default:
		raised(e, exit.Code, out.Console)
	}
	return e
}

// raised reads the last line of a traceback, which names the exception: of this machine, of
// a tool that is not the one that the script was written for, or else of the model.
func raised(e *devices.Error, code int, console string) {
	last := text.LastLine(console)
	name, _, _ := strings.Cut(last, ":")
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "ModuleNotFoundError", "ImportError":
		e.Fault, e.Reason = devices.FaultLab, ReasonPackage
	case "OSError", "PermissionError", "FileNotFoundError", "MemoryError", "BlockingIOError":
		e.Fault, e.Reason = devices.FaultLab, ReasonHost
	case "AttributeError", "NameError", "TypeError", "SyntaxError":
		// Another version of the tool, more likely than a model; bench finds out which.
		e.Fault, e.Reason = devices.FaultDevice, devices.ReasonGarbage
	default:
		e.Fault, e.Reason = devices.FaultModel, devices.ReasonRejected
	}
	if last == "" {
		last = fmt.Sprintf("exit code %d", code)
	}
	e.Err = fmt.Errorf("the estimator refuses: %s", text.ClipTo(last, 300))
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Tail is as much of a tool's output as an error keeps, without its colours.
func Tail(s string) string {
	s = colour.ReplaceAllString(s, "")
	return text.Tail(s, maxOutput)
}

// head keeps the first bytes written to it and swallows the rest.
type head struct {
	limit int
	full  func() // called when there is a rest: nobody waits for the end of what has none
	buf   strings.Builder
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

func (h *head) String() string { return h.buf.String() }

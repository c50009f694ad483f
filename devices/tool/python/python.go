// Package python runs vendors' estimators that are Python packages. It runs a script of latlab in the
// user's Python, in a process of its own, and returns its answer or an error that says whose fault it
// is. devices/tool/vela and devices/tool/qnn are built on it.
//
// It refuses to install anything, and to keep a Python running from one block to the next. That would
// save 0.1 s a block, but one network's compilation could affect the next, or take it down in a crash.
package python

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Default is the interpreter if the user names none.
const Default = "python3"

// Reasons of errors besides those of devices.
const (
	ReasonMissing = "python-missing"  // the interpreter cannot be started
	ReasonPackage = "package-missing" // a package is missing or cannot be loaded
	ReasonHost    = "host"            // a fault of this machine: disk, memory, permissions
)

//go:embed prelude.py
var prelude string

// Interpreter is a Python that a transport reaches.
type Interpreter struct {
	Transport transport.Transport
	Path      string // empty = Default
}

// Script is a program to run once.
type Script struct {
	Op      string // what is being done, for errors: "estimate mobiledet_dsp-int8"
	Source  string // it may call answer(value) and installed(names...), see prelude.py
	Args    []string
	Timeout time.Duration // of the whole process, including its start
}

// Run runs a script. Stdout of the Output is the JSON line that the script passed to answer(); Stderr
// is all that it and its libraries printed. Errors are those of tool.Do. An exception is the model's
// fault unless it is clearly this machine's.
func (i Interpreter) Run(ctx context.Context, s Script) (tool.Output, error) {
	out, err := tool.Do(ctx, machine.On(i.Transport, "this machine"), tool.Run{
		Op: s.Op, Program: "the estimator's Python", Timeout: s.Timeout, Late: devices.FaultModel,
		Command: transport.Command{Path: i.path(), Args: append([]string{"-c", prelude + s.Source}, s.Args...)},
		Missing: devices.Error{Fault: devices.FaultLab, Reason: ReasonMissing, Advice: "--python FILE or LATLAB_PYTHON names one"},
	})
	if err != nil || out.Exit.Code == 0 {
		return out, err
	}
	return out, raised(s.Op, out)
}

func (i Interpreter) path() string { return cmp.Or(i.Path, Default) }

// raised reads the last line of a traceback, which names the exception. It blames this machine, a
// version of the tool that the script was not written for, or otherwise the model.
func raised(op string, out tool.Output) *devices.Error {
	e := &devices.Error{Op: op, Output: out.Text()}
	last := text.LastLine(out.Stderr)
	name, _, _ := strings.Cut(last, ":")
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "ModuleNotFoundError", "ImportError":
		e.Fault, e.Reason = devices.FaultLab, ReasonPackage
	case "OSError", "PermissionError", "FileNotFoundError", "MemoryError", "BlockingIOError":
		e.Fault, e.Reason = devices.FaultLab, ReasonHost
	case "AttributeError", "NameError", "TypeError", "SyntaxError":
		// A different version of the tool is likelier than a bad model; bench finds out which.
		e.Fault, e.Reason = devices.FaultDevice, devices.ReasonGarbage
	default:
		e.Fault, e.Reason = devices.FaultModel, devices.ReasonRejected
	}
	if last == "" {
		last = fmt.Sprintf("exit code %d", out.Exit.Code)
	}
	e.Err = fmt.Errorf("the estimator refuses: %s", text.ClipTo(last, 300))
	return e
}

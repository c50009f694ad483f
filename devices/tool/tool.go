// Package tool runs a program of somebody else on a machine and says what became of it.
// One package a program is below: benchmarkmodel, trtexec, edgetpu, vela, qnn.
//
// It refuses to read what the program printed: its package does.
package tool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// MaxOutput bounds what is kept of each of a program's streams.
const MaxOutput = 8 << 20

// Run is one run of a program.
type Run struct {
	Op      string // what is being done, for errors: "time mobiledet_cpu-float32"
	Program string // its name for people: "benchmark_model"
	Command transport.Command
	CPUs    []int         // affinity, by taskset; what was in force is in Output.CPUs
	Timeout time.Duration // of the whole run
}

// Output is what a program that ended by itself left, whatever its exit code.
type Output struct {
	Stdout, Stderr string
	Exit           transport.Exit
	CPUs           []int // affinity that was in force, read there; nil where it was not asked for
	Elapsed        time.Duration
}

// Do runs a program to its end. A program that was ended by a signal, hung, printed without
// end, could not be started or whose device went away is a *devices.Error or the context's; an
// exit code other than 0, 126 and 127 is no error: only the program's own package knows what
// it means.
// Whatever happens, the program is gone when Do returns.
func Do(parent context.Context, m *machine.Machine, r Run) (Output, error) {
	ctx, cancel := context.WithTimeoutCause(parent, r.Timeout, errHung)
	defer cancel()
	start := time.Now()
	out, err := transport.Run(ctx, m.Transport(), r.command(m), MaxOutput)
	cpus, stderr, proven := r.proof(out.Stderr)
	out.Stderr = stderr
	got := Output{Stdout: out.Stdout, Stderr: out.Stderr, Exit: out.Exit, CPUs: cpus, Elapsed: time.Since(start)}
	switch {
	case err != nil || out.Cut || out.Exit.Err != nil || out.Exit.Signal != "":
		if parent.Err() != nil {
			return got, parent.Err()
		}
		return got, failure(ctx, r, out, err)
	case !proven:
		return got, affinityError(r, out)
	case out.Exit.Code == notExecutable || out.Exit.Code == notFound:
		return got, missingError(r, errors.New(LastLine(out.Stderr)), out)
	}
	return got, nil
}

// What shells, and the dynamic loaders of the GNU and the musl C library, end with where a
// program or one of its libraries is not there (POSIX.1-2024, Shell, 2.8.2).
const (
	notExecutable = 126
	notFound      = 127
)

var errHung = errors.New("no answer in time")

func failure(ctx context.Context, r Run, out transport.Output, err error) error {
	var known *devices.Error
	e := &devices.Error{Fault: devices.FaultDevice, Op: r.Op, Output: Tail(out.Stdout + out.Stderr)}
	switch {
	case errors.Is(context.Cause(ctx), errHung):
		e.Reason, e.Err = devices.ReasonHung, fmt.Errorf("%s gave no answer in %v and was killed", r.Program, r.Timeout)
	case errors.As(err, &known):
		return known
	case err != nil && len(r.CPUs) > 0:
		e.Fault, e.Reason, e.Err, e.Advice = devices.FaultUser, devices.ReasonMissing, fmt.Errorf("taskset cannot be started: %w", err), noTaskset
	case err != nil:
		return missingError(r, err, out)
	case errors.As(out.Exit.Err, &known):
		return known
	case out.Exit.Err != nil:
		e.Reason, e.Err = devices.ReasonOffline, fmt.Errorf("how %s ended is not known: %w", r.Program, out.Exit.Err)
	case out.Cut:
		e.Reason, e.Err = devices.ReasonGarbage, fmt.Errorf("%s prints without end", r.Program)
	case out.Exit.Signal == "killed" || out.Exit.Signal == "terminated":
		e.Reason, e.Err = devices.ReasonKilled, fmt.Errorf("%s was ended by somebody: %s", r.Program, out.Exit.Signal)
		e.Advice = "out of memory? see the kernel's log"
	default:
		// The tool died of this model; trying again would show the same.
		e.Fault, e.Reason, e.Err = devices.FaultModel, devices.ReasonCrashed, fmt.Errorf("%s crashed: %s", r.Program, out.Exit.Signal)
	}
	return e
}

func missingError(r Run, err error, out transport.Output) *devices.Error {
	e := &devices.Error{Fault: devices.FaultUser, Op: r.Op, Reason: devices.ReasonMissing, Output: Tail(out.Stdout + out.Stderr)}
	e.Err = fmt.Errorf("%s cannot be started: %w", r.Program, err)
	e.Advice = "is the path right, is the file executable, made for this machine's processor, and are its libraries beside it?"
	return e
}

// LastLine is the last line that an output says something in, for an error of one line.
func LastLine(s string) string {
	if last := text.LastLine(s); last != "" {
		return text.Line(last, maxLine)
	}
	return "it printed nothing"
}

const maxLine = 300

// maxTail is how much of a tool's output an error keeps.
const maxTail = 64 << 10

// Tail is the end of a tool's output, as much as an error keeps.
func Tail(s string) string { return text.Tail(s, maxTail) }

// Package tool runs a program to its end on a machine and decides whose fault a failure is.
// devices/agent runs latlab's own program through it. Its subpackages each run one third-party
// program: benchmarkmodel, trtexec, edgetpu, qnnrun, and python with vela and qnn.
//
// It does not interpret the program's output: the program's own package does.
package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// MaxOutput is how many bytes are kept of each output stream, half of them of its end. A program may
// print more: Vela prints 15 MB about one ARGMAX of 513x513 before it says what the network costs.
const MaxOutput = 16 << 20

// Run is one run of a program.
type Run struct {
	Op      string // what is being done, for errors: "time mobiledet_cpu-float32"
	Program string // its name in messages: "benchmark_model"
	Command transport.Command
	CPUs    []int         // affinity, set by taskset; Output.CPUs has the affinity in force
	Timeout time.Duration // of the whole run
	// Talk has a conversation with a program that reads stdin; nil if it reads nothing. Once Talk
	// returns, the program has to exit, and its exit code matters only if Talk failed. If Talk returns
	// a *devices.Error, that is the run's error; otherwise the way the program ended decides whose
	// fault it is. With Talk only the end of stderr is kept, and nothing of stdout.
	Talk func(stdin io.Writer, stdout io.Reader) error
	// Missing has the Fault, Reason and Advice if the program cannot be started. By default the user
	// is at fault: the named program does not exist.
	Missing devices.Error
	Crash   devices.Fault // whose fault a crash is; FaultModel by default
	Late    devices.Fault // whose fault it is that the Timeout passed; FaultDevice by default
}

// Output is the output of a program that ended by itself, whatever its exit code.
type Output struct {
	Stdout, Stderr string
	Exit           transport.Exit
	Left           int64 // bytes left out of the middle of what it printed
	CPUs           []int // affinity in force, read on the machine; nil if none was requested
	Elapsed        time.Duration
}

// Whole is an error if a part of what the program printed was left out, for callers that count lines.
func (o Output) Whole() error {
	if o.Left == 0 {
		return nil
	}
	return fmt.Errorf("it printed more than latlab keeps: %d bytes in the middle are left out", o.Left)
}

// Text is the end of the output, cut to the length that an error keeps.
func (o Output) Text() string { return Tail(o.Stdout + o.Stderr) }

// Garbage is the error of output in an unknown form: the device's fault.
func (o Output) Garbage(op string, err error) *devices.Error {
	if whole := o.Whole(); whole != nil {
		err = fmt.Errorf("%w (%w)", err, whole)
	}
	return &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: devices.ReasonGarbage, Err: err, Output: o.Text()}
}

// Rejected is the error of a model that the program does not accept.
func (o Output) Rejected(op string, err error) *devices.Error {
	return &devices.Error{Fault: devices.FaultModel, Op: op, Reason: devices.ReasonRejected, Err: err, Output: o.Text()}
}

// Do runs a program to its end. It returns a *devices.Error, or the context's error, if the program
// was killed by a signal, hung, still printed at its timeout or could not be started, or if the device
// went away. An exit code other than 0, 126 and 127 is no error, because only the program's own package
// knows what it means. The program has always ended when Do returns.
func Do(parent context.Context, m *machine.Machine, r Run) (Output, error) {
	ctx, cancel := context.WithTimeoutCause(parent, r.Timeout, errHung)
	defer cancel()
	start := time.Now()
	var e ending
	if r.Talk != nil {
		e.Output, e.said, e.err = converse(ctx, m, r)
	} else {
		e.Output, e.err = transport.Run(ctx, m.Transport(), r.command(m), MaxOutput)
	}
	cpus, stderr, proven := r.proof(e.Stderr)
	e.Stderr = stderr
	got := Output{Stdout: e.Stdout, Stderr: stderr, Left: e.Left, Exit: e.Exit, CPUs: cpus, Elapsed: time.Since(start)}
	e.text = got.Text()
	switch {
	case r.Talk != nil && e.err == nil && e.said == nil:
		return got, nil
	case e.said != nil || e.err != nil || e.Exit.Err != nil || e.Exit.Signal != "":
		if parent.Err() != nil {
			return got, parent.Err()
		}
		return got, r.failure(ctx, e)
	case !proven:
		return got, affinityError(r, got)
	case e.notStarted():
		return got, r.missing(errors.New(LastLine(stderr)), e)
	}
	return got, nil
}

// ending is all that is known about how a run ended.
type ending struct {
	transport.Output
	text string // its output, cut to the length that an error keeps
	said error  // error of Talk
	err  error  // error of starting, or the context's
}

func (e ending) notStarted() bool { return e.Exit.Code == notExecutable || e.Exit.Code == notFound }

// Exit codes of shells, and of the dynamic loaders of the GNU and musl C libraries, if a program or
// one of its libraries is missing (POSIX.1-2024, Shell, 2.8.2).
const (
	notExecutable = 126
	notFound      = 127
)

var errHung = errors.New("timeout")

// failure decides whose fault it is that a program did not end by itself, or broke off a conversation.
func (r Run) failure(ctx context.Context, end ending) error {
	var known *devices.Error
	e := &devices.Error{Fault: devices.FaultDevice, Op: r.Op, Output: end.text}
	switch {
	case errors.As(end.said, &known):
		withOutput := *known
		withOutput.Output = strings.TrimPrefix(withOutput.Output+"\n"+end.text, "\n")
		return &withOutput
	case errors.Is(context.Cause(ctx), errHung) && r.Late == "" && end.Left > 0:
		e.Reason, e.Err = devices.ReasonGarbage, fmt.Errorf("%s prints without end: it was killed after a timeout of %v, with %d MB printed", r.Program, r.Timeout, (end.Left+MaxOutput)>>20)
		return e
	case errors.Is(context.Cause(ctx), errHung):
		e.Fault, e.Reason, e.Err = cmp.Or(r.Late, e.Fault), devices.ReasonHung, fmt.Errorf("%s was killed after a timeout of %v", r.Program, r.Timeout.Round(time.Millisecond))
		if r.Late == devices.FaultModel {
			e.Advice = "this is a time limit of latlab, not of the device: a smaller network, or a host that is less busy, may keep it"
		}
	case errors.As(end.err, &known):
		return known
	case end.err != nil && len(r.CPUs) > 0:
		e.Fault, e.Reason, e.Err, e.Advice = devices.FaultUser, devices.ReasonMissing, fmt.Errorf("taskset cannot be started: %w", end.err), noTaskset
		return e
	case end.err != nil:
		return r.missing(end.err, end)
	case errors.As(end.Exit.Err, &known):
		return known
	case end.Exit.Err != nil:
		e.Reason, e.Err = devices.ReasonOffline, fmt.Errorf("how %s ended is not known: %w", r.Program, end.Exit.Err)
	case end.Exit.Signal == "killed" || end.Exit.Signal == "terminated":
		e.Reason, e.Err = devices.ReasonKilled, fmt.Errorf("%s was ended by somebody: %s", r.Program, end.Exit.Signal)
		e.Advice = "out of memory? see the kernel's log"
	case end.Exit.Signal != "":
		// The tool crashed on this model, if there was one; a retry would crash again.
		e.Fault = cmp.Or(r.Crash, devices.FaultModel)
		e.Reason, e.Err = devices.ReasonCrashed, fmt.Errorf("%s crashed: %s", r.Program, end.Exit.Signal)
	case end.notStarted():
		return r.missing(errors.New(LastLine(end.Stderr)), end)
	default:
		e.Reason, e.Err = devices.ReasonExited, fmt.Errorf("%s left with exit code %d before it answered", r.Program, end.Exit.Code)
	}
	if last := text.LastLine(end.text); last != "" {
		e.Err = fmt.Errorf("%w; it printed: %s", e.Err, text.ClipTo(last, maxLine))
	}
	return e
}

func (r Run) missing(err error, end ending) *devices.Error {
	e := r.Missing
	if e.Fault == "" {
		e = devices.Error{Fault: devices.FaultUser, Reason: devices.ReasonMissing,
			Advice: "is the path right, is the file executable, made for this machine's processor, and are its libraries beside it?"}
	}
	e.Op, e.Output, e.Err = r.Op, end.text, fmt.Errorf("%s cannot be started: %w", r.Program, err)
	return &e
}

// Median is the middle of values that need not be sorted.
func Median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// LastLine is the last line of an output that is not empty, for an error of one line.
func LastLine(s string) string {
	if last := text.LastLine(s); last != "" {
		return text.Line(last, maxLine)
	}
	return "it printed nothing"
}

const maxLine = 300

// maxTail is how many bytes of a tool's output an error keeps.
const maxTail = 64 << 10

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Tail is the end of a tool's output, cut to the length that an error keeps, without colour codes.
func Tail(s string) string { return text.Tail(colour.ReplaceAllString(s, ""), maxTail) }

// exitTimeout is how long a program may take to exit after the conversation.
const exitTimeout = 5 * time.Second

// converse runs a program and has a conversation with it. said is the error of the conversation, or
// why it broke off; err is the error of starting.
func converse(ctx context.Context, m *machine.Machine, r Run) (out transport.Output, said, err error) {
	p, err := m.Start(ctx, r.Command)
	if err != nil {
		return out, nil, err
	}
	stderr, ended := &text.TailWriter{Most: maxTail}, make(chan struct{})
	go func() {
		_, _ = io.Copy(stderr, p.Stderr())
		close(ended)
	}()
	said = r.Talk(p.Stdin(), p.Stdout())
	if said != nil && ctx.Err() != nil {
		said = context.Cause(ctx)
	}
	_ = p.Stdin().Close()
	timer := time.AfterFunc(exitTimeout, p.Kill)
	defer timer.Stop()
	if said != nil && !exitsByItself(ended) {
		p.Kill()
	}
	_, _ = io.Copy(io.Discard, p.Stdout())
	<-ended
	exit := p.Wait()
	return transport.Output{Stderr: stderr.String(), Exit: exit}, said, nil
}

// exitsByItself gives a process that closed its stdout time to end of its own cause, which Kill would
// hide.
func exitsByItself(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}

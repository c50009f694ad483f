package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/text"
	"latlab/internal/version"
)

const (
	// maxLine bounds one line of the agent: outputs of a whole network are the longest.
	maxLine = 256 << 20
	// maxOutput bounds what is kept of stderr and of garbage on stdout.
	maxOutput = 64 << 10
	// helloTimeout is generous: on a loaded host a process may take seconds to start.
	helloTimeout = 20 * time.Second
	// delegateTimeout is for an accelerator that is given its firmware when it is opened: a
	// Coral stick takes some seconds.
	delegateTimeout = time.Minute
	// exitTimeout is how long an agent that has answered may take to leave.
	exitTimeout = 5 * time.Second
)

// reasons of errors, stable words for stores and metrics.
const (
	ReasonMissing = "agent-missing" // the program cannot be started
	ReasonVersion = "agent-version" // another version of latlab
	ReasonCrashed = devices.ReasonCrashed
	ReasonKilled  = devices.ReasonKilled
	ReasonExited  = devices.ReasonExited
	ReasonHung    = devices.ReasonHung
	ReasonGarbage = devices.ReasonGarbage
)

// conversation is one agent process that is asked one thing.
type conversation struct {
	ctx    context.Context // ends with errHung when the answer is late; the transport kills then
	op     string
	proc   transport.Process
	out    *bufio.Reader
	stderr *text.TailWriter
	// errDone closes when stderr has been read to its end.
	errDone chan struct{}
	cancel  context.CancelFunc
	hung    bool
	// unstarted is what a shell's 126 and 127 mean, which says so where there is a shell
	// between; nil where the program is started by itself.
	unstarted *devices.Error
}

// launch is how an agent is started on a machine.
type launch struct {
	m       *machine.Machine
	command transport.Command
}

// unstarted is what it means that the program is not there: on this machine an installation
// that is not whole. Elsewhere it was there a moment ago, and the device, opened again, gets
// it again: a board's /tmp is empty after a reboot.
func (l launch) unstarted(op string) *devices.Error {
	e := &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonMissing,
		Advice: "`make build` builds it; --agent FILE or LATLAB_AGENT names another; `latlab doctor` looks for what is missing"}
	if !l.m.Local() {
		e.Fault = devices.FaultDevice
		e.Advice = "may programs be run from " + l.m.Dir() + "? a folder on a file system that is mounted noexec cannot be used"
	}
	return e
}

// ask starts an agent, sends the request and returns its answer. A nil request asks for
// the Hello only. Whatever happens, the process is gone when ask returns.
func ask(ctx context.Context, l launch, op string, timeout time.Duration, req *wire.Request) (wire.Hello, *wire.Response, error) {
	c, err := start(ctx, l, op, timeout)
	if err != nil {
		return wire.Hello{}, nil, err
	}
	hello, resp, err := c.talk(req)
	exit := c.end(err != nil)
	if err == nil {
		return hello, resp, nil
	}
	if ctx.Err() != nil {
		return hello, nil, ctx.Err()
	}
	return hello, nil, c.classify(err, exit)
}

func start(parent context.Context, l launch, op string, timeout time.Duration) (*conversation, error) {
	ctx, cancel := context.WithTimeoutCause(parent, timeout, errHung)
	p, err := l.m.Start(ctx, l.command)
	if err != nil {
		defer cancel()
		return nil, transportError(ctx, err, l.unstarted(op))
	}
	c := &conversation{
		ctx: ctx, op: op, proc: p, out: bufio.NewReaderSize(p.Stdout(), 1<<16),
		stderr: &text.TailWriter{Most: maxOutput}, errDone: make(chan struct{}), cancel: cancel,
	}
	if !l.m.Local() {
		c.unstarted = l.unstarted(op)
	}
	go func() {
		_, _ = io.Copy(c.stderr, p.Stderr())
		close(c.errDone)
	}()
	return c, nil
}

var errHung = errors.New("no answer in time")

// transportError is what a failed transport says: the context's end, its own word where it
// knows whose fault it is (a phone that is unplugged), else what it means here.
func transportError(ctx context.Context, err error, meaning *devices.Error) error {
	var known *devices.Error
	switch {
	case errors.Is(context.Cause(ctx), errHung):
		meaning.Fault, meaning.Reason, meaning.Err, meaning.Advice = devices.FaultDevice, ReasonHung, errHung, ""
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &known):
		return known
	case meaning.Reason == ReasonMissing:
		meaning.Err = fmt.Errorf("the agent cannot be started: %w", err)
	default:
		meaning.Err = err
	}
	return meaning
}

// garbageError is a line that is not the protocol's.
type garbageError struct {
	line string
	err  error
}

func (e *garbageError) Error() string {
	return fmt.Sprintf("the agent printed %q where a message should be: %v", text.Clip(e.line), e.err)
}

func (c *conversation) talk(req *wire.Request) (hello wire.Hello, resp *wire.Response, err error) {
	// A hello may have fields of a newer agent: its version then says so.
	if err := c.read(&hello, false); err != nil {
		return hello, nil, err
	}
	if hello.Type != "hello" || hello.Wire != wire.Revision || hello.Version != version.Version {
		return hello, nil, &devices.Error{
			Fault: devices.FaultLab, Op: c.op, Reason: ReasonVersion,
			Err: fmt.Errorf("the agent is of version %q (messages %d), this latlab is %s (messages %d)",
				hello.Version, hello.Wire, version.Version, wire.Revision),
			Advice: "`make build` builds both",
		}
	}
	if req == nil {
		return hello, nil, nil
	}
	// A write fails only when the agent is gone, which reading tells better.
	_ = json.NewEncoder(c.proc.Stdin()).Encode(req)
	resp = new(wire.Response)
	if err := c.read(resp, true); err != nil {
		return hello, nil, err
	}
	return hello, resp, c.check(resp, req)
}

// check refuses answers that no agent gives: a zero or missing latency must never become
// a measurement.
func (c *conversation) check(resp *wire.Response, req *wire.Request) error {
	switch {
	case resp.Error != nil:
		return &devices.Error{Fault: resp.Error.Fault, Op: c.op, Reason: resp.Error.Reason, Err: errors.New(resp.Error.Message)}
	case req.Delegate == wire.External && resp.Library == "":
		return &garbageError{line: resp.Type, err: errors.New("which library the delegate is from is not said")}
	case req.Type == wire.Load && resp.Type == wire.Load:
		return nil
	case req.Type == wire.Time && resp.Result != nil:
		return checkResult(resp.Result, req)
	case req.Type == wire.Outputs && resp.Outputs != nil && resp.Delegation != nil:
		return nil
	}
	return &garbageError{line: resp.Type, err: fmt.Errorf("no answer to %q", req.Type)}
}

func checkResult(r *wire.Result, req *wire.Request) error {
	if len(r.Samples) < req.Plan.MinRuns || len(r.Samples) != len(r.CPUSamples) {
		return &garbageError{line: "result", err: fmt.Errorf("%d samples and %d of CPU time, at least %d were asked for",
			len(r.Samples), len(r.CPUSamples), req.Plan.MinRuns)}
	}
	for i, s := range r.Samples {
		if !(s > 0) || !(r.CPUSamples[i] >= 0) {
			return &garbageError{line: "result", err: fmt.Errorf("sample %d is %v s", i, s)}
		}
	}
	return nil
}

// read decodes one line into v; a strict one has no field that v has not.
func (c *conversation) read(v any, strict bool) error {
	line, err := readLine(c.out)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return &garbageError{line: string(line), err: err}
	}
	return nil
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if len(line) > 0 && errors.Is(err, io.EOF) {
				return nil, &garbageError{line: string(line), err: io.ErrUnexpectedEOF}
			}
			return nil, err
		}
		if len(line) > maxLine {
			return nil, &garbageError{line: string(line[:80]), err: errors.New("the line does not end")}
		}
	}
}

// end closes stdin, which ends the agent, reads what is left and waits. An agent that
// failed is killed at once.
func (c *conversation) end(failed bool) transport.Exit {
	_ = c.proc.Stdin().Close()
	timer := time.AfterFunc(exitTimeout, c.proc.Kill)
	if failed && !c.leaving() {
		c.proc.Kill()
	}
	_, _ = io.Copy(io.Discard, c.out)
	<-c.errDone
	exit := c.proc.Wait()
	timer.Stop()
	c.hung = errors.Is(context.Cause(c.ctx), errHung)
	c.cancel()
	return exit
}

// leaving gives a process that closed its stdout the moment that it needs to die of its
// own cause, which Kill would hide.
func (c *conversation) leaving() bool {
	select {
	case <-c.errDone:
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}

// classify turns what was seen into an error with its culprit.
func (c *conversation) classify(err error, exit transport.Exit) error {
	var known *devices.Error
	if errors.As(err, &known) {
		known.Output = c.stderr.String()
		return known
	}
	e := &devices.Error{Fault: devices.FaultDevice, Op: c.op, Output: c.stderr.String()}
	var garbage *garbageError
	switch {
	case c.hung:
		e.Reason, e.Err = ReasonHung, errors.New("the agent gave no answer in time and was killed")
	case errors.As(err, &garbage):
		e.Reason, e.Err = ReasonGarbage, err
		e.Output = garbage.line + "\n" + e.Output
	case exit.Signal == "killed" || exit.Signal == "terminated":
		e.Reason, e.Err = ReasonKilled, fmt.Errorf("the agent was ended by somebody: %s", exit.Signal)
		e.Advice = "out of memory? see the kernel's log"
	case exit.Signal != "" && (strings.Contains(e.Output, "driver/usb/") || strings.Contains(e.Output, "USB transfer error")):
		// libedgetpu aborts when its stick is pulled out.
		e.Reason, e.Err, e.Advice = devices.ReasonOffline, errors.New("the Edge TPU's USB connection broke"), "is the stick plugged in?"
	case exit.Signal != "":
		// The runtime died of this model; trying again would show the same.
		e.Fault, e.Reason, e.Err = devices.FaultModel, ReasonCrashed, fmt.Errorf("the runtime crashed: %s", exit.Signal)
	case (exit.Code == 126 || exit.Code == 127) && c.unstarted != nil:
		e.Fault, e.Reason, e.Advice = c.unstarted.Fault, c.unstarted.Reason, c.unstarted.Advice
		e.Err = errors.New("the agent cannot be started there")
	default:
		e.Reason, e.Err = ReasonExited, fmt.Errorf("the agent left with exit code %d before it answered", exit.Code)
	}
	if last := text.LastLine(e.Output); last != "" && e.Reason != ReasonGarbage {
		e.Err = fmt.Errorf("%w; it printed: %s", e.Err, text.ClipTo(last, 200))
	}
	return e
}

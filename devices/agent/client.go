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
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/text"
	"latlab/internal/version"
)

const (
	// maxLine limits one line of the agent; the outputs of a whole network are the longest.
	maxLine = 256 << 20
	// maxKept limits how much of an invalid line an error quotes.
	maxKept = 32 << 10
	// helloTimeout is generous: on a loaded host a process may take seconds to start.
	helloTimeout = 20 * time.Second
	// delegateTimeout leaves time for accelerators that load firmware when they are opened: a Coral
	// stick takes some seconds.
	delegateTimeout = time.Minute
)

// Reasons of errors: stable words for stores and metrics.
const (
	ReasonMissing = "agent-missing" // the program cannot be started
	ReasonVersion = "agent-version" // another version of latlab
)

// conversation is one agent process that handles one request.
type conversation struct {
	op    string
	req   *wire.Request // nil asks only for the Hello
	limit io.LimitedReader
	out   *bufio.Reader // of limit
	hello wire.Hello
	resp  *wire.Response
}

// launch describes how an agent is started on a machine.
type launch struct {
	m       *machine.Machine
	command transport.Command
}

// missing classifies a program that is not found. On this machine the installation is incomplete.
// On another machine the program was installed before and has been removed since, as a board's
// /tmp is emptied by a reboot; opening the device again installs it again.
func (l launch) missing() devices.Error {
	e := devices.Error{Fault: devices.FaultLab, Reason: ReasonMissing,
		Advice: "`make build` builds it; --agent FILE or LATLAB_AGENT names another; `latlab doctor` looks for what is missing"}
	if !l.m.Local() {
		e.Fault = devices.FaultDevice
		e.Advice = "may programs be run from " + l.m.Dir() + "? a folder on a file system that is mounted noexec cannot be used"
	}
	return e
}

// ask starts an agent, sends the request and returns its answer. A nil request asks only for the
// Hello. The process has always ended when ask returns.
func ask(ctx context.Context, l launch, op string, timeout time.Duration, req *wire.Request) (wire.Hello, *wire.Response, error) {
	c := conversation{op: op, req: req}
	_, err := tool.Do(ctx, l.m, tool.Run{Op: op, Program: "the agent", Command: l.command, Timeout: timeout, Talk: c.talk, Missing: l.missing()})
	var e *devices.Error
	if errors.As(err, &e) && e.Reason == devices.ReasonCrashed && (strings.Contains(e.Output, "driver/usb/") || strings.Contains(e.Output, "USB transfer error")) {
		// libedgetpu aborts when its stick is pulled out.
		e.Fault, e.Reason, e.Advice = devices.FaultDevice, devices.ReasonOffline, "is the stick plugged in?"
		e.Err = fmt.Errorf("the Edge TPU's USB connection broke: %w", e.Err)
	}
	if err != nil {
		return c.hello, nil, err
	}
	return c.hello, c.resp, nil
}

// garbage returns the error for a line that does not follow the protocol.
func (c *conversation) garbage(line string, err error) error {
	return &devices.Error{Fault: devices.FaultDevice, Op: c.op, Reason: devices.ReasonGarbage, Output: text.Cut(line, maxKept),
		Err: fmt.Errorf("the agent printed %q where a message should be: %w", text.Clip(line), err)}
}

func (c *conversation) talk(stdin io.Writer, stdout io.Reader) error {
	c.limit.R = stdout
	c.out = bufio.NewReaderSize(&c.limit, 1<<16)
	// A newer agent's Hello may have unknown fields; its version is then reported.
	if err := c.read(&c.hello, false); err != nil {
		return err
	}
	if h := c.hello; h.Type != "hello" || h.Wire != wire.Revision || h.Version != version.Version {
		return &devices.Error{
			Fault: devices.FaultLab, Op: c.op, Reason: ReasonVersion,
			Err: fmt.Errorf("the agent is of version %q (messages %d), this latlab is %s (messages %d)",
				h.Version, h.Wire, version.Version, wire.Revision),
			Advice: "`make build` builds both",
		}
	}
	if c.req == nil {
		return nil
	}
	// A write fails only when the agent has exited, and reading gives the better error.
	_ = json.NewEncoder(stdin).Encode(c.req)
	c.resp = new(wire.Response)
	if err := c.read(c.resp, true); err != nil {
		return err
	}
	return c.check(c.resp, c.req)
}

// check refuses answers that no agent gives: a zero or missing latency must never become a
// measurement.
func (c *conversation) check(resp *wire.Response, req *wire.Request) error {
	switch {
	case resp.Error != nil:
		return &devices.Error{Fault: resp.Error.Fault, Op: c.op, Reason: resp.Error.Reason, Err: errors.New(resp.Error.Message)}
	case req.Delegate == wire.External && resp.Library == "":
		return c.garbage(resp.Type, errors.New("the answer does not identify the delegate's library"))
	case req.Signature != nil && resp.Signature == "":
		return c.garbage(resp.Type, errors.New("the answer does not name the signature that ran"))
	case req.Type == wire.Load && resp.Type == wire.Load:
		return nil
	case req.Type == wire.Time && resp.Result != nil:
		return c.checkResult(resp.Result, req)
	case req.Type == wire.Profile && resp.Result != nil && resp.Profile != nil:
		if err := checkObserved(resp.Profile); err != nil {
			return c.garbage("profile", err)
		}
		return c.checkResult(resp.Result, req)
	case req.Type == wire.Outputs && resp.Outputs != nil && resp.Delegation != nil:
		return nil
	}
	return c.garbage(resp.Type, fmt.Errorf("no answer to %q", req.Type))
}

// checkResult refuses what shows without the block's duration, which Device.Run checks.
func (c *conversation) checkResult(r *wire.Result, req *wire.Request) error {
	if len(r.Samples) < req.Plan.MinRuns || len(r.Samples) != len(r.CPUSamples) && req.Type == wire.Time {
		return c.garbage("result", fmt.Errorf("%d samples and %d of CPU time, at least %d were asked for",
			len(r.Samples), len(r.CPUSamples), req.Plan.MinRuns))
	}
	for i, s := range r.Samples {
		if !(s > 0) || i < len(r.CPUSamples) && !(r.CPUSamples[i] >= 0) {
			return c.garbage("result", fmt.Errorf("sample %d is %v s", i, s))
		}
	}
	for _, l := range r.Left {
		if l.Count < 1 || l.Count > r.Delegation.Nodes {
			return c.garbage("result", fmt.Errorf("%d of %d nodes are left, of one kind", l.Count, r.Delegation.Nodes))
		}
	}
	return nil
}

// read decodes one line into v. If strict, unknown fields are an error.
func (c *conversation) read(v any, strict bool) error {
	line, err := c.readLine()
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return c.garbage(string(line), err)
	}
	return nil
}

func (c *conversation) readLine() ([]byte, error) {
	c.limit.N = maxLine
	line, err := c.out.ReadBytes('\n')
	switch {
	case err == nil:
		return line, nil
	case c.limit.N <= 0:
		return nil, c.garbage(string(line[:80]), errors.New("the line is too long"))
	case len(line) > 0 && errors.Is(err, io.EOF):
		return nil, c.garbage(string(line), io.ErrUnexpectedEOF)
	}
	return nil, err
}

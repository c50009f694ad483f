package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/transport"
)

// walk is a check of one device: steps until the first that fails.
type walk struct {
	steps []Step
}

func (w *walk) ok(name, format string, args ...any) {
	w.steps = append(w.steps, Step{Name: name, State: OK, Detail: oneLine(fmt.Sprintf(format, args...))})
}

func (w *walk) note(name, detail, typed string) {
	w.steps = append(w.steps, Step{Name: name, State: Note, Detail: oneLine(detail), Type: typed})
}

// missing ends the walk with what an error says, and with what it advises to type.
func (w *walk) missing(name string, err error, typed string) []Step {
	s := Step{Name: name, State: Missing, Detail: oneLine(err.Error()), Type: typed}
	var e *devices.Error
	if errors.As(err, &e) {
		s.Detail = sentence(e)
		if last := lastLine(e.Output); last != "" && !strings.Contains(s.Detail, last) {
			s.Detail += "; it printed: " + clip(oneLine(last), 200)
		}
		if s.Type == "" {
			s.Type = toType(e.Advice)
		}
	}
	w.steps = append(w.steps, s)
	return w.steps
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

// checkEntry walks from the file to a device that could time, in the order in which it can
// fail. It times nothing.
func (l *Lab) checkEntry(ctx context.Context, e *entry) []Step {
	w := &walk{}
	if e.file != "" {
		w.ok("inventory", "%s:%d: %s", e.file, e.line, e.words())
	}
	if err := e.filesThere(); err != nil {
		return w.missing("files", err, "")
	}
	if _, err := l.describeEntry(e); err != nil {
		return w.missing("options", err, "")
	}
	t, err := l.walkTo(ctx, w, e)
	if err != nil {
		return w.steps
	}
	defer t.Close()
	if !e.local {
		if _, err := transport.Shell(ctx, t, 1<<10, "exit 0"); err != nil {
			return w.missing("shell", err, "")
		}
		w.ok("shell", "starts programs there")
	}
	m, err := l.openMachine(ctx, t, e)
	if err != nil {
		return w.missing(failedOpening(err), err, "")
	}
	defer m.Close()
	if !e.local {
		w.ok("folder", "%s is latlab's own there", m.Dir())
	}
	d, err := l.toolOf(e).open(ctx, m)
	if err != nil {
		return w.missing(failedPart(err, e), err, "")
	}
	defer d.Close()
	w.ok(e.tool, "%s", runtimeWords(d.Info()))
	if name := d.Info().Delegate; name != "" {
		w.ok("delegate", "%s", name)
	}
	return walkState(ctx, w, m)
}

// walkTo opens the transport; it is an error where a step failed, which the walk then has.
func (l *Lab) walkTo(ctx context.Context, w *walk, e *entry) (transport.Transport, error) {
	if e.adb != "" && l.reach == nil {
		return l.walkPhone(ctx, w, e)
	}
	t, err := l.dial(ctx, e)
	switch {
	case err != nil:
		w.missing(failedConnecting(err), err, "")
	case e.ssh.host != "":
		w.ok("connection", "%v: its host key is known, and it lets us in", t)
	}
	return t, err
}

// failedConnecting is the step at which reaching a machine failed.
func failedConnecting(err error) string {
	var known *devices.Error
	if !errors.As(err, &known) {
		return "connection"
	}
	switch known.Reason {
	case devices.ReasonHostKey:
		return "host key"
	case devices.ReasonUnauthorized:
		return "login"
	case "ssh-config":
		return "ssh configuration"
	}
	return "connection"
}

// failedOpening is the step at which taking a machine into use failed.
func failedOpening(err error) string {
	var known *devices.Error
	switch {
	case !errors.As(err, &known):
	case known.Reason == devices.ReasonBusy:
		return "free"
	case known.Reason == state.ReasonSetting:
		return "settings"
	}
	return "folder"
}

// failedPart is the step at which making the device failed.
func failedPart(err error, e *entry) string {
	var known *devices.Error
	var part *partError
	switch {
	case errors.As(err, &part):
		return part.part
	case !errors.As(err, &known):
		return e.tool
	case known.Reason == devices.ReasonDelegate:
		return "delegate"
	case known.Reason == agent.ReasonMissing && !e.local:
		return "agent bundle"
	}
	return e.tool
}

func walkState(ctx context.Context, w *walk, m *machine.Machine) []Step {
	now, err := m.State(ctx)
	if err != nil {
		return w.missing("state", err, "")
	}
	hottest := now.HottestC()
	if hottest == nil {
		w.note("state", "no temperature can be read: heat shows only as drift", "")
		return w.steps
	}
	w.ok("state", "%.0f C the hottest of %d sensors", *hottest, len(now.TemperaturesC))
	return w.steps
}

// words say what a device is, for people: "phone 9A281F over adb, agent with xnnpack".
func (e *entry) words() string {
	where := "this machine"
	switch {
	case e.adb != "":
		where = "phone " + e.adb + " over adb"
	case e.ssh.host != "":
		where = "board " + e.ssh.String() + " over ssh"
	}
	what := e.tool
	if e.delegate != "" && e.delegate != delegateNone {
		what += " with " + e.delegate
	}
	return where + ", " + what
}

// String is [USER@]HOST[:PORT].
func (h sshHost) String() string {
	text := h.host
	if strings.Contains(text, ":") {
		text = "[" + text + "]"
	}
	if h.user != "" {
		text = h.user + "@" + text
	}
	if h.port != 0 {
		text = fmt.Sprintf("%s:%d", text, h.port)
	}
	return text
}

func runtimeWords(i devices.Info) string {
	if r := i.Fingerprint["runtime"]; r != "" {
		return i.Harness + ", " + r
	}
	return i.Harness
}

package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Step is one check of a device. The steps are in the order in which a measurement would need them.
type Step struct {
	Name   string    `json:"name"`
	State  StepState `json:"state"`
	Detail string    `json:"detail"`
	Type   string    `json:"type,omitempty"` // command that helps
	Away   bool      `json:"-"`              // it failed because the device cannot be reached
}

// StepState is the result of a Step.
type StepState string

// The states of a Step.
const (
	OK      StepState = "ok"
	Note    StepState = "note"    // it works, with a remark
	Missing StepState = "missing" // it does not work
)

// Failed returns the first failed step, nil if there is none.
func Failed(steps []Step) *Step {
	for i := range steps {
		if steps[i].State == Missing {
			return &steps[i]
		}
	}
	return nil
}

// Check runs the steps that a device needs before it can measure, up to the first that is Missing.
// It measures nothing. An unknown name is an *UnknownError.
func (l *Lab) Check(ctx context.Context, name string) ([]Step, error) {
	f, err := l.familyFor(name)
	if err != nil {
		return nil, err
	}
	if err := f.known(name); err != nil {
		return nil, err
	}
	return f.checked(ctx, name), nil
}

// checked runs the family's check and says so if it timed out.
func (f family) checked(ctx context.Context, name string) []Step {
	steps := f.check(ctx, name)
	if s := Failed(steps); s != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.Detail = "timeout: it hangs, or this machine is too busy"
	}
	return steps
}

// CheckTools checks the installation of each of Tools, all at the same time.
func (l *Lab) CheckTools(ctx context.Context) [][]Step {
	found := make([][]Step, len(l.Tools()))
	var wg sync.WaitGroup
	for i, name := range l.Tools() {
		wg.Go(func() {
			if f, err := l.familyOf(name); err == nil {
				found[i] = f.checked(ctx, name)
			}
		})
	}
	wg.Wait()
	return found
}

// checkLocal checks the system, the agent's file, the agent and its runtime.
func checkLocal(ctx context.Context, o agent.Options) []Step {
	if runtime.GOOS != "linux" {
		return []Step{{Name: "system", State: Missing, Detail: runtime.GOOS + " is not supported: latlab's agent measures on Linux only"}}
	}
	steps := []Step{{Name: "system", State: OK, Detail: runtime.GOOS + "/" + runtime.GOARCH}}
	if _, err := os.Stat(o.Path); err != nil {
		return append(steps, Step{Name: "agent", State: Missing, Detail: "latlab-agent, which measures models, was not found: " + err.Error(), Type: "make build"})
	}
	steps = append(steps, Step{Name: "agent", State: OK, Detail: o.Path})
	d, err := openLocal(ctx, o)
	if err != nil {
		return append(steps, agentProblem(err))
	}
	defer d.Close()
	f := d.Info().Fingerprint
	return append(steps, Step{Name: "runtime", State: OK, Detail: fmt.Sprintf("%s with xnnpack, library %.12s", f["runtime"], f["library_sha256"])})
}

// agentProblem explains why the agent did not start, with its output.
func agentProblem(err error) Step {
	s := Step{Name: "runtime", State: Missing, Detail: oneLine(err.Error()), Type: "make build"}
	var e *devices.Error
	if !errors.As(err, &e) {
		return s
	}
	switch {
	case e.Fault == devices.FaultUser:
		s.Type = ""
	case strings.Contains(e.Output, "libtensorflowlite_c.so"):
		s.Detail = "the TFLite library cannot be loaded: " + oneLine(e.Output)
	case strings.Contains(e.Output, "GLIBC"):
		s.Detail, s.Type = "the C library is too old for this runtime: "+oneLine(e.Output), "make build TFLITE_DIR=FOLDER  # your own runtime"
	}
	return s
}

// walk collects the steps of one device's check.
type walk struct {
	steps []Step
}

func (w *walk) ok(name, format string, args ...any) {
	w.steps = append(w.steps, Step{Name: name, State: OK, Detail: oneLine(fmt.Sprintf(format, args...))})
}

func (w *walk) note(name, detail, typed string) {
	w.steps = append(w.steps, Step{Name: name, State: Note, Detail: oneLine(detail), Type: typed})
}

// missing adds a failed step with the error's text and the command that its advice contains.
func (w *walk) missing(name string, err error, typed string) []Step {
	s := Step{Name: name, State: Missing, Detail: oneLine(err.Error()), Type: typed}
	var e *devices.Error
	if errors.As(err, &e) {
		s.Detail, s.Away = sentence(e), e.Reason == devices.ReasonOffline
		if last := text.LastLine(e.Output); last != "" && !strings.Contains(s.Detail, last) {
			s.Detail += "; it printed: " + text.ClipTo(oneLine(last), 200)
		}
		if s.Type == "" {
			s.Type = toType(e.Advice)
		}
	}
	w.steps = append(w.steps, s)
	return w.steps
}

// checkEntry runs all steps from the inventory file to an open device. It measures nothing.
func (l *Lab) checkEntry(ctx context.Context, e *entry) []Step {
	w := &walk{}
	if e.file != "" {
		w.ok("inventory", "%s:%d: %v", e.file, e.line, e)
	}
	if err := e.filesThere(); err != nil {
		return w.missing("files", err, "")
	}
	if _, err := l.describeEntry(e); err != nil {
		return w.missing("options", err, "")
	}
	t, err := e.place.walk(ctx, l, e, w)
	if err != nil {
		return w.steps
	}
	defer t.Close()
	if !e.Local() {
		if _, err := transport.Shell(ctx, t, 1<<10, "exit 0"); err != nil {
			return w.missing("shell", err, "")
		}
		w.ok("shell", "programs can be started")
	}
	m, err := l.openMachine(ctx, t, e)
	if err != nil {
		return w.missing(stepOf(err, "folder", map[string]string{devices.ReasonBusy: "free", state.ReasonSetting: "settings"}), err, "")
	}
	defer m.Close()
	if !e.Local() {
		w.ok("folder", "%s belongs to latlab", m.Dir())
	}
	d, err := e.setup.Open(ctx, m, l.device(e))
	if err != nil {
		return w.missing(failedPart(err, e), err, "")
	}
	defer d.Close()
	w.ok(e.tool.Name, "%s", runtimeWords(d.Info()))
	if name := d.Info().Delegate; name != "" {
		w.ok("delegate", "%s", name)
	}
	return walkState(ctx, w, m)
}

// failedPart is the step at which opening the device failed.
func failedPart(err error, e *entry) string {
	var step *tool.StepError
	if errors.As(err, &step) {
		return step.Step
	}
	steps := map[string]string{devices.ReasonDelegate: "delegate"}
	if !e.Local() {
		steps[agent.ReasonMissing] = "agent bundle"
	}
	return stepOf(err, e.tool.Name, steps)
}

func walkState(ctx context.Context, w *walk, m *machine.Machine) []Step {
	now, err := m.State(ctx)
	if err != nil {
		return w.missing("state", err, "")
	}
	hottest := now.HottestC()
	unclear := now.Unclear()
	switch {
	case hottest == nil && unclear != "":
		w.note("state", "no temperature sensor is understood ("+unclear+"): throttling shows only as drift", "")
	case hottest == nil:
		w.note("state", "no temperature sensor: throttling shows only as drift", "")
	case unclear != "":
		w.ok("state", "%.0f C, the hottest of %d sensors; left out: %s", *hottest, len(now.TemperaturesC), unclear)
	default:
		w.ok("state", "%.0f C, the hottest of %d sensors", *hottest, len(now.TemperaturesC))
	}
	return w.steps
}

// String describes the device for people: "phone 9A281F over adb, agent with xnnpack".
func (e *entry) String() string {
	what := e.place.String() + ", " + e.tool.Name
	if name := e.Delegate.Name; name != "" && name != "none" {
		what += " with " + name
	}
	return what
}

func runtimeWords(i devices.Info) string {
	if r := i.Fingerprint["runtime"]; r != "" {
		return i.Harness + ", " + r
	}
	return i.Harness
}

package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"unicode"

	"latlab/devices"
	"latlab/devices/sim"
)

// Step is one thing that was looked at, in the order in which timing can fail by it.
type Step struct {
	Name   string    `json:"name"`
	State  StepState `json:"state"`
	Detail string    `json:"detail"`
	Type   string    `json:"type,omitempty"` // what to type
}

// StepState is what a Step found.
type StepState string

// The states of a Step.
const (
	OK      StepState = "ok"
	Note    StepState = "note"    // it works, and there is something to know
	Missing StepState = "missing" // it does not work
)

// Failed returns the first step that does not work, nil where all do.
func Failed(steps []Step) *Step {
	for i := range steps {
		if steps[i].State == Missing {
			return &steps[i]
		}
	}
	return nil
}

// Check walks through what a device needs before it can time; the first step that is
// Missing is the last. It times nothing. An unknown name is an *UnknownError.
func (l *Lab) Check(ctx context.Context, name string) ([]Step, error) {
	f, err := l.familyOf(name)
	if err != nil {
		return nil, err
	}
	if err := f.takes(name, l.o); err != nil {
		return nil, err
	}
	if err := f.known(name, l.o); err != nil {
		return nil, err
	}
	return f.checked(ctx, name, l.o), nil
}

// known is an error for a name that the family does not have. What else is wrong with a device
// is a step of its check.
func (f family) known(name string, o Options) error {
	if f.entry != nil {
		_, err := f.entry(name)
		return err
	}
	_, err := f.describe(name, o)
	return err
}

// checked is the family's check; one whose time was over before it failed says so.
func (f family) checked(ctx context.Context, name string, o Options) []Step {
	steps := f.check(ctx, name, o)
	if s := Failed(steps); s != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.Detail = "no answer in time: it hangs, or this machine is too busy"
	}
	return steps
}

// CheckTools looks at the installation of each of Tools once, all at the same time.
func (l *Lab) CheckTools(ctx context.Context) [][]Step {
	found := make([][]Step, len(l.Tools()))
	var wg sync.WaitGroup
	for i, name := range l.Tools() {
		wg.Go(func() {
			if f, err := l.familyOf(name); err == nil {
				found[i] = f.checked(ctx, name, l.o)
			}
		})
	}
	wg.Wait()
	return found
}

// checkLocal: the system, the agent's file, the agent and its runtime.
func checkLocal(ctx context.Context, name string, o Options) []Step {
	if runtime.GOOS != "linux" {
		return []Step{{"system", Missing, runtime.GOOS + " has no agent; latlab times on Linux", ""}}
	}
	steps := []Step{{Name: "system", State: OK, Detail: runtime.GOOS + "/" + runtime.GOARCH}}
	if _, err := os.Stat(o.AgentPath); err != nil {
		return append(steps, Step{"agent", Missing, "latlab-agent, which times models, is not there: " + err.Error(), "make build"})
	}
	steps = append(steps, Step{Name: "agent", State: OK, Detail: o.AgentPath})
	d, err := openLocal(ctx, name, o)
	if err != nil {
		return append(steps, agentProblem(err))
	}
	defer d.Close()
	f := d.Info().Fingerprint
	return append(steps, Step{Name: "runtime", State: OK, Detail: f["runtime"] + " with xnnpack, library " + clip(f["library_sha256"], 12)})
}

// agentProblem explains why the agent did not start, with what it printed.
func agentProblem(err error) Step {
	s := Step{"runtime", Missing, oneLine(err.Error()), "make build"}
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
		s.Detail, s.Type = "the C library is too old for this runtime: "+oneLine(e.Output), "make build TFLITE_DIR=FOLDER  # a runtime of your own"
	}
	return s
}

// checkSimulated: a simulator needs its constants only.
func checkSimulated(_ context.Context, name string, _ Options) []Step {
	d, err := sim.Open(sim.Options{Name: name})
	if err != nil {
		return []Step{{"constants", Missing, oneLine(err.Error()), ""}}
	}
	f := d.Info().Fingerprint
	return []Step{{Name: "constants", State: OK, Detail: fmt.Sprintf("%s, sha256 %s, profile %s, unit %s",
		f["simulator"], clip(f["constants_sha256"], 12), f["profile"], f["unit"])}}
}

// oneLine keeps what a device or file says on one line, and from being obeyed by a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

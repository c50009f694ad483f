package inventory

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
)

// Target is a device that Look takes.
type Target struct {
	devices.Info
	Source string // SourceBuiltIn, SourceFile or SourceAttached
}

// Targets are all devices that Look takes: this machine, the file's, attached phones, built-in
// simulators and estimators. Forms of names (sim:FILE.yaml, ssh:HOST) are not among them: who
// asks over a network must not choose a file or a host. Only a running adb server is asked.
func (l *Lab) Targets(ctx context.Context) []Target {
	list := []Target{{l.described(Local), SourceBuiltIn}}
	for _, e := range l.entries {
		list = append(list, Target{l.describedEntry(e), SourceFile})
	}
	for _, p := range l.attachedPhones(ctx) {
		if e := l.attachedEntry(p); e != nil {
			list = append(list, Target{l.describedEntry(e), SourceAttached})
		}
	}
	for _, f := range builtIn(l.o)[1:] {
		for _, name := range f.names() {
			list = append(list, Target{l.described(name), SourceBuiltIn})
		}
	}
	return list
}

// described is what is known of a built-in device without asking it.
func (l *Lab) described(name string) devices.Info {
	if info, err := l.Describe(name); err == nil {
		return info
	}
	return devices.Info{Name: name, Kind: devices.Measured}
}

func (l *Lab) describedEntry(e *entry) devices.Info {
	info, err := l.describeTool(e)
	if err != nil {
		info = e.bareInfo()
	}
	return info
}

// Look says how one device of Targets is, as cheaply as can be: an agent or a vendor's program
// is not started, and a device on which a latlab times is not touched. With reachOnly its
// condition is not read either. The name must be exactly one of Targets, another is an
// *UnknownError; how the device is is never an error.
func (l *Lab) Look(ctx context.Context, name string, reachOnly bool) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	d := condition
	if reachOnly {
		d = reachable
	}
	switch e := l.entryOf(name); {
	case name == Local:
		return l.lookHere(d), nil
	case e != nil:
		return l.probeEntry(ctx, e, SourceFile, d), nil
	case strings.HasPrefix(name, adbPrefix): // other names do not ask the adb server
		for _, p := range l.attachedPhones(ctx) {
			if adbPrefix+p.Serial == name {
				return l.probeAttached(ctx, p, d), nil
			}
		}
	}
	for _, f := range builtIn(l.o)[1:] {
		if slices.Contains(f.names(), name) {
			return f.status(name, l.known.tool(ctx, f))
		}
	}
	return Status{}, &UnknownError{Name: name, Near: l.meant(name)}
}

// lookHere does not try whether the agent works: that takes a process each time.
func (l *Lab) lookHere(d depth) Status {
	s := l.localStatus(d)
	if _, err := os.Stat(l.o.AgentPath); err != nil {
		s.State, s.Problem, s.Type = NotReady, oneLine("latlab-agent, which times models, is not there: "+err.Error()), "make build"
	}
	return s
}

// toolAge is how long what was found of an estimator's tool is believed: to ask again starts a
// Python, half a second of a processor that may be timing.
const toolAge = time.Hour

// remembered is what changes too seldom to be asked at each look.
type remembered struct {
	mu         sync.Mutex
	identities map[string]state.Identity
	tools      map[string]toolFound
	looks      singleflight.Group // at tools; not under mu, for a tool may hang
}

type toolFound struct {
	failed *Step
	when   time.Time
}

// identify asks a device once who it is. Another phone of that name at that port would be
// taken for the first one; its serial number is in its name or in the file.
func (r *remembered) identify(ctx context.Context, name string, t transport.Transport) (state.Identity, error) {
	r.mu.Lock()
	id, ok := r.identities[name]
	r.mu.Unlock()
	if ok {
		return id, nil
	}
	id, err := state.Identify(ctx, t)
	if err != nil {
		return id, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.identities == nil {
		r.identities = map[string]state.Identity{}
	}
	r.identities[name] = id
	return id, nil
}

// tool is what is missing of a family's tool, nil where nothing is. There is one process of a
// tool, which whoever else asks waits for, as long as his context lets him.
func (r *remembered) tool(ctx context.Context, f family) *Step {
	if f.tool == "" {
		return nil
	}
	r.mu.Lock()
	found, ok := r.tools[f.tool]
	r.mu.Unlock()
	if ok && time.Since(found.when) < toolAge {
		return found.failed
	}
	look := r.looks.DoChan(f.tool, func() (any, error) { return r.tryTool(context.WithoutCancel(ctx), f), nil })
	select {
	case result := <-look:
		failed, _ := result.Val.(*Step)
		return failed
	case <-ctx.Done():
		return &Step{Name: f.tool, State: Missing, Detail: "no answer in time: it hangs, or this machine is too busy"}
	}
}

func (r *remembered) tryTool(ctx context.Context, f family) *Step {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	failed := Failed(f.checked(ctx, f.tool))
	if ctx.Err() != nil {
		return failed // what hung once is no fact
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tools == nil {
		r.tools = map[string]toolFound{}
	}
	r.tools[f.tool] = toolFound{failed, time.Now()}
	return failed
}

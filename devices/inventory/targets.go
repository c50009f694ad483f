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

// Target is a device that Look accepts.
type Target struct {
	devices.Info
	Source string // SourceBuiltIn, SourceFile or SourceAttached
}

// Targets are all devices that Look accepts: this machine, the file's, attached phones, built-in
// simulators and estimators. Names such as sim:FILE.yaml and ssh:HOST are not accepted, because a
// client over the network must not choose files or hosts. It asks adb only if its server runs.
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

// described describes a built-in device without contacting it.
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

// Look returns the status of one device of Targets as cheaply as possible: it starts no agent or
// vendor's program and does not contact a device in use. With reachOnly it does not read the
// device's condition either. The name must be exactly one of Targets, any other is an
// *UnknownError; a bad status is not an error.
func (l *Lab) Look(ctx context.Context, name string, reachOnly bool) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	d := condition
	if reachOnly {
		d = reachable
	}
	switch e := l.entryOf(name); {
	case name == Local:
		// The agent is not started, which would take a process each time.
		s := l.localStatus(d)
		if _, err := os.Stat(l.o.AgentPath); err != nil {
			s.State, s.Problem, s.Type = NotReady, oneLine("latlab-agent, which measures models, was not found: "+err.Error()), "make build"
		}
		return s, nil
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

// toolAge is how long the check of an estimator's tool stays valid. Each check starts a Python,
// which takes half a second of a CPU that may be measuring.
const toolAge = time.Hour

// remembered caches what rarely changes between calls of Look.
type remembered struct {
	mu         sync.Mutex
	identities map[string]state.Identity
	tools      map[string]toolFound
	looks      singleflight.Group // checks of tools; not under mu, because a tool may hang
}

type toolFound struct {
	failed *Step
	when   time.Time
}

// identify reads a device's identity once. A different phone of the same name at the same address
// would not be noticed; names and the file contain serial numbers to prevent that.
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

// tool returns the failed step of a family's tool, nil if none. Only one check of a tool runs at a
// time; other callers wait for it, at most until their context ends.
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
		return &Step{Name: f.tool, State: Missing, Detail: "timeout: it hangs, or this machine is too busy"}
	}
}

func (r *remembered) tryTool(ctx context.Context, f family) *Step {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	failed := Failed(f.checked(ctx, f.tool))
	if ctx.Err() != nil {
		return failed // a timeout is not cached
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tools == nil {
		r.tools = map[string]toolFound{}
	}
	r.tools[f.tool] = toolFound{failed, time.Now()}
	return failed
}

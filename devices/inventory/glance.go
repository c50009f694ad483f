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
	"latlab/devices/machine"
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
	for i := range l.entries {
		list = append(list, Target{l.describedEntry(&l.entries[i]), SourceFile})
	}
	for _, p := range l.attachedPhones(ctx) {
		if e := l.phoneEntry(p.Serial); e != nil {
			list = append(list, Target{l.describedEntry(e), SourceAttached})
		}
	}
	for _, f := range builtIn()[1:] {
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

// phoneEntry is nil for a serial number that latlab does not take.
func (l *Lab) phoneEntry(serial string) *entry {
	f, err := l.familyOf(adbPrefix + serial)
	if err != nil {
		return nil
	}
	e, err := f.entry(adbPrefix + serial)
	if err != nil {
		return nil
	}
	return e
}

// Look says how one device of Targets is, as cheaply as can be: an agent or a vendor's program
// is not started, and a device on which a latlab times is not touched. With reachOnly its
// condition is not read either. The name must be exactly one of Targets, another is an
// *UnknownError; how the device is is never an error.
func (l *Lab) Look(ctx context.Context, name string, reachOnly bool) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if name == Local {
		return l.glanceHere(reachOnly), nil
	}
	for i := range l.entries {
		if e := &l.entries[i]; e.name == name {
			return l.glance(ctx, e, SourceFile, reachOnly), nil
		}
	}
	if strings.HasPrefix(name, adbPrefix) {
		return l.glanceAttached(ctx, name, reachOnly)
	}
	for _, f := range builtIn()[1:] {
		if slices.Contains(f.names(), name) {
			return l.glanceComputed(ctx, f, name)
		}
	}
	return Status{}, &UnknownError{Name: name, Near: l.meant(name)}
}

// glanceAttached asks the adb server, which other names do not.
func (l *Lab) glanceAttached(ctx context.Context, name string, reachOnly bool) (Status, error) {
	for _, p := range l.attachedPhones(ctx) {
		if adbPrefix+p.Serial != name {
			continue
		}
		s, e := l.attachedStatus(p)
		if e == nil {
			return s, nil
		}
		return l.glance(ctx, e, SourceAttached, reachOnly), nil
	}
	return Status{}, &UnknownError{Name: name, Near: l.meant(name)}
}

// glanceHere reads files of /proc and /sys, which no block on this machine notices. Whether the
// agent works is not tried: it takes a process each time.
func (l *Lab) glanceHere(reachOnly bool) Status {
	s := Status{Info: l.described(Local), State: Ready, Source: SourceBuiltIn}
	s.Delegates, s.SoC = delegateList(s.Info), some(state.SoC("/"))
	if _, err := os.Stat(l.o.AgentPath); err != nil {
		s.State, s.Problem, s.Type = NotReady, oneLine("latlab-agent, which times models, is not there: "+err.Error()), "make build"
	}
	if !reachOnly {
		now := state.Read("/")
		s.Now, s.HottestC = &now, now.HottestC()
	}
	return s
}

// glance is probeEntry without what changes never or costs more than a glance.
func (l *Lab) glance(ctx context.Context, e *entry, source string, reachOnly bool) Status {
	s, free := l.entryStatus(e, source)
	if !free {
		return s
	}
	t, err := l.dial(ctx, e)
	if err != nil {
		s.fail(err)
		return s
	}
	defer t.Close()
	if reachOnly {
		return s
	}
	now, err := machine.On(t, e.name).State(ctx)
	if err != nil {
		s.fail(err)
		return s
	}
	s.Now = &now
	s.judge(e)
	id, err := l.known.identify(ctx, e.name, t)
	if err != nil {
		s.fail(err)
		return s
	}
	s.identified(id)
	return s
}

// glanceComputed is a simulator or an estimator, which is ready where its tool is.
func (l *Lab) glanceComputed(ctx context.Context, f family, name string) (Status, error) {
	info, err := f.describe(name, l.o)
	if err != nil {
		return Status{}, err
	}
	s := Status{Info: info, State: Ready, Source: SourceBuiltIn, Delegates: delegateList(info)}
	if failed := l.known.tool(ctx, f, l.o); failed != nil {
		s.State, s.Problem, s.Type = NotReady, failed.Detail, failed.Type
	}
	return s, nil
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
func (r *remembered) tool(ctx context.Context, f family, o Options) *Step {
	if f.tool == "" {
		return nil
	}
	r.mu.Lock()
	found, ok := r.tools[f.tool]
	r.mu.Unlock()
	if ok && time.Since(found.when) < toolAge {
		return found.failed
	}
	look := r.looks.DoChan(f.tool, func() (any, error) { return r.tryTool(context.WithoutCancel(ctx), f, o), nil })
	select {
	case result := <-look:
		failed, _ := result.Val.(*Step)
		return failed
	case <-ctx.Done():
		return &Step{Name: f.tool, State: Missing, Detail: "no answer in time: it hangs, or this machine is too busy"}
	}
}

func (r *remembered) tryTool(ctx context.Context, f family, o Options) *Step {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	failed := Failed(f.checked(ctx, f.tool, o))
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

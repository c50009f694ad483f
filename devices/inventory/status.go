package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/transport"
)

// State is what a device can do now.
type State string

// The states of a device.
const (
	Ready        State = "ready"        // it answers; timing was not tried
	NotReady     State = "not ready"    // something that it needs is not there
	Offline      State = "offline"      // it cannot be reached
	Unauthorized State = "unauthorized" // it does not trust this host, or the other way round
	Busy         State = "busy"         // another latlab times on it
	Hot          State = "hot"          // above its gate, or it says itself that it throttles
)

// Where a device comes from.
const (
	SourceBuiltIn  = "built-in"
	SourceFile     = "file"     // of the inventory
	SourceAttached = "attached" // seen by adb, named by nobody
)

// Status is a device as it is now. In JSON it has all fields of devices.Info and these; what
// is not known is null.
type Status struct {
	devices.Info
	State   State  `json:"state"`
	Problem string `json:"problem,omitempty"` // why it is not ready, one line
	Type    string `json:"type,omitempty"`    // what to type
	Source  string `json:"source"`            // "built-in", "file" or "attached"
	// Model is the maker's name of the phone or board, SoC its chip's, OS its system, Build
	// that system's build.
	Model *string `json:"model"`
	SoC   *string `json:"soc"`
	OS    *string `json:"os"`
	Build *string `json:"build"`
	// Delegates are those that it is set up for and those whose parts were seen there: an
	// OpenCL library, a Coral stick. Whether one works only timing tells.
	Delegates []string       `json:"delegates"`
	HottestC  *float64       `json:"temperature_celsius"` // of the hottest sensor
	Battery   *float64       `json:"battery_ratio"`       // 0 to 1
	Now       *devices.State `json:"condition,omitempty"`
}

// probeTimeout bounds looking at one device. A phone answers in tenths of a second, a board
// behind a slow link in one or two.
const probeTimeout = 8 * time.Second

// List is all devices and how they are. All are looked at together, each for a limited time:
// one that does not answer is offline and does not hold up the others. Nothing is timed, and
// what nobody named is not touched.
func (l *Lab) List(ctx context.Context) ([]Status, error) {
	var tools [][]Step
	var wg sync.WaitGroup
	wg.Go(func() { tools = l.CheckTools(ctx) })
	// Attached phones are known once adb has listed them; nobody waits for that.
	var attached []Status
	wg.Go(func() { attached = gather(ctx, l.attachedProbes(ctx)) })
	rows := gather(ctx, append([]probe{l.probeLocal}, l.entryProbes()...))
	wg.Wait()
	rows = append(rows, attached...)
	failed := map[string]*Step{}
	for i, name := range l.Tools() {
		failed[name] = Failed(tools[i])
	}
	for _, f := range builtIn(l.o)[1:] {
		computed, err := f.rows(failed[f.tool])
		if err != nil {
			return nil, err
		}
		rows = append(rows, computed...)
	}
	return rows, ctx.Err()
}

// rows are the devices of a family whose figures are computed here. They are ready where
// their tool is.
func (f family) rows(failed *Step) ([]Status, error) {
	var rows []Status
	for _, name := range f.names() {
		s, err := f.status(name, failed)
		if err != nil {
			return nil, err
		}
		rows = append(rows, s)
	}
	return rows, nil
}

// status is of a device whose figures are computed here; failed is what its tool lacks.
func (f family) status(name string, failed *Step) (Status, error) {
	info, err := f.describe(name)
	if err != nil {
		return Status{}, err
	}
	s := Status{Info: info, State: Ready, Source: SourceBuiltIn, Delegates: delegateList(info)}
	if failed != nil {
		s.State, s.Problem, s.Type = NotReady, failed.Detail, failed.Type
	}
	return s, nil
}

// probe looks at one device.
type probe func(context.Context) Status

// gather looks at devices together, each for a limited time.
func gather(ctx context.Context, probes []probe) []Status {
	rows := make([]Status, len(probes))
	var wg sync.WaitGroup
	for i, p := range probes {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			rows[i] = p(ctx)
		})
	}
	wg.Wait()
	return rows
}

func (l *Lab) entryProbes() []probe {
	var list []probe
	for _, e := range l.entries {
		list = append(list, func(ctx context.Context) Status { return l.probeEntry(ctx, e, SourceFile, full) })
	}
	return list
}

func delegateList(i devices.Info) []string {
	if i.Delegate == "" {
		return []string{}
	}
	return []string{i.Delegate}
}

// probeLocal starts the agent of this machine.
func (l *Lab) probeLocal(ctx context.Context) Status {
	s := l.localStatus(condition)
	d, err := l.Open(ctx, Local)
	if err == nil {
		s.Info = d.Info()
		err = d.Close()
	}
	if err != nil {
		s.fail(err)
	}
	return s
}

// localStatus is what can be said of this machine without starting a program: files of /proc and /sys are read, which no
// block on this machine notices.
func (l *Lab) localStatus(d depth) Status {
	s := Status{Info: l.described(Local), State: Ready, Source: SourceBuiltIn, SoC: some(state.SoC("/"))}
	s.Delegates = delegateList(s.Info)
	if d != reachable {
		now := state.Read("/")
		s.Now, s.HottestC = &now, now.HottestC()
	}
	return s
}

func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// fail says in which state an error leaves a device.
func (s *Status) fail(err error) {
	s.State, s.Problem = NotReady, oneLine(err.Error())
	var e *devices.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.DeadlineExceeded) {
			s.State, s.Problem = Offline, "no answer in time"
		}
		return
	}
	s.Problem, s.Type = sentence(e), toType(e.Advice)
	switch e.Reason {
	case devices.ReasonOffline, devices.ReasonHung:
		s.State = Offline
	case devices.ReasonUnauthorized, devices.ReasonHostKey:
		s.State = Unauthorized
	case devices.ReasonBusy:
		s.State = Busy
	}
}

// depth is how closely a device is looked at.
type depth int

const (
	reachable depth = iota // is it there?
	condition              // and its state, and who it is, as remembered
	full                   // and who it is now, and which accelerators it has
)

// probeEntry looks at a device of the file or one that is attached, without opening it: a
// device that is timing must not be disturbed.
func (l *Lab) probeEntry(ctx context.Context, e *entry, source string, d depth) Status {
	s, free := l.entryStatus(e, source)
	if !free {
		return s
	}
	t, err := l.dialTo(ctx, e)
	if err == nil {
		defer t.Close()
		err = l.readStatus(ctx, &s, t, e, d)
	}
	if err != nil {
		s.fail(err)
	}
	return s
}

// readStatus reads what a machine is and how it is now.
func (l *Lab) readStatus(ctx context.Context, s *Status, t transport.Transport, e *entry, d depth) error {
	if d == reachable {
		return nil
	}
	now, err := machine.On(t, e.Name).State(ctx)
	if err != nil {
		return err
	}
	s.Now = &now
	s.judge(e)
	identify := l.known.identify
	if d == full {
		identify = func(ctx context.Context, _ string, t transport.Transport) (state.Identity, error) {
			return state.Identify(ctx, t)
		}
	}
	id, err := identify(ctx, e.Name, t)
	if err != nil {
		return err
	}
	s.Model, s.SoC, s.OS, s.Build = some(id.Model), some(id.SoC), some(id.OS), some(id.Build)
	if d == full {
		s.addDelegates(accelerators(ctx, t))
	}
	return nil
}

// entryStatus is what can be said of a device without touching it. It is free where it may be
// touched: what it needs is there, and nobody times on it.
func (l *Lab) entryStatus(e *entry, source string) (s Status, free bool) {
	info, err := l.describeTool(e)
	if err == nil {
		err = e.filesThere()
	} else {
		info = e.bareInfo()
	}
	s = Status{Info: info, State: Ready, Source: source, Delegates: delegateList(info)}
	if err != nil {
		s.fail(err)
		return s, false
	}
	if busy, pid := machine.Locked(l.lockDir(), e.place.lockKey(e)); busy {
		s.State, s.Problem = Busy, "another latlab times on it"
		if pid != 0 {
			s.Problem = fmt.Sprintf("the latlab of process %d times on it", pid)
		}
		return s, false
	}
	return s, true
}

// bareInfo is of a device whose tool cannot be described.
func (e *entry) bareInfo() devices.Info {
	return devices.Info{Name: e.Name, Kind: devices.Measured, Transport: e.Transport}
}

// hotStatus is Android's "moderate": the system has begun to slow down what is seen.
const hotStatus = 2

// judge says that a device is hot.
func (s *Status) judge(e *entry) {
	if s.Now == nil {
		return
	}
	s.HottestC = s.Now.HottestC()
	if b := s.Now.Battery; b != nil {
		s.Battery = b.Level
	}
	gate := e.coolDown.BelowC
	switch status := s.Now.ThermalStatus; {
	case status != nil && *status >= hotStatus:
		s.State, s.Problem = Hot, fmt.Sprintf("it says itself that it is too hot (thermal status %d): let it cool", *status)
	case gate > 0 && s.HottestC != nil && *s.HottestC >= gate:
		s.State, s.Problem = Hot, fmt.Sprintf("%.1f C, its gate is %g C: a block waits until it is cooler", *s.HottestC, gate)
	}
}

// addDelegates adds what was seen to what it is set up for.
func (s *Status) addDelegates(seen []string) {
	for _, d := range seen {
		if !slices.Contains(s.Delegates, d) {
			s.Delegates = append(s.Delegates, d)
		}
	}
}

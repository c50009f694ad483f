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

// State says whether a device can measure now.
type State string

// The states of a device.
const (
	Ready        State = "ready"        // it answers; no model was run
	NotReady     State = "not ready"    // something that it needs is missing
	Offline      State = "offline"      // it cannot be reached
	Unauthorized State = "unauthorized" // it does not trust this host, or this host does not trust it
	Busy         State = "busy"         // a different latlab process measures on it
	Hot          State = "hot"          // above its cooldown limit, or it reports throttling
)

// Where a device comes from.
const (
	SourceBuiltIn  = "built-in"
	SourceFile     = "file"     // of the inventory
	SourceAttached = "attached" // listed by adb, not in the inventory
)

// Status is the current state of a device. Its JSON has all fields of devices.Info and these;
// unknown values are null.
type Status struct {
	devices.Info
	State   State  `json:"state"`
	Problem string `json:"problem,omitempty"` // why it is not ready, one line
	Type    string `json:"type,omitempty"`    // command that helps
	Source  string `json:"source"`            // "built-in", "file" or "attached"
	// Model is the maker's name of the phone or board, SoC its chip, OS its system and Build that
	// system's build.
	Model *string `json:"model"`
	SoC   *string `json:"soc"`
	OS    *string `json:"os"`
	Build *string `json:"build"`
	// Delegates are the configured one and those whose driver files were found, such as an OpenCL
	// library or a Coral stick. Whether one works only a run can show.
	Delegates []string       `json:"delegates"`
	HottestC  *float64       `json:"temperature_celsius"` // of the hottest sensor
	Battery   *float64       `json:"battery_ratio"`       // 0 to 1
	Now       *devices.State `json:"condition,omitempty"`
}

// probeTimeout is the timeout for the status of one device. A phone answers in tenths of a second,
// a board behind a slow link in one or two seconds.
const probeTimeout = 8 * time.Second

// List returns the status of all devices. They are probed concurrently with a timeout each: a
// device that does not answer is offline and does not delay the others. Nothing is measured, and
// machines that nobody named are not contacted.
func (l *Lab) List(ctx context.Context) ([]Status, error) {
	var tools [][]Step
	var wg sync.WaitGroup
	wg.Go(func() { tools = l.CheckTools(ctx) })
	// Attached phones are known only once adb has listed them; the other probes do not wait for
	// that.
	var attached []Status
	wg.Go(func() { attached = gather(ctx, l.attachedProbes(ctx)) })
	rows := gather(ctx, append([]probe{l.probeLocal}, l.entryProbes()...))
	wg.Wait()
	rows = append(rows, attached...)
	failed := map[string]*Step{}
	for i, name := range l.Tools() {
		failed[name] = Failed(tools[i])
	}
	o := l.o
	o.VelaConfig = "" // the listed names have Vela's own system configurations
	for _, f := range builtIn(o)[1:] {
		computed, err := f.rows(failed[f.tool])
		if err != nil {
			return nil, err
		}
		rows = append(rows, computed...)
	}
	return rows, ctx.Err()
}

// rows are the statuses of a family of simulators or estimators. They are ready if their tool is.
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

// status is of a simulator or estimator; failed is the failed step of its tool, nil if none.
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

// probe reads the status of one device.
type probe func(context.Context) Status

// gather runs probes concurrently, each with a timeout.
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

// localStatus is the status of this machine without starting a program. It reads only files of
// /proc and /sys, which does not disturb a running block.
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

// fail sets the state that an error means.
func (s *Status) fail(err error) {
	s.State, s.Problem = NotReady, oneLine(err.Error())
	var e *devices.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.DeadlineExceeded) {
			s.State, s.Problem = Offline, "timeout"
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

// depth is how much of a device's status is read.
type depth int

const (
	reachable depth = iota // whether it answers
	condition              // also its condition, and its identity from the cache
	full                   // also its identity, read again, and its accelerators
)

// probeEntry reads the status of a device of the file or an attached one without opening it: a
// running measurement must not be disturbed.
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

// readStatus reads the identity and condition of a machine.
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

// entryStatus is the status of a device without contacting it. free means that it may be contacted:
// its files exist and no latlab process measures on it.
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
		s.State, s.Problem = Busy, "another latlab process measures on it"
		if pid != 0 {
			s.Problem = fmt.Sprintf("latlab process %d measures on it", pid)
		}
		return s, false
	}
	return s, true
}

// bareInfo is the Info of a device whose tool cannot be described.
func (e *entry) bareInfo() devices.Info {
	return devices.Info{Name: e.Name, Kind: devices.Measured, Transport: e.Transport}
}

// hotStatus is Android's "moderate": the system has begun to throttle.
const hotStatus = 2

// judge sets the state to hot if the device is.
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
		s.State, s.Problem = Hot, fmt.Sprintf("the device reports overheating (thermal status %d): let it cool", *status)
	case gate > 0 && s.HottestC != nil && *s.HottestC >= gate:
		s.State, s.Problem = Hot, fmt.Sprintf("%.1f C, above its limit of %g C: a block waits until it is cooler", *s.HottestC, gate)
	}
}

// addDelegates adds the delegates whose driver files were found.
func (s *Status) addDelegates(seen []string) {
	for _, d := range seen {
		if !slices.Contains(s.Delegates, d) {
			s.Delegates = append(s.Delegates, d)
		}
	}
}

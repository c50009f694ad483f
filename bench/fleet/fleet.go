// Package fleet runs sweeps on several devices at once, opens them, waits for those that went away, and lets twins go
// on with the sweeps of those that do not come back.
//
// It runs each sweep by bench.Run; the caller opens the devices. A failure of one device never ends the
// sweep of another.
package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/text"
)

// Member is one device of a fleet and the sweep to run on it.
type Member struct {
	Name string
	// Open opens the device and checks that it works and has not changed. It is called again
	// after the device failed.
	Open Opener
	// Sweep is one call of Run; its Device, Stop and Progress are filled in.
	Sweep bench.Options
	// BackOff lists the waits before a failed device is opened again; after the last one it is
	// quarantined. A finished block in between resets the list. An empty list makes the first
	// failure final.
	BackOff []time.Duration
	// Twins go on with the sweep, one after the other, once the device itself is quarantined, or where it is not there
	// when the sweep is resumed.
	Twins []Twin
}

// Twin is a device of the same model, build and runtime as a member's, which bench.Run checks.
type Twin struct {
	Name string
	Open Opener
}

// Fleet runs sweeps on several devices at once, into one Store or several.
type Fleet struct {
	Members []Member
	// Stop, when closed, lets every device finish its block.
	Stop <-chan struct{}
	// Progress is called from the goroutine of Run; calls for different members overlap.
	Progress func(member int, p bench.Progress)
	// Event is called when a device's condition changes; calls for different members overlap.
	Event func(Event)
}

// DefaultBackOff suits devices on a cable or a network. It waits some 13 minutes in all:
// enough for a phone to reboot, or for a cable or a network to come back.
func DefaultBackOff() []time.Duration {
	return []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
}

// Event is a change in a member's condition.
type Event struct {
	Member int
	Name   string
	State  bench.SweepState
	Err    error         // why; nil without a failure
	Wait   time.Duration // of BackingOff: until the next attempt
	Twin   string        // of Running: what goes on with the member's sweep; empty = its own device
}

// Outcome is the result of a member.
type Outcome struct {
	Name   string
	Result bench.Result
	Err    error // nil if every network is measured or given up
	// CloseErr says what could not be restored on the device; the measurements are not affected.
	CloseErr error
}

// Run runs every member in its own goroutine until all have ended. A failure on one device
// never ends the sweep of another. Outcomes are in the order of the members.
func (f Fleet) Run(ctx context.Context) []Outcome {
	out := make([]Outcome, len(f.Members))
	var wg sync.WaitGroup
	for i, m := range f.Members {
		wg.Go(func() { out[i] = f.member(ctx, i, m) })
	}
	wg.Wait()
	return out
}

func (f Fleet) member(ctx context.Context, i int, m Member) Outcome {
	v := &visit{fleet: f, index: i, member: m, out: Outcome{Name: m.Name}}
	state := v.run(ctx)
	v.leave()
	v.out.CloseErr = errors.Join(v.closed, v.out.CloseErr)
	if ctx.Err() == nil && !errors.Is(v.out.Err, bench.ErrStopped) {
		f.event(Event{Member: i, Name: m.Name, State: state, Err: v.out.Err})
	}
	return v.out
}

// visit is one member's sweep, across all times that its device is opened.
type visit struct {
	fleet  Fleet
	index  int
	member Member
	twin   *Twin          // nil while it is the member's own device
	device devices.Device // nil while it is not open
	closed error          // of devices before this one
	out    Outcome
}

// run returns how the sweep ended.
func (v *visit) run(ctx context.Context) bench.SweepState {
	state := v.here(ctx)
	for i := range v.member.Twins {
		failed := v.out.Err
		if !mayComeBack(ctx, failed) {
			break
		}
		v.leave()
		v.closed, v.out.CloseErr = errors.Join(v.closed, v.out.CloseErr), nil
		v.twin = &v.member.Twins[i]
		next := v.here(ctx)
		if f := devices.FaultOf(v.out.Err); v.out.Err == nil || ctx.Err() != nil || f != devices.FaultDevice && f != devices.FaultUser {
			return next
		}
		v.out.Err = bench.Quarantine("sweep on "+v.member.Name, "look at the devices; the same command then resumes", failed,
			"its twin %s cannot go on with it (%v), and the device itself failed", v.twin.Name, v.out.Err)
	}
	return state
}

// here runs the sweep on one device, and returns how that ended.
func (v *visit) here(ctx context.Context) bench.SweepState {
	opened, failures := false, 0
	for {
		blocks := v.once(ctx)
		opened = opened || v.device != nil
		if blocks > 0 {
			failures = 0
		}
		// A device that was never reachable is not waited for: the user is there to see the error.
		if !mayComeBack(ctx, v.out.Err) || !opened {
			return bench.Ended
		}
		if failures >= len(v.member.BackOff) {
			if failures > 0 {
				v.out.Err = bench.Quarantine("sweep on "+v.name(), "look at the device (`latlab devices check "+text.ShellWord(v.name())+"`); the same command then resumes",
					v.out.Err, "quarantined after %d more attempts", failures)
			}
			v.note(ctx, bench.Quarantined)
			return bench.Quarantined
		}
		wait := v.member.BackOff[failures]
		failures++
		v.note(ctx, bench.BackingOff)
		v.fleet.event(Event{Member: v.index, Name: v.member.Name, State: bench.BackingOff, Err: v.out.Err, Wait: wait})
		if err := v.wait(ctx, wait); err != nil {
			v.out.Err = err
			if id := v.out.Result.Sweep.ID; id != "" {
				bench.Note(ctx, v.member.Sweep.Store, id, bench.EndOf(err))
			}
			return bench.Ended
		}
	}
}

// name is the device's, a twin's too.
func (v *visit) name() string {
	if v.twin != nil {
		return v.twin.Name
	}
	return v.member.Name
}

// note stores the member's state and the reason, once there is a sweep to attach it to.
func (v *visit) note(ctx context.Context, state bench.SweepState) {
	id := v.out.Result.Sweep.ID
	if id == "" {
		return
	}
	bench.Note(ctx, v.member.Sweep.Store, id, bench.Condition{State: state, Message: v.out.Err.Error()})
}

// once runs the sweep until it ends or fails, and returns how many blocks finished.
func (v *visit) once(ctx context.Context) int {
	if v.device == nil {
		open := v.member.Open
		if v.twin != nil {
			open = v.twin.Open
		}
		d, err := open(ctx)
		if err != nil {
			v.out.Err = bench.Interrupted(ctx, err)
			return 0
		}
		v.device = d
	}
	running := Event{Member: v.index, Name: v.member.Name, State: bench.Running}
	o := v.member.Sweep
	if v.twin != nil {
		running.Twin, o.TwinOf = v.twin.Name, v.member.Name
	}
	v.fleet.event(running)
	o.Device, o.Stop = v.device, v.fleet.Stop
	if v.fleet.Progress != nil {
		o.Progress = func(p bench.Progress) { v.fleet.Progress(v.index, p) }
	}
	before := v.out.Result
	if o.Until.Budget > 0 { // a device that comes back, and a twin, have what is left of it
		o.Until.Budget = max(1, o.Until.Budget-before.Spent)
	}
	res, err := bench.Run(ctx, o)
	v.out.Err = err
	if res.Sweep.ID == "" && before.Sweep.ID != "" {
		return 0 // a twin that was refused
	}
	v.out.Result = res
	v.out.Result.Blocks += before.Blocks
	v.out.Result.Elapsed += before.Elapsed
	v.out.Result.Spent += before.Spent
	return res.Blocks
}

// wait closes the device and sleeps. A device with its own clock (a simulator) sleeps by that.
func (v *visit) wait(ctx context.Context, d time.Duration) error {
	if _, ok := v.device.(devices.Waiter); !ok {
		v.leave()
	}
	return bench.Wait(ctx, v.device, v.fleet.Stop, d)
}

func (v *visit) leave() {
	if v.device != nil {
		v.out.CloseErr = v.device.Close()
		v.device = nil
	}
}

func (f Fleet) event(e Event) {
	if f.Event != nil {
		f.Event(e)
	}
}

// mayComeBack reports whether the device is to blame and time may help.
func mayComeBack(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.Is(err, bench.ErrStopped) && devices.FaultOf(err) == devices.FaultDevice
}

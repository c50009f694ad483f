package sim

import (
	"errors"
	"fmt"

	"latlab/devices"
)

// Fault is what goes wrong with a Run.
type Fault string

// The faults that the hostile profile draws and that Options.Inject may return.
const (
	NoFault Fault = ""
	Crash   Fault = "crash"   // the runtime crashes on this model
	Killed  Fault = "killed"  // the process is killed from outside, mostly for lack of memory
	Hang    Fault = "hang"    // no answer until the plan's timeout
	Offline Fault = "offline" // the device is offline for a while
	Garbage Fault = "garbage" // the answer is not a valid one
	Partial Fault = "partial" // an accelerator leaves some of the ops to the host
)

// Probabilities of the hostile profile.
const (
	killedChance  = 0.01
	hangChance    = 0.005
	garbageChance = 0.005
	partialChance = 0.02  // of a block, if there is a host
	doomedChance  = 0.002 // of a model, to crash at every Run

	offlineSpan   = 60.0 // seconds offline
	offlineChance = 0.01 // in such a span
	connectWait   = 10.0 // seconds until a connection times out

	// maxHang limits how far a hang advances virtual time.
	maxHang = 24 * 3600.0
)

// fault decides what goes wrong with a Run. A retry draws again, or it would fail for ever; a doomed
// model fails at every retry.
func (w *world) fault(j job, nth int) Fault {
	if w.opts.Inject != nil {
		return w.opts.Inject(j.model)
	}
	if !w.effects.faults {
		return NoFault
	}
	if w.random("offline %d", int64(w.elapsed/offlineSpan)).Float64() < offlineChance {
		return Offline
	}
	if w.random("doomed %s", j.model.Identity).Float64() < doomedChance {
		return Crash
	}
	x := w.random("fault %s %d %d", j.model.Identity, nth, w.runs[j.model.Identity]).Float64()
	for _, f := range []struct {
		fault  Fault
		chance float64
	}{{Killed, killedChance}, {Hang, hangChance}, {Garbage, garbageChance}, {Partial, w.partialChance()}} {
		if x -= f.chance; x < 0 {
			return f.fault
		}
	}
	return NoFault
}

func (w *world) partialChance() float64 {
	if w.spec.Host == nil {
		return 0
	}
	return partialChance
}

// before simulates faults that occur before anything is timed.
func (w *world) before(j job, f Fault) error {
	init := w.spec.Overhead.InitSeconds.Value
	switch f {
	case Offline:
		w.pass(connectWait, idleShare)
		return deviceError(j.op, devices.ReasonOffline, errors.New("the device does not answer"))
	case Crash:
		w.pass(init, idleShare)
		return &devices.Error{Fault: devices.FaultModel, Op: j.op, Reason: devices.ReasonCrashed,
			Err: errors.New("the runtime crashed: signal 11"), Output: "Segmentation fault (simulated)\n"}
	case Killed:
		w.pass(init, idleShare)
		e := deviceError(j.op, devices.ReasonKilled, errors.New("the process was killed from outside: signal 9"))
		e.Output = "Killed (simulated)\n"
		return e
	case Hang:
		w.pass(min(j.plan.Timeout.Seconds(), maxHang), busyShare)
		return deviceError(j.op, devices.ReasonHung, fmt.Errorf("no answer within %v of virtual time", j.plan.Timeout))
	}
	return nil
}

func (w *world) garbage(j job, b *devices.Block) error {
	w.pass(betweenBlocks, idleShare)
	e := deviceError(j.op, devices.ReasonGarbage, errors.New("the answer is not a block"))
	e.Output = fmt.Sprintf("%d invokes, median NaN (simulated)\n", len(b.Samples))
	return e
}

// fallBack leaves the last ops to the host. Which ops these are hardly matters on so slow a host, so
// they take a proportional share of the host's time for all.
func (s *session) fallBack() {
	c := s.j.cost
	if s.w.spec.Host == nil || c.delegated == 0 {
		s.fault = NoFault
		return
	}
	share := 0.1 + 0.5*s.random.Float64()
	n := max(1, int(share*float64(c.delegated)))
	s.far += n
	part := float64(n) / float64(c.nodes)
	s.base = c.seconds*(1-part) + c.hostSeconds*part + 2*s.w.spec.Host.HandoverSeconds.Value
}

func deviceError(op, reason string, err error) *devices.Error {
	return &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: reason, Err: err}
}

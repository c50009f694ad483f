package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// postponeLimit is how often the device may give up on a network, retries and all and
// earlier runs included, before the network may be blamed: one that kills the device every
// time must not hold up a sweep that else goes well.
const postponeLimit = 2

// ReasonQuarantined is that of the error that ends a sweep on a device that keeps failing.
const ReasonQuarantined = "quarantined"

// task is one attempt at a slot.
type task struct {
	slot    Slot
	try     int           // from 0 on
	delay   time.Duration // before it
	model   *model.Model
	prepare bool // first
}

// outcome is what became of a task.
type outcome struct {
	task
	block    *devices.Block
	seconds  float64
	prepared bool
	err      error
}

// work runs what is pending, as many blocks at once as the device allows. All that it
// remembers is changed by this goroutine alone; others only call the device.
//
// After an error nothing new is begun. Stop lets blocks in flight finish; what else ends a
// sweep cancels them, and those that were done before are kept.
func (r *runner) work(ctx context.Context) error {
	flight, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := max(1, r.o.Device.Info().Parallel)
	results := make(chan outcome, limit)
	var end error
	for {
		for end == nil && len(r.running) < limit {
			slot, ok := r.next()
			if !ok {
				break
			}
			if end = r.interrupted(ctx); end == nil {
				r.begin(flight, task{slot: slot}, results)
			}
		}
		if len(r.running) == 0 {
			return end
		}
		again, err := r.conclude(flight, <-results)
		switch {
		case again != nil:
			r.begin(flight, *again, results)
		case end == nil:
			end = err
		}
		if end != nil && !errors.Is(end, ErrStopped) {
			cancel()
		}
	}
}

// next takes the first pending slot whose network has no block in flight: one network's
// blocks never run beside each other, so that its model is prepared once, before them, and
// its failures come one by one.
func (r *runner) next() (Slot, bool) {
	for i, s := range r.pending {
		if !r.running[s.Network] {
			r.pending = slices.Delete(r.pending, i, i+1)
			return s, true
		}
	}
	return Slot{}, false
}

// begin starts a task; its outcome is sent when it ends. The channel holds as many as are
// in flight, so nothing waits to be heard.
func (r *runner) begin(ctx context.Context, t task, results chan<- outcome) {
	n := r.nets[t.slot.Network]
	r.running[n.Index] = true
	var err error
	if t.model, err = r.model(ctx, n); err != nil {
		results <- outcome{task: t, err: err}
		return
	}
	t.prepare = !r.prepared[n.Index]
	go func() { results <- r.attempt(ctx, t) }()
}

// attempt prepares the model if this is its first block here, and times it. It runs beside
// others and changes nothing of the runner.
func (r *runner) attempt(ctx context.Context, t task) outcome {
	out := outcome{task: t}
	pause := time.Duration(r.protocol.PauseSeconds * float64(time.Second))
	if out.err = r.wait(ctx, t.delay+pause); out.err != nil {
		return out
	}
	if p, ok := r.o.Device.(devices.Preparer); ok && t.prepare {
		if out.err = p.Prepare(ctx, t.model); out.err != nil {
			return out
		}
	}
	out.prepared = true
	plan := r.protocol.Plan(r.sweep.Seed)
	plan.Block = t.slot.Round + 1
	if out.block, out.err = r.o.Device.Run(ctx, t.model, plan); out.err != nil {
		return out
	}
	var ok bool
	if out.seconds, _, ok = BlockSeconds(out.block); !ok {
		out.err = &devices.Error{Fault: devices.FaultDevice, Op: "time " + t.model.Name, Reason: devices.ReasonGarbage,
			Err: errors.New("the block has no usable time")}
	}
	return out
}

// conclude stores a block, or decides what a failure means: another attempt, which it
// returns, a slot postponed, a network given up, or an error that stops the sweep.
func (r *runner) conclude(ctx context.Context, out outcome) (again *task, err error) {
	n := r.nets[out.slot.Network]
	delete(r.running, n.Index)
	if out.prepared {
		r.prepared[n.Index] = true
	}
	switch {
	case out.err == nil:
		if err := r.keep(ctx, out, n); err != nil {
			return nil, err
		}
		r.report()
		return nil, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(out.err, ErrStopped):
		return nil, out.err
	}
	switch devices.FaultOf(out.err) {
	case devices.FaultModel:
		return nil, r.giveUp(ctx, out.slot, out.err)
	case devices.FaultDevice:
		if err := r.record(ctx, out.slot, out.err, false); err != nil {
			return nil, err
		}
	default:
		return nil, labError("time "+n.Name, out.err)
	}
	switch {
	case out.try < r.protocol.Retries:
	case isAway(reasonOf(out.err)):
		return nil, r.away(out.err)
	default:
		return nil, r.postpone(ctx, out.slot, out.err)
	}
	return &task{slot: out.slot, try: out.try + 1, delay: r.retryDelay(out.try)}, nil
}

// isAway reports whether a reason is that the device cannot be reached or used: no network is
// ever to blame for that.
func isAway(reason string) bool {
	return reason == devices.ReasonOffline || reason == devices.ReasonUnauthorized
}

func reasonOf(err error) string {
	var e *devices.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// away is the error that ends a run on a device that went away. The slot stays planned; Fleet
// opens the device again when it may have come back.
func (r *runner) away(cause error) error {
	e := &devices.Error{
		Fault: devices.FaultDevice, Op: "sweep " + r.sweep.ID, Reason: ReasonQuarantined,
		Err:    fmt.Errorf("device %s is away: %w", r.sweep.Device.Name, cause),
		Advice: "bring it back; the same command then resumes",
	}
	var inner *devices.Error
	if errors.As(cause, &inner) {
		e.Output = inner.Output
	}
	return e
}

// retryDelay is that before the attempt after the try-th.
func (r *runner) retryDelay(try int) time.Duration {
	return time.Duration(math.Ldexp(r.protocol.RetryDelaySeconds*float64(time.Second), try))
}

// keep puts a block into the buffer. Its table of layers is kept once a network: it is
// many times as long as all else, and that of another block says the same again.
func (r *runner) keep(ctx context.Context, out outcome, n *network) error {
	if len(n.values) > 0 {
		out.block.Layers = nil
	}
	r.buffer = append(r.buffer, Finished{Slot: out.slot, Block: out.block})
	r.noise = r.noise.Sub(n.noise())
	r.change(n, func() {
		n.add(out.seconds, out.block.Delegation)
		n.waiting--
		if n.waiting == 0 {
			n.Status = Measured
		}
	})
	r.noise = r.noise.Add(n.noise())
	clear(r.failing)
	r.blocks++
	r.lastBlock, r.lastValue = out.block, out.seconds
	if len(r.buffer) >= r.o.Flush {
		return r.flush(ctx)
	}
	return nil
}

// postpone moves a slot behind all others, blames the network, or stops the sweep.
//
// Who is to blame, network or device, shows only by whether other networks go well. Counting
// failed attempts in a row was tried: two bad networks side by side stopped a sweep for good.
func (r *runner) postpone(ctx context.Context, slot Slot, cause error) error {
	n := r.nets[slot.Network]
	n.postponed++
	r.failing[slot.Network] = true
	again := n.postponed >= postponeLimit
	if again || len(r.failing) >= r.protocol.FailureLimit {
		if !r.deviceWorks(ctx, n) {
			if err := r.interrupted(ctx); err != nil {
				return err
			}
			return r.quarantine(cause)
		}
		clear(r.failing)
	}
	if again {
		return r.giveUp(ctx, slot, cause)
	}
	n.blocksBefore = r.blocks
	r.pending = append(r.pending, slot)
	return nil
}

// deviceWorks reports whether another network went well since this one failed, or goes well
// now: one that was measured before is timed once more. Its block is no part of the sweep and
// is not kept. Where no network ever went well, a network that fails alone is to blame, and
// the device where several do.
//
// It runs in the coordinator's own goroutine, on purpose: while it is open whether the
// device still works, no further block is begun on it. Those in flight go on, and wait in
// their channel to be stored.
func (r *runner) deviceWorks(ctx context.Context, n *network) bool {
	if r.blocks > n.blocksBefore && n.postponed > 1 {
		return true
	}
	good := r.knownGood()
	if good == nil {
		return len(r.failing) == 1
	}
	m, err := r.model(ctx, good)
	if err != nil {
		return false
	}
	nobodys := Slot{Network: good.Index, Round: -1} // a block that nobody counts
	out := r.attempt(ctx, task{slot: nobodys, model: m, prepare: !r.prepared[good.Index]})
	r.prepared[good.Index] = r.prepared[good.Index] || out.prepared
	return out.err == nil
}

// knownGood is the first network that has blocks, does not fail and does not run now, or nil.
func (r *runner) knownGood() *network {
	for _, i := range slices.Sorted(maps.Keys(r.nets)) {
		if n := r.nets[i]; i < r.o.Networks && n.Status != Failed && len(n.values) > 0 && !r.failing[i] && !r.running[i] {
			return n
		}
	}
	return nil
}

// quarantine is the error that stops the sweep. Nothing is lost: the slots stay planned.
func (r *runner) quarantine(cause error) error {
	e := &devices.Error{
		Fault: devices.FaultDevice, Op: "sweep " + r.sweep.ID, Reason: ReasonQuarantined,
		Err:    fmt.Errorf("device %s failed on %d networks in a row, the last time: %w", r.sweep.Device.Name, len(r.failing), cause),
		Advice: "look at the device; the same command then resumes",
	}
	var inner *devices.Error
	if errors.As(cause, &inner) {
		e.Output = inner.Output
	}
	return e
}

// giveUp records the network as failed and drops its slots.
func (r *runner) giveUp(ctx context.Context, slot Slot, cause error) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	if err := r.record(ctx, slot, cause, true); err != nil {
		return err
	}
	n := r.nets[slot.Network]
	r.change(n, func() { n.Status, n.waiting = Failed, 0 })
	r.pending = slices.DeleteFunc(r.pending, func(s Slot) bool { return s.Network == slot.Network })
	r.report()
	return nil
}

func (r *runner) record(ctx context.Context, slot Slot, cause error, final bool) error {
	f := Failure{
		Network: slot.Network, Name: r.nets[slot.Network].Name, Round: slot.Round,
		Fault: devices.FaultOf(cause), Message: cause.Error(), Final: final, Time: time.Now().UTC(),
	}
	var e *devices.Error
	if errors.As(cause, &e) {
		f.Reason, f.Output = e.Reason, e.Output
	}
	return labError("store a failure", r.o.Store.Fail(context.WithoutCancel(ctx), r.sweep.ID, f))
}

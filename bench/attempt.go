package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"latlab/bench/stats"
	"latlab/devices"
	"latlab/sampler/model"
)

// postponeLimit is how often the device may fail on a network, after all retries and counting
// earlier runs, before the network is blamed. A network that kills the device every time must
// not block a sweep that otherwise works.
const postponeLimit = 2

// ReasonQuarantined is the reason of the error that ends a sweep on a device that keeps failing.
const ReasonQuarantined = "quarantined"

// task is one attempt at a slot.
type task struct {
	slot    Slot
	try     int           // counted from 0
	delay   time.Duration // wait before the attempt
	model   *model.Model
	prepare bool // prepare the model before timing
}

// outcome is the result of a task.
type outcome struct {
	task
	block    *devices.Block
	seconds  float64
	prepared bool
	err      error
}

// work runs the pending slots, as many blocks at once as the device allows. Only this
// goroutine changes the runner's state; the others only call the device.
//
// After an error it starts nothing new. Stop lets blocks in flight finish. Any other end of
// a sweep cancels them; blocks that finished before are kept.
func (r *runner) work(ctx context.Context) error {
	flight, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := max(1, r.o.Device.Info().Parallel)
	results := make(chan outcome, limit)
	var end error
	for {
		for end == nil && len(r.running) < limit && !r.overBudget() {
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

// next takes the first pending slot whose network has no block in flight. Blocks of one network
// never run at the same time, so its model is prepared once, before them, and its failures
// arrive one by one.
func (r *runner) next() (Slot, bool) {
	for i, s := range r.pending {
		if !r.running[s.Network] {
			r.pending = slices.Delete(r.pending, i, i+1)
			return s, true
		}
	}
	return Slot{}, false
}

// begin starts a task and sends its outcome when it ends. The channel holds one outcome for
// every block in flight, so a sender never waits.
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

// attempt prepares the model if this is its first block here, and times it. It runs
// concurrently with other attempts and does not change the runner.
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
	if out.err = devices.Garbage("time "+t.model.Name, r.o.Device.Info(), plan, out.block); out.err != nil {
		return out
	}
	if n := t.model.Network; n != nil && out.block.Signature == "" {
		// Devices that know nothing of signatures are given files whose first one is of the first subgraph.
		out.block.Signature = n.Signature
	}
	out.block.Unit = r.unit
	out.block.Warnings = slices.Concat(out.block.Warnings, t.model.Warnings())
	var ok bool
	if out.seconds, _, ok = stats.BlockSeconds(out.block); !ok {
		out.err = &devices.Error{Fault: devices.FaultDevice, Op: "time " + t.model.Name, Reason: devices.ReasonGarbage,
			Err: errors.New("the block has no usable time")}
	}
	return out
}

// conclude stores a block or handles a failure. It returns another attempt, postpones the
// slot, gives the network up, or returns the error that stops the sweep.
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

// isAway reports whether the reason means that the device cannot be reached or used. No network
// is ever blamed for that.
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

// away is the error that ends a run when the device went away. The slot stays planned; a fleet
// tries to open the device again later.
func (r *runner) away(cause error) error {
	return Quarantine("sweep "+r.sweep.ID, "bring it back; the same command then resumes", cause,
		"device %s is away", r.sweep.Device.Name)
}

// Quarantine is the error that ends a sweep because of its device, with the output of the cause.
func Quarantine(op, advice string, cause error, format string, args ...any) error {
	e := &devices.Error{
		Fault: devices.FaultDevice, Op: op, Reason: ReasonQuarantined, Advice: advice,
		Err: fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), cause),
	}
	var inner *devices.Error
	if errors.As(cause, &inner) {
		e.Output = inner.Output
	}
	return e
}

// retryDelay is the wait before the retry that follows attempt number try.
func (r *runner) retryDelay(try int) time.Duration {
	return time.Duration(math.Ldexp(r.protocol.RetryDelaySeconds*float64(time.Second), try))
}

// keep adds a block to the buffer. Only the first block of a network keeps its table of
// layers: it is many times larger than the rest, and later blocks would repeat it.
func (r *runner) keep(ctx context.Context, out outcome, n *network) error {
	if n.blocks() > 0 {
		out.block.Layers = nil
	}
	r.buffer = append(r.buffer, Finished{Slot: out.slot, Block: out.block})
	r.noise = r.noise.Sub(n.noise())
	r.change(n, func() {
		n.add(r.shared.Rule(&r.sweep), out.block, out.slot.Order)
		n.waiting--
		if n.waiting == 0 {
			n.Status = Measured
		}
	})
	r.noise = r.noise.Add(n.noise())
	n.postponed = 0
	clear(r.failing)
	r.blocks++
	r.simulated += out.block.Elapsed
	r.pace.add(time.Now())
	r.lastBlock, r.lastValue = out.block, out.seconds
	if len(r.buffer) >= r.o.Flush {
		return r.flush(ctx)
	}
	return nil
}

// postpone moves a slot behind all others, blames the network, or stops the sweep.
//
// Whether the network or the device is to blame shows only in how other networks do. Counting
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

// deviceWorks reports whether the device still times another network: either it did since this
// one failed, or it does so now, when a network that was measured before is timed once more.
// That extra block is not part of the sweep and is not stored. If no network ever worked, a
// single failing network is blamed; if several fail, the device is.
//
// It deliberately runs in the coordinator's goroutine: no further block starts while it is
// unknown whether the device works. Blocks in flight go on, and their outcomes wait in the channel.
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
	extra := Slot{Network: good.Index, Round: -1} // not part of the schedule
	out := r.attempt(ctx, task{slot: extra, model: m, prepare: !r.prepared[good.Index]})
	r.prepared[good.Index] = r.prepared[good.Index] || out.prepared
	return out.err == nil
}

// knownGood is the first network that has blocks, has not failed and is not running now, or nil.
func (r *runner) knownGood() *network {
	for _, i := range slices.Sorted(maps.Keys(r.nets)) {
		if n := r.nets[i]; i < r.o.Networks && n.Status != Failed && len(n.timed) > 0 && !r.failing[i] && !r.running[i] {
			return n
		}
	}
	return nil
}

// quarantine is the error that stops the sweep. Nothing is lost: the slots stay planned.
func (r *runner) quarantine(cause error) error {
	return Quarantine("sweep "+r.sweep.ID, "look at the device; the same command then resumes", cause,
		"device %s failed on %d networks in a row, the last time", r.sweep.Device.Name, len(r.failing))
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

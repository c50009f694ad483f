package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"latlab/devices"
)

// postponeLimit is how often the device may give up on a network, retries and all and
// earlier runs included, before the network may be blamed: one that kills the device every
// time must not hold up a sweep that else goes well.
const postponeLimit = 2

// block runs one slot to its end: stored, postponed, or its network given up. An error
// stops the sweep.
func (r *runner) block(ctx context.Context, slot Slot) error {
	n := r.nets[slot.Network]
	if n.Status == Failed {
		return nil
	}
	p := r.sweep.Protocol
	delay := time.Duration(p.RetryDelaySeconds * float64(time.Second))
	for try := 0; ; try++ {
		err := r.attempt(ctx, slot, n)
		switch {
		case err == nil:
			r.report()
			return nil
		case errors.Is(err, ErrStopped) || ctx.Err() != nil:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		switch devices.FaultOf(err) {
		case devices.FaultModel:
			return r.giveUp(ctx, slot, err)
		case devices.FaultDevice:
			if err := r.record(ctx, slot, err, false); err != nil {
				return err
			}
		default:
			return labError("time "+n.Name, err)
		}
		if try >= p.Retries {
			return r.postpone(ctx, slot, err)
		}
		if err := r.wait(ctx, delay); err != nil {
			return err
		}
		delay *= 2
	}
}

// attempt prepares the model if this is its first block here, times it and stores it.
func (r *runner) attempt(ctx context.Context, slot Slot, n *network) error {
	if err := r.wait(ctx, time.Duration(r.sweep.Protocol.PauseSeconds*float64(time.Second))); err != nil {
		return err
	}
	m, err := r.model(ctx, n)
	if err != nil {
		return err
	}
	if p, ok := r.o.Device.(devices.Preparer); ok && !r.prepared[n.Index] {
		if err := p.Prepare(ctx, m); err != nil {
			return err
		}
		r.prepared[n.Index] = true
	}
	plan := r.sweep.Protocol.Plan(r.sweep.Seed)
	plan.Block = slot.Round + 1
	b, err := r.o.Device.Run(ctx, m, plan)
	if err != nil {
		return err
	}
	value, _, ok := BlockSeconds(b)
	if !ok {
		return &devices.Error{Fault: devices.FaultDevice, Op: "time " + n.Name, Reason: "garbage",
			Err: errors.New("the block has no usable time")}
	}
	return r.keep(ctx, Finished{Slot: slot, Block: b}, n, value)
}

func (r *runner) keep(ctx context.Context, f Finished, n *network, value float64) error {
	r.buffer = append(r.buffer, f)
	r.noise = r.noise.Sub(NoiseOf(n.values))
	r.change(n, func() {
		n.values = append(n.values, value)
		n.waiting--
		if n.waiting == 0 {
			n.Status = Measured
		}
	})
	r.noise = r.noise.Add(NoiseOf(n.values))
	clear(r.failing)
	r.blocks++
	r.lastBlock, r.lastValue = f.Block, value
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
	if again || len(r.failing) >= r.sweep.Protocol.FailureLimit {
		if !r.deviceWorks(ctx, n) {
			return errors.Join(ctx.Err(), r.quarantine(cause))
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
	_, err = r.o.Device.Run(ctx, m, r.sweep.Protocol.Plan(r.sweep.Seed))
	return err == nil
}

// knownGood is the first network that has blocks and does not fail now, or nil.
func (r *runner) knownGood() *network {
	for _, i := range slices.Sorted(maps.Keys(r.nets)) {
		if n := r.nets[i]; i < r.o.Networks && n.Status != Failed && len(n.values) > 0 && !r.failing[i] {
			return n
		}
	}
	return nil
}

// quarantine is the error that stops the sweep. Nothing is lost: the slots stay planned.
func (r *runner) quarantine(cause error) error {
	e := &devices.Error{
		Fault: devices.FaultDevice, Op: "sweep " + r.sweep.ID, Reason: "quarantined",
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

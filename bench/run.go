package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/devices"
	"latlab/sampler/model"
)

// ErrStopped is returned when Options.Stop ended a run. All finished blocks are stored; the
// same call resumes.
var ErrStopped = errors.New("stopped")

// Options is one call of Run.
type Options struct {
	// Sweep describes the request: Space or ModelsHash, Sampling, Seed, Format, Precision,
	// Protocol, Tools. Run fills in the rest.
	Sweep    Sweep
	Networks int // how many networks of the Source
	Source   Source
	Device   devices.Device
	Store    Store
	// TwinOf is the name of the device whose sweep the Device goes on with, because that one failed; empty = its own.
	// The Device must be a twin of it: the same in all but its unit, which is stored with its blocks.
	TwinOf string
	// Refused are networks that the Source does not have, although they were asked for. The store
	// keeps them with their reasons.
	Refused []Refused

	// BatchLimit limits a batch to what the model cache holds; 0 = no limit.
	BatchLimit int
	// Flush is how many blocks are stored in one transaction; 0 = one. A block of a real
	// device takes a second and is stored at once. A simulator makes a thousand a second,
	// and losing a few to a kill costs nothing.
	Flush int
	// Until asks for a precision beyond the protocol's.
	Until Until
	// Profile is how many networks have a profile in the end, evenly spread over the measured ones. Those that lack
	// one are profiled after all blocks. A device that cannot profile is refused before it times anything.
	Profile int
	// Stop, when closed, lets the current block finish and ends the run. Cancelling the context
	// kills the block.
	Stop <-chan struct{}
	// Progress is called after every block and failure. Progress and Source are called only from
	// Run's goroutine, Device from up to Info.Parallel goroutines at once.
	Progress func(Progress)
}

// Result is the state after a run, over all requested networks, earlier runs included.
type Result struct {
	Sweep     Sweep
	Measured  int         // networks with all their blocks
	Failed    int         // networks given up
	Invalid   int         // of the measured, those whose measurement is INVALID
	Imprecise int         // and those whose is IMPRECISE
	Blocks    int         // done by this run
	Noise     stats.Noise // between blocks, pooled; a deterministic device has none to pool
	Elapsed   time.Duration
	Reached   Reached       // of Options.Until
	Spent     time.Duration // of its budget

	Profiled int // networks that have a profile, of earlier runs too; 0 unless Options.Profile asks for some
	// Unprofiled are those whose profile failed, with the reason. They do no harm to the sweep.
	Unprofiled []string
}

// NoiseCV is the noise between blocks as a coefficient of variation: nil if there are too few
// blocks, 0 on a deterministic device.
func (r Result) NoiseCV() *float64 { return r.Noise.CVOn(r.Sweep.Device) }

// Run measures until every requested network has its blocks. A sweep that the Store already
// holds is resumed or extended. Errors carry their fault (devices.FaultOf); the Result is
// filled in as far as it is known.
//
// Networks run in seeded batches, a batch in interleaved rounds of blocks: changes over time
// (heat, other load) then spread over networks instead of biasing some of them, and a stopped
// sweep has complete networks. Every block is stored in the schedule before it runs, and a
// resumed sweep follows the stored schedule; the seed only orders new rows.
//
// A device that allows several Runs at once gets blocks of different networks in parallel,
// started in the schedule's order.
func Run(ctx context.Context, o Options) (Result, error) {
	start := time.Now()
	r := &runner{
		o: o, start: start, nets: map[int]*network{}, models: map[int]*model.Model{},
		prepared: map[int]bool{}, running: map[int]bool{}, failing: map[int]bool{},
	}
	if err := r.open(ctx); err != nil {
		return Result{Sweep: r.sweep}, Interrupted(ctx, err)
	}
	running := Condition{State: Running, Refused: o.Refused}
	if r.unit != "" {
		running.Message = "taken over by " + r.unit
	}
	Note(ctx, o.Store, r.sweep.ID, running)
	err := Interrupted(ctx, r.loop(ctx))
	if ferr := r.flush(ctx); err == nil || errors.Is(err, ErrStopped) {
		err = errors.Join(ferr, err)
	}
	if err == nil {
		err = Interrupted(ctx, r.profile(ctx))
	}
	res, rerr := r.result(context.WithoutCancel(ctx))
	res.Elapsed = time.Since(start)
	if err == nil {
		err = rerr
	}
	Note(ctx, o.Store, r.sweep.ID, EndOf(err))
	return res, err
}

// Interrupted returns the context's error if the context ended: the database calls the same event
// an interrupt.
func Interrupted(ctx context.Context, err error) error {
	if cerr := ctx.Err(); err != nil && cerr != nil && !errors.Is(err, cerr) {
		return fmt.Errorf("%w: %w", cerr, err)
	}
	return err
}

type runner struct {
	o        Options
	sweep    Sweep
	unit     string            // of a twin; empty on the sweep's own device
	protocol protocol.Protocol // the sweep's, as it applies to the device
	start    time.Time

	nets     map[int]*network
	pending  []Slot // in order
	order    int    // next free slot order
	buffer   []Finished
	shared   Shared      // as of the last plan
	unused   bool        // likewise: no block of the last round is used
	noise    stats.Noise // of all networks
	standing standing
	pace     pace
	forecast forecast

	models   map[int]*model.Model // of the current batch
	prepared map[int]bool         // by this run
	running  map[int]bool         // networks with a block in flight

	failing   map[int]bool // networks on which the device failed since the last good block
	blocks    int          // done by this run
	before    int          // done by earlier runs
	lastBlock *devices.Block
	lastValue float64

	reached   Reached
	fitNoise  float64 // the noise's part of reached.MAPE
	looked    bool    // the outlook was checked
	simulated float64 // seconds of this run's blocks

	profiles   ProfileProgress
	unprofiled Unprofiled
}

// open checks the request, stores or loads the manifest and loads the schedule.
func (r *runner) open(ctx context.Context) error {
	info := r.o.Device.Info()
	r.sweep = r.o.Sweep
	if err := r.takeOver(ctx, &info); err != nil {
		return err
	}
	r.sweep.SchemaVersion, r.sweep.Device = SweepSchema, info
	r.sweep.Networks = r.o.Networks
	r.sweep.ID = r.sweep.Identity()
	r.sweep.Created = r.start.UTC()
	if err := cmp.Or(r.sweep.Protocol.Check(), r.sweep.Protocol.CheckDevice(info)); err != nil {
		return err
	}
	if r.o.Networks < 1 {
		return userError("sweep", fmt.Errorf("%d networks requested, need at least 1", r.o.Networks))
	}
	if err := checkTakes(info, r.sweep.Format, r.sweep.Precision); err != nil {
		return err
	}
	if r.o.Profile > 0 {
		if err := noProfiler(r.o.Device); err != nil {
			return err
		}
	}
	stored, err := r.o.Store.Sweep(ctx, r.sweep.ID)
	switch {
	case errors.Is(err, ErrNoSweep):
	case err != nil:
		return labError("open sweep", err)
	default:
		if err := stored.CheckDevice(info); err != nil {
			return err
		}
	}
	if err := r.o.Store.CreateSweep(ctx, r.sweep); err != nil {
		return labError("store sweep", err)
	}
	if r.sweep, err = r.o.Store.Sweep(ctx, r.sweep.ID); err != nil {
		return labError("load sweep", err)
	}
	r.protocol = r.sweep.Protocol.For(info)
	return r.load(ctx)
}

// takeOver replaces a twin's Info by that of the device whose sweep it goes on with. It refuses a device that is no
// twin, and a sweep that was never begun: there is nothing that a twin could be compared with.
func (r *runner) takeOver(ctx context.Context, info *devices.Info) error {
	if r.o.TwinOf == "" {
		return nil
	}
	sweeps, err := r.o.Store.Sweeps(ctx)
	if err != nil {
		return labError("open sweep", err)
	}
	for _, was := range sweeps {
		on := r.sweep
		on.Device = was.Device
		if was.Device.Name != r.o.TwinOf || on.Identity() != was.ID {
			continue
		}
		if err := was.CheckTwin(*info); err != nil {
			return err
		}
		r.unit = info.Unit()
		*info = was.Device
		return nil
	}
	return userError("sweep on "+info.Name, fmt.Errorf("it can go on with a sweep of its twin %s, and the store has none that was begun", r.o.TwinOf))
}

func checkTakes(info devices.Info, f model.Format, p model.Precision) error {
	if !slices.Contains(info.Formats, f) {
		return userError("sweep on "+info.Name, fmt.Errorf("the device supports %v, not %s", info.Formats, f))
	}
	if !slices.Contains(info.Precisions, p) {
		return userError("sweep on "+info.Name, fmt.Errorf("the device supports %v, not %s", info.Precisions, p))
	}
	return nil
}

// load reads networks, schedule and block values of earlier runs.
func (r *runner) load(ctx context.Context) error {
	for n, err := range r.o.Store.Networks(ctx, r.sweep.ID) {
		if err != nil {
			return labError("load networks", err)
		}
		r.nets[n.Index] = &network{Network: n}
	}
	for b, err := range r.o.Store.Values(ctx, r.sweep.ID) {
		if err != nil {
			return labError("load blocks", err)
		}
		n := r.nets[b.Slot.Network]
		if n == nil {
			return r.damaged("block", b.Slot)
		}
		n.add(r.sweep.Rule(), &b.Block, b.Slot.Order)
	}
	for s, err := range r.o.Store.Schedule(ctx, r.sweep.ID) {
		if err != nil {
			return labError("load schedule", err)
		}
		n := r.nets[s.Network]
		if n == nil {
			return r.damaged("planned block", s.Slot)
		}
		n.planned(s.Slot)
		r.order = s.Order + 1
		if s.State != SlotPlanned {
			continue
		}
		n.waiting++
		if s.Network < r.o.Networks { // an earlier run may have requested more
			r.pending = append(r.pending, s.Slot)
		}
	}
	for _, n := range r.nets {
		r.count(n, 1)
		if n.Index < r.o.Networks {
			r.before += n.blocks()
		}
	}
	r.judgeBlocks()
	r.foresee(r.tooWide(), 0)
	r.pace.last = time.Now()
	return r.loadFailures(ctx)
}

// damaged is the error of a store whose rows do not fit together.
func (r *runner) damaged(what string, slot Slot) error {
	return labError("load sweep "+r.sweep.ID, fmt.Errorf("the store is damaged: it has %s %d of network %d, but not the network", what, slot.Order, slot.Network))
}

// loadFailures finds the networks on which the device failed in earlier runs and moves them
// to the end: a resumed sweep must not start with the same failures.
func (r *runner) loadFailures(ctx context.Context) error {
	attempts := map[int]int{}
	for f, err := range r.o.Store.Failures(ctx, r.sweep.ID) {
		if err != nil {
			return labError("load failures", err)
		}
		if f.Fault == devices.FaultDevice && !isAway(f.Reason) {
			attempts[f.Network]++
		}
	}
	for i, n := range attempts {
		if net := r.nets[i]; net != nil {
			net.postponed = n / (r.protocol.Retries + 1)
		}
	}
	slices.SortStableFunc(r.pending, func(a, b Slot) int {
		return min(r.nets[a.Network].postponed, 1) - min(r.nets[b.Network].postponed, 1)
	})
	return nil
}

// loop alternates between planning and running until nothing is left to plan.
func (r *runner) loop(ctx context.Context) error {
	r.report()
	for {
		if err := r.work(ctx); err != nil {
			return err
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
		if err := r.interrupted(ctx); err != nil {
			return err
		}
		if r.overBudget() {
			return nil
		}
		more, err := r.plan(ctx)
		if err != nil || !more {
			return err
		}
	}
}

func (r *runner) interrupted(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-r.o.Stop:
		return ErrStopped
	default:
		return nil
	}
}

// wait sleeps until d has passed or the run ends.
func (r *runner) wait(ctx context.Context, d time.Duration) error {
	if d > 0 {
		if err := Wait(ctx, r.o.Device, r.o.Stop, d); err != nil {
			return err
		}
	}
	return r.interrupted(ctx)
}

// Wait sleeps until d has passed, the context ends or stop is closed. A device with its own clock (a
// simulator) sleeps by that, and sees only the context.
func Wait(ctx context.Context, device devices.Device, stop <-chan struct{}, d time.Duration) error {
	if w, ok := device.(devices.Waiter); ok {
		return w.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-stop:
		return ErrStopped
	}
}

// flush stores finished blocks, even if the run was cancelled meanwhile.
func (r *runner) flush(ctx context.Context) error {
	if len(r.buffer) == 0 {
		return nil
	}
	if err := r.o.Store.Finish(context.WithoutCancel(ctx), r.sweep.ID, r.buffer); err != nil {
		return labError("store a block", err)
	}
	r.buffer = nil
	return nil
}

func (r *runner) result(ctx context.Context) (Result, error) {
	res := Result{Sweep: r.sweep, Blocks: r.blocks, Noise: r.noise, Profiled: r.profiles.Done, Unprofiled: r.unprofiled.Why}
	t := NewTally()
	for e, err := range Estimates(ctx, r.o.Store, r.sweep.ID) {
		if err != nil {
			return res, labError("read estimates", err)
		}
		if e.Network.Index < r.o.Networks {
			t.Add(e)
		}
	}
	res.Reached, res.Spent = r.howFar(), r.spent()
	res.Measured, res.Failed, res.Invalid, res.Imprecise = t.Measured, t.Failed, t.Invalid, t.Imprecise
	return res, nil
}

func userError(op string, err error) error {
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: "usage", Err: err}
}

// labError blames the lab's host, unless the error already carries a fault or the context
// ended.
func labError(op string, err error) error {
	var e *devices.Error
	if err == nil || errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "store", Err: err}
}

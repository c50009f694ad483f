package devicetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// recorder is a testing.TB that records complaints instead of failing.
type recorder struct {
	testing.TB
	ctx      context.Context
	mu       sync.Mutex
	said     []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(enough{})
}

func (r *recorder) Fatal(args ...any)        { r.Fatalf("%s", fmt.Sprint(args...)) }
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }

// enough ends a check at Fatal.
type enough struct{}

// complaints runs one check on a suite and returns its complaints.
func complaints(t testing.TB, s Suite, c check) []string {
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{TB: t, ctx: ctx}
	guarded := func(f func()) {
		defer func() {
			if e := recover(); e != nil && e != (enough{}) {
				panic(e)
			}
		}()
		f()
	}
	guarded(func() { c.run(&subject{TB: r, Suite: s}) })
	cancel()
	for _, f := range slices.Backward(r.cleanups) {
		guarded(f)
	}
	return r.said
}

// world is the state outside of the fake devices of one suite.
type world struct {
	processes atomic.Int64
	files     atomic.Int64
	end       chan struct{} // closed at the test's end, so that Runs that ignore everything stop
}

// fake is a device in memory that behaves except for its quirks.
type fake struct {
	*world
	info  devices.Info
	quirk quirks
	slots chan struct{}
	half  bool // half of the nodes are delegated
	runs  atomic.Int64
	next  atomic.Value // what happens at the next Run: "crash", "hang", "offline"
}

// quirks are the ways to misbehave.
type quirks struct {
	info        func(*devices.Info)
	block       func(d *fake, b *devices.Block)
	err         func(*devices.Error) error // changes every error
	withError   bool                       // every error comes with a block
	ignoresCtx  bool
	ignoresTime bool
	wrongCtxErr bool
	takesAll    bool // accepts every format and model
	queues      bool
	unlimited   bool
	slots       int  // accepts as many Runs at once, whatever Info says
	staysBroken bool // a failure that should happen once happens at every Run
	leak        string
	littersAt   string
	closeErr    error
	layers      func([]devices.Layer) []devices.Layer
}

const tick = time.Millisecond

func (d *fake) Info() devices.Info { return d.info }
func (d *fake) Close() error       { return d.quirk.closeErr }

func (d *fake) Run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	b, err := d.time(ctx, m, p)
	if err != nil && d.quirk.withError {
		return &devices.Block{}, err
	}
	return b, err
}

func (d *fake) time(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	if !d.quirk.takesAll && (!slices.Contains(d.info.Formats, m.Format) || !slices.Contains(d.info.Precisions, m.Precision)) {
		return nil, d.fail(devices.FaultUser, devices.ReasonUnsupported)
	}
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	if ctx.Err() != nil && !d.quirk.ignoresCtx {
		return nil, ctx.Err()
	}
	if m.Name == "bad" && !d.quirk.takesAll {
		return nil, d.fail(devices.FaultModel, devices.ReasonRejected)
	}
	d.processes.Add(1)
	how := "good"
	defer func() {
		if d.quirk.leak != how {
			d.processes.Add(-1)
		}
		if d.quirk.littersAt == how {
			d.files.Add(1)
		}
	}()
	b, err := d.block(ctx, p)
	var e *devices.Error
	switch {
	case errors.As(err, &e):
		how = e.Reason
	case err != nil:
		how = "cancelled"
	}
	return b, err
}

func (d *fake) enter() error {
	if d.quirk.unlimited {
		return nil
	}
	if d.quirk.queues {
		d.slots <- struct{}{}
		return nil
	}
	select {
	case d.slots <- struct{}{}:
		return nil
	default:
		return d.fail(devices.FaultLab, devices.ReasonBusy)
	}
}

func (d *fake) leave() {
	if !d.quirk.unlimited {
		<-d.slots
	}
}

func (d *fake) block(ctx context.Context, p devices.Plan) (*devices.Block, error) {
	next := d.next.Load()
	if !d.quirk.staysBroken {
		d.next.Store("")
	}
	switch next {
	case "crash":
		return nil, d.fail(devices.FaultModel, devices.ReasonCrashed)
	case "offline":
		return nil, d.fail(devices.FaultDevice, devices.ReasonOffline)
	case "hang":
		p.MinRuns = 1 << 30
	}
	d.runs.Add(1)
	b := &devices.Block{Started: time.Now(), Before: devices.State{Time: time.Now()}, Runtime: "fake 1", ModelSHA256: strings.Repeat("0a", 32)}
	if err := d.samples(ctx, b, p, next == "hang"); err != nil {
		return nil, err
	}
	b.After = devices.State{Time: time.Now()}
	b.Delegation = devices.Delegation{Name: d.info.Delegate, Nodes: 4, Delegated: 4, Partitions: 1}
	if d.half {
		b.Delegation.Delegated, b.Delegation.Why = 2, []string{"EXP x2: no kernel"}
	}
	if d.quirk.block != nil {
		d.quirk.block(d, b)
	}
	return b, nil
}

// samples takes a tick for each sample. A deterministic device takes one, unless it hangs.
func (d *fake) samples(ctx context.Context, b *devices.Block, p devices.Plan, hangs bool) error {
	late, done := time.After(p.Timeout), ctx.Done()
	if d.quirk.ignoresTime {
		late = nil
	}
	if d.quirk.ignoresCtx {
		done = nil
	}
	n := p.MinRuns
	if d.info.Deterministic && !hangs {
		n = 1
	}
	for i := range n {
		select {
		case <-time.After(tick):
		case <-late:
			return d.fail(devices.FaultDevice, devices.ReasonHung)
		case <-done:
			if d.quirk.wrongCtxErr {
				return d.fail(devices.FaultDevice, devices.ReasonKilled)
			}
			return ctx.Err()
		case <-d.end:
			return errors.New("the test is over")
		}
		x := tick.Seconds()
		if !d.info.Deterministic {
			x *= 1 + float64(i+10*int(d.runs.Load()))/1e6
		}
		b.Samples = append(b.Samples, x)
	}
	return nil
}

func (d *fake) fail(f devices.Fault, reason string) error {
	e := &devices.Error{Fault: f, Op: "time a fake", Reason: reason, Err: errors.New("as the test wants it")}
	if d.quirk.err != nil {
		return d.quirk.err(e)
	}
	return e
}

// layered is a fake that profiles.
type layered struct{ *fake }

func (d layered) Profile(context.Context, *model.Model, devices.Plan) (*devices.Profile, error) {
	rows := []devices.Layer{{Name: "a", Op: "CONV_2D", Seconds: 0.4 * tick.Seconds()}, {Name: "call", Op: "call", Seconds: 0.6 * tick.Seconds()}}
	if d.quirk.layers != nil {
		rows = d.quirk.layers(rows)
	}
	return &devices.Profile{Layers: rows, Runs: 1}, nil
}

// suite makes fakes with the info and the quirks.
func (w *world) suite(info devices.Info, q quirks) Suite {
	if q.info != nil {
		q.info(&info)
	}
	if q.slots == 0 {
		q.slots = max(1, info.Parallel)
	}
	open := func(next string, half bool) devices.Device {
		d := &fake{world: w, info: info, quirk: q, slots: make(chan struct{}, q.slots), half: half}
		d.next.Store(next)
		if info.Deterministic {
			return layered{d}
		}
		return d
	}
	named := func(name string) *model.Model {
		return &model.Model{Name: name, Form: model.Form{Format: info.Formats[0], Precision: info.Precisions[0]}}
	}
	hook := func(next string, half bool) func(testing.TB) (devices.Device, *model.Model) {
		return func(testing.TB) (devices.Device, *model.Model) { return open(next, half), named("good") }
	}
	return Suite{
		Open:  func(testing.TB) devices.Device { return open("", false) },
		Good:  func(testing.TB) *model.Model { return named("good") },
		Bad:   func(testing.TB) *model.Model { return named("bad") },
		Crash: hook("crash", false), Hang: hook("hang", false), Offline: hook("offline", false), Partial: hook("", true),
		Processes: func() int { return int(w.processes.Load()) },
		State:     func() string { return fmt.Sprintf("%d files", w.files.Load()) },
	}
}

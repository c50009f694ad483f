package devicetest

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/sampler/model"
)

// checkHooks: a check that was silently skipped would look like one that passed.
func checkHooks(s *subject) {
	brought := map[string]bool{
		"Crash": s.Crash != nil, "Hang": s.Hang != nil, "Offline": s.Offline != nil, "Partial": s.Partial != nil,
		"Processes": s.Processes != nil, "State": s.State != nil,
	}
	for _, name := range slices.Sorted(maps.Keys(brought)) {
		why, excused := s.Cannot[name]
		switch {
		case brought[name] && excused:
			s.Errorf("%s is brought and excused at once", name)
		case !brought[name] && !oneLine(why):
			s.Errorf("%s is neither brought nor is it said in Cannot why it cannot be", name)
		}
	}
	for name := range s.Cannot {
		if _, known := brought[name]; !known {
			s.Errorf("Cannot names %q, which is no hook that could be left out", name)
		}
	}
	for name, why := range s.Lasting {
		if !slices.Contains([]string{"Crash", "Hang", "Offline"}, name) || !oneLine(why) {
			s.Errorf("Lasting says of %q: %q", name, why)
		}
	}
}

func checkInfo(s *subject) {
	i := s.open().Info()
	if i.Name == "" || i.Harness == "" || len(i.Formats) == 0 || len(i.Precisions) == 0 || i.Threads < 1 || len(i.Fingerprint) == 0 {
		s.Errorf("Info is incomplete: %+v", i)
	}
	if i.Kind != devices.Measured && i.Kind != devices.Estimated && i.Kind != devices.Simulated {
		s.Errorf("Kind is %q", i.Kind)
	}
	if i.Parallel < 0 {
		s.Errorf("%d Runs at once", i.Parallel)
	}
	if i.Kind == devices.Measured && (i.Deterministic || i.Parallel > 1) {
		s.Error("what is measured is neither deterministic nor measured beside another")
	}
	if diff := cmp.Diff(i, s.dev.Info()); diff != "" {
		s.Errorf("Info changes (-first +second):\n%s", diff)
	}
}

func checkTime(s *subject) {
	s.open()
	s.whole(s.good(), Plan())
}

func checkSmallPlan(s *subject) {
	s.open()
	p := devices.Plan{MinRuns: 1, MaxRuns: 1, Timeout: time.Minute}
	s.whole(s.succeeds(s.Good(s), p), p)
	p.MaxRuns = 0 // no maximum and no minimum time: MinRuns decides
	b := s.succeeds(s.Good(s), p)
	if b.Summary == nil && len(b.Samples) != 1 {
		s.Errorf("%d samples, the plan asks for 1", len(b.Samples))
	}
}

// figures are what a deterministic device must reproduce.
type figures struct {
	Samples  []float64
	Summary  *devices.Summary
	Layers   []devices.Layer
	Bounds   *devices.Bounds
	Counters map[string]float64
	Doubts   []devices.Doubt
}

func figuresOf(b *devices.Block) figures {
	return figures{b.Samples, b.Summary, b.Layers, b.Bounds, b.Counters, b.Doubts}
}

func checkTwoBlocks(s *subject) {
	s.open()
	a, b := s.good(), s.good()
	if b.Started.Before(a.Started) || b.Before.Time.Before(a.Before.Time) {
		s.Errorf("the second block started (%v) before the first (%v)", b.Started, a.Started)
	}
	if a.ModelSHA256 != b.ModelSHA256 {
		s.Error("two blocks of one model had different bytes")
	}
	diff := cmp.Diff(figuresOf(a), figuresOf(b))
	switch det := s.dev.Info().Deterministic; {
	case det && diff != "":
		s.Errorf("two blocks of a deterministic device differ (-first +second):\n%s", diff)
	case !det && len(a.Samples) > 1 && slices.Equal(a.Samples, b.Samples):
		s.Error("two blocks are the same to the last bit: was the second one run?")
	}
}

func checkDelegation(s *subject) {
	i := s.open().Info()
	p := s.good().Delegation
	if i.Delegate == "" && !i.Accelerator {
		return
	}
	if p.Name != i.Delegate || p.Nodes < 1 {
		s.Errorf("who ran the model is not proven: %+v, Info says %q", p, i.Delegate)
	}
}

func checkPartial(s *subject) {
	if s.Partial == nil {
		return // checkHooks has reported it
	}
	d, m := s.Partial(s)
	s.use(d)
	b := s.succeeds(m, Plan())
	s.whole(b, Plan())
	if p := b.Delegation; p.Delegated >= p.Nodes || len(p.Why) == 0 {
		s.Errorf("%d of %d nodes are delegated, because %q; want less than all, and why", p.Delegated, p.Nodes, p.Why)
	}
}

// checkLayers: the rows must add up to the total, because readers assume that. On a device with
// noise they come from a different block than the total.
func checkLayers(s *subject) {
	l, ok := s.open().(devices.Profiler)
	if !ok {
		return
	}
	p, err := l.Profile(s.Context(), s.Good(s), Plan())
	if err != nil {
		s.Fatalf("Profile: %v", err)
	}
	if err := devices.PossibleProfile(p); err != nil {
		s.Errorf("a profile that cannot be: %v", err)
	}
	s.checkRows(p.Layers)
	b := s.good()
	if !s.dev.Info().Deterministic || len(b.Samples) != 1 {
		return
	}
	if sum, whole := p.Total(), b.Samples[0]; !(math.Abs(sum/whole-1) < 0.001) {
		s.Errorf("layers sum to %v s, the whole takes %v s", sum, whole)
	}
}

func checkUnsupported(s *subject) {
	i := s.open().Info()
	good := s.Good(s)
	refused := func(f model.Form) {
		s.Helper()
		m := *good
		m.Form = f
		s.fails(&m, Plan(), fault(devices.FaultUser), devices.ReasonUnsupported)
	}
	for _, p := range []model.Precision{model.Float32, model.Int8, "float7"} {
		if !slices.Contains(i.Precisions, p) {
			refused(model.Form{Format: good.Format, Precision: p})
		}
	}
	for _, f := range []model.Format{model.TFLite, model.ONNX, "punchcards"} {
		if !slices.Contains(i.Formats, f) {
			refused(model.Form{Format: f, Precision: good.Precision})
		}
	}
}

func checkBadModel(s *subject) {
	s.open()
	s.fails(s.Bad(s), Plan(), fault(devices.FaultModel))
}

func checkAfterBadModel(s *subject) {
	s.open()
	if _, err := s.run(s.Context(), s.Bad(s), Plan()); err == nil {
		s.Fatal("the bad model ran")
	}
	s.good()
}

// incident is a failure that a hook causes, and the faults and reasons that a device may give for it.
type incident struct {
	hook    string
	make    func(testing.TB) (devices.Device, *model.Model)
	plan    devices.Plan
	faults  []devices.Fault
	reasons []string
}

// Tools differ in what a crash shows about the model, so either model or device may be blamed; a
// device that does not answer is never the lab's fault.
func (s *subject) crash() incident {
	return incident{"Crash", s.Crash, Plan(), fault(devices.FaultModel, devices.FaultDevice),
		[]string{devices.ReasonCrashed, devices.ReasonKilled, devices.ReasonExited}}
}

func (s *subject) hang() incident {
	p := Plan()
	p.Timeout = 300 * time.Millisecond
	return incident{"Hang", s.Hang, p, fault(devices.FaultModel, devices.FaultDevice), []string{devices.ReasonHung}}
}

func (s *subject) absence() incident {
	return incident{"Offline", s.Offline, Plan(), fault(devices.FaultDevice), []string{devices.ReasonOffline}}
}

func (s *subject) happens(i incident) {
	s.Helper()
	if i.make == nil {
		return // checkHooks has reported it
	}
	d, m := i.make(s)
	s.use(d)
	s.fails(m, i.plan, i.faults, i.reasons...)
	s.noProcesses("after " + i.hook)
	if s.Lasting[i.hook] == "" {
		s.good()
	}
}

func checkCrash(s *subject)   { s.happens(s.crash()) }
func checkHang(s *subject)    { s.happens(s.hang()) }
func checkOffline(s *subject) { s.happens(s.absence()) }

func checkDeadContext(s *subject) {
	s.open()
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := s.run(ctx, s.Good(s), Plan()); !errors.Is(err, context.Canceled) {
		s.Errorf("Run returned %v, want context.Canceled", err)
	}
}

// checkCancel cancels an endless block and a tool that hangs. What takes no time, such as a table
// lookup or a simulator's virtual hang, ends before that, which is allowed for devices that
// measure nothing.
func checkCancel(s *subject) {
	s.open()
	s.cancelled(s.Good(s), endless(forever))
	s.noProcesses("after the context ended")
	s.good()
	if s.Hang == nil {
		return
	}
	d, m := s.Hang(s)
	s.use(d)
	p := Plan()
	p.Timeout = forever
	s.cancelled(m, p)
	s.noProcesses("after the context ended")
}

func (s *subject) cancelled(m *model.Model, p devices.Plan) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	info := s.dev.Info()
	after := 300 * time.Millisecond
	if info.Kind == devices.Simulated {
		// A simulator refuses an endless block after some 300 ms of computing: if the context ended at that
		// moment, either error would be possible.
		after = 20 * time.Millisecond
	}
	timer := time.AfterFunc(after, cancel)
	defer timer.Stop()
	_, err := s.run(ctx, m, p)
	// On a busy host the context may end after a virtual hang, or the block of a deterministic device, was over
	// and before Run has returned.
	var e *devices.Error
	hung := errors.As(err, &e) && e.Reason == devices.ReasonHung
	over := hung || err == nil && info.Deterministic
	early := (ctx.Err() == nil || over) && info.Kind != devices.Measured
	if !early && !errors.Is(err, context.Canceled) {
		s.Errorf("Run returned %v, want context.Canceled", err)
	}
}

// checkDeadline covers a timeout that passes before anything can run, one in the middle of a
// block, and a tool that hangs (checkHang). A deterministic device does not run longer for a
// longer plan.
func checkDeadline(s *subject) {
	info := s.open().Info()
	late := fault(devices.FaultModel, devices.FaultDevice)
	m := s.Good(s)
	s.fails(m, endless(time.Microsecond), late, devices.ReasonHung)
	s.noProcesses("after the deadline")
	if !info.Deterministic {
		s.fails(m, endless(300*time.Millisecond), late, devices.ReasonHung)
		s.noProcesses("after the deadline")
	}
	s.good()
}

// checkNothingLeft compares the state before a device was opened with that after it was closed,
// for every way in which a Run can end.
func checkNothingLeft(s *subject) {
	for _, scene := range []struct {
		name string
		play func(*subject)
	}{
		{"a block", func(s *subject) { s.open(); s.good() }},
		{"a bad model", func(s *subject) { s.open(); _, _ = s.run(s.Context(), s.Bad(s), Plan()) }},
		{"a cancelled block", func(s *subject) { s.open(); s.abandon() }},
		{"a late block", func(s *subject) { s.open(); _, _ = s.run(s.Context(), s.Good(s), endless(time.Microsecond)) }},
		{"a crash", func(s *subject) { s.provoke(s.crash()) }},
		{"a hang", func(s *subject) { s.provoke(s.hang()) }},
		{"an absence", func(s *subject) { s.provoke(s.absence()) }},
	} {
		before := s.snapshot()
		inner := &subject{TB: s.TB, Suite: s.Suite}
		scene.play(inner)
		if inner.dev == nil {
			continue
		}
		inner.noProcesses("after " + scene.name)
		inner.close()
		if diff := cmp.Diff(before, s.snapshot()); diff != "" {
			s.Errorf("%s left something behind (-before +after):\n%s", scene.name, diff)
		}
	}
}

func (s *subject) snapshot() string {
	if s.State == nil {
		return ""
	}
	return s.State()
}

// abandon cancels in the middle of a block.
func (s *subject) abandon() {
	ctx, cancel := context.WithTimeout(s.Context(), 100*time.Millisecond)
	defer cancel()
	_, _ = s.run(ctx, s.Good(s), endless(forever))
}

func (s *subject) provoke(i incident) {
	if i.make == nil {
		return
	}
	d, m := i.make(s)
	s.use(d)
	_, _ = s.run(s.Context(), m, i.plan)
}

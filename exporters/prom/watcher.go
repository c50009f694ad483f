package prom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"latlab/bench"
	"latlab/devices"
)

// Store is a bench.Reader that tells cheaply whether anything was stored.
type Store interface {
	bench.Reader
	// Version is a text that differs whenever anything was stored of a sweep since.
	Version(ctx context.Context, sweep string) (string, error)
}

// Watcher keeps what a store says at hand. A reader on the machine that measures must not
// disturb, so the store is read only while somebody asks, only the sweeps that changed, and for
// at most a twentieth of the time: after a read that took a second, the next one waits for
// twenty. A store that cannot be read leaves what was read before, and a failure is counted.
type Watcher struct {
	store    Store
	baseline *Baseline
	asked    chan struct{}
	failed   func(error)

	mu       sync.Mutex
	lab      Lab
	versions map[string]string // of the sweeps in lab
	err      error             // of the last read
	ended    chan struct{}     // is closed when the read that goes on, or the next one, ends
}

// share of the time that reading may take, and the least pause between two looks.
const (
	pauses   = 20
	minPause = time.Second
)

// stale is the age from which what was read is no longer shown without a look, and patience how
// long one waits for that look: no scraper gives up within it.
const (
	stale    = time.Minute
	patience = time.Second
)

// WatcherOptions are what a Watcher can do without.
type WatcherOptions struct {
	Baseline *Baseline   // nil = none
	Failed   func(error) // is told why the store could not be read, when that is not what it was the last time
}

// NewWatcher makes one that reads once Run runs.
func NewWatcher(st Store, o WatcherOptions) *Watcher {
	return &Watcher{store: st, baseline: o.Baseline, failed: o.Failed, asked: make(chan struct{}, 1), versions: map[string]string{}, ended: make(chan struct{})}
}

// Asked says that somebody looks. Who looks often sees what was read after the look before. The
// first one in a while waits a moment for the read, if it is a short one: he would see a sweep
// run that ended hours ago.
func (w *Watcher) Asked() {
	select {
	case w.asked <- struct{}{}:
	default:
	}
	w.mu.Lock()
	worth := w.err == nil && w.lab.Took < patience && time.Since(w.lab.Read) > stale
	ended := w.ended
	w.mu.Unlock()
	if !worth {
		return
	}
	select {
	case <-ended:
	case <-time.After(patience):
	}
}

// Lab is what was read last.
func (w *Watcher) Lab() Lab {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lab
}

// Ready is nil once the store was read, else why it was not.
func (w *Watcher) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.lab.Read.IsZero():
		return nil
	case w.err != nil:
		return w.err
	}
	return errors.New("the store is being read for the first time")
}

// Run reads once, and then whenever somebody asks, until its context ends.
func (w *Watcher) Run(ctx context.Context) {
	for {
		took := w.Read(ctx)
		timer := time.NewTimer(max(minPause, pauses*took))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-w.asked:
		}
	}
}

// Read reads what changed now, and returns how long that took.
func (w *Watcher) Read(ctx context.Context) time.Duration {
	defer w.wake()
	start := time.Now()
	sweeps, versions, err := w.read(ctx)
	took := time.Since(start)
	if ctx.Err() != nil {
		return took
	}
	if err != nil {
		w.fail(err)
		return took
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = nil
	w.lab.Sweeps, w.lab.Read, w.lab.Took, w.versions = sweeps, time.Now(), took, versions
	return took
}

// wake lets go who waited for the read.
func (w *Watcher) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.ended)
	w.ended = make(chan struct{})
}

func (w *Watcher) fail(err error) {
	w.mu.Lock()
	before := w.err
	w.err = err
	w.lab.Failures++
	w.mu.Unlock()
	if w.failed != nil && (before == nil || before.Error() != err.Error()) {
		w.failed(err)
	}
}

func (w *Watcher) read(ctx context.Context) ([]*Sweep, map[string]string, error) {
	manifests, err := w.store.Sweeps(ctx)
	if err != nil {
		return nil, nil, err
	}
	known := map[string]*Sweep{}
	lab := w.Lab()
	looked := lab.Read.Add(-lab.Took)
	for _, s := range lab.Sweeps {
		known[s.Manifest.ID] = s
	}
	var sweeps []*Sweep
	versions := map[string]string{}
	for _, m := range manifests {
		// Before the read: what is stored meanwhile is read again.
		if versions[m.ID], err = w.store.Version(ctx, m.ID); err != nil {
			return nil, nil, err
		}
		s := known[m.ID]
		if s == nil || w.versions[m.ID] != versions[m.ID] {
			if s, err = ReadSweep(ctx, w.store, m, w.baseline); err != nil {
				return nil, nil, fmt.Errorf("sweep %s: %w", m.ID, err)
			}
			s.byClock(known[m.ID], looked, time.Now())
		}
		sweeps = append(sweeps, s)
	}
	return sweeps, versions, nil
}

// storing is more than what lies between a block's end and its being in the store: the device's
// condition is read, and the disk may be slow.
const storing = time.Minute

// byClock sets when the last block ended by this machine's clock, for what asks how long ago that
// was. A simulator's blocks end in a time of its own, which runs ahead by hours: an alert on a
// sweep that stalled would wait until the wall's clock is there. A store has no other time of a
// block, so where the device's cannot be, what was seen counts: a block that came since the look
// before, at looked, ended no later than now. Of blocks that were there at the first look only what
// the sweep's process said is known. Whether one that says it runs brought a block since nobody
// knows, so its word is the time: too early, which the next block mends, but never too late.
func (s *Sweep) byClock(before *Sweep, looked, now time.Time) {
	said, latest := now, now
	if s.State != "" && s.Said.Before(now) {
		said = s.Said
	}
	if s.State != bench.Running {
		latest = said // it brought none after it said so
	}
	switch {
	case s.LastBlock.IsZero():
	case before != nil && before.Tally.Blocks == s.Tally.Blocks:
		s.endedAt(before.LastBlock)
	case before != nil && (s.LastBlock.After(latest) || s.LastBlock.Before(looked.Add(-storing))):
		s.endedAt(latest)
	case s.LastBlock.After(latest):
		s.endedAt(said)
	}
}

// endedAt sets when the last block ended, and when its device was so as it was then.
func (s *Sweep) endedAt(t time.Time) {
	if s.Condition != nil && !s.Condition.Time.IsZero() && !t.Equal(s.LastBlock) {
		c := *s.Condition
		c.Time = t
		s.Condition = &c
	}
	s.LastBlock = t
}

// Condition is a device's after its last stored block, nil where there is none.
func (l Lab) Condition(device string) *devices.State {
	var last *Sweep
	for _, s := range l.Sweeps {
		if s.Manifest.Device.Name == device && s.Condition != nil && (last == nil || s.LastBlock.After(last.LastBlock)) {
			last = s
		}
	}
	if last == nil {
		return nil
	}
	return last.Condition
}

// timingFor is how long a process that says that it times is believed without a block: one that
// was killed cannot say so.
const timingFor = 2 * time.Minute

// Timing reports whether a sweep's process times on the device at now, by what it said and the
// blocks that it brought. This machine has no lock that would tell.
func (l Lab) Timing(device string, now time.Time) bool {
	return slices.ContainsFunc(l.Sweeps, func(s *Sweep) bool {
		last := s.Said
		if s.LastBlock.After(last) {
			last = s.LastBlock
		}
		return s.Manifest.Device.Name == device && s.State == bench.Running && now.Sub(last) < timingFor
	})
}

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

// Store is a bench.Reader with a cheap check for changes.
type Store interface {
	bench.Reader
	// Version is a text that changes whenever something of a sweep is stored.
	Version(ctx context.Context, sweep string) (string, error)
}

// Watcher caches the content of a store. To not disturb measurements on the same machine, the
// store is read only after scrapes, only the sweeps that changed, and for at most a twentieth
// of the time: after a read that took a second, the next one waits for twenty. If a read
// fails, the previous content stays and the failure is counted.
type Watcher struct {
	store    Store
	baseline *Baseline
	asked    chan struct{}
	failed   func(error)

	mu       sync.Mutex
	lab      Lab
	versions map[string]string // of the sweeps in lab
	err      error             // error of the last read
	ended    chan struct{}     // closed when the current read, or the next one, ends
}

// share of the time that reading may take, and the minimum pause between two reads.
const (
	pauses   = 20
	minPause = time.Second
)

// stale is the age from which a scrape waits for a new read, and patience the maximum wait,
// which is shorter than any scraper's timeout.
const (
	stale    = time.Minute
	patience = time.Second
)

// WatcherOptions are a Watcher's optional settings.
type WatcherOptions struct {
	Baseline *Baseline   // nil = none
	Failed   func(error) // called with the error of a failed read, if it differs from the last one
}

// NewWatcher returns a Watcher that reads while Run runs.
func NewWatcher(st Store, o WatcherOptions) *Watcher {
	return &Watcher{store: st, baseline: o.Baseline, failed: o.Failed, asked: make(chan struct{}, 1), versions: map[string]string{}, ended: make(chan struct{})}
}

// Asked announces a scrape. Frequent scrapers see what was read after the previous scrape. The
// first scrape after a pause waits a moment for a read; otherwise it would show a sweep as
// running that ended hours ago.
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

// Lab returns the content of the last read.
func (w *Watcher) Lab() Lab {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lab
}

// Ready is nil once the store was read, otherwise the reason why it was not.
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

// Run reads once, and then after scrapes, until its context ends.
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

// Read reads the changes now, and returns how long that took.
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

// wake releases those who wait for the read.
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
		// Before the read, so that changes during the read are read again.
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

// storing is an upper bound of the time from a block's end until it is in the store: the
// device's state is read in between, and the disk may be slow.
const storing = time.Minute

// byClock sets the end of the last block by this machine's clock, for alerts on stalled sweeps.
// A simulator's virtual clock runs ahead by hours, so such an alert would fire too late. A store
// has no other time of a block, so if the device's time is in the future, the time of the read
// is used: a block that is new since the previous read, at looked, ended no later than now. For
// blocks that existed at the first read only the time of the process's last state report is
// known, and it is used: it may be too early, which the next block corrects, but never too late.
func (s *Sweep) byClock(before *Sweep, looked, now time.Time) {
	said, latest := now, now
	if s.State != "" && s.Said.Before(now) {
		said = s.Said
	}
	if s.State != bench.Running {
		latest = said // no block after that report
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

// endedAt sets the end of the last block, and the time of its device's state.
func (s *Sweep) endedAt(t time.Time) {
	if s.Condition != nil && !s.Condition.Time.IsZero() && !t.Equal(s.LastBlock) {
		c := *s.Condition
		c.Time = t
		s.Condition = &c
	}
	s.LastBlock = t
}

// Condition is a device's state after its last stored block, nil if there is none.
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

// timingFor is how long a sweep without new blocks counts as running: a killed process cannot
// report that it stopped.
const timingFor = 2 * time.Minute

// Timing reports whether a sweep is timing on the device at now, from its reported state and its
// blocks. It is for this machine, which has no lock. A report from the future is by a clock that was set back since, and
// says nothing: a killed process would count as running until the clock is there again.
func (l Lab) Timing(device string, now time.Time) bool {
	return slices.ContainsFunc(l.Sweeps, func(s *Sweep) bool {
		last := s.LastBlock
		if s.Said.After(last) && !s.Said.After(now) {
			last = s.Said
		}
		return s.Manifest.Device.Name == device && s.State == bench.Running && now.Sub(last) < timingFor
	})
}

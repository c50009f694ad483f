package prom_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/exporters/prom"
	"latlab/exporters/report/reporttest"
)

// slowStore takes its time over each sweep, counts how often they are read, and can fail.
type slowStore struct {
	bench.Reader
	takes   time.Duration
	version map[string]int
	reads   map[string]int
	fails   bool
	told    []error // what the watcher said
	mu      sync.Mutex
}

// change says that something was stored.
func (s *slowStore) change(sweep string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version[sweep]++
}

func (s *slowStore) readsOf(sweep string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[sweep]
}

func (s *slowStore) Version(_ context.Context, sweep string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.version[sweep]), nil
}

func (s *slowStore) Sweeps(ctx context.Context) ([]bench.Sweep, error) {
	if s.fails {
		return nil, errDisk
	}
	return s.Reader.Sweeps(ctx)
}

func (s *slowStore) Schedule(ctx context.Context, sweep string) iter.Seq2[bench.Scheduled, error] {
	s.mu.Lock()
	s.reads[sweep]++
	s.mu.Unlock()
	time.Sleep(s.takes)
	return s.Reader.Schedule(ctx, sweep)
}

// watched runs a watcher over two sweeps in a bubble's time.
func watched(t *testing.T, takes time.Duration) (w *prom.Watcher, st *slowStore, first, second string) {
	t.Helper()
	memory := bench.NewMemory()
	a := reporttest.Add(t, memory, reporttest.Spec{Networks: 3, Device: "a", Kind: devices.Simulated})
	b := reporttest.Add(t, memory, reporttest.Spec{Networks: 3, Device: "b", Kind: devices.Simulated})
	st = &slowStore{Reader: memory, takes: takes, version: map[string]int{}, reads: map[string]int{}}
	w = prom.NewWatcher(st, prom.WatcherOptions{Failed: func(err error) { st.told = append(st.told, err) }})
	if w.Ready() == nil {
		t.Error("ready before it was read")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return w, st, a.ID, b.ID
}

// TestWatcherReadsWhatChanged: a sweep that nothing happened to is not read again, and nothing
// is where nobody asks.
func TestWatcherReadsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st, a, b := watched(t, 0)
		synctest.Wait()
		if err := w.Ready(); err != nil || len(w.Lab().Sweeps) != 2 {
			t.Errorf("after the first read: %v, %d sweeps", err, len(w.Lab().Sweeps))
		}
		st.change(a)
		time.Sleep(time.Hour)
		if st.readsOf(a) != 1 {
			t.Error("read although nobody asked")
		}
		w.Asked()
		synctest.Wait()
		if st.readsOf(a) != 2 || st.readsOf(b) != 1 {
			t.Errorf("%d and %d reads, want 2 of the changed sweep and 1 of the other", st.readsOf(a), st.readsOf(b))
		}
	})
}

// TestWatcherDoesNotDisturb: however often somebody asks, reading takes a twentieth of the time
// at most.
func TestWatcherDoesNotDisturb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st, a, _ := watched(t, 3*time.Second)
		for range 7200 {
			st.change(a)
			w.Asked()
			time.Sleep(100 * time.Millisecond)
		}
		// 12 minutes; a read takes 6 s the first time and 3 s later.
		if n := st.readsOf(a); n < 8 || n > 12 {
			t.Errorf("%d reads in 12 minutes, want one a minute or so", n)
		}
	})
}

// TestWatcherKeepsWhatItHas: a store that cannot be read leaves what was there, and is counted.
func TestWatcherKeepsWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st, _, _ := watched(t, 0)
		synctest.Wait()
		read := w.Lab().Read
		st.fails = true
		time.Sleep(time.Minute)
		w.Asked()
		synctest.Wait()
		if lab := w.Lab(); lab.Failures != 1 || len(lab.Sweeps) != 2 || !lab.Read.Equal(read) {
			t.Errorf("%d failures, %d sweeps, read at %v", lab.Failures, len(lab.Sweeps), lab.Read)
		}
		w.Asked()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(st.told) != 1 || !errors.Is(st.told[0], errDisk) {
			t.Errorf("it said %v, want once why", st.told)
		}
		st.fails = false
		w.Asked()
		synctest.Wait()
		if !w.Lab().Read.After(read) {
			t.Error("not read again once it could be")
		}
	})
}

// TestCondition: a device's condition is that after the latest block of all its sweeps.
func TestCondition(t *testing.T) {
	at := reporttest.Began()
	hot, cold := &devices.State{Time: at.Add(time.Hour)}, &devices.State{Time: at}
	sweep := func(device string, last time.Time, s *devices.State) *prom.Sweep {
		return &prom.Sweep{Manifest: bench.Sweep{Device: devices.Info{Name: device}}, LastBlock: last, Condition: s}
	}
	lab := prom.Lab{Sweeps: []*prom.Sweep{sweep("a", at.Add(time.Hour), hot), sweep("a", at, cold), sweep("b", time.Time{}, nil)}}
	if got := lab.Condition("a"); got != hot {
		t.Errorf("condition of a is %v", got)
	}
	for _, name := range []string{"b", "none"} {
		if got := lab.Condition(name); got != nil {
			t.Errorf("condition of %s is %v", name, got)
		}
	}
}

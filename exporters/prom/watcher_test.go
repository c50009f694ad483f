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
	"latlab/bench/memory"
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
	memory := memory.New()
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

// TestTheFirstInAWhileWaits: a scrape after a pause shows what is in the store now, and no scrape
// waits long: not for a large store, nor for one that cannot be read.
func TestTheFirstInAWhileWaits(t *testing.T) {
	for _, c := range []struct {
		name  string
		takes time.Duration // of a sweep's read; there are two
		fails bool
		pause time.Duration
		waits time.Duration
		fresh bool
	}{
		{"a pause", 300 * time.Millisecond, false, time.Hour, 300 * time.Millisecond, true},
		{"an ordinary scrape", 300 * time.Millisecond, false, 15 * time.Second, 0, false},
		{"a large store", time.Minute, false, time.Hour, 0, false},
		{"no store", 0, true, time.Hour, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, st, a, _ := watched(t, c.takes)
				time.Sleep(2 * c.takes)
				synctest.Wait()
				if c.fails {
					st.fails = true
					time.Sleep(time.Second)
					w.Asked()
					synctest.Wait()
				}
				st.change(a)
				time.Sleep(c.pause)
				asked := time.Now()
				w.Asked()
				if waited := time.Since(asked); waited != c.waits {
					t.Errorf("waited for %v, want %v", waited, c.waits)
				}
				if fresh := !w.Lab().Read.Before(asked); fresh != c.fresh {
					t.Errorf("read at %v, asked at %v", w.Lab().Read, asked)
				}
			})
		})
	}
}

// TestTiming: whoever says that he times and brings blocks does.
func TestTiming(t *testing.T) {
	now := reporttest.Began()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		name        string
		state       bench.SweepState
		said, block time.Duration // ago
		want        bool
	}{
		{"has begun", bench.Running, time.Second, time.Hour, true},
		{"brings blocks", bench.Running, time.Hour, time.Second, true},
		{"was killed", bench.Running, time.Hour, 10 * time.Minute, false},
		{"has ended", bench.Ended, time.Second, time.Second, false},
		{"waits for its device", bench.BackingOff, time.Second, time.Second, false},
		{"said nothing", "", time.Hour, time.Second, false},
		{"was killed before the clock was set back", bench.Running, -time.Hour, time.Hour, false},
		{"brings blocks since the clock was set back", bench.Running, -time.Hour, time.Second, true},
	} {
		lab := prom.Lab{Sweeps: []*prom.Sweep{{
			Manifest: bench.Sweep{Device: devices.Info{Name: "cpu"}}, State: c.state, Said: ago(c.said), LastBlock: ago(c.block),
		}}}
		if got := lab.Timing("cpu", now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if lab.Timing("other", now) {
			t.Errorf("%s: on another device, too", c.name)
		}
	}
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

// skewed has a sweep's first blocks alone, and the last of them ends at ends by the device's clock.
type skewed struct {
	*slowStore
	blocks int
	ends   time.Time
}

func (s *skewed) Blocks(ctx context.Context, sweep string) iter.Seq2[bench.StoredBlock, error] {
	return func(yield func(bench.StoredBlock, error) bool) {
		n := 0
		for b, err := range s.Reader.Blocks(ctx, sweep) {
			if n++; n > s.blocks {
				return
			}
			b.Block.Started = s.ends.Add(-time.Duration(s.blocks-n)*time.Second - time.Duration(b.Block.Elapsed*float64(time.Second)))
			b.Block.After.Time = b.Block.Started
			if !yield(b, err) {
				return
			}
		}
	}
}

// TestLastBlockByTheWatchersClock: whatever clock a device has, an alert on a sweep that brings no
// block is told by this machine's.
func TestLastBlockByTheWatchersClock(t *testing.T) {
	const h = time.Hour
	for _, c := range []struct {
		name                string
		state               bench.SweepState
		said                time.Duration // after the beginning, as all of these; a look is at 0 and at 1 h
		first, second       time.Duration // when the last block of then ended by the device's clock
		still               bool          // no block came between the looks
		wantFirst, wantThen time.Duration
	}{
		{name: "a clock that is right", state: bench.Running, said: -h, first: -h / 2, second: h / 2, wantFirst: -h / 2, wantThen: h / 2},
		{name: "right, and stalled", state: bench.Running, said: -h, first: -h / 2, still: true, wantFirst: -h / 2, wantThen: -h / 2},
		{name: "a block of before it resumed", state: bench.Running, said: -h, first: -9 * h, still: true, wantFirst: -9 * h, wantThen: -9 * h},
		{name: "ahead", state: bench.Running, said: -h, first: 5 * h, second: 9 * h, wantFirst: -h, wantThen: h},
		{name: "ahead, and stalled", state: bench.Running, said: -h, first: 5 * h, still: true, wantFirst: -h, wantThen: -h},
		{name: "ahead, and the wall is there at the second look", state: bench.Running, said: -h, first: h / 2, still: true, wantFirst: -h, wantThen: -h},
		{name: "ahead, and ended", state: bench.Ended, said: -2 * h, first: 5 * h, still: true, wantFirst: -2 * h, wantThen: -2 * h},
		{name: "ahead by less than it ended ago", state: bench.Ended, said: -2 * h, first: -h, still: true, wantFirst: -2 * h, wantThen: -2 * h},
		{name: "ahead, and backing off", state: bench.BackingOff, said: -2 * h, first: 5 * h, still: true, wantFirst: -2 * h, wantThen: -2 * h},
		{name: "ahead, and nothing was said", first: 5 * h, second: 9 * h, wantFirst: 0, wantThen: h},
		{name: "behind", state: bench.Running, said: -h, first: -9 * h, second: -8 * h, wantFirst: -9 * h, wantThen: h},
		{name: "said by a clock ahead of ours", state: bench.Running, said: 3 * h, first: 5 * h, still: true, wantFirst: 0, wantThen: 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				memory := memory.New()
				m := reporttest.Add(t, memory, reporttest.Spec{Networks: 3, Kind: devices.Simulated})
				if c.state != "" {
					if err := memory.Note(t.Context(), m.ID, bench.Condition{State: c.state, Time: began.Add(c.said)}); err != nil {
						t.Fatal(err)
					}
				}
				st := &skewed{&slowStore{Reader: memory, version: map[string]int{}, reads: map[string]int{}}, 3, began.Add(c.first)}
				w := prom.NewWatcher(st, prom.WatcherOptions{})
				look := func(want time.Duration) {
					t.Helper()
					w.Read(t.Context())
					s := w.Lab().Sweeps[0]
					if got := s.LastBlock.Sub(began); got != want {
						t.Errorf("the last block ended %v after the beginning, want %v", got, want)
					}
					if s.Condition.Time.After(time.Now()) {
						t.Errorf("the device's condition is of %v, which is to come", s.Condition.Time)
					}
				}
				look(c.wantFirst)
				time.Sleep(h)
				if !c.still {
					st.blocks, st.ends = 4, began.Add(c.second)
				}
				st.change(m.ID)
				look(c.wantThen)
			})
		})
	}
}

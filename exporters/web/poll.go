package web

import (
	"context"
	"sync"
	"time"
)

// Poller reads the state of devices in the background, at a limited rate and only after scrapes,
// so without scrapes no device is touched. A scrape shows the state read after the previous
// scrape, so that no scrape waits for a phone.
type Poller[T any] struct {
	look  func(context.Context) []T
	every time.Duration
	kept  time.Duration
	asked chan struct{}

	mu     sync.Mutex
	latest []T
	when   time.Time
}

// PollOptions set the rate.
type PollOptions struct {
	Every time.Duration // minimum time between two reads; 0 = 15 s, the usual scrape interval
	Kept  time.Duration // how long a state is shown; 0 = 5 min, after which Prometheus treats series as stale too
}

// NewPoller returns a Poller that reads while Run runs. look ends with its context.
func NewPoller[T any](look func(context.Context) []T, o PollOptions) *Poller[T] {
	orDefault(&o.Every, 15*time.Second)
	orDefault(&o.Kept, 5*time.Minute)
	return &Poller[T]{look: look, every: o.Every, kept: o.Kept, asked: make(chan struct{}, 1)}
}

// Scraped announces a scrape. It does not wait.
func (p *Poller[T]) Scraped() {
	select {
	case p.asked <- struct{}{}:
	default:
	}
}

// Latest is the last known state; nil if it is too old.
func (p *Poller[T]) Latest() []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.when) > p.kept {
		return nil
	}
	return p.latest
}

// Run reads until its context ends.
func (p *Poller[T]) Run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-p.asked:
		}
		found := p.look(ctx)
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		p.latest, p.when = found, time.Now()
		p.mu.Unlock()
		pause.Reset(p.every)
	}
}

package web

import (
	"context"
	"sync"
	"time"
)

// Poller looks at devices in the background, at most once in a while, and only while somebody
// scrapes: a lab that nobody watches touches no device. What a scrape shows was found after the
// one before it, so that no scrape waits for a phone.
type Poller[T any] struct {
	look  func(context.Context) []T
	every time.Duration
	kept  time.Duration
	asked chan struct{}

	mu     sync.Mutex
	latest []T
	when   time.Time
}

// PollOptions say how often.
type PollOptions struct {
	Every time.Duration // between two looks, at least; 0 = 15 s, the usual scrape interval
	Kept  time.Duration // how long what was found is shown; 0 = 5 min, after which Prometheus forgets as well
}

// NewPoller makes one that looks once Run runs. look ends with its context.
func NewPoller[T any](look func(context.Context) []T, o PollOptions) *Poller[T] {
	orDefault(&o.Every, 15*time.Second)
	orDefault(&o.Kept, 5*time.Minute)
	return &Poller[T]{look: look, every: o.Every, kept: o.Kept, asked: make(chan struct{}, 1)}
}

// Scraped says that somebody scrapes. It does not wait.
func (p *Poller[T]) Scraped() {
	select {
	case p.asked <- struct{}{}:
	default:
	}
}

// Latest is what was found last; nil where that is too long ago.
func (p *Poller[T]) Latest() []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.when) > p.kept {
		return nil
	}
	return p.latest
}

// Run looks until its context ends.
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

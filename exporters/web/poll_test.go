package web

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPoller: nobody scrapes, nobody looks; a thousand scrapes look once in a while; what is
// gone at the next look has vanished, and what is old is not shown.
func TestPoller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		p := NewPoller(func(context.Context) []int {
			time.Sleep(time.Second)
			if n := int(looks.Add(1)); n > 2 {
				return []int{n} // the phone was unplugged
			}
			return []int{7, 8}
		}, PollOptions{Every: 15 * time.Second, Kept: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		go p.Run(ctx)
		check := func(when string, wantLooks int64, want ...int) {
			t.Helper()
			synctest.Wait()
			if n, got := looks.Load(), p.Latest(); n != wantLooks || !slices.Equal(got, want) {
				t.Errorf("%s: %d looks found %v, want %d and %v", when, n, got, wantLooks, want)
			}
		}
		time.Sleep(time.Hour)
		check("nobody scraped", 0)
		p.Scraped()
		check("the first scrape waits for nothing", 0)
		time.Sleep(time.Second)
		check("a second later", 1, 7, 8)
		for range 1000 {
			p.Scraped()
		}
		time.Sleep(14 * time.Second)
		check("a thousand scrapes", 1, 7, 8)
		time.Sleep(2 * time.Second)
		check("15 s after the first look", 2, 7, 8)
		p.Scraped()
		time.Sleep(17 * time.Second)
		check("unplugged", 3, 3)
		time.Sleep(time.Minute)
		check("nobody scraped for a minute", 3)
		p.Scraped()
		time.Sleep(time.Second)
		check("scraped again", 4, 4)
		cancel()
	})
}

// TestPollerEnds in the middle of a look too, and shows nothing of it.
func TestPollerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := NewPoller(func(ctx context.Context) []int { <-ctx.Done(); return []int{1} }, PollOptions{})
		ended := make(chan struct{})
		go func() { p.Run(ctx); close(ended) }()
		p.Scraped()
		synctest.Wait()
		cancel()
		<-ended
		if got := p.Latest(); got != nil {
			t.Errorf("shown %v", got)
		}
	})
}

package ui

import (
	"fmt"
	"io"
	"time"
)

// Counter shows the progress of work that no device is part of: a bar on a terminal; elsewhere lines, at
// most one each lineInterval or plainInterval.
type Counter struct {
	w     io.Writer
	what  string // "candidates"
	json  bool
	bar   *bar // nil elsewhere than on a terminal
	quiet bool

	began  time.Time
	before int // done when it began
	shown  time.Time
}

// NewCounter writes to w. what is what is counted.
func NewCounter(w io.Writer, o ProgressOptions, what string) *Counter {
	c := &Counter{w: unwrapped(w), what: what, json: o.JSON, quiet: o.Quiet}
	if !c.quiet && IsTerminal(c.w) {
		c.bar = &bar{w: c.w}
	}
	return c
}

// Update says how much is done. It is cheap; note, more text for the line, is called only where one is shown.
func (c *Counter) Update(done, total int, note func() string) {
	now := time.Now()
	if c.began.IsZero() {
		c.began, c.shown, c.before = now, now, done
	}
	interval := plainInterval
	switch {
	case c.quiet:
		return
	case c.bar != nil:
		interval = barInterval
	case c.json:
		interval = lineInterval
	}
	if now.Sub(c.shown) < interval {
		return
	}
	c.shown = now
	rate := float64(done-c.before) / now.Sub(c.began).Seconds()
	switch {
	case c.bar != nil:
		c.bar.show(c.line(done, total, rate, note()))
	case c.json:
		_ = JSON(c.w, map[string]any{"message_type": "progress", c.what: done, "of": total, "per_second": rate})
	default:
		fmt.Fprintln(c.w, c.text(done, total, rate, note()))
	}
}

// text is the count, the rate with the time left, and a note.
func (c *Counter) text(done, total int, rate float64, note string) string {
	return c.count(done, total) + pace(done, total, rate) + note
}

func (c *Counter) count(done, total int) string {
	return fmt.Sprintf("%s/%s %s", Thousands(done), Thousands(total), c.what)
}

func pace(done, total int, rate float64) string {
	if rate <= 0 {
		return ""
	}
	return fmt.Sprintf(" %s/s left %s", CountScale(rate).Format(rate), shortTime(float64(total-done)/rate))
}

// line leaves out what has no room: the note first, then the rate.
func (c *Counter) line(done, total int, rate float64, note string) string {
	width := columns(c.w)
	text, room := c.text(done, total, rate, note), barRoom(width)
	if len(text) > room {
		text = c.text(done, total, rate, "")
	}
	if len(text) > room {
		text = c.count(done, total)
	}
	return withBar(text[:min(len(text), max(room, 0))], width, float64(done)/float64(max(total, 1)))
}

// Finish clears the bar.
func (c *Counter) Finish() {
	if c.bar != nil {
		c.bar.finish()
	}
}

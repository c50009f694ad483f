package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"latlab/bench"
)

// progress shows how far a run is: a bar on a terminal, JSON lines elsewhere, nothing
// with --quiet.
type progress interface {
	update(bench.Progress)
	finish()
}

func newProgress(w io.Writer, quiet bool) progress {
	switch {
	case quiet:
		return noProgress{}
	case isTerminal(w):
		return newBar(w)
	}
	return &lineProgress{w: w}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

type noProgress struct{}

func (noProgress) update(bench.Progress) {}
func (noProgress) finish()               {}

// lineProgress prints a JSON line at most every few seconds: a log file of a sweep of
// thousands of networks stays readable.
type lineProgress struct {
	w    io.Writer
	last time.Time
	p    bench.Progress
	some bool
}

const lineInterval = 5 * time.Second

func (l *lineProgress) update(p bench.Progress) {
	l.p, l.some = p, true
	if now := time.Now(); now.Sub(l.last) >= lineInterval {
		l.last = now
		l.print()
	}
}

func (l *lineProgress) print() {
	l.some = false
	_ = printJSON(l.w, struct {
		Type string `json:"message_type"`
		bench.Progress
	}{"progress", l.p})
}

func (l *lineProgress) finish() {
	if l.some {
		l.print()
	}
}

// bar fits in 80 columns: count, bar, rate, time left, last latency, noise, temperature.
type bar struct {
	w     io.Writer
	b     *progressbar.ProgressBar
	total int
}

func newBar(w io.Writer) *bar { return &bar{w: w} }

func (b *bar) update(p bench.Progress) {
	total := p.Blocks + p.BlocksLeft
	if b.b == nil {
		b.b = progressbar.NewOptions(max(total, 1),
			progressbar.OptionSetWriter(b.w),
			progressbar.OptionSetWidth(16),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionUseANSICodes(os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
			progressbar.OptionClearOnFinish(),
		)
	}
	// Networks that need more blocks, or fail, change how many there will be.
	if total != b.total && total > 0 {
		b.total = total
		b.b.ChangeMax(total)
	}
	b.b.Describe(describeProgress(p))
	_ = b.b.Set(p.Blocks)
}

func describeProgress(p bench.Progress) string {
	parts := []string{fmt.Sprintf("%d/%d", p.Done, p.Networks)}
	if p.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", p.Failed))
	}
	if p.LastSeconds != nil {
		parts = append(parts, fmt.Sprintf("%.1f blk/s", p.BlocksPerSec))
	}
	if p.ETASeconds != nil {
		parts = append(parts, "left "+shortTime(*p.ETASeconds))
	}
	if p.LastSeconds != nil {
		parts = append(parts, "last "+millis(*p.LastSeconds))
	}
	if p.NoiseCV != nil {
		parts = append(parts, "noise "+percent(*p.NoiseCV))
	}
	if p.TemperatureC != nil {
		parts = append(parts, fmt.Sprintf("%.0f C", *p.TemperatureC))
	}
	return strings.Join(parts, " ")
}

func shortTime(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d >= time.Hour {
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

func (b *bar) finish() {
	if b.b != nil {
		_ = b.b.Finish()
	}
}

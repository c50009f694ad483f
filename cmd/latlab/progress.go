package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"latlab/bench"
	"latlab/devices"
)

// progress shows how far a run is: a bar on a terminal, JSON lines elsewhere, nothing
// with --quiet.
type progress interface {
	update(bench.Progress)
	// note says something that is not a figure: text for a terminal, fields for a log.
	note(text string, fields map[string]any)
	finish()
}

func newProgress(w io.Writer, quiet bool, kind devices.Kind) progress {
	switch {
	case quiet:
		return noProgress{}
	case isTerminal(w):
		return &bar{w: w, kind: kind}
	}
	return &lineProgress{w: w, kind: kind}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

type noProgress struct{}

func (noProgress) update(bench.Progress)       {}
func (noProgress) note(string, map[string]any) {}
func (noProgress) finish()                     {}

// lineProgress prints a JSON line at most every few seconds: a log file of a sweep of
// thousands of networks stays readable.
type lineProgress struct {
	w      io.Writer
	kind   devices.Kind
	device string // where there are several
	last   time.Time
	p      bench.Progress
	some   bool
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
		Type   string       `json:"message_type"`
		Device string       `json:"device,omitempty"`
		Kind   devices.Kind `json:"kind"`
		bench.Progress
	}{"progress", l.device, l.kind, l.p})
}

func (l *lineProgress) note(_ string, fields map[string]any) { _ = printJSON(l.w, fields) }

func (l *lineProgress) finish() {
	if l.some {
		l.print()
	}
}

// bar fits in 80 columns: count, bar, rate, time left, last latency, noise, temperature.
type bar struct {
	w     io.Writer
	kind  devices.Kind
	b     *progressbar.ProgressBar
	total int
}

func (b *bar) update(p bench.Progress) {
	total := p.Blocks + p.BlocksLeft
	if b.b == nil {
		b.b = progressbar.NewOptions(max(total, 1),
			progressbar.OptionSetWriter(b.w),
			progressbar.OptionSetWidth(barWidth),
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
	b.b.Describe(describeProgress(p, b.kind))
	_ = b.b.Set(p.Blocks)
}

// barRoom is what a line of 80 columns leaves beside percents and bar.
const barRoom = 80 - len(" 100% [") - barWidth - len("]  ")

const barWidth = 8

// describeProgress leaves out what matters least where the line would be too long.
// That a number was not measured is never left out.
func describeProgress(p bench.Progress, kind devices.Kind) string {
	parts := []string{fmt.Sprintf("%d/%d", p.Done, p.Networks), "", "", "", "", "", ""}
	if kind != devices.Measured && kind != mixedKinds {
		parts[0] += " " + kindWord(kind)
	}
	if p.Failed > 0 {
		parts[1] = fmt.Sprintf("%d failed", p.Failed)
	}
	if p.ETASeconds != nil {
		parts[3] = "left " + shortTime(*p.ETASeconds)
	}
	if p.LastSeconds != nil {
		parts[2], parts[4] = fmt.Sprintf("%.1f blk/s", p.BlocksPerSec), "last "+millis(*p.LastSeconds)
	}
	if p.NoiseCV != nil {
		parts[5] = "noise " + percent(*p.NoiseCV)
	}
	if p.TemperatureC != nil {
		parts[6] = fmt.Sprintf("%.0f C", *p.TemperatureC)
	}
	for _, least := range []int{2, 6, 5, 4} {
		if len(joinWords(parts)) <= barRoom {
			break
		}
		parts[least] = ""
	}
	return joinWords(parts)
}

// joinWords joins what is not empty.
func joinWords(parts []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), " ")
}

func shortTime(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d >= time.Hour {
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

func (b *bar) note(text string, _ map[string]any) {
	if b.b != nil {
		_ = b.b.Clear()
	}
	fmt.Fprintln(b.w, text)
}

func (b *bar) finish() {
	if b.b != nil {
		_ = b.b.Finish()
	}
}

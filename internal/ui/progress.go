package ui

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
type display interface {
	update(bench.Progress)
	// note says something that is not a figure: text for a terminal, fields for a log.
	note(text string, fields map[string]any)
	finish()
}

func newDisplay(w io.Writer, quiet bool, kind devices.Kind) display {
	switch {
	case quiet:
		return noProgress{}
	case IsTerminal(w):
		return &bar{w: w, kind: kind, devices: 1}
	}
	return &lineProgress{w: w, kind: kind}
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
	_ = JSON(l.w, struct {
		Type   string       `json:"message_type"`
		Device string       `json:"device,omitempty"`
		Kind   devices.Kind `json:"kind"`
		bench.Progress
	}{"progress", l.device, l.kind, l.p})
}

func (l *lineProgress) note(_ string, fields map[string]any) { _ = JSON(l.w, fields) }

func (l *lineProgress) finish() {
	if l.some {
		l.print()
	}
}

// bar fits in the terminal's columns: count, rate, time left, noise, temperature, bar.
type bar struct {
	w       io.Writer
	kind    devices.Kind
	devices int
	b       *progressbar.ProgressBar
	total   int
}

func (b *bar) update(p bench.Progress) {
	// The library takes a bar that was full once for finished, and never shows it again. A
	// sweep is full between two batches and before its extra blocks: it always has one to go.
	total := p.Blocks + p.BlocksLeft + 1
	if b.b == nil {
		b.b = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(b.w),
			progressbar.OptionSetWidth(barWidth(columns(b.w))),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionUseANSICodes(escapesWanted()),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
			progressbar.OptionClearOnFinish(),
		)
	}
	b.b.Describe(describeProgress(p, b.kind, b.devices, columns(b.w)))
	// Networks that need more blocks, or fail, change how many there will be.
	if total != b.total {
		b.total = total
		b.b.ChangeMax(total)
	}
	_ = b.b.Set(p.Blocks)
}

// columns is how wide a terminal is now; a window may be resized in the middle of a sweep.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return Columns
}

// barWidth leaves a narrow terminal to the words.
func barWidth(columns int) int {
	if columns < 60 {
		return 3
	}
	return 8
}

// barRoom is what a line leaves beside percents and bar. The last column stays free: some
// terminals wrap when it is written.
func barRoom(columns int) int {
	return columns - len(" 100% [") - barWidth(columns) - len("]  ") - 1
}

// describeProgress leaves out what matters least where the line would be too long.
// That a number was not measured is never left out. Of several devices noise and temperature
// are the greatest: that is where to look.
func describeProgress(p bench.Progress, kind devices.Kind, devs, columns int) string {
	if kind == mixedKinds { // nobody could say whether a figure was measured
		p.LastSeconds, p.NoiseCV, p.TemperatureC = nil, nil, nil
	}
	most := ""
	if devs > 1 {
		most = "max "
	}
	parts := []string{fmt.Sprintf("%d/%d", p.Done, p.Networks), "", "", "", "", "", ""}
	if kind != devices.Measured && kind != mixedKinds {
		parts[0] = Kind(kind) + " " + parts[0]
	}
	if p.Failed > 0 {
		parts[1] = fmt.Sprintf("%d failed", p.Failed)
	}
	if p.BlocksPerSec > 0 {
		parts[2] = fmt.Sprintf("%.1f blk/s", p.BlocksPerSec)
	}
	if p.ETASeconds != nil {
		parts[3] = "left " + shortTime(*p.ETASeconds)
	}
	if p.LastSeconds != nil {
		parts[4] = "last " + Seconds(*p.LastSeconds)
	}
	if p.NoiseCV != nil {
		parts[5] = "noise " + most + Percent(*p.NoiseCV)
	}
	if p.TemperatureC != nil {
		parts[6] = most + fmt.Sprintf("%.0f C", *p.TemperatureC)
	}
	room := barRoom(columns)
	for _, least := range []int{4, 2, 6, 5, 1, 3} {
		if len(joinWords(parts)) <= room {
			break
		}
		parts[least] = ""
	}
	line := joinWords(parts)
	return line[:min(len(line), max(room, 0))]
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
	if words := strings.Fields(text); len(words) > 0 {
		fmt.Fprint(b.w, Wrap(words[0], words[1:], columns(b.w)-1))
	}
}

func (b *bar) finish() {
	if b.b != nil {
		_ = b.b.Finish()
	}
}

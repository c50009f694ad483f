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

// lineProgress prints a line at most every lineInterval or plainInterval, so that the log of a long sweep
// stays readable.
type lineProgress struct {
	w      io.Writer
	kind   devices.Kind
	device string    // "" with a single device
	plain  string    // the device's name, which begins a plain line; "" = JSON lines
	last   time.Time // of a plain line at first the beginning: a short run prints none
	p      bench.Progress
	unseen bool // p is not printed yet
	lines  int
}

const (
	lineInterval  = 5 * time.Second
	plainInterval = 10 * time.Second
	plainColumns  = 200 // a log's line is not cut off
)

func (l *lineProgress) update(p bench.Progress) {
	l.p, l.unseen = p, true
	interval := lineInterval
	if l.plain != "" {
		interval = plainInterval
	}
	if now := time.Now(); now.Sub(l.last) >= interval {
		l.last = now
		l.print()
	}
}

func (l *lineProgress) print() {
	l.unseen = false
	l.lines++
	if l.plain != "" {
		fmt.Fprintf(l.w, "%s: %s\n", l.plain, describeProgress(l.p, l.kind, 1, plainColumns))
		return
	}
	_ = JSON(l.w, struct {
		Type   string       `json:"message_type"`
		Device string       `json:"device,omitempty"`
		Kind   devices.Kind `json:"kind"`
		bench.Progress
	}{"progress", l.device, l.kind, l.p})
}

func (l *lineProgress) finish() {
	if l.unseen && (l.plain == "" || l.lines > 0) {
		l.print()
	}
}

// bar is one line that fits the terminal: count, rate, time left, noise, temperature, bar.
type bar struct {
	w       io.Writer
	kind    devices.Kind
	devices int
	b       *progressbar.ProgressBar
	total   int
}

func (b *bar) update(p bench.Progress) {
	// The library never shows a bar again that was full once. A sweep is full between two batches
	// and before its extra blocks, so the total has one block more.
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
	// The total changes when networks need more blocks, or fail.
	if total != b.total {
		b.total = total
		b.b.ChangeMax(total)
	}
	_ = b.b.Set(p.Blocks)
}

// columns is the current width of the terminal, which may be resized during a sweep.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return Columns
}

// Width is the width of the terminal that w is, or Columns where it is none.
func Width(w io.Writer) int { return columns(unwrapped(w)) }

// barWidth is small on narrow terminals, so that the text fits.
func barWidth(columns int) int {
	if columns < 60 {
		return 3
	}
	return 8
}

// barRoom is the room for text beside percentage and bar. The last column stays free, because
// some terminals wrap when it is written.
func barRoom(columns int) int {
	return columns - len(" 100% [") - barWidth(columns) - len("]  ") - 1
}

// describeProgress formats the text beside the bar. If the line would be too long, it omits the
// least important parts, but never that a number was not measured. For several devices it shows
// the highest noise and temperature.
func describeProgress(p bench.Progress, kind devices.Kind, devs, columns int) string {
	if kind == mixedKinds { // the figures may be measured or not
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
	switch {
	case p.Profiles != nil: // all blocks are done
		parts[2], parts[3] = "", fmt.Sprintf("profiled %d/%d", p.Profiles.Done, p.Profiles.Asked)
	case p.ETASeconds != nil:
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

func (b *bar) note(text string) {
	if b.b != nil {
		_ = b.b.Clear()
	}
	if words := strings.Fields(Printable(text)); len(words) > 0 {
		fmt.Fprint(b.w, Wrap(words[0], words[1:], columns(b.w)-1))
	}
}

func (b *bar) finish() {
	if b.b != nil {
		_ = b.b.Finish()
	}
}

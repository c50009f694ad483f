package ui

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

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

// bar is one line as wide as the terminal: count, rate, time left, noise, temperature, bar.
type bar struct {
	w       io.Writer
	kind    devices.Kind
	devices int
	shown   time.Time
	share   float64 // of the minimum of blocks; a plan of extra blocks does not set it back
	length  int     // of the line on the screen
}

// barInterval keeps slow terminals from slowing a sweep down.
const barInterval = 100 * time.Millisecond

func (b *bar) update(p bench.Progress) {
	if p.MinimumBlocks > 0 {
		b.share = max(b.share, float64(p.MinimumDone)/float64(p.MinimumBlocks))
	}
	if p.BlocksLeft > 0 {
		b.share = min(b.share, 0.99)
	}
	if now := time.Now(); now.Sub(b.shown) >= barInterval {
		b.shown = now
		b.show(barLine(p, b.kind, b.devices, columns(b.w), b.share))
	}
}

// barLine is the whole line. The last column stays free, because some terminals wrap when it is written.
func barLine(p bench.Progress, kind devices.Kind, devs, columns int, share float64) string {
	return withBar(describeProgress(p, kind, devs, columns), columns, share)
}

// withBar is a text with percentage and bar, as wide as the terminal.
func withBar(text string, columns int, share float64) string {
	width := columns - 1 - len(text) - len(" 100% []")
	full := int(share * float64(width))
	if width < 3 || text == "" {
		return text
	}
	head := strings.Repeat("=", full)
	if full < width {
		head += ">"
	}
	return fmt.Sprintf("%s %3.0f%% [%-*s]", text, math.Floor(100*share), width, head)
}

// show replaces the line on the screen.
func (b *bar) show(line string) {
	clear := "\r\x1b[K"
	if !escapesWanted() {
		clear = "\r" + strings.Repeat(" ", b.length) + "\r"
	}
	fmt.Fprint(b.w, clear+line)
	b.length = len(line)
}

// columns is the current width of the terminal, which may be resized during a sweep.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return Columns
}

// Width is the width of the terminal that w is, or Columns where it is none.
func Width(w io.Writer) int { return columns(unwrapped(w)) }

// barRoom is the room for text beside percentage and bar, which has at least 7 columns, or 3 on a narrow terminal.
func barRoom(columns int) int {
	width := 7
	if columns < 60 {
		width = 3
	}
	return columns - len(" 100% []") - width - 1
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
	case p.ETALowSeconds != nil && p.ETAHighSeconds != nil && *p.ETAHighSeconds > 0: // profiles may follow the last block
		parts[3] = "left " + timeRange(*p.ETALowSeconds, *p.ETAHighSeconds)
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

// timeRange is "1m05s-2m10s", or one time where both bounds read the same.
func timeRange(low, high float64) string {
	if a, b := shortTime(low), shortTime(high); a != b {
		return a + "-" + b
	}
	return shortTime(high)
}

// shortTime rounds up: 0m00s means that nothing is left.
func shortTime(seconds float64) string {
	d := time.Duration(math.Ceil(seconds)) * time.Second
	if d >= time.Hour {
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

func (b *bar) note(text string) {
	b.finish()
	if words := strings.Fields(Printable(text)); len(words) > 0 {
		fmt.Fprint(b.w, Wrap(words[0], words[1:], columns(b.w)-1))
	}
}

// finish clears the line.
func (b *bar) finish() {
	if b.length > 0 {
		b.show("")
	}
	b.shown = time.Time{}
}

package ui

import (
	"fmt"
	"io"
	"sync"
	"time"

	"latlab/bench"
	"latlab/bench/fleet"
	"latlab/devices"
)

// mixedKinds is the kind of the progress of devices of different kinds.
const mixedKinds devices.Kind = ""

// Progress shows the progress of one or more devices: one bar for all on a terminal, lines for each
// elsewhere, nothing with --quiet.
type Progress struct {
	mu    sync.Mutex
	infos []devices.Info
	now   []bench.Progress
	away  map[int]bool
	bar   *bar            // nil elsewhere than on a terminal
	lines []*lineProgress // nil on a terminal
}

// ProgressOptions are --quiet and --json. JSON lines are not for a terminal, which shows a bar anyway.
type ProgressOptions struct{ Quiet, JSON bool }

// NewProgress writes to w: a bar on a terminal; elsewhere JSON lines if asked for, otherwise plain lines;
// nothing if quiet.
func NewProgress(w io.Writer, o ProgressOptions, infos []devices.Info) *Progress {
	w = unwrapped(w)
	f := &Progress{infos: infos, now: make([]bench.Progress, len(infos)), away: map[int]bool{}}
	switch {
	case o.Quiet:
		return f
	case IsTerminal(w):
		f.bar = &bar{w: w, kind: commonKind(infos), devices: len(infos)}
		return f
	}
	for _, info := range infos {
		p := &lineProgress{w: w, kind: info.Kind}
		if len(infos) > 1 {
			p.device = info.Name
		}
		if !o.JSON {
			p.plain, p.last = info.Name, time.Now()
		}
		f.lines = append(f.lines, p)
	}
	return f
}

func commonKind(infos []devices.Info) devices.Kind {
	for _, i := range infos {
		if i.Kind != infos[0].Kind {
			return mixedKinds
		}
	}
	return infos[0].Kind
}

// Update shows what device i has done.
func (f *Progress) Update(i int, p bench.Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now[i] = p
	switch {
	case f.lines != nil:
		f.lines[i].update(p)
	case f.bar != nil && len(f.infos) == 1:
		f.bar.update(p)
	case f.bar != nil:
		f.bar.update(together(f.now))
	}
}

// together sums the progress of devices. It has no latency; noise and temperature are the
// highest.
func together(all []bench.Progress) bench.Progress {
	var sum bench.Progress
	for _, p := range all {
		sum.Networks += p.Networks
		sum.Done += p.Done
		sum.Failed += p.Failed
		sum.Blocks += p.Blocks
		sum.BlocksBefore += p.BlocksBefore
		sum.BlocksLeft += p.BlocksLeft
		sum.MinimumDone += p.MinimumDone
		sum.MinimumBlocks += p.MinimumBlocks
		if p.Profiles != nil {
			if sum.Profiles == nil {
				sum.Profiles = new(bench.ProfileProgress)
			}
			sum.Profiles.Asked += p.Profiles.Asked
			sum.Profiles.Done += p.Profiles.Done
		}
		if p.BlocksLeft > 0 { // a finished device no longer counts
			sum.BlocksPerSec += p.BlocksPerSec
		}
		sum.ETASeconds = greater(sum.ETASeconds, p.ETASeconds) // devices run in parallel
		sum.ETALowSeconds = greater(sum.ETALowSeconds, p.ETALowSeconds)
		sum.ETAHighSeconds = greater(sum.ETAHighSeconds, p.ETAHighSeconds)
		sum.NoiseCV = greater(sum.NoiseCV, p.NoiseCV)
		sum.TemperatureC = greater(sum.TemperatureC, p.TemperatureC)
	}
	return sum
}

// greater returns the greater of two values that may be nil.
func greater(a, b *float64) *float64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

// Event prints that a device goes away, comes back or is given up. A normal start and end show in
// the figures.
func (f *Progress) Event(e fleet.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	back := e.State == bench.Running && f.away[e.Member]
	f.away[e.Member] = e.State == bench.BackingOff
	back = back || e.Twin != ""
	if e.Err == nil && !back {
		return
	}
	fields := map[string]any{"message_type": "device", "device": e.Name, "state": e.State}
	text := fmt.Sprintf("%s: %s", e.Name, e.State)
	if e.Twin != "" {
		fields["twin"] = e.Twin
		text += " on its twin " + e.Twin
	}
	if e.Err != nil {
		fields["error"] = OneLine(e.Err)
		text += ": " + OneLine(e.Err)
	}
	if e.Wait > 0 {
		fields["wait_seconds"] = e.Wait.Seconds()
		text += fmt.Sprintf("; retrying in %v", e.Wait.Round(time.Second))
	}
	switch {
	case e.State != bench.BackingOff && !back && len(f.infos) == 1:
	case f.lines != nil && f.lines[e.Member].plain == "":
		_ = JSON(f.lines[e.Member].w, fields)
	case f.lines != nil:
		fmt.Fprintln(f.lines[e.Member].w, Printable(text))
	case f.bar != nil:
		f.bar.note(text)
	}
}

// Finish ends the bar, or prints the last line.
func (f *Progress) Finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bar != nil {
		f.bar.finish()
	}
	for _, p := range f.lines {
		p.finish()
	}
}

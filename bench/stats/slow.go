package stats

import (
	"math"
	"slices"

	"latlab/devices"
)

// CoreClock is what the measured clock of a block, or of the blocks of a sweep, was.
type CoreClock struct {
	// Hz is what two thirds of a block's readings reach, or the highest of the blocks'; 0 = not measured. More
	// than a third of slow samples may move the median of all, fewer do not.
	Hz float64
	// Jitter is the relative standard deviation of a block's readings, or the median of the blocks'. It is
	// robust: a block that changes the core once has none.
	Jitter float64
}

// CoreClockOf is the clock of a block of a device. That of the host of an accelerator says nothing of its time.
func CoreClockOf(info devices.Info, b *devices.Block) CoreClock {
	if info.Accelerator {
		return CoreClock{}
	}
	hz := make([]float64, 0, len(b.Clock))
	for _, c := range b.Clock {
		if usable(c.Hz) {
			hz = append(hz, c.Hz)
		}
	}
	if len(hz) == 0 {
		return CoreClock{}
	}
	slices.Sort(hz)
	middle := Median(hz)
	off := make([]float64, len(hz))
	for i, x := range hz {
		off[i] = math.Abs(x/middle - 1)
	}
	return CoreClock{Hz: hz[len(hz)/3], Jitter: madSD * Median(off)}
}

// madSD is the standard deviation of normal values over their median absolute deviation.
const madSD = 1.4826

// CoreClockOfSweep is the clock of a sweep's blocks.
func CoreClockOfSweep(blocks []CoreClock) CoreClock {
	var all CoreClock
	var jitters []float64
	for _, c := range blocks {
		if c.Hz > 0 {
			all.Hz = max(all.Hz, c.Hz)
			jitters = append(jitters, c.Jitter)
		}
	}
	if len(jitters) > 0 {
		all.Jitter = Median(jitters)
	}
	return all
}

// jitters is how many standard deviations of single readings a block's clock may be below the highest. A
// turbo clock that other cores move up and down differs by as much from block to block; a core that is
// throttled, or another one, holds its lower clock, so that readings agree with each other.
const jitters = 3

// SlowHz is the clock below which a block of the sweep is slow: by more than the limit, and by more than the
// clock varies by itself. It is 0 if no clock was measured.
func (c CoreClock) SlowHz(limit float64) float64 {
	return c.Hz * max(0, 1-max(limit, jitters*c.Jitter))
}

// Slow reports whether the clock of a block is known and below slowHz.
func (c CoreClock) Slow(slowHz float64) bool { return c.Hz > 0 && c.Hz < slowHz }

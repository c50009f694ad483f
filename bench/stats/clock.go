package stats

import (
	"slices"

	"latlab/devices"
)

// Clock is the range of the clocks that blocks measured, each block's by BlockClock, and the cores on which
// they ran.
type Clock struct {
	LowHz  float64 `json:"low_hz"`
	HighHz float64 `json:"high_hz"`
	CPUs   []int   `json:"cpus"` // ascending; empty if the device does not say
	Blocks int     `json:"blocks"`
}

// Add adds a block, if it has readings of its clock.
func (c *Clock) Add(b *devices.Block) {
	hz, ok := BlockClock(b)
	if !ok {
		return
	}
	d := Clock{LowHz: hz, HighHz: hz, Blocks: 1, CPUs: []int{}}
	for _, r := range b.Clock {
		if r.CPU >= 0 {
			d.CPUs = append(d.CPUs, r.CPU)
		}
	}
	c.Merge(d)
}

// Merge adds the blocks of d.
func (c *Clock) Merge(d Clock) {
	if d.Blocks == 0 {
		return
	}
	if c.Blocks == 0 {
		c.LowHz, c.CPUs = d.LowHz, []int{}
	}
	c.LowHz, c.HighHz, c.Blocks = min(c.LowHz, d.LowHz), max(c.HighHz, d.HighHz), c.Blocks+d.Blocks
	for _, cpu := range d.CPUs {
		if i, known := slices.BinarySearch(c.CPUs, cpu); !known {
			c.CPUs = slices.Insert(c.CPUs, i, cpu)
		}
	}
}

// BlockClock is the median of a block's readings in Hz: an interrupt makes a reading too low. ok is false
// without readings.
func BlockClock(b *devices.Block) (hz float64, ok bool) {
	if len(b.Clock) == 0 {
		return 0, false
	}
	var all []float64
	for _, r := range b.Clock {
		all = append(all, r.Hz)
	}
	return Median(all), true
}

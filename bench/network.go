package bench

import (
	"math"

	"latlab/bench/stats"
	"latlab/devices"
)

// network is the loop's state of a planned network.
type network struct {
	Network
	timed     []timed   // finished blocks that are not disturbed
	disturbed int       // blocks
	values    []float64 // of the timed blocks that are used, levels corrected
	mixed     bool      // these ran on different units: values are not replicates
	rounds    int       // planned so far
	first     int       // order of its first slot
	last      int       // and of the last one
	waiting   int       // slots not run yet
	postponed int       // how often its slots were postponed, earlier runs included
	// blocksBefore is how many blocks this run had done at the last postponement.
	blocksBefore int
}

// timed is what matters of a finished block for its network.
type timed struct {
	seconds float64
	clock   stats.CoreClock
	order   int           // of its slot
	units   devices.Block // only the units are kept
}

// add records a finished block.
func (n *network) add(rule stats.Rule, b *devices.Block, order int) {
	seconds, _, ok := rule.Seconds(b)
	if !ok {
		n.disturbed++
		return
	}
	n.timed = append(n.timed, timed{seconds, stats.CoreClockOf(rule.Info, b), order, devices.Block{Delegation: b.Delegation, Unit: b.Unit}})
	n.use(rule)
}

// use takes the values of the blocks that are neither slow nor at a level that is off.
func (n *network) use(rule stats.Rule) {
	n.values, n.mixed = n.values[:0], false
	var first timed
	for _, t := range n.timed {
		if !t.used(rule) {
			continue
		}
		if len(n.values) == 0 {
			first = t
		}
		n.mixed = n.mixed || !stats.SameUnits(&t.units, &first.units)
		n.values = append(n.values, t.seconds*math.Exp(-rule.Trend.Log(t.order)))
	}
}

func (t timed) used(rule stats.Rule) bool {
	return !t.clock.Slow(rule.SlowHz) && !rule.Trend.Off(t.order)
}

// blocks is how many blocks are finished, disturbed and slow ones included.
func (n *network) blocks() int { return len(n.timed) + n.disturbed }

// noise is the network's own noise as Measure computes it.
func (n *network) noise() stats.Noise {
	if n.mixed {
		return stats.Noise{}
	}
	return stats.NoiseOf(n.values)
}

// planned counts a slot of the network.
func (n *network) planned(s Slot) {
	if n.rounds == 0 {
		n.first = s.Order
	}
	n.rounds, n.last = max(n.rounds, s.Round+1), s.Order
}

package verdict

import (
	"fmt"
	"math"
	"slices"

	"latlab/devices"

	"gonum.org/v1/gonum/floats"
)

// checkCPUTime: several threads that compute on the CPU but have less CPU time than their work needs were
// waiting for a core. With an accelerator the CPU waits anyway, and with one thread samples that waited are
// left out.
func checkCPUTime(m *Measurement, e evidence) {
	if e.in.Info.Accelerator || e.in.Info.OneThread() {
		return
	}
	var cpu, wall, best float64
	worst := math.Inf(1)
	for _, b := range e.blocks {
		if c, w, ok := cpuTime(b); ok {
			cpu, wall, best, worst = cpu+c, wall+w, max(best, c/w), min(worst, c/w)
		}
	}
	if wall == 0 {
		return
	}
	if waitedForCore(m, e) {
		return
	}
	limit := e.threadsLimit(best)
	against := fmt.Sprintf("wall time with %d threads, less than %.0f %%", e.in.Info.Threads, 100*limit)
	switch ratio := cpu / wall; {
	case ratio < limit:
		m.invalid(ReasonCPUTime, &ratio, &limit, "CPU time is %.0f %% of %s: something else used the core", 100*ratio, against)
	case worst < limit:
		m.warn(WarnCPUBlock, &worst, &limit, "in one block CPU time is %.0f %% of %s", 100*worst, against)
	}
}

// cpuTime returns the sums of a block's CPU and wall time; ok is false if it has none.
func cpuTime(b *devices.Block) (cpu, wall float64, ok bool) {
	if len(b.CPUSamples) == 0 || len(b.CPUSamples) != len(b.Samples) {
		return 0, 0, false
	}
	return floats.Sum(b.CPUSamples), floats.Sum(b.Samples), true
}

// threadsLimit is the lowest ratio of CPU time to wall time of several threads. How much of a
// network runs on all of them differs: on two threads the ratio was 1.8 to 2.0 for networks that
// XNNPACK took whole, and 1.1 for one of which it took 181 of 257 nodes; with a core that something
// else used it was 0.9 to 1.0 for both. So a network is compared with its own best block, as one
// thread is with the wall time, and one that XNNPACK took whole, whose threads spin between ops, must
// also show half of every further thread: 1.35 with two, under the protocol's limit of 0.9.
func (e evidence) threadsLimit(best float64) float64 {
	limit := e.in.Protocol.CPURatioLimit
	share := max(1, best)
	whole := func(b *devices.Block) bool {
		return b.Delegation.Name == xnnpack && b.Delegation.Delegated == b.Delegation.Nodes
	}
	if len(e.blocks) > 0 && !slices.ContainsFunc(e.blocks, func(b *devices.Block) bool { return !whole(b) }) {
		share = max(share, float64(1+e.in.Info.Threads)/2)
	}
	return limit * share
}

// xnnpack is the CPU's own delegate.
const xnnpack = "xnnpack"

// waitedForCore judges how long threads were ready and had no core, where blocks have that figure. On
// a quiet machine it is 1 to 3 % of the wall time, beside one busy process on one of two cores 50 to
// 100 %. It reports whether it had something to say.
func waitedForCore(m *Measurement, e evidence) bool {
	var waited, wall, worst float64
	for _, b := range e.blocks {
		if _, w, ok := cpuTime(b); ok && b.WaitSeconds != nil {
			waited, wall, worst = waited+*b.WaitSeconds, wall+w, max(worst, *b.WaitSeconds/w)
		}
	}
	if wall == 0 {
		return false
	}
	limit := 1 - e.in.Protocol.CPURatioLimit
	switch share := min(1, waited/wall); { // the reading itself takes a moment
	case share > limit:
		m.invalid(ReasonCPUTime, &share, &limit, "a thread waited for a core for %.0f %% of the time, more than %.0f %%: something else used it", 100*share, 100*limit)
		return true
	case worst > limit:
		m.warn(WarnCPUBlock, &worst, &limit, "in one block a thread waited for a core for %.0f %% of the time", 100*worst)
		return true
	}
	return false
}

package bench

import (
	"cmp"
	"context"
	"slices"
	"time"

	"latlab/bench/protocol"
	"latlab/devices"
)

// Harness is where the time of a sweep on one device went, until the end of its last block. The time between two
// runs of the same command does not count, nor does opening the device.
type Harness struct {
	Seconds float64 `json:"total_seconds"`
	Ratio   float64 `json:"harness_ratio"` // the share of Seconds that is not Invoke, First or WarmUp

	Invoke float64 `json:"invoke_seconds"` // timed
	// First is first inferences. Each is a result that a block reports, as the timed ones are, so it is not
	// part of Ratio, although it is several times as long because it faults the memory in.
	First  float64 `json:"first_seconds"`
	WarmUp float64 `json:"warmup_seconds"` // without the first inference

	Load float64 `json:"load_seconds"` // the model, its delegate and its tensors
	// Process is what else a block takes: the model's file is staged, the process and its libraries start,
	// inputs are drawn, the clock is read, the answer parsed, the process ends.
	Process float64 `json:"process_seconds"`
	State   float64 `json:"state_seconds"` // reading the machine's state before a block
	Pause   float64 `json:"pause_seconds"` // the protocol's
	// Between is the rest: the state after a block is read, the block stored, the next one planned; waiting for a machine to cool, and attempts that failed, are part of it.
	Between float64 `json:"between_seconds"`
}

// Part is a share of a sweep's time.
type Part struct {
	Name  string
	Ratio float64
}

// Parts are those of Ratio, the largest first.
func (h *Harness) Parts() []Part {
	parts := []Part{
		{"load", h.Load}, {"process", h.Process}, {"state", h.State}, {"pause", h.Pause}, {"between blocks", h.Between},
	}
	for i := range parts {
		parts[i].Ratio /= h.Seconds
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(b.Ratio, a.Ratio) })
	return parts
}

// HarnessOf sums up the Harness of blocks, which may come in any order.
type HarnessOf struct{ blocks []span }

// span is what a block's harness depends on.
type span struct {
	before, started, after time.Time
	elapsed                float64
	invoke, warm           float64
	first, load            float64
}

// Add adds the blocks of a network.
func (s *HarnessOf) Add(blocks []devices.Block) {
	for i := range blocks {
		b := &blocks[i]
		s.blocks = append(s.blocks, span{
			b.Before.Time, b.Started, b.After.Time, b.Elapsed, sum(b.Samples), sum(b.WarmUp), b.FirstSeconds, b.InitSeconds,
		})
	}
}

func sum(xs []float64) (total float64) {
	for _, x := range xs {
		total += x
	}
	return total
}

// Harness is the sum over a sweep's blocks. runs are the times when its processes started. It is nil where
// the parts are not known: other tools than the agent do not report their warm-up, a simulator has no time
// of its own, and a block of an older version may lack some.
func (s *HarnessOf) Harness(info devices.Info, p protocol.Protocol, runs []time.Time) *Harness {
	unknown := func(b span) bool { return b.before.IsZero() || b.started.IsZero() || b.after.IsZero() || b.invoke <= 0 }
	if info.Harness != devices.AgentHarness || info.Kind != devices.Measured || info.Parallel > 1 ||
		len(s.blocks) == 0 || slices.ContainsFunc(s.blocks, unknown) {
		return nil
	}
	slices.SortFunc(s.blocks, func(a, b span) int { return a.started.Compare(b.started) })
	h := &Harness{}
	for i, b := range s.blocks {
		state := max(0, b.started.Sub(b.before).Seconds())
		process := max(0, b.elapsed-b.invoke-b.warm-b.first-b.load)
		h.Invoke, h.WarmUp, h.First, h.Load = h.Invoke+b.invoke, h.WarmUp+b.warm, h.First+b.first, h.Load+b.load
		h.State, h.Process = h.State+state, h.Process+process
		var end time.Time
		if i > 0 {
			end = s.blocks[i-1].after
		}
		gap := gapBetween(end, b.before, runs)
		pause := min(p.PauseSeconds, gap)
		h.Pause, h.Between = h.Pause+pause, h.Between+gap-pause
	}
	spent := h.Load + h.Process + h.State + h.Pause + h.Between
	h.Seconds = h.Invoke + h.First + h.WarmUp + spent
	h.Ratio = spent / h.Seconds
	return h
}

// gapBetween is the time from the end of a block to the beginning of the next one. If another run began in
// between, it is the time since then. Before the first block of all there is only the run.
func gapBetween(end, begin time.Time, runs []time.Time) float64 {
	for _, r := range runs {
		if r.After(end) && !r.After(begin) {
			end = r
		}
	}
	if end.IsZero() {
		return 0
	}
	return max(0, begin.Sub(end).Seconds())
}

// RunsOf are the times when a sweep's processes started to measure, in order.
func RunsOf(ctx context.Context, st Reader, sweep string) ([]time.Time, error) {
	var runs []time.Time
	for c, err := range st.Conditions(ctx, sweep) {
		if err != nil {
			return nil, err
		}
		if c.State == Running {
			runs = append(runs, c.Time)
		}
	}
	return runs, nil
}

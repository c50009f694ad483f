package prom

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/expfmt"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/devices"
)

// BackfillOptions set the resolution of a back-fill.
type BackfillOptions struct {
	Step time.Duration // minimum time between two samples of a series; 0 = one minute
	Most int           // maximum samples of a series: a longer sweep gets a longer step; 0 = 5,000
}

// WriteOpenMetrics writes a stored sweep as OpenMetrics text with timestamps, which
// `promtool tsdb create-blocks-from openmetrics` imports. Names and labels are those of the
// table, so that dashboards work for past sweeps. A step's sample has the time of the last event
// in it. Metrics of the whole sweep (noise, delegated nodes) appear at its end; a store has no
// history of process states, queues and the baseline, so they are left out. A simulator's
// timestamps are those of its virtual clock.
//
// It holds one network and the steps' sums in memory.
func WriteOpenMetrics(ctx context.Context, w io.Writer, st bench.Reader, m bench.Sweep, o BackfillOptions) error {
	h, err := readHistory(ctx, st, m, o)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, f := range h.families() {
		if len(f.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToOpenMetrics(out, f); err != nil {
			return err
		}
	}
	if _, err := expfmt.FinalizeOpenMetrics(out); err != nil {
		return err
	}
	return out.Flush()
}

// history is a sweep by time.
type history struct {
	sweep     bench.Sweep
	step      time.Duration
	most      int
	bins      map[int64]*bin // by end of the step, in steps since 1970
	noise     *float64
	nodes     int
	delegated int
}

// bin has the events of one step, not the totals.
type bin struct {
	tally                      bench.Tally
	failures                   map[FailureKey]int
	inference, latency, widths counts
	until                      time.Time // time of the last event
	last                       time.Time // end of the last block
	condition                  *devices.State
	clock                      float64 // Hz, of the last block; 0 = unknown
	fixtures                   map[string]Fixture
}

// counts are a histogram's values of one step.
type counts struct {
	bounds []float64
	in     []uint64 // by bucket, the last one beyond all bounds
	n      uint64
	sum    float64
}

func (c *counts) add(v float64) {
	if c.in == nil {
		c.in = make([]uint64, len(c.bounds)+1)
	}
	i, _ := slices.BinarySearch(c.bounds, v)
	c.in[i]++
	c.n++
	c.sum += v
}

func (c *counts) merge(d counts) {
	for i, n := range d.in {
		if c.in == nil {
			c.in = make([]uint64, len(c.bounds)+1)
		}
		c.in[i] += n
	}
	c.n += d.n
	c.sum += d.sum
}

func newBin() *bin {
	return &bin{
		tally: bench.NewTally(), failures: map[FailureKey]int{}, fixtures: map[string]Fixture{},
		inference: counts{bounds: inferenceBuckets}, latency: counts{bounds: inferenceBuckets}, widths: counts{bounds: widthBuckets},
	}
}

func readHistory(ctx context.Context, st bench.Reader, m bench.Sweep, o BackfillOptions) (*history, error) {
	h := &history{sweep: m, step: cmp.Or(o.Step, time.Minute), most: cmp.Or(o.Most, 5_000), bins: map[int64]*bin{}}
	for e, err := range bench.Estimates(ctx, st, m.ID) {
		if err != nil {
			return nil, err
		}
		h.add(e)
	}
	for f, err := range st.Failures(ctx, m.ID) {
		if err != nil {
			return nil, err
		}
		b := h.at(f.Time)
		b.failures[FailureKey{f.Fault, f.Reason}]++
		if f.Final {
			b.tally.Failed++
		}
	}
	return h, nil
}

// add puts a network's blocks into the steps in which they ended, and its measurement into
// that of its last block.
func (h *history) add(e bench.Estimate) {
	var last time.Time
	for i := range e.Blocks {
		if e.Blocks[i].Started.IsZero() {
			continue // without a time
		}
		end := e.Blocks[i].Ended()
		h.at(end).addBlock(&e.Blocks[i], end)
		if end.After(last) {
			last = end
		}
	}
	if e.M == nil || e.Network.Status != bench.Measured || last.IsZero() {
		return
	}
	h.noise = e.M.NoiseCV
	h.nodes += e.M.Delegation.Nodes
	h.delegated += e.M.Delegation.Delegated
	b := h.at(last)
	b.tally.Add(bench.Estimate{Network: e.Network, M: e.M}) // its blocks are counted above
	b.latency.add(e.M.Seconds)
	if width, known := halfWidth(e.M); known {
		b.widths.add(width)
	}
	if f, is := fixtureOf(h.sweep, e); is {
		b.fixtures[f.Name] = f
	}
}

func (b *bin) addBlock(block *devices.Block, end time.Time) {
	b.tally.Blocks++
	for _, seconds := range inferences(block) {
		b.inference.add(seconds)
	}
	if b.last.IsZero() || end.After(b.last) {
		b.last, b.condition = end, &block.After
		b.clock, _ = stats.BlockClock(block)
	}
}

// at is the bin of a time. If there would be too many, pairs of bins are merged.
func (h *history) at(t time.Time) *bin {
	for {
		key := h.key(t)
		b := h.bins[key]
		if b == nil && len(h.bins) < h.most {
			b = newBin()
			h.bins[key] = b
		}
		if b != nil {
			if t.After(b.until) {
				b.until = t
			}
			return b
		}
		h.coarsen()
	}
}

// key rounds up, so that a sample at a step's end includes all events until then.
func (h *history) key(t time.Time) int64 {
	step := h.step.Nanoseconds()
	return (t.UnixNano() + step - 1) / step
}

func (h *history) coarsen() {
	h.step *= 2
	old := h.bins
	h.bins = map[int64]*bin{}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		wide := (key + 1) / 2
		if h.bins[wide] == nil {
			h.bins[wide] = newBin()
		}
		h.bins[wide].merge(old[key])
	}
}

func (b *bin) merge(later *bin) {
	if later.until.After(b.until) {
		b.until = later.until
	}
	b.tally.Merge(later.tally)
	for k, n := range later.failures {
		b.failures[k] += n
	}
	maps.Copy(b.fixtures, later.fixtures)
	b.inference.merge(later.inference)
	b.latency.merge(later.latency)
	b.widths.merge(later.widths)
	if later.last.After(b.last) {
		b.last, b.condition, b.clock = later.last, later.condition, later.clock
	}
}

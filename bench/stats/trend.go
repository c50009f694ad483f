package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// Trend is how the level of a device changed over the blocks of a sweep: by how much all networks became slower or
// faster together. The zero value is that of a device that stayed the same.
//
// Blocks are numbered in the order in which they were planned. Windows of blocks after each other share a level.
type Trend struct {
	starts []int     // number of each window's first block
	last   int       // number of the last block
	logs   []float64 // each window's level, relative to that of most blocks; nil = no trend is seen
	limit  float64   // of a level, beyond which a step begins
	steps  []Stretch // blocks that are not used
	lostDF int       // degrees of freedom that the levels took from the noise
}

// Timed is a block with its number. Replicates have the same network: blocks of different units do not.
type Timed struct {
	Network, Order int
	Seconds        float64
}

const (
	// windowBlocks is how many blocks share a level, at least: their noise is three times that of their mean.
	windowBlocks = 10
	// mostWindows bounds the time that a trend takes, which grows with its cube.
	mostWindows = 100
	// trendBlocks is how many blocks show a trend, at least.
	trendBlocks = 3 * windowBlocks
	// trendGain is twice the logarithm of the likelihood's ratio above which a trend is real: a device without one
	// shows it in 5 of 1,000 sweeps. Half of those show none at all, hence the quantile 0.99 of chi-squared(1).
	trendGain = 6.63
	// huber is the number of standard deviations beyond which a block's residual counts less.
	huber = 2
	// biweight is the number of standard deviations from which on a block does not count.
	biweight = 4.685
	// offNoise is the number of standard deviations of the noise between blocks by which a level that is off differs
	// from the others, at least. A smaller one is corrected, and what the correction leaves is noise.
	offNoise = 2
	// JointNetworks is how many networks are timed before and after a joint, at most: the references.
	JointNetworks = 3
	// jointStep is by how much the standard deviation of the step at a joint is larger than that of others: a device
	// may cool down between two rounds of different networks, or a day passes.
	jointStep = 2
	// mostOff is the share of the blocks that may be off, at most.
	mostOff = 0.4
	// jointGain is the noise of the reference networks with the levels corrected, over that without, at most, as a ratio of
	// variances, where levels are kept across joints.
	jointGain = 0.9
	// exactShare is the variance of times that differ by their rounding alone.
	exactShare = 1e-20
)

// TrendLimits are by how much, relatively, the level of used blocks may differ from that of most.
type TrendLimits struct {
	Step  float64 // where it jumps
	Drift float64 // where it changes slowly
}

// NewTrend finds the levels of a sweep's blocks.
//
// The logarithm of a block is its network's, plus its window's level, plus noise. Levels are a random walk: how much
// they vary from window to window, compared with the noise, is that of the greatest restricted likelihood, and the
// levels are the best linear predictors under it. So nothing is corrected where nothing changes, and a level of few
// blocks stays near those beside it. Huber's weights, then Tukey's biweights, keep single blocks from
// moving a level.
//
// A sweep times its networks in rounds of the same networks. Between rounds of different ones, at a joint, only the
// reference networks show how levels compare. What the levels say across joints is kept if it lowers the noise of
// those networks; otherwise each part between joints has levels of its own, whose median is 1. A device
// that warms up in every round and cools between them would otherwise seem to become slower for ever.
//
// Rejected: one network's latencies alone, smoothed. Each of its blocks is as noisy as those of the others, of which
// there are fifty times as many.
//
// Source: Robinson, "That BLUP is a good thing", Statistical Science 6 (1991), 15-32; Durbin and Koopman, "Time Series
// Analysis by State Space Methods" (2012), section 2.1 (the local level model); Huber, "Robust Statistics" (1981),
// section 7.8.
func NewTrend(blocks []Timed, limits TrendLimits) Trend {
	if len(blocks) < trendBlocks {
		return Trend{}
	}
	blocks = slices.SortedFunc(slices.Values(blocks), func(a, b Timed) int { return cmp.Compare(a.Order, b.Order) })
	t := Trend{last: blocks[len(blocks)-1].Order}
	w := newWindows(blocks)
	t.starts = w.starts
	m := newLevelModel(t, w, blocks)
	if !m.interleaved() {
		return Trend{}
	}
	if t.logs, t.limit, t.lostDF = m.levels(limits.Step); !t.Seen() {
		return Trend{}
	}
	// Where a large part of the sweep is off, there is no usual level: blocks are corrected, and what that leaves is noise.
	drift := max(t.limit, math.Log1p(limits.Drift))
	for _, beyond := range []float64{t.limit, drift} {
		if t.findSteps(beyond, drift); m.offShare(t) <= mostOff {
			break
		}
		t.steps = nil
	}
	if len(t.steps) == 0 {
		return t
	}
	t.sharpen(m.blocks)
	// Steps make levels vary more than they do in between.
	m = newLevelModel(t, w, slices.DeleteFunc(blocks, func(b Timed) bool { return t.Off(b.Order) }))
	logs, _, lost := m.levels(limits.Step)
	t.lostDF = lost
	if logs == nil {
		logs = make([]float64, m.windows)
	}
	for _, b := range m.blocks {
		t.logs[b.window] = logs[b.window]
	}
	return t
}

// window is that of a block.
func (t Trend) window(order int) int {
	i, found := slices.BinarySearch(t.starts, order)
	if !found {
		i--
	}
	return max(0, i)
}

// Equal reports whether two trends correct every block alike.
func (t Trend) Equal(o Trend) bool {
	return slices.Equal(t.starts, o.starts) && slices.Equal(t.logs, o.logs) && slices.Equal(t.steps, o.steps) &&
		t.last == o.last && t.limit == o.limit && t.lostDF == o.lostDF
}

// Seen reports whether the level changed.
func (t Trend) Seen() bool { return t.logs != nil }

// Log is the logarithm of the level of a block over that of most blocks.
func (t Trend) Log(order int) float64 {
	if !t.Seen() {
		return 0
	}
	return t.logs[t.window(order)]
}

// Off reports whether the level of a block is so far from that of most blocks that it is not used.
func (t Trend) Off(order int) bool {
	return slices.ContainsFunc(t.steps, func(s Stretch) bool { return s.First <= order && order <= s.Last })
}

// Limit is how far, relatively, a level may jump from that of most blocks before it is off.
func (t Trend) Limit() float64 { return math.Expm1(t.limit) }

// Correct is the noise between blocks whose levels were corrected, less the degrees of freedom that these took.
func (t Trend) Correct(n Noise) Noise {
	n.DF -= min(t.lostDF, n.DF/2)
	return n
}

// Levels sum up a Trend. Ratios are over the level of most blocks: 1.1 is 10 % slower.
type Levels struct {
	Low   float64   `json:"low_ratio"` // of the blocks that are used
	High  float64   `json:"high_ratio"`
	Steps []Stretch `json:"steps"` // blocks that are not used
}

// Levels is nil if the level did not change.
func (t Trend) Levels() *Levels {
	if !t.Seen() {
		return nil
	}
	all := Levels{Steps: slices.Concat([]Stretch{}, t.steps)}
	var low, high float64
	for i, l := range t.logs {
		if !t.Off(t.starts[i]) {
			low, high = min(low, l), max(high, l)
		}
	}
	all.Low, all.High = math.Exp(low), math.Exp(high)
	return &all
}

// Stretch is a run of blocks at one side of the limit.
type Stretch struct {
	First int     `json:"first_block"` // in the order planned, from 0
	Last  int     `json:"last_block"`
	Level float64 `json:"level_ratio"` // the mean
}

// findSteps lists the runs of windows beyond a limit that begin or end with a jump, or that go beyond the drift that
// is corrected. A level that changes slowly has no step.
func (t *Trend) findSteps(limit, drift float64) {
	jump := func(i int) bool {
		return i > 0 && i < len(t.logs) && math.Abs(t.logs[i]-t.logs[i-1]) > t.limit/2
	}
	for i := 0; i < len(t.logs); i++ {
		from := i
		for i < len(t.logs) && math.Abs(t.logs[i]) > limit && (t.logs[i] > 0) == (t.logs[from] > 0) {
			i++
		}
		if i == from {
			continue
		}
		run := t.logs[from:i]
		if far := math.Max(floats.Max(run), -floats.Min(run)); jump(from) || jump(i) || far > drift {
			end := t.last
			if i < len(t.logs) {
				end = t.starts[i] - 1
			}
			t.steps = append(t.steps, Stretch{t.starts[from], end, math.Exp(floats.Sum(run) / float64(i-from))})
		}
		i--
	}
}

func byOrder(b levelBlock, order int) int { return cmp.Compare(b.order, order) }

// sharpen moves the ends of steps, which do not begin with a window: out as far as blocks one after the other are off
// too, or in as far as they are not.
func (t *Trend) sharpen(blocks []levelBlock) {
	usual := map[int][]float64{}
	for _, b := range blocks {
		if !t.Off(b.order) {
			usual[b.network] = append(usual[b.network], b.log)
		}
	}
	for i := range t.steps {
		s := &t.steps[i]
		sign := math.Copysign(1, s.Level-1)
		above := func(k int) float64 { // NaN if the network has no other blocks
			return sign*(blocks[k].log-Median(usual[blocks[k].network])) - t.limit/2
		}
		first, _ := slices.BinarySearchFunc(blocks, s.First, byOrder)
		end, _ := slices.BinarySearchFunc(blocks, s.Last+1, byOrder)
		from, to := first, end
		for from > max(0, first-windowBlocks) && above(from-1) > 0 {
			from--
		}
		for from >= first && from < min(end-1, first+windowBlocks) && above(from) < 0 {
			from++
		}
		for to < min(len(blocks), end+windowBlocks) && above(to) > 0 {
			to++
		}
		for to <= end && to > max(from+1, end-windowBlocks) && above(to-1) < 0 {
			to--
		}
		s.First, s.Last = blocks[from].order, blocks[to-1].order
	}
}

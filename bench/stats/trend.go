package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
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
	// trendRatio is twice the logarithm of the likelihood's ratio above which a trend is real: a device without one
	// shows it in 5 of 1,000 sweeps. Half of those show none at all, hence the quantile 0.99 of chi-squared(1).
	trendRatio = 6.63
	// huber is the number of standard deviations beyond which a block's residual counts less.
	huber = 2
	// offNoise is the number of standard deviations of the noise between blocks by which a level that is off differs
	// from the others, at least. A smaller one is corrected, and what the correction leaves is noise.
	offNoise = 2
	// jointNetworks is how many networks are timed before and after a joint, at most: the references.
	jointNetworks = 3
	// jointStep is by how much the standard deviation of the step at a joint is larger than that of others: a device
	// may cool down between two rounds of different networks, or a day passes.
	jointStep = 4
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
// blocks stays near those beside it. Huber's weights keep single blocks from moving a level.
//
// A sweep times its networks in rounds of the same networks. Between rounds of different ones, at a joint, only the
// reference networks show how levels compare. What the levels say across joints is kept if it lowers the noise of
// those networks; otherwise each part between joints has levels of its own, whose mean is that of most blocks. A device
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
	t.findSteps(math.Log1p(limits.Drift))
	if len(t.steps) == 0 {
		return t
	}
	off := make([]bool, len(t.starts))
	for i, start := range t.starts {
		off[i] = t.Off(start)
	}
	t.extend(m.blocks)
	// Steps make levels vary more than they do in between.
	m = newLevelModel(t, w, slices.DeleteFunc(blocks, func(b Timed) bool { return t.Off(b.Order) }))
	logs, _, lost := m.levels(limits.Step)
	t.lostDF = lost
	for i := range t.logs {
		switch {
		case off[i]:
		case logs == nil:
			t.logs[i] = 0
		default:
			t.logs[i] = logs[i]
		}
	}
	return t
}

// windows are where the levels of a trend change.
type windows struct {
	starts []int
	joints []bool // the window begins at a joint
}

// newWindows cuts blocks, in order, at joints, and the parts into windows.
func newWindows(blocks []Timed) windows {
	first, last := map[int]int{}, map[int]int{}
	for i, b := range blocks {
		if _, ok := first[b.Network]; !ok {
			first[b.Network] = i
		}
		last[b.Network] = i
	}
	spanning := make([]int, len(blocks)+1) // before each block, networks with blocks on both sides; as differences
	for n, i := range first {
		spanning[i+1]++
		spanning[last[n]+1]--
	}
	width := max(windowBlocks, len(blocks)/mostWindows+1)
	var w windows
	from, now := 0, 0
	for i := 1; i <= len(blocks); i++ {
		now += spanning[i]
		if i < len(blocks) && (now > jointNetworks || i-from < windowBlocks || len(blocks)-i < windowBlocks) {
			continue
		}
		n := max(1, (i-from)/width)
		for k := range n {
			w.starts = append(w.starts, blocks[from+k*(i-from)/n].Order)
			w.joints = append(w.joints, k == 0 && from > 0)
		}
		from = i
	}
	return w
}

// levels are nil if no trend is seen.
func (m *levelModel) levels(limit float64) (logs []float64, logLimit float64, lostDF int) {
	if m.windows < 3 || m.df() < trendBlocks/2 {
		return nil, 0, 0
	}
	var ratio, sd, df float64
	for range 3 {
		logs, ratio, sd, df = m.fit()
		m.reweigh(logs)
	}
	if ratio < trendRatio || sd*sd < exactShare {
		return nil, 0, 0
	}
	if !m.holdsAcrossJoints(logs) {
		m.centreParts(logs)
	}
	floats.AddConst(-m.most(logs, 0, m.windows), logs)
	return logs, max(math.Log1p(limit), offNoise*sd), int(math.Ceil(df))
}

// holdsAcrossJoints reports whether networks with blocks on both sides of a joint vary less with the levels corrected.
func (m *levelModel) holdsAcrossJoints(logs []float64) bool {
	part, parts := 0, make([]int, m.windows)
	for i, joint := range m.joints {
		if joint {
			part++
		}
		parts[i] = part
	}
	first, spans := map[int]int{}, map[int]bool{}
	for _, b := range m.blocks {
		if p, ok := first[b.network]; !ok {
			first[b.network] = parts[b.window]
		} else if p != parts[b.window] {
			spans[b.network] = true
		}
	}
	plain, corrected := map[int][]float64{}, map[int][]float64{}
	for _, b := range m.blocks {
		if spans[b.network] {
			plain[b.network] = append(plain[b.network], math.Exp(b.log))
			corrected[b.network] = append(corrected[b.network], math.Exp(b.log-logs[b.window]))
		}
	}
	var before, after Noise
	for n := range spans {
		before, after = before.Add(NoiseOf(plain[n])), after.Add(NoiseOf(corrected[n]))
	}
	return after.SumSquares <= before.SumSquares
}

// centreParts makes the level of most blocks the same on both sides of every joint.
func (m *levelModel) centreParts(logs []float64) {
	for from := 0; from < m.windows; {
		to := from + 1
		for to < m.windows && !m.joints[to] {
			to++
		}
		floats.AddConst(-m.most(logs, from, to), logs[from:to])
		from = to
	}
}

// levelModel is the regression behind a Trend.
type levelModel struct {
	blocks            []levelBlock // in order
	windows, networks int
	joints            []bool
}

type levelBlock struct {
	order, network, window int
	log, weight            float64
}

func newLevelModel(t Trend, w windows, blocks []Timed) *levelModel {
	m := &levelModel{windows: len(w.starts), joints: w.joints}
	index := map[int]int{}
	for _, b := range blocks {
		n, ok := index[b.Network]
		if !ok {
			n = len(index)
			index[b.Network] = n
		}
		m.blocks = append(m.blocks, levelBlock{b.Order, n, t.window(b.Order), math.Log(b.Seconds), 1})
	}
	m.networks = len(index)
	return m
}

// interleaved reports whether most networks have blocks in several windows. Where the blocks of each follow each other,
// what changes from window to window may be the networks'.
func (m *levelModel) interleaved() bool {
	first, several := map[int]int{}, map[int]bool{}
	for _, b := range m.blocks {
		if k, ok := first[b.network]; ok && k != b.window {
			several[b.network] = true
		} else {
			first[b.network] = b.window
		}
	}
	return 2*len(several) > m.networks
}

func (m *levelModel) df() int { return len(m.blocks) - m.networks }

// means are the weighted means of the networks' logarithms less their levels, and the sums of the weights.
func (m *levelModel) means(logs []float64) (means, weights []float64) {
	means, weights = make([]float64, m.networks), make([]float64, m.networks)
	for _, b := range m.blocks {
		y := b.log
		if logs != nil {
			y -= logs[b.window]
		}
		weights[b.network] += b.weight
		means[b.network] += b.weight * y
	}
	for i := range means {
		means[i] /= weights[i]
	}
	return means, weights
}

// normal are the normal equations of the steps from each window's level to the next, the networks' means eliminated.
func (m *levelModel) normal() (a *mat.SymDense, b []float64, squares float64) {
	k := m.windows
	means, weights := m.means(nil)
	levels := mat.NewSymDense(k, nil)
	right := make([]float64, k)
	of := make([][]levelBlock, m.networks)
	for _, x := range m.blocks {
		of[x.network] = append(of[x.network], x)
		levels.SetSym(x.window, x.window, levels.At(x.window, x.window)+x.weight)
		r := x.log - means[x.network]
		right[x.window] += x.weight * r
		squares += x.weight * r * r
	}
	for n, xs := range of {
		for i, x := range xs {
			for j, y := range xs[:i+1] {
				w := x.weight * y.weight / weights[n]
				if i != j && x.window == y.window {
					w *= 2 // (i, j) and (j, i) are on the diagonal
				}
				levels.SetSym(x.window, y.window, levels.At(x.window, y.window)-w)
			}
		}
	}
	// A level is the sum of the steps before it: sums from the end replace sums over levels.
	a = mat.NewSymDense(k-1, nil)
	b = make([]float64, k-1)
	rows := mat.NewDense(k, k, nil)
	for i := k - 1; i >= 0; i-- {
		for j := k - 1; j >= 0; j-- {
			s := levels.At(i, j)
			if i+1 < k {
				s += rows.At(i+1, j)
			}
			if j+1 < k {
				s += rows.At(i, j+1)
			}
			if i+1 < k && j+1 < k {
				s -= rows.At(i+1, j+1)
			}
			rows.Set(i, j, s)
		}
	}
	sum := 0.0
	for i := k - 1; i > 0; i-- {
		sum += right[i]
		b[i-1] = sum
		for j := 1; j <= i; j++ {
			a.SetSym(i-1, j-1, rows.At(i, j))
		}
	}
	return a, b, squares
}

// fit returns the levels, twice the logarithm of their likelihood over that of none, the standard deviation of the
// noise, and the degrees of freedom that they take.
func (m *levelModel) fit() (logs []float64, chance2, sd, df float64) {
	a, b, squares := m.normal()
	for i := range b {
		b[i] *= m.step(i)
		for j := range i + 1 {
			a.SetSym(i, j, a.At(i, j)*m.step(i)*m.step(j))
		}
	}
	var e mat.EigenSym
	if !e.Factorize(a, true) {
		return make([]float64, m.windows), 0, math.Sqrt(squares / float64(m.df())), 0
	}
	values := e.Values(nil)
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	var projected mat.VecDense
	projected.MulVec(vectors.T(), mat.NewVecDense(len(b), b))
	n := float64(m.df())
	best := 0.0 // the ratio of the variances of a step and of the noise; 0 = no steps
	least := squares
	for exponent := -16; exponent <= 12; exponent++ {
		ratio := math.Pow(10, float64(exponent)/4)
		rest, deviance := squares, 0.0
		for i, v := range values {
			v = max(v, 0)
			rest -= projected.AtVec(i) * projected.AtVec(i) / (v + 1/ratio)
			deviance += math.Log1p(ratio * v)
		}
		if rest <= 0 {
			break
		}
		if c := n*math.Log(squares/rest) - deviance; c > chance2 {
			chance2, best, least = c, ratio, rest
		}
	}
	logs = make([]float64, m.windows)
	sd = math.Sqrt(least / n)
	if best == 0 {
		return logs, 0, sd, 0
	}
	for i, v := range values {
		v = max(v, 0)
		projected.SetVec(i, projected.AtVec(i)/(v+1/best))
		df += v / (v + 1/best)
	}
	var steps mat.VecDense
	steps.MulVec(&vectors, &projected)
	for i := range steps.Len() {
		logs[i+1] = logs[i] + m.step(i)*steps.AtVec(i)
	}
	return logs, chance2, sd, df
}

// step is the relative standard deviation of the step after a window.
func (m *levelModel) step(window int) float64 {
	if m.joints[window+1] {
		return jointStep
	}
	return 1
}

// reweigh gives Huber's weights to the blocks, and less weight to a network of many blocks that is noisier than others.
func (m *levelModel) reweigh(logs []float64) {
	means, _ := m.means(logs)
	off, of := make([]float64, len(m.blocks)), make([][]float64, m.networks)
	for i, b := range m.blocks {
		off[i] = math.Abs(b.log - logs[b.window] - means[b.network])
		of[b.network] = append(of[b.network], off[i])
	}
	// Networks of three blocks fit some of their noise.
	sd := madSD * Median(off) * math.Sqrt(float64(len(off))/float64(m.df()))
	if sd == 0 {
		return
	}
	for i, b := range m.blocks {
		own := sd
		if len(of[b.network]) >= OrderBlocks {
			own = max(sd, madSD*Median(of[b.network]))
		}
		w := &m.blocks[i].weight
		*w = (sd / own) * (sd / own)
		if off[i] > huber*own {
			*w *= huber * own / off[i]
		}
	}
}

// most is the level of most blocks of some windows: the median.
func (m *levelModel) most(logs []float64, from, to int) float64 {
	all := make([]float64, 0, len(m.blocks))
	for _, b := range m.blocks {
		if b.window >= from && b.window < to {
			all = append(all, logs[b.window])
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
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

// findSteps lists the runs of windows beyond the limit that begin or end with a jump, or that go beyond the drift that
// is corrected. A level that changes slowly has no step.
func (t *Trend) findSteps(drift float64) {
	jump := func(i int) bool {
		return i > 0 && i < len(t.logs) && math.Abs(t.logs[i]-t.logs[i-1]) > t.limit/2
	}
	for i := 0; i < len(t.logs); i++ {
		from := i
		for i < len(t.logs) && math.Abs(t.logs[i]) > t.limit && (t.logs[i] > 0) == (t.logs[from] > 0) {
			i++
		}
		if i == from {
			continue
		}
		run := t.logs[from:i]
		if far := math.Max(floats.Max(run), -floats.Min(run)); jump(from) || jump(i) || far > max(drift, t.limit) {
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

// extend moves the ends of steps into the windows beside them, as far as blocks one after the other are off too: a
// step does not begin with a window.
func (t *Trend) extend(blocks []levelBlock) {
	usual := map[int][]float64{}
	for _, b := range blocks {
		if !t.Off(b.order) {
			usual[b.network] = append(usual[b.network], b.log)
		}
	}
	for i := range t.steps {
		s := &t.steps[i]
		sign := math.Copysign(1, s.Level-1)
		off := func(b levelBlock) bool { return sign*(b.log-Median(usual[b.network])) > t.limit/2 }
		first, _ := slices.BinarySearchFunc(blocks, s.First, byOrder)
		for k := first - 1; k >= max(0, first-windowBlocks) && off(blocks[k]); k-- {
			s.First = blocks[k].order
		}
		last, _ := slices.BinarySearchFunc(blocks, s.Last+1, byOrder)
		for k := last; k < min(len(blocks), last+windowBlocks) && off(blocks[k]); k++ {
			s.Last = blocks[k].order
		}
	}
}

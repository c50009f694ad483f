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
// Blocks are numbered in the order in which they were planned. Windows of as many numbers share a level.
type Trend struct {
	first, last, width int
	logs               []float64 // each window's level, relative to that of most blocks; nil = no trend is seen
	limit              float64   // of a level, beyond which its blocks are not used
	steps              []Stretch // these blocks
	lost               int       // degrees of freedom that the levels took from the noise
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
	// trendChance2 is twice the logarithm of the likelihood's ratio above which a trend is real: a device without one
	// shows it in 5 of 1,000 sweeps. Half of those show none at all, hence the quantile 0.99 of chi-squared(1).
	trendChance2 = 6.63
	// huber is the number of standard deviations beyond which a block's residual counts less.
	huber = 2
	// offNoise is the number of standard deviations of the noise between blocks by which a level that is off differs
	// from the others, at least. A smaller one is corrected, and what the correction leaves is noise.
	offNoise = 2
)

// NewTrend finds the levels of a sweep's blocks. limit is how far, relatively, a level may be from that of most
// blocks, before its blocks are not used.
//
// The logarithm of a block is its network's, plus its window's level, plus noise. Levels are a random walk: how much
// they vary from window to window, compared with the noise, is that of the greatest restricted likelihood, and the
// levels are the best linear predictors under it. So nothing is corrected where nothing changes, and a level of few
// blocks stays near those beside it. A network that is timed now and then over the whole sweep shows how the levels of
// networks compare that were not timed in the same windows. Huber's weights keep single blocks from moving a level.
//
// Rejected: one network's latencies alone, smoothed. Each of its blocks is as noisy as those of the others, of which
// there are fifty times as many.
//
// Source: Robinson, "That BLUP is a good thing", Statistical Science 6 (1991), 15-32; Durbin and Koopman, "Time Series
// Analysis by State Space Methods" (2012), section 2.1 (the local level model); Huber, "Robust Statistics" (1981),
// section 7.8.
func NewTrend(blocks []Timed, limit float64) Trend {
	if len(blocks) < trendBlocks {
		return Trend{}
	}
	blocks = slices.SortedFunc(slices.Values(blocks), func(a, b Timed) int { return cmp.Compare(a.Order, b.Order) })
	t := Trend{first: blocks[0].Order, last: blocks[len(blocks)-1].Order}
	t.width = max(windowBlocks, (t.last-t.first)/mostWindows+1)
	m := newLevelModel(t, blocks)
	if !m.interleaved() {
		return Trend{}
	}
	if t.logs, t.limit, t.lost = m.levels(limit); !t.Seen() {
		return t
	}
	t.findSteps()
	t.extend(m.blocks)
	// Steps make levels vary more than they do in between.
	m = newLevelModel(t, slices.DeleteFunc(blocks, func(b Timed) bool { return t.Off(b.Order) }))
	logs, _, lost := m.levels(limit)
	t.lost = lost
	for i, l := range t.logs {
		switch {
		case math.Abs(l) > t.limit:
		case logs == nil:
			t.logs[i] = 0
		default:
			t.logs[i] = logs[i]
		}
	}
	return t
}

// levels are nil if no trend is seen.
func (m *levelModel) levels(limit float64) (logs []float64, logLimit float64, lost int) {
	if m.windows < 3 || m.df() < trendBlocks/2 {
		return nil, 0, 0
	}
	var chance2, sd, df float64
	for range 3 {
		logs, chance2, sd, df = m.fit()
		m.reweigh(logs)
	}
	if chance2 < trendChance2 {
		return nil, 0, 0
	}
	floats.AddConst(-m.most(logs), logs)
	return logs, max(math.Log1p(limit), offNoise*sd), int(math.Ceil(df))
}

// levelModel is the regression behind a Trend.
type levelModel struct {
	blocks            []levelBlock
	windows, networks int
}

type levelBlock struct {
	order, network, window int
	log, weight            float64
}

func newLevelModel(t Trend, blocks []Timed) *levelModel {
	m := &levelModel{windows: (t.last-t.first)/t.width + 1}
	index := map[int]int{}
	for _, b := range blocks {
		n, ok := index[b.Network]
		if !ok {
			n = len(index)
			index[b.Network] = n
		}
		k := (b.Order - t.first) / t.width
		m.blocks = append(m.blocks, levelBlock{b.Order, n, k, math.Log(b.Seconds), 1})
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
		logs[i+1] = logs[i] + steps.AtVec(i)
	}
	return logs, chance2, sd, df
}

// reweigh gives Huber's weights to the blocks.
func (m *levelModel) reweigh(logs []float64) {
	means, _ := m.means(logs)
	off := make([]float64, len(m.blocks))
	for i, b := range m.blocks {
		off[i] = math.Abs(b.log - logs[b.window] - means[b.network])
	}
	// Networks of three blocks fit some of their noise.
	sd := 1.4826 * Median(off) * math.Sqrt(float64(len(off))/float64(m.df()))
	for i := range m.blocks {
		m.blocks[i].weight = 1
		if off[i] > huber*sd {
			m.blocks[i].weight = huber * sd / off[i]
		}
	}
}

// most is the level of most blocks: the median.
func (m *levelModel) most(logs []float64) float64 {
	all := make([]float64, 0, len(m.blocks))
	for _, b := range m.blocks {
		all = append(all, logs[b.window])
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// Equal reports whether two trends correct every block alike.
func (t Trend) Equal(o Trend) bool {
	return slices.Equal(t.logs, o.logs) && t.first == o.first && t.last == o.last && t.width == o.width && t.limit == o.limit && t.lost == o.lost && slices.Equal(t.steps, o.steps)
}

// Seen reports whether the level changed.
func (t Trend) Seen() bool { return t.logs != nil }

// Log is the logarithm of the level of a block over that of most blocks.
func (t Trend) Log(order int) float64 {
	if !t.Seen() {
		return 0
	}
	return t.logs[max(0, min((order-t.first)/t.width, len(t.logs)-1))]
}

// Off reports whether the level of a block is so far from that of most blocks that it is not used.
func (t Trend) Off(order int) bool {
	return slices.ContainsFunc(t.steps, func(s Stretch) bool { return s.First <= order && order <= s.Last })
}

// Limit is how far, relatively, the level of a used block may be above that of most blocks.
func (t Trend) Limit() float64 { return math.Expm1(t.limit) }

// Correct is the noise between blocks whose levels were corrected, less the degrees of freedom that these took.
func (t Trend) Correct(n Noise) Noise {
	n.DF -= min(t.lost, n.DF/2)
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
	for _, l := range t.logs {
		if math.Abs(l) <= t.limit {
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

// findSteps lists the runs of windows beyond the limit.
func (t *Trend) findSteps() {
	for i := 0; i < len(t.logs); i++ {
		from := i
		for i < len(t.logs) && math.Abs(t.logs[i]) > t.limit && (t.logs[i] > 0) == (t.logs[from] > 0) {
			i++
		}
		if i > from {
			mean := floats.Sum(t.logs[from:i]) / float64(i-from)
			t.steps = append(t.steps, Stretch{t.first + from*t.width, min(t.last, t.first+i*t.width-1), math.Exp(mean)})
			i--
		}
	}
}

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
		for k := len(blocks) - 1; k >= 0; k-- {
			if b := blocks[k]; b.order < s.First && b.order >= s.First-t.width {
				if !off(b) {
					break
				}
				s.First = b.order
			}
		}
		for _, b := range blocks {
			if b.order > s.Last && b.order <= s.Last+t.width {
				if !off(b) {
					break
				}
				s.Last = b.order
			}
		}
	}
}

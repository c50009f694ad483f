package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

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
		if i < len(blocks) && (now > JointNetworks || i-from < windowBlocks || len(blocks)-i < windowBlocks) {
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

// levels are nil if no trend is seen.
func (m *levelModel) levels(limit float64) (logs []float64, logLimit float64, lostDF int) {
	if m.windows < 3 || m.df() < trendBlocks/2 {
		return nil, 0, 0
	}
	var gain, sd, df float64
	for i := range 5 {
		logs, gain, sd, df = m.fit()
		m.reweigh(logs, i >= 2)
	}
	if gain < trendGain || sd*sd < exactShare {
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
	for n := range m.networks { // in order: sums of another one could differ in the last digit
		before, after = before.Add(NoiseOf(plain[n])), after.Add(NoiseOf(corrected[n]))
	}
	return after.SumSquares <= jointGain*before.SumSquares
}

// offShare is the share of the blocks that a trend's steps have.
func (m *levelModel) offShare(t Trend) float64 {
	off := 0
	for _, b := range m.blocks {
		if t.Off(b.order) {
			off++
		}
	}
	return float64(off) / float64(len(m.blocks))
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
		if weights[i] > 0 { // otherwise its blocks are so far off that none counts
			means[i] /= weights[i]
		}
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
		if weights[n] == 0 {
			continue
		}
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
func (m *levelModel) fit() (logs []float64, gain, sd, df float64) {
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
		if c := n*math.Log(squares/rest) - deviance; c > gain {
			gain, best, least = c, ratio, rest
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
	return logs, gain, sd, df
}

// step is the relative standard deviation of the step after a window.
func (m *levelModel) step(window int) float64 {
	if m.joints[window+1] {
		return jointStep
	}
	return 1
}

// reweigh gives Huber's weights to the blocks, or Tukey's biweights that ignore those far off, and less weight to a
// network of many blocks that is noisier than others.
func (m *levelModel) reweigh(logs []float64, redescend bool) {
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
		switch z := off[i] / own; {
		case redescend:
			rest := max(0, 1-z*z/(biweight*biweight))
			*w *= rest * rest
		case z > huber:
			*w *= huber / z
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

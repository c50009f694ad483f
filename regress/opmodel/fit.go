package opmodel

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"latlab/regress/linear"
)

// Row is a row of a profile whose ops are known.
type Row struct {
	Kernel  string // the device's word
	Ops     []*Op
	Seconds float64
}

// Options of a fit.
type Options struct {
	// Power says how errors are weighed: by the square of the error over time to this power. 2 is relative
	// errors, 0 errors in seconds.
	Power float64
	// Prior is how many rows the weights of the group above are worth.
	Prior float64
}

// Model is fitted op models.
type Model struct {
	o        Options
	mean     float64 // of a row
	root     *group
	kinds    map[string]*group
	types    map[string]*group
	order    []*group            // parents first
	seen     map[string][]*shape // by kind: the shapes that were profiled
	samples  []sample
	equation *linear.Equations
}

// group is a node of the tree.
type group struct {
	above   *group
	theta   []float64
	moments *moments
	near    *nearby // of leaves
}

type shape struct {
	op      *Op
	leaf    *group
	seconds float64 // observed, the median
}

// sample is an op's share of a row.
type sample struct {
	op      *Op
	leaf    *group
	row     int
	seconds float64
	weight  float64
}

// rounds of reweighting: times, and so weights and shares of fused rows, come from the round before.
const rounds = 4

// Fit fits op models to the rows of profiles, of which there is at least one.
func Fit(profiles [][]Row, o Options) *Model {
	m := &Model{o: o, kinds: map[string]*group{}, types: map[string]*group{}, seen: map[string][]*shape{}}
	rows := slices.Concat(profiles...)
	for _, r := range rows {
		m.mean += r.Seconds / float64(len(rows))
	}
	m.equation = linear.NewEquations(len(rows[0].Ops[0].x))
	m.grow(rows)
	m.begin(rows)
	for range rounds {
		m.divide(rows)
		m.weigh()
		m.solve()
	}
	m.divide(rows)
	m.compare()
	return m
}

// grow makes the tree and the samples.
func (m *Model) grow(rows []Row) {
	type key struct{ typ, kernel string }
	type seen struct {
		op   *Op
		leaf *group
	}
	leaves, known := map[key]*group{}, map[seen]bool{}
	m.root = m.child(nil)
	for i, r := range rows {
		for _, op := range r.Ops {
			if m.kinds[op.kind] == nil {
				m.kinds[op.kind] = m.child(m.root)
			}
			if m.types[op.typ] == nil {
				m.types[op.typ] = m.child(m.kinds[op.kind])
			}
			k := key{op.typ, r.Kernel}
			if leaves[k] == nil {
				leaves[k] = m.child(m.types[op.typ])
				leaves[k].near = &nearby{}
			}
			m.samples = append(m.samples, sample{op: op, leaf: leaves[k], row: i})
			if s := (seen{op, leaves[k]}); !known[s] {
				known[s] = true
				m.seen[op.kind] = append(m.seen[op.kind], &shape{op: op, leaf: leaves[k]})
			}
		}
	}
}

func (m *Model) child(above *group) *group {
	g := &group{above: above}
	m.order = append(m.order, g)
	return g
}

// begin fits all ops as one group, rows of several ops by the sums of their features. It is where the division
// of such rows begins.
func (m *Model) begin(rows []Row) {
	all := newMoments(len(rows[0].Ops[0].x))
	sum := make([]float64, len(all.c))
	for _, r := range rows {
		clear(sum)
		for _, op := range r.Ops {
			floats.Add(sum, op.x)
		}
		all.add(sum, r.Seconds, m.weight(r.Seconds))
	}
	theta := all.solve(m.equation, nil, nil, rootPrior)
	for _, g := range m.order {
		g.theta = theta
	}
}

// least is the part of a mean row below which times do not count as shorter: they have no relative precision.
const least = 1e-3

func (m *Model) weight(seconds float64) float64 {
	return math.Pow(max(seconds/m.mean, least), -m.o.Power)
}

// divide gives every op its share of its row.
func (m *Model) divide(rows []Row) {
	for i := 0; i < len(m.samples); {
		row := &rows[m.samples[i].row]
		parts := m.samples[i : i+len(row.Ops)]
		total := 0.0
		for k := range parts {
			parts[k].seconds = max(parts[k].expected(), least*least*m.mean)
			total += parts[k].seconds
		}
		for k := range parts {
			parts[k].seconds *= row.Seconds / total
		}
		i += len(parts)
	}
}

func (s *sample) expected() float64 { return floats.Dot(s.leaf.theta, s.op.x) }

// outlier is how many standard deviations an error may have before it counts less. From there on its weight falls
// with its square, so that the pull of an error falls as it grows: a tenth of a group's rows may have been interrupted. Under
// Huber's loss the pull of such rows stays the same.
const outlier = 2

// weigh weighs samples by what the model expects of them, not by what was observed: a row that is low by
// chance would weigh more than one that is high. Outliers weigh less, relative to the errors of their group.
func (m *Model) weigh() {
	scaled, byLeaf := make([]float64, len(m.samples)), map[*group][]float64{}
	for i := range m.samples {
		s := &m.samples[i]
		s.weight = m.weight(s.expected())
		scaled[i] = math.Abs(s.seconds-s.expected()) * math.Sqrt(s.weight)
		byLeaf[s.leaf] = append(byLeaf[s.leaf], scaled[i])
	}
	limits := make(map[*group]float64, len(byLeaf))
	for leaf, errors := range byLeaf {
		limits[leaf] = outlier * 1.4826 * median(errors)
	}
	for i := range m.samples {
		if limit := limits[m.samples[i].leaf]; scaled[i] > limit && limit > 0 {
			m.samples[i].weight *= limit * limit / (scaled[i] * scaled[i])
		}
	}
}

// median sorts x.
func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// rootPrior keeps the equations of all ops regular.
const rootPrior = 1e-3

// solve fits every group, from the root down. A sample counts in every group that it is in.
func (m *Model) solve() {
	for _, g := range m.order {
		g.moments = newMoments(len(g.theta))
	}
	for _, s := range m.samples {
		s.leaf.moments.add(s.op.x, s.seconds, s.weight)
	}
	for _, g := range slices.Backward(m.order) {
		if g.above != nil {
			g.above.moments.join(g.moments)
		}
	}
	for _, g := range m.order {
		if g.above == nil {
			g.theta = g.moments.solve(m.equation, nil, g.theta, rootPrior)
			continue
		}
		g.theta = g.moments.solve(m.equation, g.above.theta, g.theta, m.o.Prior)
	}
}

// moments are the normal equations of samples: sums of w x x' and of w x t.
type moments struct {
	n float64
	g []float64 // upper triangle of a square
	c []float64
}

func newMoments(k int) *moments { return &moments{g: make([]float64, k*k), c: make([]float64, k)} }

func (m *moments) add(x []float64, t, weight float64) {
	k := len(m.c)
	m.n++
	for i, xi := range x {
		if xi == 0 {
			continue
		}
		m.c[i] += weight * xi * t
		floats.AddScaled(m.g[i*k+i:(i+1)*k], weight*xi, x[i:])
	}
}

func (m *moments) join(o *moments) {
	m.n += o.n
	floats.Add(m.g, o.g)
	floats.Add(m.c, o.c)
}

// solve minimises sum w (t - x theta)^2 + prior sum_k (u_k (theta_k - above_k))^2 over theta >= 0, u_k the root
// mean square of column k, weights included. start is near the solution; nil is 0.
func (m *moments) solve(e *linear.Equations, above, start []float64, prior float64) []float64 {
	k := len(m.c)
	if above == nil {
		above = make([]float64, k)
	}
	g, c, unit, theta := mat.NewSymDense(k, nil), make([]float64, k), make([]float64, k), make([]float64, k)
	for i := range unit {
		if unit[i] = math.Sqrt(m.g[i*k+i] / m.n); unit[i] == 0 {
			unit[i] = 1
		}
	}
	for i, u := range unit {
		for j := i; j < k; j++ {
			g.SetSym(i, j, m.g[i*k+j]/(u*unit[j]))
		}
		g.SetSym(i, i, g.At(i, i)+prior)
		c[i] = m.c[i]/u + prior*above[i]*u
		if start != nil {
			theta[i] = start[i] * u
		}
	}
	linear.NNLS(e, g, c, theta)
	floats.Div(theta, unit)
	return theta
}

// Seconds is an op's time.
func (m *Model) Seconds(o *Op) float64 {
	s := m.like(o)
	if s == nil {
		return floats.Dot(m.root.theta, o.x)
	}
	seconds := floats.Dot(s.leaf.theta, o.x)
	if apart(o, s.op) == 0 {
		seconds *= s.leaf.near.factor(o)
	}
	return s.bound(o, seconds)
}

// slack is the factor that the bounds leave to a shape next to a profiled one, and again for every four octaves.
const slack = 1.25

// bound keeps a time between that of the nearest shape and what is in proportion to work, with a slack that grows
// with the distance: weights that fit a few rows can be far off elsewhere.
func (s *shape) bound(o *Op, seconds float64) float64 {
	if !(s.seconds > 0) {
		return seconds
	}
	same, other := s.seconds, s.seconds*o.work()/s.op.work()
	free := slack * math.Exp2(math.Sqrt(distance(o, s.op))/4)
	return min(max(seconds, min(same, other)/free), max(same, other)*free)
}

// like is the nearest shape among the ops of a kind whose window is most like an op's: a runtime chooses its
// kernel by the shape. It is nil for a kind that no profile has.
func (m *Model) like(o *Op) *shape {
	var like *shape
	window, near := math.Inf(1), math.Inf(1)
	for _, s := range m.seen[o.kind] {
		if s.op == o {
			return s
		}
		w := apart(o, s.op)
		if w > window {
			continue
		}
		if d := distance(o, s.op); w < window || d < near {
			like, window, near = s, w, d
		}
	}
	return like
}

package regress

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"latlab/regress/features"
	"latlab/regress/linear"
	"latlab/regress/opmodel"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// MinProfiles is how many profiled networks the profile method needs: two to fit and one to judge.
const MinProfiles = 3

// OpProfile is the time of a network's ops by the device's own report.
type OpProfile struct {
	Arch sampler.Arch
	Rows []OpRow // those whose ops are known
	// Rest is the time of all other rows, in seconds: it belongs to no op.
	Rest float64
}

// OpRow is the time of ops that the device ran as one.
type OpRow struct {
	Kernel  string // the device's word
	Ops     []graph.PaidOp
	Seconds float64
}

func tooFewProfiles(have int) error {
	few := "none of the networks fitted is profiled"
	if have > 0 {
		few = fmt.Sprintf("only %d of the networks fitted are profiled", have)
	}
	return &OptionError{"method profile", fmt.Sprintf(
		"%s, and it fits the times of single ops in at least %d: repeat the sweep's command with `--profile N`; a device that reports no times of ops refuses that, and ops is the method for it", few, MinProfiles)}
}

// profiled is the design of the profile method: every distinct op of the table and of the profiles once.
type profiled struct {
	*design
	seed     uint64  // of cross-validation
	element  float64 // bytes
	numbers  map[opmodel.Key]int32
	ops      []*opmodel.Op
	paid     []graph.PaidOp
	slots    [][]int32 // ops of each slot of the table
	bias     []int32
	features *entryFeatures
	profiles map[int]*netProfile // by network
}

// netProfile is a network's profile, in the design's scale.
type netProfile struct {
	rows []opmodel.Row
	sum  float64 // of the rows
	rest float64
}

func newProfiled(ctx context.Context, d *design, nets []network, data Data, seed uint64) (*profiled, error) {
	p := &profiled{
		design: d, seed: seed, element: elementBytes(data.Precision), numbers: map[opmodel.Key]int32{},
		slots: make([][]int32, d.slots), profiles: map[int]*netProfile{},
	}
	var err error
	if p.features, err = newEntryFeatures(ctx, d.layout, features.All()); err != nil {
		return nil, err
	}
	err = d.eachEntry(ctx, func(slot int, ops []graph.PaidOp) {
		if slot < 0 {
			p.bias = p.number(ops)
			return
		}
		p.slots[slot] = p.number(ops)
	})
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i, n := range nets {
		at[n.arch.String()] = i
	}
	for _, o := range data.Profiles {
		if i, measured := at[o.Arch.String()]; measured {
			p.profiles[i] = p.join(o)
		}
	}
	if len(p.profiles) < MinProfiles {
		return nil, tooFewProfiles(len(p.profiles))
	}
	return p, nil
}

// number is the numbers of ops, of new ones too.
func (p *profiled) number(paid []graph.PaidOp) []int32 {
	ids := make([]int32, len(paid))
	for i := range paid {
		k := opmodel.KeyOf(&paid[i])
		id, seen := p.numbers[k]
		if !seen {
			id = int32(len(p.ops))
			p.numbers[k] = id
			p.ops, p.paid = append(p.ops, opmodel.NewOp(&paid[i], p.element)), append(p.paid, paid[i])
		}
		ids[i] = id
	}
	return ids
}

func (p *profiled) join(o OpProfile) *netProfile {
	n := &netProfile{rest: o.Rest / p.scale}
	for _, r := range o.Rows {
		row := opmodel.Row{Kernel: r.Kernel, Seconds: r.Seconds / p.scale}
		for _, id := range p.number(r.Ops) {
			row.Ops = append(row.Ops, p.ops[id])
		}
		n.rows = append(n.rows, row)
		n.sum += row.Seconds
	}
	return n
}

// networks are those that are profiled.
func (p *profiled) networks() []int { return slices.Sorted(maps.Keys(p.profiles)) }

func elementBytes(p model.Precision) float64 {
	if p == model.Int8 {
		return 1
	}
	return 4
}

// fit fits op models to the profiles of training networks, prices every op of the table by them, and
// corrects the sums by the latencies of all training networks.
func (p *profiled) fit(ctx context.Context, train []int) (solution, error) {
	var of []int
	for _, i := range train {
		if p.profiles[i] != nil {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		return solution{}, errors.New("none of the networks to train on is profiled")
	}
	o, err := p.choose(ctx, of)
	if err != nil {
		return solution{}, err
	}
	return p.correct(p.price(opmodel.Fit(p.rowsOf(of, o.shared), o.Options)), train, of), nil
}

// share is what a second of a network's profile is of its latency. Observing ops takes time, and a process may be a
// few per cent faster or slower as a whole, which a latency of several processes averages out: so a profile says
// which part of the latency is an op's, and no more.
func (p *profiled) share(i int) float64 {
	return p.y[i] / (p.profiles[i].sum + p.profiles[i].rest)
}

// rowsOf are the rows of some networks' profiles, as parts of their latencies if shared.
func (p *profiled) rowsOf(nets []int, shared bool) [][]opmodel.Row {
	all := make([][]opmodel.Row, len(nets))
	for k, i := range nets {
		all[k] = p.profiles[i].rows
		if !shared {
			continue
		}
		all[k] = slices.Clone(all[k])
		for r := range all[k] {
			all[k][r].Seconds *= p.share(i)
		}
	}
	return all
}

// opChoice is a way to fit op models.
type opChoice struct {
	opmodel.Options
	shared bool
}

func opChoices() []opChoice {
	var all []opChoice
	for _, shared := range []bool{true, false} {
		for _, power := range []float64{1.5, 2, 1} {
			for _, prior := range []float64{1, 0.1} {
				all = append(all, opChoice{opmodel.Options{Power: power, Prior: prior}, shared})
			}
		}
	}
	return all
}

// enough over the number of networks is by which part another choice than the first must lower the loss: three
// networks can be matched by chance.
const enough = 2

// choiceFolds is how many parts of the profiled networks the choice holds out, one after the other.
const choiceFolds = 5

// choose takes the options that predict the latencies of held-out profiled networks best, up to a common factor.
// Between errors relative to each row (power 2) and in seconds (power 0) no rule is right everywhere: relative ones
// treat a row of a thousandth of the network like one of a tenth, absolute ones learn nothing from small rows, which
// are many.
func (p *profiled) choose(ctx context.Context, of []int) (opChoice, error) {
	all := opChoices()
	if len(of) < MinProfiles-1 {
		return all[0], nil
	}
	best, least := 0, math.Inf(1)
	for c, o := range all {
		if err := ctx.Err(); err != nil {
			return o, err
		}
		if loss := p.loss(of, o); loss < least*(1-enough/float64(len(of))) {
			best, least = c, loss
		}
	}
	return all[best], nil
}

// loss is the variance of the logarithms of sums of ops over latencies.
func (p *profiled) loss(of []int, o opChoice) float64 {
	var logs []float64
	for _, f := range folds(len(of), choiceFolds, p.seed) {
		fit, held := f.split(of)
		m := opmodel.Fit(p.rowsOf(fit, o.shared), o.Options)
		for _, i := range held {
			sum := 0.0
			for _, r := range p.profiles[i].rows {
				for _, op := range r.Ops {
					sum += m.Seconds(op)
				}
			}
			logs = append(logs, math.Log(sum/p.y[i]))
		}
	}
	return stat.Variance(logs, nil)
}

// priced are columns of every slot and of the bias: what the op models say of each family, then op-level features.
type priced struct {
	slots [][]float64
	bias  []float64
}

// families are the columns of what the op models say.
const families = 4

// family is an op's column.
func family(o *graph.PaidOp) int {
	switch {
	case o.Kind == graph.Conv2D && o.Kernel == [2]int{1, 1}:
		return 0
	case o.Kind == graph.Conv2D:
		return 1
	case o.Kind == graph.DepthwiseConv:
		return 2
	}
	return 3
}

func (p *profiled) price(m *opmodel.Model) priced {
	seconds := make([]float64, len(p.ops))
	for i, op := range p.ops {
		seconds[i] = m.Seconds(op)
	}
	columns := func(ids []int32, more []float64) []float64 {
		x := make([]float64, families, families+len(more))
		for _, id := range ids {
			x[family(&p.paid[id])] += seconds[id]
		}
		return append(x, more...)
	}
	c := priced{bias: columns(p.bias, p.features.bias)}
	for slot, ids := range p.slots {
		c.slots = append(c.slots, columns(ids, p.features.at(slot)))
	}
	return c
}

func (p *profiled) network(c priced, i int) []float64 {
	x := slices.Clone(c.bias)
	for _, slot := range p.rows[i] {
		floats.Add(x, c.slots[slot])
	}
	return x
}

// correct makes latencies of networks of sums of ops:
//
//	latency = a + sum over families of s seconds + sum over features of w value
//
// with coefficients of at least zero. The features are those of the ops method: counts of ops, bytes between
// them, multiply-accumulates. All are shrunk towards what profiles alone say: the time outside of all ops, one scale
// for all families, no features; how much, cross-validation over the training networks says. So a few
// latencies correct little, and of hundreds the features take over what the profiles got wrong.
func (p *profiled) correct(c priced, train, of []int) solution {
	q := p.correction(c, train, of)
	x := q.best()
	floats.Div(x, q.unit)
	s := solution{bias: x[0] + dot(x[1:], c.bias), slots: make([]float64, len(c.slots)), params: nonZero(x[1:])}
	for i, columns := range c.slots {
		s.slots[i] = dot(x[1:], columns)
	}
	return s
}

func (p *profiled) correction(c priced, train, of []int) correction {
	rest := 0.0
	for _, i := range of {
		rest += p.profiles[i].rest * p.share(i) / float64(len(of))
	}
	k := 1 + len(c.bias)
	q := correction{unit: make([]float64, k), prior: make([]float64, k), seed: p.seed}
	scale, mean := 0.0, 0.0
	for _, i := range train {
		row := append([]float64{1}, p.network(c, i)...)
		q.rows = append(q.rows, row)
		scale += math.Log(max(p.y[i]-rest, p.y[i]/2)/floats.Sum(row[1:1+families])) / float64(len(train))
		mean += p.y[i] / float64(len(train))
		floats.AddScaled(q.unit, 1/float64(len(train)), row)
	}
	for j := range q.unit {
		switch {
		case j >= 1 && j <= families:
			q.unit[j], q.prior[j] = math.Exp(-scale), 1
		case q.unit[j] > 0:
			q.unit[j] /= mean
		default:
			q.unit[j] = 1
		}
	}
	q.prior[0] = rest / mean
	for n, i := range train {
		floats.Div(q.rows[n], q.unit)
		floats.Scale(p.roots.root(i)/p.y[i], q.rows[n])
		q.y = append(q.y, p.roots.root(i))
	}
	return q
}

// correction is the least squares problem of correct: rows and y are divided by the latency, and columns by a unit. A
// coefficient of 1 is then the common scale of what op models say, or a mean network's whole latency.
type correction struct {
	rows        [][]float64
	y           []float64
	unit, prior []float64
	seed        uint64
}

const correctionFolds = 10

// correctionGrid lists the variance of a network over that of a coefficient around its prior.
func correctionGrid() []float64 { return []float64{1e4, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001} }

func (q correction) best() []float64 {
	grid, n := correctionGrid(), len(q.rows)
	loss := make([]float64, len(grid))
	for _, f := range folds(n, min(n, correctionFolds), q.seed) {
		fit, held := f.split(all(n))
		for g, penalty := range grid {
			x := q.solve(fit, penalty)
			for _, i := range held {
				e := dot(q.rows[i], x) - q.y[i]
				loss[g] += e * e
			}
		}
	}
	best := 0
	for g := range grid {
		if loss[g] < loss[best]*(1-enough/float64(n)) {
			best = g
		}
	}
	return q.solve(all(n), grid[best])
}

func (q correction) solve(rows []int, penalty float64) []float64 {
	k := len(q.unit)
	g, c, x := mat.NewSymDense(k, nil), make([]float64, k), slices.Clone(q.prior)
	for i := range k {
		for j := i; j < k; j++ {
			sum := 0.0
			for _, r := range rows {
				sum += q.rows[r][i] * q.rows[r][j]
			}
			g.SetSym(i, j, sum)
		}
		for _, r := range rows {
			c[i] += q.rows[r][i] * q.y[r]
		}
		g.SetSym(i, i, g.At(i, i)+penalty)
		c[i] += penalty * q.prior[i]
	}
	linear.NNLS(linear.NewEquations(k), g, c, x)
	return x
}

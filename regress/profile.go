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
	few := "no network is profiled"
	if have > 0 {
		few = fmt.Sprintf("only %d of the measured networks are profiled", have)
	}
	return &OptionError{"method profile", fmt.Sprintf(
		"%s, and it fits the times of single ops in at least %d: repeat the sweep's command with `--profile N`; a device that reports no times of ops refuses that, and ops is the method for it", few, MinProfiles)}
}

// profiled is the design of the profile method: every distinct op of the table and of the profiles once.
type profiled struct {
	*design
	ops      []*opmodel.Op
	paid     []graph.PaidOp
	slots    [][]int32 // ops of each slot of the table
	bias     []int32
	profiles map[int]*netProfile // by network
}

// netProfile is a network's profile, in the design's scale.
type netProfile struct {
	rows []opmodel.Row
	sum  float64 // of the rows
	rest float64
}

func newProfiled(ctx context.Context, d *design, nets []network, data Data) (*profiled, error) {
	p := &profiled{design: d, slots: make([][]int32, d.slots), profiles: map[int]*netProfile{}}
	number := map[opmodel.Key]int32{}
	size := elementBytes(data.Precision)
	add := func(paid []graph.PaidOp) []int32 {
		ids := make([]int32, len(paid))
		for i := range paid {
			k := opmodel.KeyOf(&paid[i])
			id, seen := number[k]
			if !seen {
				id = int32(len(p.ops))
				number[k] = id
				p.ops, p.paid = append(p.ops, opmodel.NewOp(&paid[i], size)), append(p.paid, paid[i])
			}
			ids[i] = id
		}
		return ids
	}
	err := d.eachEntry(ctx, func(slot int, ops []graph.PaidOp) {
		if slot < 0 {
			p.bias = add(ops)
			return
		}
		p.slots[slot] = add(ops)
	})
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i, n := range nets {
		at[n.arch.String()] = i
	}
	for _, o := range data.Profiles {
		i, measured := at[o.Arch.String()]
		if !measured {
			continue // its latency is INVALID or missing
		}
		n := &netProfile{rest: o.Rest / d.scale}
		for _, r := range o.Rows {
			row := opmodel.Row{Kernel: r.Kernel, Seconds: r.Seconds / d.scale}
			for _, id := range add(r.Ops) {
				row.Ops = append(row.Ops, p.ops[id])
			}
			n.rows = append(n.rows, row)
			n.sum += row.Seconds
		}
		p.profiles[i] = n
	}
	if len(p.profiles) < MinProfiles {
		return nil, tooFewProfiles(len(p.profiles))
	}
	return p, nil
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
	return p.correct(p.price(opmodel.Fit(p.rowsOf(of), o)), train, of), nil
}

// share is what a second of a network's profile is of its latency. Observing ops takes time, and a process may be a
// few per cent faster or slower as a whole, which a latency of several processes averages out: so a profile says
// which part of the latency is an op's, and no more.
func (p *profiled) share(i int) float64 {
	return p.y[i] / (p.profiles[i].sum + p.profiles[i].rest)
}

// rowsOf are the rows of some networks' profiles as parts of their latencies.
func (p *profiled) rowsOf(nets []int) [][]opmodel.Row {
	all := make([][]opmodel.Row, len(nets))
	for k, i := range nets {
		all[k] = slices.Clone(p.profiles[i].rows)
		for r := range all[k] {
			all[k][r].Seconds *= p.share(i)
		}
	}
	return all
}

// choices of the op models' weighting and shrinking.
func opChoices() []opmodel.Options {
	var all []opmodel.Options
	for _, power := range []float64{2, 1.5, 1} {
		for _, prior := range []float64{3, 0.3, 0.03} {
			all = append(all, opmodel.Options{Power: power, Prior: prior})
		}
	}
	return all
}

// most is how many parts the choice of the op models' options holds out.
const mostParts = 5

// choose takes the options that predict the sums of held-out profiles best. Between errors relative to each
// row (power 2) and in seconds (power 0) no rule is right everywhere: relative ones treat a row of a
// thousandth of the network like one of a tenth, absolute ones learn nothing from small rows, which are many.
func (p *profiled) choose(ctx context.Context, of []int) (opmodel.Options, error) {
	all := opChoices()
	if len(of) < MinProfiles-1 {
		return all[len(all)/2], nil
	}
	rows := p.rowsOf(of)
	best, least := 0, math.Inf(1)
	for c, o := range all {
		loss := 0.0
		for _, f := range folds(len(of), mostParts, 1) {
			if err := ctx.Err(); err != nil {
				return o, err
			}
			var fit, held [][]opmodel.Row
			for i := range of {
				if f[i] {
					held = append(held, rows[i])
				} else {
					fit = append(fit, rows[i])
				}
			}
			m := opmodel.Fit(fit, o)
			for _, profile := range held {
				var y, s float64
				for _, r := range profile {
					y += r.Seconds
					for _, op := range r.Ops {
						s += m.Seconds(op)
					}
				}
				loss += (s/y - 1) * (s/y - 1)
			}
		}
		if loss < least {
			best, least = c, loss
		}
	}
	return all[best], nil
}

// priced are columns of every slot and of the bias: what the op models say, number of ops, bytes between ops.
type priced struct {
	slots [][]float64
	bias  []float64
}

// The columns.
const (
	opCount = iota
	opBytes
	opSeconds // of kinds; the first of several
)

// family is the column of an op's seconds.
func family(o *graph.PaidOp) int {
	switch {
	case o.Kind == graph.Conv2D && o.Kernel == [2]int{1, 1}:
		return opSeconds
	case o.Kind == graph.Conv2D:
		return opSeconds + 1
	case o.Kind == graph.DepthwiseConv:
		return opSeconds + 2
	}
	return opSeconds + 3
}

const families = 4

func (p *profiled) price(m *opmodel.Model) priced {
	each := make([][]float64, len(p.ops))
	for i := range p.ops {
		x := make([]float64, opSeconds+families)
		x[opCount] = 1
		x[opBytes] = float64(p.paid[i].InputElements + p.paid[i].OutputElements)
		x[family(&p.paid[i])] = m.Seconds(p.ops[i])
		each[i] = x
	}
	sum := func(ids []int32) []float64 {
		x := make([]float64, opSeconds+families)
		for _, id := range ids {
			floats.Add(x, each[id])
		}
		return x
	}
	c := priced{bias: sum(p.bias)}
	for _, ids := range p.slots {
		c.slots = append(c.slots, sum(ids))
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
//	latency = a + c n + d bytes + sum over families of s seconds
//
// n the number of ops, all coefficients at least zero. They are shrunk towards what profiles alone say: the
// time outside of all ops, no cost between them, and one scale for all; by cross-validation over the
// training networks.
func (p *profiled) correct(c priced, train, of []int) solution {
	rows := make([][]float64, len(train))
	rest, scale := 0.0, 0.0
	for _, i := range of {
		rest += p.profiles[i].rest * p.share(i) / float64(len(of))
	}
	unit := make([]float64, 1+opSeconds+families)
	for k, i := range train {
		rows[k] = append([]float64{1}, p.network(c, i)...)
		ops := floats.Sum(rows[k][1+opSeconds:])
		scale += math.Log(max(p.y[i]-rest, p.y[i]/2) / ops)
		for j, x := range rows[k] {
			unit[j] += x / float64(len(train))
		}
	}
	scale = math.Exp(scale / float64(len(train)))
	y := make([]float64, len(train))
	for k, i := range train {
		y[k] = p.y[i]
	}
	mean := stat.Mean(y, nil)
	// In units in which 1 is a mean network's latency for the first columns, and the common scale for the others.
	prior := make([]float64, len(unit))
	for j := range unit {
		switch {
		case j >= 1+opSeconds:
			unit[j], prior[j] = 1/scale, 1
		case unit[j] > 0:
			unit[j] /= mean
		}
	}
	prior[0] = rest / mean
	q := correction{rows: rows, y: y, unit: unit, prior: prior}
	for k, i := range train {
		for j := range unit {
			if unit[j] > 0 {
				rows[k][j] /= unit[j]
			}
			rows[k][j] *= p.roots.root(i) / p.y[i]
		}
		y[k] = p.roots.root(i)
	}
	x := q.best()
	s := solution{bias: x[0] + dot(x[1:], c.bias), slots: make([]float64, len(c.slots)), params: nonZero(x[1:])}
	for i, columns := range c.slots {
		s.slots[i] = dot(x[1:], columns)
	}
	return s
}

// correction is the least squares problem of correct: rows and y are divided by the latency.
type correction struct {
	rows        [][]float64
	y           []float64
	unit, prior []float64
}

// correctionGrid lists the variance of a network over that of a coefficient around its prior.
func correctionGrid() []float64 { return []float64{1e4, 10, 1, 0.1, 0.01} }

func (q correction) best() []float64 {
	grid, n := correctionGrid(), len(q.rows)
	loss := make([]float64, len(grid))
	for _, f := range folds(n, min(n, 10), 1) {
		fit, held := f.split(all(n))
		for g, penalty := range grid {
			x := q.solve(fit, penalty)
			for _, i := range held {
				e := dot(q.rows[i], x) - q.y[i]
				loss[g] += e * e
			}
		}
	}
	x := q.solve(all(n), grid[floats.MinIdx(loss)])
	for j, u := range q.unit {
		if u > 0 {
			x[j] /= u
		}
	}
	return x
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

package regress

import (
	"context"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"latlab/regress/linear"
)

// columns is a design matrix of features: one row per network, the intercept first.
type columns struct {
	of    *entryFeatures // nil if the features belong to no table
	rows  [][]float64    // times the root of the network's weight, over its y: the target is then that root
	roots weights
	unit  []float64 // root mean square of each column, which it was divided by; 0 = empty
}

// newColumns divides each row by its latency (relative error) and each column by its root
// mean square (so that one penalty means the same for a count of ops and for a count of
// multiply-accumulates). The root mean squares include held-out networks: the only latency in
// them is the row's own divisor, and they only set the penalty's scale.
func newColumns(d *design, f *entryFeatures) *columns {
	values := make([][]float64, len(d.rows))
	for i, row := range d.rows {
		values[i] = f.network(row)
	}
	c := columnsOf(values, d.y, d.roots)
	c.of = f
	return c
}

// columnsOf is newColumns for values without a table: one row per network.
func columnsOf(values [][]float64, y []float64, roots weights) *columns {
	c := &columns{roots: roots, rows: make([][]float64, len(values)), unit: make([]float64, len(values[0])+1)}
	for i, row := range values {
		c.rows[i] = append([]float64{1}, row...)
		for k := range c.rows[i] {
			c.rows[i][k] *= roots.root(i) / y[i]
			c.unit[k] += c.rows[i][k] * c.rows[i][k]
		}
	}
	for k, sum := range c.unit {
		c.unit[k] = math.Sqrt(sum / float64(len(values)))
	}
	for _, row := range c.rows {
		for k := range row {
			if c.unit[k] > 0 {
				row[k] /= c.unit[k]
			}
		}
	}
	return c
}

// moments are the mean normal equations of some rows: A'A / n and A't / n, t the target.
type moments struct {
	g *mat.SymDense
	c []float64
}

func (c *columns) moments(rows []int) moments {
	k, n := len(c.unit), float64(len(rows))
	// Transposed, so that each product uses contiguous rows.
	a := mat.NewDense(k, len(rows), nil)
	target := make([]float64, len(rows))
	for i, row := range rows {
		a.SetCol(i, c.rows[row])
		target[i] = c.roots.root(row)
	}
	m := moments{g: mat.NewSymDense(k, nil), c: make([]float64, k)}
	m.g.SymOuterK(1/n, a)
	for j := range m.c {
		m.c[j] = floats.Dot(a.RawRowView(j), target) / n
	}
	return m
}

// penalised sets g to the left-hand side with lambda on the diagonal, except the intercept's. A
// column that is empty in these rows gets a unit diagonal and so weight 0.
func (m moments) penalised(g *mat.SymDense, lambda float64) {
	g.CopySym(m.g)
	for a := range m.c {
		switch x := m.g.At(a, a); {
		case x == 0:
			g.SetSym(a, a, 1)
		case a > 0:
			g.SetSym(a, a, x+lambda)
		}
	}
}

const opsFolds = 5

// opsGrid lists the ops method's penalties, falling. The unit is the mean square of a column.
func opsGrid() []float64 {
	return []float64{1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9}
}

// fitOps is the default method: non-negative least squares of op-level features on
// relative error, with a small ridge penalty,
//
//	minimise  1/n sum_i v_i ((b + f_i w) / y_i - 1)^2 + lambda sum_k (u_k w_k)^2,  b, w >= 0
//
// where v_i is the network's weight (weigh) and u_k is the root mean square of f_ik / y_i. An op costs time and never saves any, and
// the sign constraint keeps collinear features from cancelling out (Slawski, Hein,
// Non-negative least squares for high-dimensional linear models, Electronic Journal of
// Statistics 7, 2013, 3004-3056). lambda is chosen from opsGrid by cross-validation.
func fitOps(_ context.Context, _ *design, c *columns, train []int, o Options) (solution, error) {
	return c.collapse(c.crossValidated(train, o.penalties(opsGrid()), o.Seed, linear.NNLS)), nil
}

// crossValidated returns the weights, in units of the columns, under the penalty of the grid that
// predicts held-out networks best.
func (c *columns) crossValidated(train []int, grid []float64, seed uint64, solve linear.Solver) []float64 {
	k := len(c.unit)
	best, e, g := 0, linear.NewEquations(k), mat.NewSymDense(k, nil)
	if len(grid) > 1 {
		loss := make([]float64, len(grid))
		for _, f := range folds(len(train), opsFolds, seed) {
			fit, held := f.split(train)
			m := c.moments(fit)
			x := make([]float64, k)
			for i, lambda := range grid {
				m.penalised(g, lambda)
				solve(e, g, m.c, x)
				loss[i] += c.loss(x, held)
			}
		}
		best = floats.MinIdx(loss)
	}
	m, x := c.moments(train), make([]float64, k)
	m.penalised(g, grid[best])
	solve(e, g, m.c, x)
	return x
}

func (c *columns) loss(x []float64, rows []int) float64 {
	sum := 0.0
	for _, i := range rows {
		e := dot(c.rows[i], x) - c.roots.root(i)
		sum += e * e
	}
	return sum
}

// collapse turns weights in units of the columns into the table.
func (c *columns) collapse(x []float64) solution {
	intercept, w := x[0], make([]float64, len(x)-1)
	if c.unit[0] > 0 {
		intercept /= c.unit[0]
	}
	names := map[string]float64{"intercept": intercept}
	for k := range w {
		if c.unit[k+1] > 0 {
			w[k] = x[k+1] / c.unit[k+1]
		}
		names[c.of.features[k].Name] = w[k]
	}
	s := c.of.collapse(intercept, w)
	s.features, s.params = names, nonZero(w)
	return s
}

func nonZero(w []float64) int { return floats.Count(func(x float64) bool { return x != 0 }, w) }

// fitMACs is the baseline "bias + MACs": weighted least squares of one column,
//
//	minimise  sum_i ((b + w macs_i) / y_i - 1)^2
//
// in closed form (two normal equations), without constraints or penalty, like the usual
// baseline in the literature. If all networks have the same MACs, w = 0.
func fitMACs(_ context.Context, _ *design, c *columns, train []int, _ Options) (solution, error) {
	return c.collapse(c.line(train)), nil
}

// line returns intercept and slope for one column.
func (c *columns) line(train []int) []float64 {
	m := c.moments(train)
	x := make([]float64, 2)
	aa, ab, bb := m.g.At(0, 0), m.g.At(0, 1), m.g.At(1, 1)
	if det := aa*bb - ab*ab; det > 1e-12*aa*bb {
		x[0] = (m.c[0]*bb - m.c[1]*ab) / det
		x[1] = (m.c[1]*aa - m.c[0]*ab) / det
	} else {
		x[0] = m.c[0] / aa
	}
	return x
}

package regress

import (
	"context"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// ridge is the paper's method: ridge regression on the table's indicators.
//
//	minimise  sum_i ((y_i - b - sum_p beta[slot(i,p)]) / v_i)^2 + lambda |beta|^2
//
// with v_i = y_i (relative error), or v_i = 1 with Options.Absolute, over the root of the network's weight (weigh).
//
// The intercept b is not penalised (Hastie, Tibshirani, Friedman, The Elements of
// Statistical Learning, 2nd edition 2009, section 3.4.1). A network's row has a single 1 per
// position, so the matrix is stored as slot numbers. There are far fewer networks than
// slots, so the problem is solved in its dual form (Saunders, Gammerman, Vovk, Ridge
// Regression Learning Algorithm in Dual Variables, ICML 1998)
//
//	(K + lambda I) alpha = 1,  beta = X' alpha
//
// by preconditioned conjugate gradients (Golub, Van Loan, Matrix Computations, 4th edition
// 2013, section 11.5.2): a product with K = X X' costs two passes over the slot numbers,
// while forming and factoring K is cubic in networks and would take minutes at 4,000.
type ridge struct {
	rows   [][]int32 // columns, renumbered to those that occur
	slots  []int32   // table slot of each column
	sqrtW  []float64 // 1/v
	target []float64 // y, centred, over v
	mean   []float64 // weighted mean of each column
	center float64   // weighted mean of y

	columns []float64 // scratch, one a column
}

// The penalty grid is in units of the mean squared length of the rows: from "ignore the
// indicators" to "nearly least squares".
const (
	ridgeHighest  = 1e2
	ridgeLowest   = 1e-4
	ridgeStep     = 0.31622776601683794 // half a decade
	ridgeFolds    = 5
	solveAccuracy = 1e-10 // residual over right-hand side
)

func ridgeGrid() []float64 {
	var grid []float64
	for i := 0; ; i++ {
		l := ridgeHighest * math.Pow(ridgeStep, float64(i))
		if l < ridgeLowest*0.99 {
			return grid
		}
		grid = append(grid, l)
	}
}

// newRidge prepares the rows of the training networks. It centres latencies and indicators on
// their weighted means, which keeps the intercept unpenalised, then applies the weights.
func newRidge(rows [][]int32, y, v []float64) *ridge {
	r := &ridge{sqrtW: make([]float64, len(y)), target: make([]float64, len(y))}
	r.number(rows)
	total := 0.0
	for i, by := range v {
		w := 1 / (by * by)
		r.sqrtW[i] = 1 / by
		total += w
		r.center += w * y[i]
		for _, c := range r.rows[i] {
			r.mean[c] += w
		}
	}
	r.center /= total
	for c := range r.mean {
		r.mean[c] /= total
	}
	for i, by := range v {
		r.target[i] = (y[i] - r.center) / by
	}
	return r
}

func (r *ridge) number(rows [][]int32) {
	column := map[int32]int32{}
	r.rows = make([][]int32, len(rows))
	for i, row := range rows {
		r.rows[i] = make([]int32, len(row))
		for p, slot := range row {
			c, ok := column[slot]
			if !ok {
				c = int32(len(r.slots))
				column[slot] = c
				r.slots = append(r.slots, slot)
			}
			r.rows[i][p] = c
		}
	}
	r.mean = make([]float64, len(r.slots))
	r.columns = make([]float64, len(r.slots))
}

// transposed sets r.columns to X' v.
func (r *ridge) transposed(v []float64) {
	clear(r.columns)
	sum := 0.0
	for i, x := range v {
		x *= r.sqrtW[i]
		sum += x
		for _, c := range r.rows[i] {
			r.columns[c] += x
		}
	}
	for c, m := range r.mean {
		r.columns[c] -= m * sum
	}
}

// product sets dst to (X X' + lambda I) v.
func (r *ridge) product(dst, v []float64, lambda float64) {
	r.transposed(v)
	shift := dot(r.mean, r.columns)
	for i, row := range r.rows {
		sum := -shift
		for _, c := range row {
			sum += r.columns[c]
		}
		dst[i] = sum*r.sqrtW[i] + lambda*v[i]
	}
}

// lengths are the squared lengths of the rows, the diagonal of X X'.
func (r *ridge) lengths() []float64 {
	d := make([]float64, len(r.rows))
	mm := dot(r.mean, r.mean)
	for i, row := range r.rows {
		d[i] = mm
		for _, c := range row {
			d[i] += 1 - 2*r.mean[c]
		}
		d[i] *= r.sqrtW[i] * r.sqrtW[i]
	}
	return d
}

// solve improves alpha until (X X' + lambda I) alpha = target. If the accuracy is out of reach,
// it stops after several times the number of steps that would be exact without rounding.
func (r *ridge) solve(ctx context.Context, alpha []float64, lambda float64, lengths []float64) error {
	n := len(alpha)
	res, z, p, q := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	r.product(q, alpha, lambda)
	for i := range res {
		res[i] = r.target[i] - q[i]
	}
	limit := solveAccuracy * math.Sqrt(dot(r.target, r.target))
	rho := 0.0
	for step := 0; step < 4*n+50 && math.Sqrt(dot(res, res)) > limit; step++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range z {
			z[i] = res[i] / (lengths[i] + lambda)
		}
		last := rho
		rho = dot(res, z)
		beta := 0.0
		if step > 0 {
			beta = rho / last
		}
		for i := range p {
			p[i] = z[i] + beta*p[i]
		}
		r.product(q, p, lambda)
		a := rho / dot(p, q)
		for i := range p {
			alpha[i] += a * p[i]
			res[i] -= a * q[i]
		}
	}
	return nil
}

// path calls use with the table for each penalty of the grid, in falling order: every solution
// starts from the previous one.
func (r *ridge) path(ctx context.Context, slots int, grid []float64, use func(i int, s solution)) error {
	alpha := make([]float64, len(r.rows))
	lengths := r.lengths()
	unit := stat.Mean(lengths, nil)
	for i, l := range grid {
		// All networks agree in every decision: there is nothing to fit, and no scale for lambda.
		if unit > 0 {
			if err := r.solve(ctx, alpha, l*unit, lengths); err != nil {
				return err
			}
		}
		use(i, r.table(alpha, slots))
	}
	return nil
}

func (r *ridge) table(alpha []float64, slots int) solution {
	r.transposed(alpha)
	s := solution{bias: r.center - dot(r.mean, r.columns), slots: make([]float64, slots), params: len(r.slots)}
	for c, slot := range r.slots {
		s.slots[slot] = r.columns[c]
	}
	return s
}

// fitIndicator chooses the penalty by cross-validation, then fits all training rows.
func fitIndicator(ctx context.Context, d *design, train []int, o Options) (solution, error) {
	grid := o.penalties(ridgeGrid())
	best := 0
	if len(grid) > 1 {
		loss := make([]float64, len(grid))
		for _, f := range folds(len(train), ridgeFolds, o.Seed) {
			fit, held := f.split(train)
			err := d.ridge(fit, o).path(ctx, d.slots, grid, func(i int, s solution) {
				loss[i] += d.loss(s, held, o)
			})
			if err != nil {
				return solution{}, err
			}
		}
		best = floats.MinIdx(loss)
	}
	var last solution
	err := d.ridge(train, o).path(ctx, d.slots, grid[:best+1], func(_ int, s solution) { last = s })
	if err == nil && o.NonNegative {
		last, err = d.clipped(ctx, train, last, grid[best], o)
	}
	return last, err
}

func (d *design) ridge(rows []int, o Options) *ridge {
	r, y, v := make([][]int32, len(rows)), make([]float64, len(rows)), make([]float64, len(rows))
	for i, n := range rows {
		r[i], y[i], v[i] = d.rows[n], d.y[n], d.divisor(n, o)
	}
	return newRidge(r, y, v)
}

// divisor divides a network's error before it is squared.
func (d *design) divisor(i int, o Options) float64 {
	if o.Absolute {
		return 1 / d.roots.root(i)
	}
	return d.y[i] / d.roots.root(i)
}

// loss is what cross-validation minimises: the fit's own sum of squares on other networks.
func (d *design) loss(s solution, rows []int, o Options) float64 {
	sum := 0.0
	for _, i := range rows {
		e := (s.predict(d.rows[i]) - d.y[i]) / d.divisor(i, o)
		sum += e * e
	}
	return sum
}

package regress

import "math"

// nnls minimises x'Gx - 2g'x over x with x[i] >= 0, G positive definite: non-negative least
// squares in normal-equation form. It is the active-set method of Lawson and Hanson
// (Solving Least Squares Problems, 1974, chapter 23) as Bro and De Jong run it on the cross
// products (A fast non-negativity-constrained least squares algorithm, Journal of
// Chemometrics 11, 1997, 393-401).
//
// x is where to start: zeros, or the solution of a similar problem. It is overwritten.
//
// Coordinate descent was rejected: op-level columns are nearly collinear (the same
// multiply-accumulates padded to 16 and to 32), where it takes millions of steps.
func nnls(g [][]float64, c []float64, x []float64) {
	n := len(c)
	a := &activeSet{g: g, c: c, x: x, free: make([]bool, n), barred: make([]bool, n)}
	for i, v := range x {
		a.free[i] = v > 0
	}
	a.settle()
	// Each round frees one variable; only rounding can make a cycle.
	for range 10 * n {
		i := a.steepest()
		if i < 0 {
			return
		}
		a.free[i] = true
		a.settle()
		if a.free[i] {
			clear(a.barred)
		} else {
			a.barred[i] = true
		}
	}
}

type activeSet struct {
	g      [][]float64
	c, x   []float64
	free   []bool
	barred []bool // freed and bound again since the last progress
}

// steepest is the bound variable whose growth lowers the objective most, or -1.
func (a *activeSet) steepest() int {
	best, most := -1, 0.0
	for i := range a.c {
		if a.free[i] || a.barred[i] {
			continue
		}
		slope := a.c[i] - dot(a.g[i], a.x)
		if tolerance := 1e-13 * math.Abs(a.c[i]); slope > tolerance && slope > most {
			best, most = i, slope
		}
	}
	return best
}

// settle moves x to the minimum over the free variables, binding those that would go
// negative on the way.
func (a *activeSet) settle() {
	for {
		var at []int
		for i, f := range a.free {
			if f {
				at = append(at, i)
			}
		}
		s := a.minimum(at)
		step, stop := a.step(at, s)
		for k, i := range at {
			a.x[i] += step * (s[k] - a.x[i])
			if i == stop || a.x[i] <= 0 {
				a.x[i], a.free[i] = 0, false
			}
		}
		if stop < 0 {
			return
		}
	}
}

// step is how far x can go towards s, and the variable that stops it, or 1 and -1.
func (a *activeSet) step(at []int, s []float64) (float64, int) {
	step, stop := 1.0, -1
	for k, i := range at {
		if s[k] > 0 {
			continue
		}
		t := 0.0
		if a.x[i] > 0 {
			t = a.x[i] / (a.x[i] - s[k])
		}
		if stop < 0 || t < step {
			step, stop = t, i
		}
	}
	return step, stop
}

// minimum solves the normal equations of the free variables by Cholesky factorisation.
func (a *activeSet) minimum(at []int) []float64 {
	n := len(at)
	l := make([]float64, n*n)
	s := make([]float64, n)
	for i := range n {
		for j := range i + 1 {
			sum := a.g[at[i]][at[j]] - dot(l[i*n:i*n+j], l[j*n:j*n+j])
			if i == j {
				// Below rounding a column repeats the others: a huge pivot gives it weight 0.
				if sum <= 1e-14*a.g[at[i]][at[i]] {
					sum = math.MaxFloat64
				}
				l[i*n+i] = math.Sqrt(sum)
			} else {
				l[i*n+j] = sum / l[j*n+j]
			}
		}
		s[i] = (a.c[at[i]] - dot(l[i*n:i*n+i], s[:i])) / l[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		for j := i + 1; j < n; j++ {
			s[i] -= l[j*n+i] * s[j]
		}
		s[i] /= l[i*n+i]
	}
	return s
}

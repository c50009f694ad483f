package linear

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// NNLS minimises x'Gx - 2c'x over x with x[i] >= 0, G positive definite: non-negative least
// squares in normal-equation form. It is the active-set method of Lawson and Hanson
// (Solving Least Squares Problems, 1974, chapter 23) as Bro and De Jong apply it to the cross
// products (A fast non-negativity-constrained least squares algorithm, Journal of
// Chemometrics 11, 1997, 393-401).
//
// x is the starting point (zeros, or the solution of a similar problem) and is overwritten.
//
// Coordinate descent was rejected: op-level columns are nearly collinear (the same
// multiply-accumulates padded to 16 and to 32), which would take millions of steps.
func NNLS(e *Equations, g *mat.SymDense, c, x []float64) {
	n := len(c)
	a := &activeSet{
		g: g, c: c, x: x, free: make([]bool, n), barred: make([]bool, n),
		slopes: mat.NewVecDense(n, nil), equations: e, at: make([]int, 0, n), s: make([]float64, n),
	}
	for i, v := range x {
		a.free[i] = v > 0
	}
	a.settle()
	// Each round frees one variable; only rounding can cause a cycle.
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
	g      *mat.SymDense
	c, x   []float64
	free   []bool
	barred []bool // freed and bound again since the objective last fell

	// Scratch memory of a round.
	slopes    *mat.VecDense
	equations *Equations
	at        []int
	s         []float64
}

// steepest is the bound variable whose increase lowers the objective most, or -1.
func (a *activeSet) steepest() int {
	best, most := -1, 0.0
	a.slopes.MulVec(a.g, mat.NewVecDense(len(a.x), a.x))
	for i := range a.c {
		if a.free[i] || a.barred[i] {
			continue
		}
		slope := a.c[i] - a.slopes.AtVec(i)
		if tolerance := 1e-13 * math.Abs(a.c[i]); slope > tolerance && slope > most {
			best, most = i, slope
		}
	}
	return best
}

// settle moves x to the minimum over the free variables. Variables that would become negative
// are bound on the way.
func (a *activeSet) settle() {
	for {
		at := a.at[:0]
		for i, f := range a.free {
			if f {
				at = append(at, i)
			}
		}
		s := a.s[:len(at)]
		a.equations.solve(s, a.g, a.c, at)
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

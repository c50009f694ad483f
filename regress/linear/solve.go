// Package linear solves the normal equations of a fit, with weights of any sign (LeastSquares) or with
// none below zero (NNLS). It knows matrices only.
package linear

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// Solver minimises x'Gx - 2c'x; x is the starting point and becomes the solution.
type Solver func(e *Equations, g *mat.SymDense, c, x []float64)

// negligible is a share of a column's square: if the other columns explain all but this share, the
// rest is rounding error.
const negligible = 1e-14

// Equations solves symmetric systems up to a maximum size, one after the other, in reused memory:
// a fit solves thousands. It calls LAPACK directly because mat.Cholesky also estimates a
// condition number for each factor, which doubled the time.
type Equations struct{ part []float64 }

// NewEquations are systems of up to most unknowns.
func NewEquations(most int) *Equations { return &Equations{make([]float64, most*most)} }

// solve sets x to the solution of the subsystem with the equations and unknowns in at, which is
// sorted: G[at,at] x = c[at]. G is positive definite, or singular up to rounding if columns are
// linearly dependent: x is then the shortest of the solutions.
func (e *Equations) solve(x []float64, g *mat.SymDense, c []float64, at []int) {
	if len(at) == 0 {
		return
	}
	for i, row := range at {
		x[i] = c[row]
	}
	factor, ok := lapack64.Potrf(e.gather(g, at).RawSymmetric())
	for i, row := range at {
		pivot := factor.Data[i*factor.Stride+i]
		ok = ok && pivot*pivot > negligible*g.At(row, row)
	}
	to := blas64.Vector{N: len(at), Inc: 1, Data: x}
	if !ok {
		shortest(mat.NewVecDense(len(at), x), e.gather(g, at))
		return
	}
	blas64.Trsv(blas.Trans, factor, to)
	blas64.Trsv(blas.NoTrans, factor, to)
}

// gather is G[at,at].
func (e *Equations) gather(g *mat.SymDense, at []int) *mat.SymDense {
	n, raw := len(at), g.RawSymmetric() // has the upper triangle only
	for i, row := range at {
		for j := i; j < n; j++ {
			e.part[i*n+j] = raw.Data[row*raw.Stride+at[j]]
		}
	}
	return mat.NewSymDense(n, e.part[:n*n])
}

// shortest replaces x by the pseudo-inverse of g times x.
func shortest(x *mat.VecDense, g *mat.SymDense) {
	var eigen mat.EigenSym
	if !eigen.Factorize(g, true) {
		x.Zero()
		return
	}
	var vectors mat.Dense
	var along mat.VecDense
	eigen.VectorsTo(&vectors)
	along.MulVec(vectors.T(), x)
	values := eigen.Values(nil) // in rising order
	for i, v := range values {
		if v > negligible*values[len(values)-1] {
			along.SetVec(i, along.AtVec(i)/v)
		} else {
			along.SetVec(i, 0)
		}
	}
	x.MulVec(&vectors, &along)
}

// LeastSquares minimises x'Gx - 2c'x.
func LeastSquares(e *Equations, g *mat.SymDense, c, x []float64) {
	at := make([]int, len(c))
	for i := range at {
		at[i] = i
	}
	e.solve(x, g, c, at)
}

package linear

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

func TestLeastSquares(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(rt, "n")
		want := rapid.SliceOfN(rapid.Float64Range(-10, 10), n, n).Draw(rt, "x")
		a := mat.NewDense(n+2, n, rapid.SliceOfN(rapid.Float64Range(-10, 10), n*(n+2), n*(n+2)).Draw(rt, "a"))
		var g mat.SymDense
		g.SymOuterK(1, a.T())
		for i := range n {
			g.SetSym(i, i, g.At(i, i)+1)
		}
		got := make([]float64, n)
		LeastSquares(NewEquations(n), &g, times(&g, want), got)
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-6, 1e-6)); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func times(g *mat.SymDense, x []float64) []float64 {
	var c mat.VecDense
	c.MulVec(g, mat.NewVecDense(len(x), x))
	return c.RawVector().Data
}

// Columns that repeat others make G singular. The equations must hold nevertheless, by weights
// that are no larger than those that made them.
func TestLeastSquaresOfRepeatedColumns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(rt, "n")
		a := mat.NewDense(n+2, 2*n, nil)
		for i := range n + 2 {
			for j := range n {
				x := rapid.Float64Range(-10, 10).Draw(rt, "a")
				a.Set(i, j, x)
				a.Set(i, n+j, x)
			}
		}
		made := rapid.SliceOfN(rapid.Float64Range(-10, 10), 2*n, 2*n).Draw(rt, "x")
		var g mat.SymDense
		g.SymOuterK(1, a.T())
		c, got := times(&g, made), make([]float64, 2*n)
		LeastSquares(NewEquations(2*n), &g, c, got)
		scale := floats.Norm(c, math.Inf(1))
		for i, y := range times(&g, got) {
			if math.Abs(y-c[i]) > 1e-7*scale {
				rt.Fatalf("equation %d gives %v, want %v, of weights %v", i, y, c[i], got)
			}
		}
		if most := floats.Norm(made, 2); floats.Norm(got, 2) > most*(1+1e-6)+1e-6 {
			rt.Fatalf("weights %v, longer than %v", got, made)
		}
	})
}

package linear

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// The solution must satisfy the Karush-Kuhn-Tucker conditions: no negative weight, no
// slope where the weight is free, no downhill slope where it is bound.
func TestNNLSConditions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		g, c := randomProblem(t, n)
		x := make([]float64, n)
		for i := range x {
			if rapid.Bool().Draw(t, "warm") {
				x[i] = rapid.Float64Range(0, 2).Draw(t, "start")
			}
		}
		NNLS(NewEquations(n), g, c, x)
		for i, v := range x {
			slope := c[i] - floats.Dot(mat.Row(nil, i, g), x)
			scale := 1e-6 * (math.Abs(c[i]) + g.At(i, i))
			if v < 0 || v > 0 && math.Abs(slope) > scale || slope > scale {
				t.Fatalf("variable %d is %v, its slope %v", i, v, slope)
			}
		}
	})
}

// All subsets of free variables, each solved alone: the best feasible one is the answer.
func TestNNLSAgainstSubsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "n")
		g, c := randomProblem(t, n)
		x := make([]float64, n)
		NNLS(NewEquations(n), g, c, x)
		best := 0.0
		for set := range 1 << n {
			var at []int
			for i := range n {
				if set>>i&1 == 1 {
					at = append(at, i)
				}
			}
			y := make([]float64, n)
			feasible := true
			part := make([]float64, len(at))
			NewEquations(n).solve(part, g, c, at)
			for k, v := range part {
				y[at[k]] = v
				feasible = feasible && v >= 0
			}
			if feasible {
				best = min(best, objective(g, c, y))
			}
		}
		if got := objective(g, c, x); got > best+1e-7*(1+math.Abs(best)) {
			t.Fatalf("objective %v at %v, a subset reaches %v", got, x, best)
		}
	})
}

func objective(g *mat.SymDense, c, x []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += v*floats.Dot(mat.Row(nil, i, g), x) - 2*c[i]*v
	}
	return sum
}

// randomProblem is A'A + 1e-6 I and A'b of a random A that repeats columns now and then.
func randomProblem(t *rapid.T, n int) (*mat.SymDense, []float64) {
	rows := n + 2
	value := rapid.Float64Range(-3, 3)
	a := make([][]float64, n)
	for i := range a {
		a[i] = rapid.SliceOfN(value, rows, rows).Draw(t, "column")
		if i > 0 && rapid.IntRange(0, 4).Draw(t, "repeat") == 0 {
			a[i] = a[i-1]
		}
	}
	b := rapid.SliceOfN(value, rows, rows).Draw(t, "b")
	g, c := mat.NewSymDense(n, nil), make([]float64, n)
	for i := range n {
		for j := range i + 1 {
			g.SetSym(i, j, floats.Dot(a[i], a[j]))
		}
		g.SetSym(i, i, g.At(i, i)+1e-6)
		c[i] = floats.Dot(a[i], b)
	}
	return g, c
}

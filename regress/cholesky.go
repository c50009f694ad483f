package regress

import "math"

// cholesky solves Gx = c for a positive definite G (Golub, Van Loan, Matrix Computations,
// 4th edition 2013, section 4.2). A pivot that rounding made nothing of, a column that the
// others already say, leaves its weight at 0. x is overwritten; G and c are not.
func cholesky(g [][]float64, c []float64, x []float64) {
	n := len(c)
	l := make([][]float64, n)
	for i := range n {
		l[i] = make([]float64, i+1)
		for j := range i + 1 {
			sum := g[i][j]
			for k := range j {
				sum -= l[i][k] * l[j][k]
			}
			switch {
			case i == j && sum > 1e-14*g[i][i]:
				l[i][i] = math.Sqrt(sum)
			case i != j && l[j][j] > 0:
				l[i][j] = sum / l[j][j]
			}
		}
	}
	for i := range n {
		x[i] = 0
		if l[i][i] > 0 {
			x[i] = (c[i] - dot(l[i][:i], x[:i])) / l[i][i]
		}
	}
	for i := n - 1; i >= 0; i-- {
		if l[i][i] == 0 {
			continue
		}
		x[i] /= l[i][i]
		for k := range i {
			x[k] -= l[i][k] * x[i]
		}
	}
}

package regress

import "math/rand/v2"

// shuffled is a seeded permutation of 0 to n-1. PCG's output is fixed by its definition
// (O'Neill, PCG, 2014), so a seed gives the same folds on every machine.
func shuffled(n int, seed, stream uint64) []int {
	return rand.New(rand.NewPCG(seed, stream)).Perm(n)
}

// fold says which of n rows are held out.
type fold []bool

// folds splits n rows at random into k parts of equal size (plus or minus one). With fewer rows
// than parts, one part gets a row.
func folds(n, k int, seed uint64) []fold {
	return foldsOf(shuffled(n, seed, uint64(k)), k)
}

func foldsOf(order []int, k int) []fold {
	k = min(k, len(order))
	fs := make([]fold, k)
	for i := range fs {
		fs[i] = make(fold, len(order))
	}
	for i, row := range order {
		fs[i%k][row] = true
	}
	return fs
}

// split separates rows into those to fit and those held out, keeping their order.
func (f fold) split(rows []int) (fit, held []int) {
	for i, row := range rows {
		if f[i] {
			held = append(held, row)
		} else {
			fit = append(fit, row)
		}
	}
	return fit, held
}

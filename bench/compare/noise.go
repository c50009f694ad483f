package compare

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"latlab/bench/stats"
)

// side is the noise between the blocks of one sweep.
type side struct {
	pooled        stats.Noise
	deterministic bool
}

// unknown: no network has two blocks, or a coarse clock gave every network equal ones.
func (s side) unknown() bool {
	return !s.deterministic && (s.pooled.DF == 0 || s.pooled.SumSquares == 0)
}

func (s side) variance() float64 {
	if s.deterministic {
		return 0
	}
	return s.pooled.Variance()
}

// relative is a network's own noise in units of the sweep's variance.
func (s side) relative(own stats.Noise) stats.Noise {
	if s.deterministic || s.unknown() {
		return stats.Noise{}
	}
	return stats.Noise{SumSquares: own.SumSquares / s.variance(), DF: own.DF}
}

// prior is how the networks' relative variances are distributed: scaled inverse chi-square, around variance,
// with df degrees of freedom. They are infinite if all networks have the same noise, and 0 if too few
// networks show it.
type prior struct {
	variance, df float64
	pooled       float64 // degrees of freedom of all networks together
}

// unlike is the p-value of a network's own variance under the prior below which its own alone counts.
// The prior's form is a guess, and the networks with the most noise are those it fits worst.
const unlike = 0.01

// priorNetworks is how many networks it takes to see how much their noise differs.
const priorNetworks = 3

// priorOf estimates a prior by the moments of the logarithms of the networks' variances.
//
// Source: Smyth, "Linear models and empirical Bayes methods for assessing differential expression in
// microarray experiments", Statistical Applications in Genetics and Molecular Biology 3 (2004), article
// 3, section 6.2. Blocks that are equal to the clock's last digit have no variance, and no logarithm:
// 1e-5 of the mean stands for it.
func priorOf(own []stats.Noise) prior {
	var all stats.Noise
	var logs, expected []float64
	for _, n := range own {
		all = all.Add(n)
	}
	if all.SumSquares == 0 {
		return prior{}
	}
	mean := all.Variance()
	for _, n := range own {
		if n.DF > 0 {
			half := float64(n.DF) / 2
			logs = append(logs, math.Log(max(n.Variance(), 1e-5*mean))-mathext.Digamma(half)+math.Log(half))
			expected = append(expected, trigamma(half))
		}
	}
	p := prior{pooled: float64(all.DF)}
	if len(logs) < priorNetworks {
		return p
	}
	center, spread := stat.MeanVariance(logs, nil)
	if spread -= stat.Mean(expected, nil); spread <= 0 {
		p.variance, p.df = mean, math.Inf(1)
		return p
	}
	half := inverseTrigamma(spread)
	p.variance, p.df = math.Exp(center+mathext.Digamma(half)-math.Log(half)), 2*half
	return p
}

// of is a network's relative variance.
func (p prior) of(own stats.Noise) spread {
	x := spread{p.variance, p.df}
	if own.DF > 0 {
		x = alone(own)
		if x.variance > p.variance && p.df > 0 && (distuv.F{D1: x.df, D2: min(p.df, 1e6)}).Survival(x.variance/p.variance) < unlike {
			return x
		}
		x.df += p.df
		if x.variance = p.variance; !math.IsInf(x.df, 1) {
			x.variance = (p.df*p.variance + own.SumSquares) / x.df
		}
	}
	if x.variance == 0 {
		return spread{} // of a coarse clock's equal values nothing is known
	}
	return spread{x.variance, min(x.df, p.pooled)}
}

// spread is a variance and its degrees of freedom, 0 if it is unknown.
type spread struct{ variance, df float64 }

// spreads are the variances of the pairs' log ratios, and that of their sum. The sum's are the networks' own
// as far as they have any: what each borrows from the others is right on average over the networks of
// its noise only.
func spreads(a, b side, pairs [][2]network) (each []spread, together spread) {
	each = make([]spread, len(pairs))
	switch {
	case a.deterministic && b.deterministic:
		for i := range each {
			each[i].df = math.Inf(1)
		}
		return each, spread{df: math.Inf(1)}
	case a.unknown() || b.unknown():
		return each, together
	}
	own := make([]stats.Noise, len(pairs))
	for i, p := range pairs {
		own[i] = a.relative(p[0].noise).Add(b.relative(p[1].noise))
	}
	prior := priorOf(own)
	weights, known := 0.0, true
	for i, p := range pairs {
		scale := a.variance()*stats.MedianVariance(p[0].blocks) + b.variance()*stats.MedianVariance(p[1].blocks)
		x := prior.of(own[i])
		each[i] = spread{x.variance * scale, x.df}
		if own[i].DF > 0 {
			x = alone(own[i])
		}
		known = known && x.df > 0
		together.variance += x.variance * scale
		weights += x.variance * scale * x.variance * scale / max(x.df, 1)
	}
	if known && weights > 0 { // Welch and Satterthwaite
		together.df = together.variance * together.variance / weights
	}
	return each, together
}

// alone is the variance of a noise.
func alone(n stats.Noise) spread { return spread{n.Variance(), float64(n.DF)} }

func trigamma(x float64) float64 { return mathext.Zeta(2, x) }

// inverseTrigamma bisects: trigamma falls, from above any y at 1e-3 to below any y of use at 1e6.
func inverseTrigamma(y float64) float64 {
	low, high := math.Log(1e-3), math.Log(1e6)
	for range 60 {
		if mid := (low + high) / 2; trigamma(math.Exp(mid)) > y {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Exp(low)
}

// adjust fills in the q-values.
//
// Source: Benjamini and Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical
// Society B 57 (1995), 289-300.
func adjust(pairs []Pair) {
	var tested []*Pair
	for i := range pairs {
		if pairs[i].P != nil {
			tested = append(tested, &pairs[i])
		}
	}
	slices.SortStableFunc(tested, func(x, y *Pair) int { return cmp.Compare(*y.P, *x.P) })
	q := 1.0
	for i, p := range tested {
		q = min(q, *p.P*float64(len(tested))/float64(len(tested)-i))
		p.Q = new(q)
	}
}

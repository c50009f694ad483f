package regress

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// pairs are true and predicted latencies of held-out networks.
type pairs struct {
	y, p []float64
}

func (v *pairs) add(y, p float64) {
	v.y = append(v.y, y)
	v.p = append(v.p, p)
}

// r2 is 1 - sum (y-p)^2 / sum (y-mean y)^2, the coefficient of determination of the
// predictions. It is not the squared correlation, and it is below 0 for a model worse than
// the mean. NaN if all y are equal.
func (v pairs) r2() float64 {
	m := stat.Mean(v.y, nil)
	residual, total := 0.0, 0.0
	for i, y := range v.y {
		residual += (y - v.p[i]) * (y - v.p[i])
		total += (y - m) * (y - m)
	}
	if total == 0 {
		return math.NaN()
	}
	return 1 - residual/total
}

// adjustedR2 is 1 - (1-r2) (n-1) / (n-k-1), for n networks and k weights without the
// intercept (Ezekiel, Methods of Correlation Analysis, 1930). Held-out r2 already accounts
// for k, so this is the more cautious of the two. NaN if n <= k+1: the indicator method with
// fewer networks than table entries.
func adjustedR2(r2 float64, n, k int) float64 {
	if n <= k+1 {
		return math.NaN()
	}
	return 1 - (1-r2)*float64(n-1)/float64(n-k-1)
}

// rmse is sqrt(mean (y-p)^2).
func (v pairs) rmse() float64 {
	return math.Sqrt(v.mean(func(y, p float64) float64 { return (y - p) * (y - p) }))
}

// rmspe is sqrt(mean ((p-y)/y)^2), a fraction, not per cent.
func (v pairs) rmspe() float64 {
	return math.Sqrt(v.mean(func(y, p float64) float64 { return (p/y - 1) * (p/y - 1) }))
}

// mape is mean |p-y| / y, a fraction, not per cent.
func (v pairs) mape() float64 {
	return v.mean(func(y, p float64) float64 { return math.Abs(p/y - 1) })
}

// within is the share of predictions with |p-y| / y <= limit.
func (v pairs) within(limit float64) float64 {
	return v.mean(func(y, p float64) float64 {
		if math.Abs(p/y-1) <= limit {
			return 1
		}
		return 0
	})
}

func (v pairs) mean(f func(y, p float64) float64) float64 {
	sum := 0.0
	for i, y := range v.y {
		sum += f(y, v.p[i])
	}
	return sum / float64(len(v.y))
}

// spearman is Pearson's correlation of the ranks; equal values share the mean of their ranks
// (Spearman, The proof and measurement of association between two things, American Journal of
// Psychology 15, 1904, 72-101). NaN if one side is constant.
func (v pairs) spearman() float64 {
	return stat.Correlation(ranks(v.y), ranks(v.p), nil)
}

func ranks(v []float64) []float64 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(v[a], v[b]) })
	r := make([]float64, len(v))
	for lo := 0; lo < len(order); {
		hi := lo + 1
		for hi < len(order) && v[order[hi]] == v[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			r[i] = float64(lo+hi-1)/2 + 1
		}
		lo = hi
	}
	return r
}

// kendall is tau-b, (concordant - discordant) / sqrt((N - ties in y) (N - ties in p)) over
// all N pairs (Kendall, The treatment of ties in ranking problems, Biometrika 33, 1945,
// 239-251). NaN if one side is constant. It is quadratic: 20,000 networks, more than labs
// measure, take half a second.
func (v pairs) kendall() float64 {
	var score, inY, inP float64
	for i := range v.y {
		for j := range i {
			a, b := sign(v.y[i]-v.y[j]), sign(v.p[i]-v.p[j])
			score += a * b
			inY += a * a
			inP += b * b
		}
	}
	return score / math.Sqrt(inY*inP)
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// figures averages the figures of several held-out parts. n is the number of networks of the final
// model, k its number of weights. A figure that is undefined for a part (r2 of equal latencies) does
// not enter the mean; it is nil if it is undefined in all parts.
func figures(parts []pairs, n, k int) Figures {
	mean := func(of func(pairs) float64) *float64 {
		sum, count := 0.0, 0
		for _, v := range parts {
			if x := finite(of(v)); x != nil {
				sum += *x
				count++
			}
		}
		return finite(sum / float64(count)) // NaN without parts
	}
	within := func(limit float64) func(pairs) float64 { return func(v pairs) float64 { return v.within(limit) } }
	f := Figures{
		R2: mean(pairs.r2), RMSESeconds: mean(pairs.rmse), RMSPE: mean(pairs.rmspe), MAPE: mean(pairs.mape),
		Within5: mean(within(0.05)), Within10: mean(within(0.10)),
		Spearman: mean(pairs.spearman), Kendall: mean(pairs.kendall),
	}
	if f.R2 != nil {
		f.AdjustedR2 = finite(adjustedR2(*f.R2, n, k))
	}
	return f
}

// finite is nil for NaN and infinity: an unknown figure is null, never 0.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

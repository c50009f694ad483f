package stats

import (
	"cmp"
	"math"
	"slices"
)

// Pool is the noise between blocks over the networks of a sweep. One noisy network would make the
// intervals of all others wide, so the Core leaves out those that are outlying.
type Pool struct {
	All, Core Noise
	limit     float64 // variance above which a network is outlying; infinite if none is
}

// poolChance is how often the Core of networks of equal noise leaves any network out.
const poolChance = 0.01

// NewPool finds the outlying networks, at most a quarter of them but one of two: the i-th noisiest is
// tested against all that are less noisy (F test, corrected for the number of networks), and the
// largest i that stands out decides. Testing only the noisiest was tried: two noisy networks hide each
// other, because each is in the pool that the other is compared with.
//
// Where a quarter of the networks have no spread at all, a tool rounds its times, and no spread is
// outlying.
//
// Source: Rosner, "Percentage points for a generalized ESD many-outlier procedure", Technometrics 25
// (1983), 165-172, with Cochran's test of variances instead of that of means.
func NewPool(networks []Noise) Pool {
	p := Pool{limit: math.Inf(1)}
	sorted := make([]Noise, 0, len(networks))
	for _, n := range networks {
		p.All = p.All.Add(n)
		if n.DF > 0 {
			sorted = append(sorted, n)
		}
	}
	p.Core = p.All
	n := len(sorted)
	slices.SortStableFunc(sorted, func(a, b Noise) int { return cmp.Compare(a.Variance(), b.Variance()) })
	if n < 2 || sorted[n/4].Variance() == 0 {
		return p
	}
	first := n - max(1, n/4)
	var rest Noise
	for _, x := range sorted[:first] {
		rest = rest.Add(x)
	}
	for i := first; i < n; i++ {
		if varianceChance(sorted[i], rest) < poolChance/float64(i+1) {
			p.Core, p.limit = rest, sorted[i-1].Variance()
			return p
		}
		rest = rest.Add(sorted[i])
	}
	return p
}

// LeftOut reports whether a network with this noise is outlying.
func (p Pool) LeftOut(own Noise) bool { return own.DF > 0 && own.Variance() > p.limit }

// NoiseFor is the noise that the interval of a network rests on while it has too few blocks for order
// statistics: its own (alone) if it is unlike the others.
func (p Pool) NoiseFor(own Noise) (noise Noise, alone bool) {
	if IsAlone(own, p.Core, p.LeftOut(own)) {
		return own, true
	}
	return p.Core, false
}

// suspectChance is unlikeChance for a sweep in which some networks are outlying.
const suspectChance = 0.05

// Suspect reports whether a network needs more blocks to tell whether its noise is its own: where some
// networks are outlying, more of them may be, whose first blocks agree by chance. Of networks with four times the
// noise of the others, three blocks show two in three at unlikeChance, and five in six at suspectChance.
func (p Pool) Suspect(own Noise) bool {
	return !math.IsInf(p.limit, 1) && varianceChance(own, p.Core) < suspectChance
}

// IsAlone reports whether a network must not borrow the pooled noise. leftOut means that it is not in it.
func IsAlone(own, pooled Noise, leftOut bool) bool {
	return leftOut || unlikeSpread(own, pooled.Sub(own)) < unlikeChance
}

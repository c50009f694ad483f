package regress

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Ceiling is how well a model that knows every network's true latency would do on these measurements. Noise
// keeps it from an r2 of 1 and from a MAPE of 0, and no honest model does better. The bounds are of 95 %
// confidence: they cover what chance does to so many networks, and how well the noise itself is known.
type Ceiling struct {
	R2       float64 `json:"r2"`
	R2Low    float64 `json:"r2_low"`
	R2High   float64 `json:"r2_high"`
	MAPE     float64 `json:"mape"`
	MAPELow  float64 `json:"mape_low"`
	MAPEHigh float64 `json:"mape_high"`
}

// ceilingOf is the Ceiling of a fit's networks.
func ceilingOf(nets []network, df int, seed uint64) *Ceiling {
	seconds, sd := make([]float64, len(nets)), make([]float64, len(nets))
	for i, n := range nets {
		seconds[i], sd[i] = n.seconds, math.Sqrt(n.variance)
	}
	return ceiling(seconds, sd, df, seed)
}

func (f *Figures) setCeiling(c *Ceiling) {
	if c != nil {
		f.NoiseCeiling, f.NoiseCeilingR2 = c, &c.R2
	}
}

// ceilingDraws is how often the noise is drawn: 1,000 draws know the bounds to some 1 % of their distance.
const ceilingDraws = 1000

// ceiling draws the errors of measured latencies: log-normal, of the standard errors sd, with a common factor
// because the noise was estimated from replicate blocks with df degrees of freedom; df 0 means that sd is exact.
// It is nil if a standard error is unknown (NaN), if there is nothing to explain, or if the noise is beyond numbers.
func ceiling(seconds, sd []float64, df int, seed uint64) *Ceiling {
	if len(seconds) < 2 || slices.ContainsFunc(sd, math.IsNaN) || floats.Max(seconds) == floats.Min(seconds) {
		return nil
	}
	src := rand.NewPCG(seed, 3000)
	normal := distuv.Normal{Sigma: 1, Src: src}
	r2, mape := make([]float64, ceilingDraws), make([]float64, ceilingDraws)
	for d := range ceilingDraws {
		factor := 1.0
		if df > 0 {
			factor = math.Sqrt(float64(df) / distuv.ChiSquared{K: float64(df), Src: src}.Rand())
		}
		var v pairs
		for i, y := range seconds {
			v.add(y, y*math.Exp(-sd[i]*factor*normal.Rand()))
		}
		r2[d], mape[d] = v.r2(), v.mape()
	}
	slices.Sort(r2)
	slices.Sort(mape)
	at := func(p float64, xs []float64) float64 { return stat.Quantile(p, stat.Empirical, xs, nil) }
	c := Ceiling{
		R2: stat.Mean(r2, nil), R2Low: at(0.025, r2), R2High: at(0.975, r2),
		MAPE: stat.Mean(mape, nil), MAPELow: at(0.025, mape), MAPEHigh: at(0.975, mape),
	}
	for _, x := range []float64{c.R2, c.R2Low, c.R2High, c.MAPE, c.MAPELow, c.MAPEHigh} {
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return nil // noise by factors of 1e100, as blocks of an INVALID network may have
		}
	}
	return &c
}

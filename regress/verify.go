package regress

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"latlab/bench/verdict"
	"latlab/sampler"
)

// Verified is a network's predicted latency beside its measured one.
type Verified struct {
	Name      string           `json:"name"`
	Indices   string           `json:"indices"`
	Predicted float64          `json:"predicted_seconds"`
	Seconds   *float64         `json:"latency_seconds"` // null = could not be measured
	Low       *float64         `json:"low_seconds"`
	High      *float64         `json:"high_seconds"`
	Error     *float64         `json:"relative_error"` // (predicted - measured) / measured
	Verdict   *verdict.Verdict `json:"verdict"`

	sd *float64 // standard error of the measured latency's logarithm; nil = unknown
}

// Verify puts the prediction for a network beside its measurement, nil where it failed.
func (m *CostModel) Verify(sp *sampler.Space, name string, a sampler.Arch, measured *verdict.Measurement) Verified {
	v := Verified{Name: name, Indices: a.String(), Predicted: m.Predict(sp, a)}
	if measured == nil {
		return v
	}
	relative := v.Predicted/measured.Seconds - 1
	v.Seconds, v.Low, v.High, v.Error, v.Verdict = &measured.Seconds, measured.Low, measured.High, &relative, &measured.Verdict
	v.sd = measured.StandardError
	return v
}

// MeanError is the mean magnitude of the relative errors (MAPE) and of how many networks it is;
// nil where none was measured.
func MeanError(rows []Verified) (mape *float64, n int) {
	sum := 0.0
	for _, v := range rows {
		if v.Error != nil {
			sum += math.Abs(*v.Error)
			n++
		}
	}
	if n == 0 {
		return nil, 0
	}
	return new(sum / float64(n)), n
}

// Conclusion says whether a cost model still holds.
type Conclusion string

// The conclusions of Conclude.
const (
	Holds    Conclusion = "holds"
	Scaled   Conclusion = "factor"    // all latencies are off by one factor
	Broken   Conclusion = "broken"    // errors are larger than the model's own, by no common factor
	TooFew   Conclusion = "too_few"   // fewer than three networks measured
	NoErrors Conclusion = "no_errors" // the model has no held-out error to compare with
)

// Check compares the errors of verified networks with the errors that the model had on held-out ones.
type Check struct {
	Conclusion Conclusion `json:"conclusion"`
	Networks   int        `json:"networks"` // measured, without INVALID ones
	// Factor is the geometric mean of measured over predicted latency, with bounds of 95 % confidence.
	Factor *float64 `json:"factor"`
	Low    *float64 `json:"factor_low"`
	High   *float64 `json:"factor_high"`
	// Spread is the standard deviation of the logarithm of measured over predicted latency, after the
	// factor; Expected is what the model's held-out RMSPE and the noise of these measurements make together.
	Spread   *float64 `json:"spread"`
	Expected *float64 `json:"expected_spread"`
	// Changed lists what differs in the device's build or unit from the one that the model was fitted on.
	Changed []string `json:"changed,omitempty"`
}

// Thresholds of Conclude.
const (
	fewVerified    = 3
	relevantFactor = 0.02 // below which a common factor is not worth a word
	brokenChance   = 0.01 // how often a model that holds is called broken
)

// Conclude decides by two tests: whether the spread of the logarithms of measured over predicted latency is
// larger than expected (F, the RMSPE being that of so many networks), and whether their mean is 0 (t). The noise of
// the new measurements counts beside the RMSPE: they may be of a quicker protocol than those of the fit.
//
// Source: Snedecor and Cochran, "Statistical Methods", 8th ed. (1989), sections 5.2 and 6.12.
func (m *CostModel) Conclude(rows []Verified) Check {
	var logs []float64
	noise := 0.0
	for _, v := range rows {
		if v.Seconds != nil && *v.Verdict != verdict.Invalid && v.Predicted > 0 {
			logs = append(logs, math.Log(*v.Seconds/v.Predicted))
			if v.sd != nil {
				noise += *v.sd * *v.sd
			}
		}
	}
	c := Check{Conclusion: TooFew, Networks: len(logs)}
	if e := m.Figures.RMSPE; e != nil && len(logs) > 0 {
		c.Expected = new(math.Sqrt(*e**e + noise/float64(len(logs))))
	}
	if len(logs) < fewVerified {
		return c
	}
	mean, sd := stat.MeanStdDev(logs, nil)
	df := float64(len(logs) - 1)
	half := distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(0.975) * sd / math.Sqrt(float64(len(logs)))
	c.Factor, c.Low, c.High, c.Spread = new(math.Exp(mean)), new(math.Exp(mean-half)), new(math.Exp(mean+half)), &sd
	switch {
	case c.Expected == nil || *c.Expected == 0:
		c.Conclusion = NoErrors
	case sd*sd/(*c.Expected**c.Expected) > distuv.F{D1: df, D2: float64(max(1, m.Figures.Judged()-1))}.Quantile(1-brokenChance):
		c.Conclusion = Broken
	case math.Abs(mean) > math.Log1p(relevantFactor) && math.Abs(mean) > half:
		c.Conclusion = Scaled
	default:
		c.Conclusion = Holds
	}
	return c
}

package regress

import (
	"math"

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
}

// Verify puts the prediction for a network beside its measurement, nil where it failed.
func (m *CostModel) Verify(sp *sampler.Space, name string, a sampler.Arch, measured *verdict.Measurement) Verified {
	v := Verified{Name: name, Indices: a.String(), Predicted: m.Predict(sp, a)}
	if measured == nil {
		return v
	}
	relative := v.Predicted/measured.Seconds - 1
	v.Seconds, v.Low, v.High, v.Error, v.Verdict = &measured.Seconds, measured.Low, measured.High, &relative, &measured.Verdict
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

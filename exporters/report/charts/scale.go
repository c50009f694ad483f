package charts

import (
	"math"
	"strconv"

	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// scale maps values to places on an axis.
type scale struct {
	low, high float64
	log       bool
}

// newScale covers the values with a margin; without values it covers 0 to 1.
func newScale(log bool, values ...[]float64) scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, vs := range values {
		for _, v := range vs {
			if !describe.Unknown(v) && (v > 0 || !log) && !absurd(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	switch {
	case low > high && log:
		low, high = 1e-3, 1
	case low > high:
		low, high = 0, 1
	}
	if log {
		margin := max(math.Pow(high/low, 0.04), 1.02)
		return scale{low / margin, high * margin, true}
	}
	margin := (high - low) * 0.04
	if margin == 0 {
		margin = max(math.Abs(high)*0.02, 1e-9)
	}
	return scale{low - margin, high + margin, false}
}

// absurd values, such as the 1e300 s of a broken agent in an old store, must not stretch an axis
// until every other value is one dot and the ticks do not end.
func absurd(v float64) bool { return math.Abs(v) > 1e18 || v != 0 && math.Abs(v) < 1e-18 }

// at returns the place of a value as a share of the axis, 0 to 1 within it. Absurd values are just
// outside of it.
func (s scale) at(v float64) float64 {
	share := (v - s.low) / (s.high - s.low)
	if s.log {
		share = math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	if !(share < 2) && absurd(v) {
		return 2
	}
	if share < -1 && absurd(v) {
		return -1
	}
	return share
}

// from is the inverse of at.
func (s scale) from(share float64) float64 {
	if s.log {
		return s.low * math.Pow(s.high/s.low, share)
	}
	return s.low + share*(s.high-s.low)
}

func (s scale) x(v float64) Place { return Place(100 * s.at(v)) }
func (s scale) y(v float64) Place { return Place(100 - 100*s.at(v)) }

func (s scale) clip(v float64) float64 { return min(max(v, s.low), s.high) }

// xAxis has few ticks: a phone has room for seven labels of six letters. unit is how many
// of the label's units make one of the scale's: 1000 for milliseconds on a scale of seconds.
func (s scale) xAxis(label string, unit float64) Axis {
	return Axis{Label: label, Ticks: s.ticks(6, unit, s.x)}
}

func (s scale) yAxis(unit float64) Axis { return Axis{Ticks: s.ticks(6, unit, s.y)} }

// counts is the y axis of a histogram: whole numbers only.
func (s scale) counts() Axis {
	var a Axis
	for _, v := range s.round(3, 1) {
		if v == math.Floor(v) {
			a.Ticks = append(a.Ticks, Tick{At: s.y(v), Text: ui.Thousands(int(v))})
		}
	}
	return a
}

// ticks returns at most n+1 ticks, at round values in the label's unit.
func (s scale) ticks(n int, unit float64, place func(float64) Place) []Tick {
	var all []Tick
	for _, v := range s.round(n, unit) {
		all = append(all, Tick{At: place(v / unit), Text: tickText(v)})
	}
	return all
}

func tickText(v float64) string {
	if math.Abs(v) >= 1e5 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return ui.Digits(v, 6)
}

func (s scale) round(n int, unit float64) []float64 {
	low, high := s.low*unit, s.high*unit
	if s.log && high/low > 8 {
		return logRound(low, high, n)
	}
	step := report.RoundStep((high - low) / float64(n))
	var all []float64
	for k := math.Ceil(low/step - 1e-9); k*step <= high*(1+1e-12)+step*1e-9; k++ {
		all = append(all, k*step+0) // -0 becomes 0
		if len(all) > 2*n {
			break
		}
	}
	return all
}

func logRound(low, high float64, n int) []float64 {
	for _, mantissas := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		var all []float64
		for p := math.Pow(10, math.Floor(math.Log10(low))); p <= high; p *= 10 {
			for _, m := range mantissas {
				if v := m * p; v >= low && v <= high {
					all = append(all, v)
				}
			}
		}
		if len(all) <= n+1 || len(mantissas) == 1 {
			return all
		}
	}
	return nil
}

// axisLabel names an axis and its unit.
func axisLabel(name string, u ui.Scale) string {
	if u.Unit() == "" {
		return name
	}
	return name + ", " + u.Unit()
}

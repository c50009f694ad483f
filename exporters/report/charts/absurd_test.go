package charts

import (
	"math"
	"testing"
)

// An old store may hold times that cannot be true. Charts of it end, and their axes cover the rest.
func TestAbsurdValues(t *testing.T) {
	for _, log := range []bool{false, true} {
		s := newScale(log, []float64{0.001, 0.002, 1e300, 1e-300, math.MaxFloat64, math.SmallestNonzeroFloat64})
		if s.low < -1 || s.high > 1 {
			t.Errorf("log %v: the axis goes from %g to %g", log, s.low, s.high)
		}
		if n := len(s.ticks(6, 1000, s.x)); n < 2 || n > 12 {
			t.Errorf("log %v: %d ticks", log, n)
		}
		for _, v := range []float64{1e300, math.MaxFloat64, 1e-300} {
			if at := s.at(v); !(at >= -1 && at <= 2) {
				t.Errorf("log %v: %g is placed at %g", log, v, at)
			}
		}
	}
}

package main

import "testing"

// TestNothingMeasuredIsNoSuccess: without scrapes, or without networks that were timed in both
// conditions, nothing was shown.
func TestNothingMeasuredIsNoSuccess(t *testing.T) {
	timed := func(seconds float64) *condition {
		c := &condition{total: 1, noise: []float64{0.02}}
		for range 3 {
			c.seconds = append(c.seconds, map[string]float64{"a": seconds})
			c.fastest = append(c.fastest, map[string]float64{"a": seconds})
		}
		return c
	}
	for name, c := range map[string]struct {
		calm, busy *condition
		scrapes    counts
		good       bool
	}{
		"both":        {timed(1), timed(1.01), counts{Done: 9}, true},
		"moved":       {timed(1), timed(1.1), counts{Done: 9}, false},
		"no scrape":   {timed(1), timed(1.01), counts{}, false},
		"one failed":  {timed(1), timed(1.01), counts{Done: 9, Failed: 1}, false},
		"not timed":   {timed(1), &condition{}, counts{Done: 9}, false},
		"none at all": {&condition{}, &condition{}, counts{Done: 9}, false},
	} {
		if err := (options{rounds: 3, networks: 2}).print(c.calm, c.busy, &c.scrapes); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

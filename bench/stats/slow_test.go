package stats

import (
	"testing"

	"latlab/devices"
)

func clockBlock(ghz ...float64) *devices.Block {
	b := &devices.Block{}
	for _, g := range ghz {
		b.Clock = append(b.Clock, devices.Clock{Hz: 1e9 * g})
	}
	return b
}

func TestCoreClockOf(t *testing.T) {
	for name, tc := range map[string]struct {
		ghz        []float64
		hz, jitter float64
	}{
		"no reading":                      {},
		"a reading that cannot be true":   {ghz: []float64{0, 2, -1}, hz: 2e9},
		"steady":                          {ghz: []float64{2, 2, 2}, hz: 2e9},
		"a third is slow":                 {ghz: []float64{2, 1, 2, 1, 2, 2}, hz: 2e9},
		"more than a third is slow":       {ghz: []float64{2, 1, 2, 1, 1, 2, 2}, hz: 1e9},
		"moved once: no jitter":           {ghz: []float64{2, 2, 2, 2, 1}, hz: 2e9},
		"up and down by a tenth":          {ghz: []float64{1.8, 2, 2.2}, hz: 2e9, jitter: 0.14826},
		"the lowest and the highest only": {ghz: []float64{1, 3}, hz: 1e9, jitter: 0.74130},
	} {
		got := CoreClockOf(devices.Info{}, clockBlock(tc.ghz...))
		if got.Hz != tc.hz || !close(got.Jitter, tc.jitter, 1e-5) && got.Jitter != tc.jitter {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if c := CoreClockOf(devices.Info{Accelerator: true}, clockBlock(2)); c != (CoreClock{}) {
		t.Errorf("the clock of an accelerator's host: %+v", c)
	}
}

func TestSlow(t *testing.T) {
	c := CoreClockOfSweep([]CoreClock{{Hz: 2e9, Jitter: 0.01}, {}, {Hz: 1.9e9}, {Hz: 1.8e9, Jitter: 0.02}})
	if c.Hz != 2e9 || c.Jitter != 0.01 {
		t.Errorf("%+v", c)
	}
	for _, tc := range []struct {
		clock       CoreClock
		limit, want float64
	}{
		{c, 0.05, 1.9e9},
		{CoreClock{Hz: 2e9, Jitter: 0.04}, 0.05, 1.76e9}, // varies more than the limit by itself
		{CoreClock{Hz: 2e9, Jitter: 0.5}, 0.05, 0},
		{CoreClock{}, 0.05, 0},
	} {
		if got := tc.clock.SlowHz(tc.limit); !close(got, tc.want, 1e-9) && got != tc.want {
			t.Errorf("%+v: %g, want %g", tc.clock, got, tc.want)
		}
	}
	if (CoreClock{}).Slow(1e9) || !(CoreClock{Hz: 0.9e9}).Slow(1e9) || (CoreClock{Hz: 1e9}).Slow(1e9) {
		t.Error("slow is below, and known")
	}
}

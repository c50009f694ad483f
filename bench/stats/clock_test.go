package stats

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
)

func TestClock(t *testing.T) {
	block := func(cpu int, hz ...float64) *devices.Block {
		b := &devices.Block{}
		for _, x := range hz {
			b.Clock = append(b.Clock, devices.Clock{Hz: x, CPU: cpu})
		}
		return b
	}
	var c Clock
	c.Add(block(0))
	if diff := cmp.Diff(Clock{}, c); diff != "" {
		t.Error(diff)
	}
	c.Add(block(3, 2e9, 1e8, 2.1e9)) // one reading was interrupted
	c.Add(block(1, 2.5e9))
	c.Add(block(3, 1.9e9))
	c.Add(block(-1, 2.2e9))
	if diff := cmp.Diff(Clock{LowHz: 1.9e9, HighHz: 2.5e9, CPUs: []int{1, 3}, Blocks: 4}, c); diff != "" {
		t.Error(diff)
	}
	if hz, ok := BlockClock(block(0)); ok || hz != 0 {
		t.Error(hz, ok)
	}
}

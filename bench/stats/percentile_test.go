package stats

import (
	"math/rand/v2"
	"testing"

	"latlab/devices"
)

func TestSamplesFor(t *testing.T) {
	for q, want := range map[float64]int{0: 0, 0.9: 36, 0.99: 368} {
		if got := SamplesFor(q); got != want {
			t.Errorf("percentile %v needs %d samples, want %d", q, got, want)
		}
	}
}

func TestRuleOfPercentile(t *testing.T) {
	// n samples of 1 to n seconds, the last ones disturbed.
	block := func(n, disturbed int) *devices.Block {
		b := &devices.Block{}
		for i := range n {
			wall := float64(i + 1)
			b.Samples, b.CPUSamples = append(b.Samples, wall), append(b.CPUSamples, wall)
			if i >= n-disturbed {
				b.CPUSamples[i] = wall / 2
			}
		}
		return b
	}
	for name, c := range map[string]struct {
		rule      Rule
		block     *devices.Block
		want      float64 // 0 = not usable
		disturbed bool
	}{
		"p90 as LoadGen":        {Rule{Percentile: 0.9}, block(1024, 0), 922, false},
		"p99":                   {Rule{Percentile: 0.99}, block(1000, 0), 991, false},
		"too few samples":       {Rule{Percentile: 0.9}, block(35, 0), 0, false},
		"just enough":           {Rule{Percentile: 0.9}, block(36, 0), 33, false},
		"one in twenty":         {Rule{Percentile: 0.9}, block(100, 5), 91, false},
		"more":                  {Rule{Percentile: 0.9}, block(100, 6), 0, true},
		"an accelerator waits":  {Rule{Info: devices.Info{Accelerator: true}, Percentile: 0.9}, block(100, 50), 91, false},
		"a summary":             {Rule{Percentile: 0.9}, &devices.Block{Summary: &devices.Summary{Count: 99, Mean: 1}}, 0, false},
		"a sample of zero":      {Rule{Percentile: 0.9}, &devices.Block{Samples: make([]float64, 100)}, 0, false},
		"the median, for once":  {Rule{}, block(99, 0), 50, false},
		"the median, disturbed": {Rule{}, block(4, 3), 0, true},
	} {
		got, by, ok := c.rule.Seconds(c.block)
		if ok != (c.want > 0) || ok && got != c.want || c.rule.Disturbed(c.block) != c.disturbed {
			t.Errorf("%s: %v %v, disturbed %v", name, got, ok, c.rule.Disturbed(c.block))
		}
		if IsPercentile(by) != (c.rule.Percentile > 0) {
			t.Errorf("%s: estimator %q", name, by)
		}
	}
	if _, by, _ := (Rule{Percentile: 0.99}).Seconds(block(1000, 0)); by != "median of block 99th percentiles v1" {
		t.Error(by)
	}
}

// TestPercentileBound: with SamplesFor samples the largest is above the true percentile in at least 97.5 % of blocks.
func TestPercentileBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, q := range []float64{0.9, 0.99} {
		below, blocks := 0, 4000
		for range blocks {
			largest := 0.0
			for range SamplesFor(q) {
				largest = max(largest, rng.Float64())
			}
			if largest < q {
				below++
			}
		}
		if share := float64(below) / float64(blocks); share > tailChance+0.01 || share < tailChance-0.01 {
			t.Errorf("percentile %v: above all samples in %v of blocks", q, share)
		}
	}
}

package main

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"latlab/bench/stats"
)

// rightWithin is how far a latency with a busy core may be from the idle one and still count as right.
const rightWithin = 0.02

var columns = []string{"networks", "median difference", "without the common factor", "90th percentile", "largest", "intervals overlap", "INVALID", "IMPRECISE", "INVALID or within 2 %"}

// differences are those of networks that two sweeps have timed. Only latencies that are not INVALID in
// either count, except for the number of INVALID ones itself.
type differences struct {
	networks, invalid, imprecise, overlap int
	ratios                                []float64 // to the idle latency
	smoothWrong                           []string  // neither INVALID nor right
}

const invalid = "INVALID"

// differ compares networks that both have. A network whose idle latency is INVALID proves nothing.
func differ(idle, rows map[string]row) differences {
	var d differences
	for id, b := range rows {
		a, ok := idle[id]
		if !ok || a.Verdict == invalid || a.Verdict == "" || b.Verdict == "" {
			continue
		}
		d.networks++
		if b.Verdict == invalid {
			d.invalid++
			continue
		}
		if b.Verdict == "IMPRECISE" {
			d.imprecise++
		}
		if a.Low <= b.High && b.Low <= a.High {
			d.overlap++
		}
		d.ratios = append(d.ratios, b.Latency/a.Latency)
		if math.Abs(b.Latency/a.Latency-1) > rightWithin {
			d.smoothWrong = append(d.smoothWrong, id)
		}
	}
	return d
}

// quantile is the smallest value that at least this share of the absolute differences from a common factor does not exceed.
func (d differences) quantile(share, factor float64) string {
	if len(d.ratios) == 0 {
		return "-"
	}
	var off []float64
	for _, r := range d.ratios {
		off = append(off, math.Abs(r/factor-1))
	}
	slices.Sort(off)
	return fmt.Sprintf("%.2f %%", 100*stat.Quantile(share, stat.Empirical, off, nil))
}

func (d differences) cells() []string {
	overlap := "-"
	if len(d.ratios) > 0 {
		overlap = fmt.Sprintf("%d of %d", d.overlap, len(d.ratios))
	}
	return []string{
		fmt.Sprint(d.networks), d.quantile(.5, 1), d.quantile(.5, stats.Median(d.ratios)), d.quantile(.9, 1), d.quantile(1, 1), overlap,
		fmt.Sprint(d.invalid), fmt.Sprint(d.imprecise), fmt.Sprintf("%d of %d", d.networks-len(d.smoothWrong), d.networks),
	}
}

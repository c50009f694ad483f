package main

import (
	"fmt"
	"math"
	"slices"
)

// rightWithin is how far a latency with a busy core may be from the idle one and still count as right.
const rightWithin = 0.02

var columns = []string{"networks", "median difference", "90th percentile", "largest", "intervals overlap", "INVALID", "IMPRECISE", "INVALID or within 2 %"}

// differences are those of networks that two sweeps have timed. Only latencies that are not INVALID in
// either count, except for the number of INVALID ones itself.
type differences struct {
	networks, invalid, imprecise, overlap int
	relative                              []float64 // absolute values, sorted
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
		difference := math.Abs(b.Latency/a.Latency - 1)
		d.relative = append(d.relative, difference)
		if difference > rightWithin {
			d.smoothWrong = append(d.smoothWrong, id)
		}
	}
	slices.Sort(d.relative)
	return d
}

// quantile is the smallest value that at least this share of the differences does not exceed.
func (d differences) quantile(share float64) string {
	if len(d.relative) == 0 {
		return "-"
	}
	i := int(math.Ceil(share*float64(len(d.relative)))) - 1
	return fmt.Sprintf("%.2f %%", 100*d.relative[max(i, 0)])
}

func (d differences) cells() []string {
	overlap := "-"
	if len(d.relative) > 0 {
		overlap = fmt.Sprintf("%d of %d", d.overlap, len(d.relative))
	}
	return []string{
		fmt.Sprint(d.networks), d.quantile(.5), d.quantile(.9), d.quantile(1), overlap,
		fmt.Sprint(d.invalid), fmt.Sprint(d.imprecise), fmt.Sprintf("%d of %d", d.networks-len(d.smoothWrong), d.networks),
	}
}

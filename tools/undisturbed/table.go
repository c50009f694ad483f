package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"

	"latlab/bench/stats"
)

// rule is a candidate: use the samples whose CPU time is above a share of the wall time, if there are so many.
type rule struct {
	share   float64
	minimum int
}

// result is what a rule gives in a condition.
type result struct {
	samples float64 // share of samples that are used
	lost    float64 // share of blocks with fewer than the minimum
	noise   float64 // between blocks, as a coefficient of variation; NaN if unknown
	off     float64 // median over networks of the latency's distance from the quiet machine's
	worst   float64 // the largest such distance
}

func table(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "condition\tshare\tminimum\tsamples used\tblocks lost\tnoise\tmedian difference\tlargest")
	for _, name := range slices.Sorted(maps.Keys(byCondition(rows))) {
		for _, r := range []rule{{0, 1}, {0.9, 3}, {0.95, 3}, {0.98, 1}, {0.98, 3}, {0.98, 5}, {0.99, 3}, {0.995, 3}} {
			x := evaluate(rows, name, r)
			fmt.Fprintf(t, "%s\t%.3f\t%d\t%.1f %%\t%.1f %%\t%.1f %%\t%+.2f %%\t%+.1f %%\n",
				name, r.share, r.minimum, 100*x.samples, 100*x.lost, 100*x.noise, 100*x.off, 100*x.worst)
		}
	}
	return t.Flush()
}

func byCondition(rows []row) map[string][]row {
	m := map[string][]row{}
	for _, r := range rows {
		m[r.Condition] = append(m[r.Condition], r)
	}
	return m
}

// evaluate compares with the quiet machine under the rule that uses all samples.
func evaluate(rows []row, condition string, by rule) result {
	var x result
	values, used, all, lost, blocks := networks(byCondition(rows)[condition], by)
	x.samples, x.lost = float64(used)/float64(all), float64(lost)/float64(blocks)
	truth, _, _, _, _ := networks(byCondition(rows)[quiet], rule{0, 1})
	var noise stats.Noise
	var offs []float64
	for name, vs := range values {
		noise = noise.Add(stats.NoiseOf(vs))
		if t := truth[name]; len(t) > 0 {
			offs = append(offs, stats.Median(vs)/stats.Median(t)-1)
		}
	}
	x.noise = math.Sqrt(math.Expm1(noise.Variance()))
	x.off = stats.Median(offs)
	for _, o := range offs {
		if math.Abs(o) > math.Abs(x.worst) {
			x.worst = o
		}
	}
	return x
}

// networks returns the values of the blocks that a rule can use, by network.
func networks(rows []row, by rule) (values map[string][]float64, used, all, lost, blocks int) {
	values = map[string][]float64{}
	for _, r := range rows {
		var kept []float64
		for i, wall := range r.Samples {
			if r.CPU[i] > by.share*wall {
				kept = append(kept, wall)
			}
		}
		blocks, all = blocks+1, all+len(r.Samples)
		if len(kept) < by.minimum {
			lost++
			continue
		}
		used += len(kept)
		values[r.Network] = append(values[r.Network], stats.Median(kept))
	}
	return values, used, all, lost, blocks
}

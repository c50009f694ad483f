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
	after   bool // samples after one that is not used are used as well
}

// result is what a rule gives in a condition. Ratios are of a block to the quiet one beside it, of which all
// samples are used.
type result struct {
	samples        float64 // share of samples that are used
	lost           float64 // share of blocks that are not
	noise          float64 // of the ratios, between the blocks of a network
	low, off, high float64 // median ratio minus 1, with its interval of 95 %
	worst          float64 // the largest median of a network
}

func table(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| condition\t| CPU over wall\t| minimum\t| after a disturbed one\t| samples used\t| blocks lost\t| noise\t| median difference\t| largest of a network\t|\n|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, name := range slices.Sorted(maps.Keys(byCondition(rows))) {
		for _, r := range []rule{{0, 1, true}, {0.98, 3, true}, {0.9, 3, false}, {0.95, 3, false}, {0.98, 1, false}, {0.98, 3, false}, {0.98, 5, false}, {0.99, 3, false}} {
			x := evaluate(byCondition(rows)[name], r)
			fmt.Fprintf(t, "| %s\t| %.2f\t| %d\t| %s\t| %.1f %%\t| %.1f %%\t| %.1f %%\t| %+.2f %% (%+.2f to %+.2f)\t| %+.1f %%\t|\n",
				name, r.share, r.minimum, map[bool]string{true: "used", false: "not used"}[r.after], 100*x.samples, 100*x.lost, 100*x.noise, 100*x.off, 100*x.low, 100*x.high, 100*x.worst)
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

func evaluate(rows []row, by rule) result {
	var x result
	var ratios []float64
	of := map[string][]float64{}
	used, all, lost := 0, 0, 0
	for _, r := range rows {
		kept := by.keep(r)
		all += len(r.Block.Wall)
		if len(kept) < by.minimum {
			lost++
			continue
		}
		used += len(kept)
		ratio := stats.Median(kept) / stats.Median(r.Quiet.Wall)
		ratios, of[r.Network] = append(ratios, ratio), append(of[r.Network], ratio)
	}
	x.samples, x.lost = float64(used)/float64(all), float64(lost)/float64(len(rows))
	iv := stats.NewInterval(ratios, stats.Noise{}, 0.95)
	x.off, x.low, x.high = stats.Median(ratios)-1, math.NaN(), math.NaN()
	if iv.Low != nil && iv.High != nil {
		x.low, x.high = *iv.Low-1, *iv.High-1
	}
	var noise stats.Noise
	for _, rs := range of {
		noise = noise.Add(stats.NoiseOf(rs))
		if d := stats.Median(rs) - 1; math.Abs(d) > math.Abs(x.worst) {
			x.worst = d
		}
	}
	x.noise = noise.SD()
	return x
}

// keep lists the samples that a rule uses.
func (by rule) keep(r row) []float64 {
	if by.share > 0 && r.Stopped > stats.StoppedLimit {
		return nil
	}
	var kept []float64
	before := true
	for i, wall := range r.Block.Wall {
		alone := r.Block.CPU[i] > by.share*wall
		if alone && (before || by.after) {
			kept = append(kept, wall)
		}
		before = alone
	}
	return kept
}

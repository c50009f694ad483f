package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// distribution is the latencies of sweeps of one kind on one axis, one frame a sweep.
func (d *Data) distribution(sweeps []int) chart {
	const bins = 60
	var all [][]float64
	for _, i := range sweeps {
		all = append(all, d.Sweeps[i].Networks.Seconds)
	}
	x := newScale(true, all...)
	c := chart{
		Title: "Latency of the networks", Wide: true,
		Note:   "How many networks took how long. The line above is the middle half of the networks and their median.",
		Legend: []legend{{"dot", "VALID"}, {"bad", "INVALID"}, {"middle", "middle half, median"}},
	}
	if len(sweeps) > 1 {
		c.Note += " All share one axis of latency."
	}
	var words []string
	for _, i := range sweeps {
		s := &d.Sweeps[i]
		valid, invalid := byVerdict(&s.Networks)
		f := frame{Label: "networks, " + sweepTitle(s) + orNothing(len(valid)+len(invalid)), Height: 110, X: x.xAxis("latency, ms", ms)}
		counts, bad := histogram(x, bins, append(slices.Clone(valid), invalid...)), histogram(x, bins, invalid)
		y := scale{0, 1.35 * float64(max(slices.Max(counts), 1)), false}
		f.Y = wholeTicks(y)
		tip := func(word string) func(low, high float64, n int) string {
			return func(low, high float64, n int) string {
				return fmt.Sprintf("%s%s from %s to %s ms", count(n, "network"), word, millis(low), millis(high))
			}
		}
		f.Marks = append(bars(x, y, counts, "dot", tip("")), bars(x, y, bad, "bad", tip(", INVALID,"))...)
		f.Marks = append(f.Marks, middle(x, append(valid, invalid...))...)
		c.Frames = append(c.Frames, f)
		words = append(words, fmt.Sprintf("%s: %s", sweepTitle(s), spanWords(append(valid, invalid...))))
	}
	c.Desc = "Distribution of latency. " + strings.Join(words, ". ")
	return sharedX(c)
}

// orNothing says why a frame is empty: its axis alone looks like a picture that broke.
func orNothing(networks int) string {
	if networks == 0 {
		return ": no network with a latency is shown"
	}
	return ""
}

// sharedX leaves the ticks of the x axis to the lowest frame.
func sharedX(c chart) chart {
	for i := range c.Frames[:max(len(c.Frames)-1, 0)] {
		f := &c.Frames[i]
		f.X.Label, f.X.Ticks = "", slices.Clone(f.X.Ticks)
		for k := range f.X.Ticks {
			f.X.Ticks[k].Text = ""
		}
	}
	return c
}

func byVerdict(n *Networks) (valid, invalid []float64) {
	for r := range n.Len() {
		switch {
		case n.Valid(r):
			valid = append(valid, n.Seconds[r])
		case n.Measured(r):
			invalid = append(invalid, n.Seconds[r])
		}
	}
	return valid, invalid
}

func wholeTicks(y scale) axis {
	a := axis{scale: y}
	for _, v := range y.round(3, 1) {
		if v == math.Floor(v) {
			a.Ticks = append(a.Ticks, tick{y.y(v), thousands(int(v))})
		}
	}
	return a
}

// middle is the middle half of values and their median, above the bars.
func middle(x scale, values []float64) []mark {
	if len(values) < 2 {
		return nil
	}
	q := quantiles(values)
	tip := "middle half of the networks: " + millis(q[1]) + " to " + millis(q[3]) + " ms, median " + millis(q[2]) + " ms"
	return []mark{
		{X: x.x(q[1]), Y: "6", W: pos(max(100*(x.at(q[3])-x.at(q[1])), 0.4)), H: "5", Class: "middle", Tip: tip},
		{X: pos(100*x.at(q[2]) - 0.25), Y: "2", W: "0.5", H: "13", Class: "middle", Tip: tip},
	}
}

// quantiles are the least, the quartiles and the greatest of at least one value.
func quantiles(values []float64) [5]float64 {
	v := slices.Sorted(slices.Values(values))
	var q [5]float64
	for i := range q {
		p := float64(i) / 4 * float64(len(v)-1)
		low := int(p)
		q[i] = v[low] + (p-float64(low))*(v[min(low+1, len(v)-1)]-v[low])
	}
	return q
}

func spanWords(values []float64) string {
	if len(values) == 0 {
		return "nothing measured"
	}
	q := quantiles(values)
	return fmt.Sprintf("%s from %s to %s ms, median %s ms", count(len(values), "network"), millis(q[0]), millis(q[4]), millis(q[2]))
}

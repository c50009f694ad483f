package report

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// overTime is the blocks of a sweep in the order they ran.
func overTime(s *Sweep) chart {
	line := s.Timeline
	c := chart{
		Title: "Over the sweep, in time", Wide: true,
		Note:   "Each block against the latency of its own network: the line is the mean, the area goes from the lowest to the highest. A device that gets slower rises above 0.",
		Legend: []legend{{"line", "mean of the blocks"}, {"area", "lowest to highest"}, {"bad", "blocks of INVALID networks"}, {"hot", "blocks that the device slowed down"}},
	}
	if len(line.Moments) == 0 {
		c.Note, c.Legend = "No block is shown.", nil
		return c
	}
	xs, unit, cuts := activeTime(line)
	if len(cuts) > 0 {
		c.Note += fmt.Sprintf(" The sweep rested %s; the rests are cut out and marked.", countTimes(len(cuts)))
	}
	x := newScale(false, xs)
	mean, low, high := make([]float64, len(xs)), make([]float64, len(xs)), make([]float64, len(xs))
	for i, m := range line.Moments {
		mean[i], low[i], high[i] = m.MeanRatio-1, m.MinRatio-1, m.MaxRatio-1
	}
	c.Desc = fmt.Sprintf("%s in time; mean deviation from %s to %s", count(s.Tally.Blocks, "block"), signed(slices.Min(mean)), signed(slices.Max(mean)))
	limit := spikeLimit(low, high)
	beyond, highest := 0, slices.Max(high)
	for i := range mean {
		if high[i] > limit {
			beyond++
		}
		mean[i], low[i], high[i] = min(mean[i], limit), min(low[i], limit), min(high[i], limit)
	}
	if beyond > 0 {
		c.Note += fmt.Sprintf(" Above the picture: %s, up to %s.", count(beyond, "moment"), signed(highest))
	}
	y := newScale(false, low, high, []float64{-0.01, 0.01})
	axisX := x.xAxis("active time since "+when(s.Tally.First)+", "+unit, 1)
	f := frame{Label: "block against its network, %", Height: 190, X: axisX, Y: y.yAxis(100)}
	f.Paths = []path{
		{"area", area(x, y, xs, low, high)},
		{"zero", polyline(x, y, []float64{x.low, x.high}, []float64{0, 0})},
		{"line", polyline(x, y, xs, mean)},
	}
	for _, at := range cuts {
		f.Paths = append(f.Paths, path{"cut", fmt.Sprintf("M%s 0V1000", pos(1000*x.at(at)))})
	}
	for i, m := range line.Moments {
		f.Marks = append(f.Marks, momentMark(m, x.x(xs[i]), y.y(mean[i])))
	}
	c.Frames = append(c.Frames, f, temperatures(line, x, xs, axisX))
	return sharedX(c)
}

// spikeLimit is how high the picture of deviations goes: a device that hung for a second once
// would flatten all else.
func spikeLimit(low, high []float64) float64 {
	var sizes []float64
	for i := range high {
		sizes = append(sizes, max(high[i], -low[i]))
	}
	usual := slices.Sorted(slices.Values(sizes))[len(sizes)*3/4]
	if limit := 4 * max(usual, 0.05); slices.Max(sizes) > 2*limit {
		return limit
	}
	return math.Inf(1)
}

func countTimes(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func momentMark(m Moment, x, y string) mark {
	k := mark{X: x, Y: y, Class: "faint"}
	switch {
	case m.Throttled > 0:
		k.Class = "hot"
	case m.Invalid > 0:
		k.Class = "bad"
	}
	k.Tip = fmt.Sprintf("%s\n%s, mean %s\n%s to %s", when(m.Start), count(m.Blocks, "block"), signed(m.MeanRatio-1), signed(m.MinRatio-1), signed(m.MaxRatio-1))
	if m.Invalid > 0 {
		k.Tip += fmt.Sprintf("\n%d of INVALID networks", m.Invalid)
	}
	if m.Throttled > 0 {
		k.Tip += fmt.Sprintf("\n%d slowed down by heat", m.Throttled)
	}
	if m.MaxC != nil {
		k.Tip += fmt.Sprintf("\nhottest sensor %s °C", digits(*m.MaxC, 3))
	}
	return k
}

// temperatures is the frame beneath the blocks'.
func temperatures(line Timeline, x scale, xs []float64, axisX axis) frame {
	f := frame{Label: "hottest sensor, °C", Height: 110, X: axisX}
	var at, mean, low, high []float64
	for i, m := range line.Moments {
		if m.MeanC != nil {
			at, mean = append(at, xs[i]), append(mean, *m.MeanC)
			low, high = append(low, *m.CoolestC), append(high, *m.MaxC)
		}
	}
	if len(at) == 0 {
		f.Label, f.Height = "temperature: no sensor could be read", 40
		return f
	}
	y := newScale(false, low, high)
	f.Y = axis{Ticks: y.ticks(4, 1, y.y), scale: y}
	f.Paths = []path{{"area", area(x, y, at, low, high)}, {"line", polyline(x, y, at, mean)}}
	for i := range at {
		f.Marks = append(f.Marks, mark{X: x.x(at[i]), Y: y.y(mean[i]), Class: "faint", Tip: digits(mean[i], 3) + " °C"})
	}
	return f
}

func area(x, y scale, xs, low, high []float64) string {
	if len(xs) == 0 {
		return ""
	}
	back := slices.Clone(xs)
	slices.Reverse(back)
	down := slices.Clone(low)
	slices.Reverse(down)
	return polyline(x, y, append(slices.Clone(xs), back...), append(slices.Clone(high), down...)) + "Z"
}

// activeTime is when moments began, with long rests cut out, in a unit that suits; cuts are
// where.
func activeTime(line Timeline) (xs []float64, unit string, cuts []float64) {
	n := len(line.Moments)
	gaps := make([]time.Duration, 0, n)
	for i := 1; i < n; i++ {
		gaps = append(gaps, line.Moments[i].Start.Sub(line.Moments[i-1].Start))
	}
	limit := time.Minute
	if len(gaps) > 0 {
		limit = max(limit, 20*slices.Sorted(slices.Values(gaps))[len(gaps)/2])
	}
	at := time.Duration(0)
	times := []time.Duration{0}
	var cutsAt []time.Duration
	for _, g := range gaps {
		if g > limit {
			g = limit / 2
			cutsAt = append(cutsAt, at+g/2)
		}
		at += g
		times = append(times, at)
	}
	per, unit := time.Second, "s"
	switch {
	case at > 5*time.Hour:
		per, unit = time.Hour, "h"
	case at > 5*time.Minute:
		per, unit = time.Minute, "min"
	}
	for _, t := range times {
		xs = append(xs, float64(t)/float64(per))
	}
	for _, t := range cutsAt {
		cuts = append(cuts, float64(t)/float64(per))
	}
	return xs, unit, cuts
}

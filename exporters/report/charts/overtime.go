package charts

import (
	"fmt"
	"math"
	"slices"
	"time"

	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// OverTime draws the blocks of a sweep in the order they ran, with the measured clock and the temperature below.
func OverTime(s *report.Sweep) Chart {
	line := s.Timeline
	c := Chart{
		Title: "Latency over the sweep", Wide: true,
		Note:   "Each block relative to the latency of its network: the line is the mean of the blocks that began at about the same time, the area their range. If the device slows down, the line rises above 0.",
		Legend: []Legend{{"line", "mean of the blocks"}, {"area", "range"}, {"bad", "blocks of INVALID networks"}, {"disturbed", "disturbed blocks, which are not used"}, {"hot", "throttled blocks"}},
	}
	if len(line.Moments) == 0 {
		c.Note, c.Legend = "No block is shown.", nil
		return c
	}
	xs, unit, cuts := activeTime(line)
	if len(cuts) > 0 {
		where := "the pauses are cut out and marked by dashed lines"
		if len(cuts) == 1 {
			where = "the pause is cut out and marked by a dashed line"
		}
		c.Note += fmt.Sprintf(" The sweep paused %s; %s.", countTimes(len(cuts)), where)
	}
	x := newScale(false, xs)
	mean, low, high := make([]float64, len(xs)), make([]float64, len(xs)), make([]float64, len(xs))
	levels := make([]float64, len(xs))
	for i, m := range line.Moments {
		levels[i] = m.MeanLevel - 1
		mean[i], low[i], high[i] = m.MeanRatio-1, m.MinRatio-1, m.MaxRatio-1
	}
	c.Desc = fmt.Sprintf("%s in time; mean deviation from %s to %s", ui.Plural(s.Tally.Blocks, "block"), describe.Signed(slices.Min(mean)), describe.Signed(slices.Max(mean)))
	limit := spikeLimit(low, high)
	beyond, highest := 0, slices.Max(high)
	for i := range mean {
		if high[i] > limit {
			beyond++
		}
		mean[i], low[i], high[i] = min(mean[i], limit), min(low[i], limit), min(high[i], limit)
	}
	if beyond > 0 {
		c.Note += fmt.Sprintf(" Beyond the axis: %s, up to %s.", ui.Plural(beyond, "moment"), describe.Signed(highest))
	}
	y := newScale(false, low, high, []float64{-0.01, 0.01})
	axisX := x.xAxis("active time, "+unit+", since "+describe.Time(s.Tally.First), 1)
	f := Frame{Label: "block relative to its network, %", Height: 190, X: axisX, Y: y.yAxis(100)}
	var at, means, lows, highs []float64 // without moments of disturbed blocks alone
	for i := range line.Moments {
		if !line.Moments[i].Unused() {
			at, means, lows, highs = append(at, xs[i]), append(means, mean[i]), append(lows, low[i]), append(highs, high[i])
		}
	}
	f.Paths = []Path{{"zero", polyline(x, y, []float64{x.low, x.high}, []float64{0, 0})}}
	if len(at) > 0 {
		f.Paths = append(f.Paths, area(x, y, at, lows, highs), Path{"line", polyline(x, y, at, means)})
	}
	if s.Tally.Levels != nil {
		f.Paths = append(f.Paths, Path{"trend", polyline(x, y, xs, levels)})
		c.Legend = append(c.Legend, Legend{"trend", "drift of the device, which is corrected"})
		c.Note += " All networks became slower or faster together: " + describe.Levels(s.Tally.Levels) + "."
	}
	for _, at := range cuts {
		f.Paths = append(f.Paths, Path{"cut", vertical(x.x(at))})
	}
	for i, m := range line.Moments {
		f.Marks = append(f.Marks, momentMark(m, x.x(xs[i]), y.y(mean[i])))
	}
	c.Frames = append(c.Frames, f)
	clock := clocks(line, x, xs, axisX)
	if clock != nil {
		c.Frames = append(c.Frames, *clock)
		c.Note += " The clock is that of the core on which the block ran, measured before, between and after its samples."
	}
	if heat := temperatures(line, x, xs, axisX); clock == nil || len(heat.Marks) > 0 {
		c.Frames = append(c.Frames, heat)
	}
	return sharedX(c)
}

// spikeLimit limits the axis of deviations: one block of a device that hung for a second would
// flatten all others.
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

func momentMark(m report.Moment, x, y Place) Mark {
	k := Mark{X: x, Y: y, Class: "faint"}
	switch {
	case m.Throttled > 0:
		k.Class = "hot"
	case m.Disturbed > 0:
		k.Class = "disturbed"
	case m.Invalid > 0:
		k.Class = "bad"
	}
	k.Tip = fmt.Sprintf("%s\n%s, mean %s\n%s to %s", describe.Time(m.Start), ui.Plural(m.Blocks, "block"), describe.Signed(m.MeanRatio-1), describe.Signed(m.MinRatio-1), describe.Signed(m.MaxRatio-1))
	if m.Invalid > 0 {
		k.Tip += fmt.Sprintf("\n%d of INVALID networks", m.Invalid)
	}
	if m.Disturbed > 0 {
		k.Tip += fmt.Sprintf("\n%d disturbed", m.Disturbed)
	}
	if m.Throttled > 0 {
		k.Tip += fmt.Sprintf("\n%d throttled", m.Throttled)
	}
	if m.Clock.Blocks > 0 {
		k.Tip += "\n" + describe.Clock(&m.Clock)
	}
	if m.MaxC != nil {
		k.Tip += fmt.Sprintf("\nhottest sensor %s °C", ui.Digits(*m.MaxC, 3))
	}
	return k
}

// clocks draws the measured clock, nil if no block has one.
func clocks(line report.Timeline, x scale, xs []float64, axisX Axis) *Frame {
	const giga = 1e9
	f := Frame{Label: "measured clock, GHz", Height: 110, X: axisX}
	var at, mean, low, high []float64
	for i, m := range line.Moments {
		if m.Clock.Blocks > 0 {
			at, mean = append(at, xs[i]), append(mean, m.MeanHz/giga)
			low, high = append(low, m.Clock.LowHz/giga), append(high, m.Clock.HighHz/giga)
			f.Marks = append(f.Marks, Mark{X: x.x(xs[i]), Class: "faint", Tip: describe.Clock(&m.Clock)})
		}
	}
	if len(at) == 0 {
		return nil
	}
	y := newScale(false, low, high, []float64{0.98 * slices.Min(low), 1.02 * slices.Max(high)})
	f.Y = Axis{Ticks: y.ticks(4, 1, y.y)}
	f.Paths = []Path{area(x, y, at, low, high), {"line", polyline(x, y, at, mean)}}
	for i := range at {
		f.Marks[i].Y = y.y(mean[i])
	}
	return &f
}

// temperatures draws the frame below the blocks'.
func temperatures(line report.Timeline, x scale, xs []float64, axisX Axis) Frame {
	f := Frame{Label: "hottest sensor, °C", Height: 110, X: axisX}
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
	f.Y = Axis{Ticks: y.ticks(4, 1, y.y)}
	f.Paths = []Path{area(x, y, at, low, high), {"line", polyline(x, y, at, mean)}}
	for i := range at {
		f.Marks = append(f.Marks, Mark{X: x.x(at[i]), Y: y.y(mean[i]), Class: "faint", Tip: ui.Digits(mean[i], 3) + " °C"})
	}
	return f
}

// activeTime returns when moments began, without long pauses, in a suitable unit; cuts are the
// places of the pauses.
func activeTime(line report.Timeline) (xs []float64, unit string, cuts []float64) {
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

package charts

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// Latencies draws the latencies of few networks by name and the distributions of many, in charts of
// their own for each kind: kinds never share an axis.
func Latencies(d *report.Data) []Chart {
	var all []Chart
	for _, k := range d.Kinds() {
		all = append(all, latencies(d, k)...)
	}
	return all
}

// latencies draws a frame for each sweep of a kind that has blocks, on one axis.
func latencies(d *report.Data, kind devices.Kind) []Chart {
	var ranked, many []int
	var seconds [][]float64
	for i := range d.Sweeps {
		s := &d.Sweeps[i]
		switch {
		case s.Manifest.Device.Kind != kind || s.Tally.Blocks == 0:
			continue
		case isRanked(s):
			ranked = append(ranked, i)
			seconds = append(seconds, s.Networks.Low, s.Networks.High)
		default:
			many = append(many, i)
		}
		seconds = append(seconds, s.Networks.Seconds)
	}
	x, u := newScale(true, seconds...), ui.SecondsScale(slices.Concat(seconds...)...)
	var all []Chart
	if len(ranked) > 0 {
		all = append(all, ranking(d, ranked, x, u, describe.Kind(kind)))
	}
	if len(many) > 0 {
		all = append(all, distributions(d, many, x, u, describe.Kind(kind)))
	}
	return all
}

// distributions draws how many networks of each sweep have which latency.
func distributions(d *report.Data, of []int, x scale, u ui.Scale, kind string) Chart {
	var sweeps []*report.Sweep
	for _, i := range of {
		sweeps = append(sweeps, &d.Sweeps[i])
	}
	c := Chart{
		Title: "Latency of the networks, " + kind, Wide: true,
		Note:   "How many networks have which latency. The bar above them is the middle half of the VALID networks, the stroke in it their median, as in the summary.",
		Legend: verdictLegend(Legend{"middle", "middle half and median of VALID"}),
	}
	if len(sweeps) > 1 {
		c.Note += " All sweeps share one axis."
	}
	c.Note += verdictNote(d, of, "are counted too")
	var words []string
	for _, s := range sweeps {
		valid := s.Networks.Latencies(verdict.Valid)
		label := "networks, " + describe.SweepAndKind(s)
		if len(s.Networks.Latencies()) == 0 {
			label += ": no network with a latency is shown"
		}
		parts := byVerdict(&s.Networks, func(r int) float64 { return s.Networks.Seconds[r] })
		h := histogramOf{x: x, bins: 60, parts: parts, room: 1.35, tip: func(low, high float64, n int, of verdict.Verdict) string {
			return fmt.Sprintf("%s from %s", ui.Plural(n, string(of)+" network"), u.Range(low, high))
		}}
		f := h.frame(label, 110, x.xAxis(axisLabel("latency", u), 1/u.Factor()))
		f.Marks = append(f.Marks, middleHalf(x, valid)...)
		c.Frames = append(c.Frames, f)
		words = append(words, spanWords(s))
	}
	c.Desc = "Distribution of latency. " + strings.Join(words, ". ")
	return sharedX(c)
}

// verdictNote says whether a picture has the INVALID networks of its sweeps.
func verdictNote(d *report.Data, sweeps []int, shown string) string {
	leftOut, invalid := 0, 0
	for _, i := range sweeps {
		leftOut += d.Sweeps[i].Tally.LeftOut
		invalid += d.Sweeps[i].Tally.Invalid
	}
	switch {
	case leftOut > 0:
		return fmt.Sprintf(" %s left out (--leave-out-invalid).", ui.Plural(leftOut, "INVALID network"))
	case invalid > 0:
		return " INVALID networks " + shown + "."
	}
	return ""
}

// spanWords are a sweep and the latencies of its VALID networks, of all if none is.
func spanWords(s *report.Sweep) string {
	valid := s.Networks.Latencies(verdict.Valid)
	if len(valid) == 0 {
		return describe.SweepAndKind(s) + ", no VALID network: " + describe.Span(s.Networks.Latencies())
	}
	return describe.SweepAndKind(s) + ", VALID networks: " + describe.Span(valid)
}

// sharedX keeps the ticks of the x axis only in the lowest frame.
func sharedX(c Chart) Chart {
	for i := range c.Frames[:max(len(c.Frames)-1, 0)] {
		f := &c.Frames[i]
		f.X.Label, f.X.Ticks = "", slices.Clone(f.X.Ticks)
		for k := range f.X.Ticks {
			f.X.Ticks[k].Text = ""
		}
	}
	return c
}

// middleHalf draws the middle half of the values and their median above the bars.
func middleHalf(x scale, values []float64) []Mark {
	if len(values) < 2 {
		return nil
	}
	q := describe.Quartiles(values)
	u := ui.SecondsScale(q[1], q[3])
	tip := fmt.Sprintf("middle half of the VALID networks: %s, median %s", u.Range(q[1], q[3]), u.Format(q[2]))
	return []Mark{
		{X: x.x(q[1]), Y: 6, W: Place(max(100*(x.at(q[3])-x.at(q[1])), 0.4)), H: 5, Class: "middle", Tip: tip},
		{X: Place(100*x.at(q[2]) - 0.25), Y: 2, W: 0.5, H: 13, Class: "middle", Tip: tip},
	}
}

// Intervals draws the distribution of the widths of the networks' confidence intervals.
func Intervals(s *report.Sweep) Chart {
	var widths []float64
	without, exact := 0, 0
	n := &s.Networks
	for r := range n.Len() {
		switch w := n.HalfWidth(r); {
		case math.IsNaN(w):
		case math.IsInf(w, 0):
			without++
		case w <= 0:
			exact++
		default:
			widths = append(widths, w)
		}
	}
	target := s.Manifest.Protocol.HalfWidth
	c := Chart{
		Title: "Interval widths", Legend: verdictLegend(Legend{"line", "the protocol's target"}),
		Note: fmt.Sprintf("Half of each network's %s confidence interval, relative to its latency. Target: %s.",
			describe.ChosenPercent(s.Manifest.Protocol.Confidence), describe.ChosenPercent(target)),
	}
	if without > 0 {
		c.Note += fmt.Sprintf(" %s too few blocks for bounds.", describe.Number(without, "network has", "networks have"))
	}
	if exact > 0 {
		c.Note += fmt.Sprintf(" The interval of %s has no width: the device repeats its value exactly.", ui.Plural(exact, "network"))
	}
	c.Desc = c.Note
	if len(widths) == 0 {
		return c
	}
	x := newScale(true, widths, []float64{target})
	parts := byVerdict(n, func(r int) float64 {
		if w := n.HalfWidth(r); w > 0 && !math.IsInf(w, 0) {
			return w
		}
		return math.NaN()
	})
	h := histogramOf{x: x, bins: 40, parts: parts, room: 1.1, tip: func(low, high float64, n int, of verdict.Verdict) string {
		return fmt.Sprintf("%s within %s to %s", ui.Plural(n, string(of)+" network"), ui.Percent(low), ui.Percent(high))
	}}
	f := h.frame("networks", 200, x.xAxis("half-width of the interval, % of the latency", 100))
	f.Paths = []Path{{"line", vertical(x.x(target))}}
	c.Frames = []Frame{f}
	return c
}

// Front draws latency over MACs with the Pareto front.
func Front(d *report.Data, sweep int) Chart {
	s := &d.Sweeps[sweep]
	n := &s.Networks
	x, y := newScale(true, n.MACs), newScale(true, n.Seconds)
	u, k := ui.SecondsScale(n.Seconds...), ui.CountScale(n.MACs...)
	dots := cloud{data: d, sweep: sweep, x: x, y: y, xs: n.MACs, ys: n.Seconds, front: s.Front, tip: func(x, y float64, networks string) string {
		return fmt.Sprintf("%s about %s MACs, %s", networks, k.Format(x), u.Format(y))
	}}
	c := Chart{
		Title: "Latency and MACs", Legend: dots.legend(Legend{"front", "on the front"}),
		Note: "The front: no other VALID network has as many MACs at a lower latency. MACs stand for capacity: latlab does not know accuracies.",
		Desc: fmt.Sprintf("Latency over MACs of %s; %d on the front", ui.Plural(n.Len(), "network"), len(s.Front)),
	}
	f := Frame{Label: "latency, " + u.Unit(), Height: 300, X: x.xAxis(axisLabel("MACs", k), 1/k.Factor()), Y: y.yAxis(1 / u.Factor()), Marks: dots.marks()}
	var xs, ys []float64
	for i, r := range s.Front {
		if i > 0 {
			xs, ys = append(xs, n.MACs[s.Front[i-1]]), append(ys, n.Seconds[r])
		}
		xs, ys = append(xs, n.MACs[r]), append(ys, n.Seconds[r])
	}
	f.Over = []Path{{"line", polyline(x, y, xs, ys)}}
	c.Frames = []Frame{f}
	return c
}

// fastest draws the fastest network of each range of MACs as bars, for pictures.
func fastest(s *report.Sweep) Chart {
	var values []float64
	for _, b := range s.Bands {
		values = append(values, s.Networks.Seconds[b.Fastest[0]])
	}
	u, ranges := ui.SecondsScale(values...), describe.Ranges(s.Bands)
	var bars []bar
	for i, b := range s.Bands {
		bars = append(bars, bar{
			ranges[i] + " MACs", "dot", values[i] / u.Factor(),
			fmt.Sprintf("%s: %s (of %s)", u.Format(values[i]), describe.Clip(s.Networks.Label(b.Fastest[0]), 20), ui.Plural(b.Networks, "network")),
		})
	}
	return barChart(bars, axisLabel("latency of the fastest", u))
}

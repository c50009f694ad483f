package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
)

const ms = 1e3 // milliseconds a second

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

func sweepTitle(s *Sweep) string {
	return fmt.Sprintf("%s (%s, sweep %s)", sweepName(s), KindWord(s.Manifest.Device.Kind), s.Manifest.ID)
}

// sweepName is the device and how it is used; before it, of a sweep of one listed network, which
// one: of networks timed by name there are many on one device.
func sweepName(s *Sweep) string {
	if n := &s.Networks; s.Manifest.Space == "" && n.Len() == 1 {
		return clipped(n.Label(0), 60) + " on " + deviceTitle(s)
	}
	return deviceTitle(s)
}

func deviceTitle(s *Sweep) string {
	m := &s.Manifest
	title := m.Device.Name
	if m.Device.Delegate != "" {
		title += ", " + m.Device.Delegate
	}
	if m.Device.Threads > 1 {
		title += fmt.Sprintf(", %d threads", m.Device.Threads)
	}
	return title + ", " + string(m.Precision)
}

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

// intervals is how wide the networks' intervals are.
func intervals(s *Sweep) chart {
	const bins = 40
	var widths, bad []float64
	without, exact := 0, 0
	n := &s.Networks
	for r := range n.Len() {
		switch w := n.HalfWidth(r); {
		case math.IsNaN(w):
		case math.IsInf(w, 0):
			without++
		case w <= 0:
			exact++
		case n.Valid(r):
			widths = append(widths, w)
		default:
			widths, bad = append(widths, w), append(bad, w)
		}
	}
	target := s.Manifest.Protocol.HalfWidth
	c := chart{
		Title: "Interval widths", Legend: []legend{{"dot", "networks"}, {"bad", "INVALID"}, {"line", "the protocol's target"}},
		Note: fmt.Sprintf("Half of each network's %s confidence interval, relative to its latency. Target: %s.", plainPercent(s.Manifest.Protocol.Confidence), plainPercent(target)),
	}
	if without > 0 {
		c.Note += fmt.Sprintf(" %s too few blocks for bounds.", haveWords(without))
	}
	if exact > 0 {
		c.Note += fmt.Sprintf(" Of %s the interval is the value itself: the device would give it again.", count(exact, "network"))
	}
	c.Desc = c.Note
	if len(widths) == 0 {
		return c
	}
	x := newScale(true, widths, []float64{target})
	counts := histogram(x, bins, widths)
	y := scale{0, 1.1 * float64(slices.Max(counts)), false}
	tip := func(low, high float64, n int) string {
		return fmt.Sprintf("%s within %s to %s", count(n, "network"), percent(low), percent(high))
	}
	f := frame{Label: "networks", Height: 200, X: x.xAxis("half-width, %", 100), Y: wholeTicks(y)}
	f.Marks = append(bars(x, y, counts, "dot", tip), bars(x, y, histogram(x, bins, bad), "bad", tip)...)
	f.Paths = []path{{"line", fmt.Sprintf("M%s 0V1000", pos(1000*x.at(target)))}}
	c.Frames = []frame{f}
	return c
}

func haveWords(n int) string {
	if n == 1 {
		return "1 network has"
	}
	return thousands(n) + " networks have"
}

// dots draws networks one by one, or their density where they are many; those that stand out
// are drawn in any case.
func (v *view) dots(sweep int, x, y scale, xs, ys []float64, tip func(x, y, n float64) string, always []int) []mark {
	s := &v.data.Sweeps[sweep]
	n := &s.Networks
	special := map[int]bool{}
	for _, r := range always {
		special[r] = true
	}
	var marks []mark
	many := v.many(sweep)
	if many {
		marks = density(x, y, xs, ys, tip)
	}
	for pass := range 2 { // those that stand out come last: on top
		for r := range n.Len() {
			if unknown(xs[r]) || unknown(ys[r]) || special[r] != (pass == 1) || many && (!special[r] || !v.shown[sweep][r]) {
				continue
			}
			class := "dot"
			switch {
			case !n.Valid(r):
				class = "bad"
			case special[r]:
				class = "front"
			}
			marks = append(marks, mark{X: x.x(x.clip(xs[r])), Y: y.y(y.clip(ys[r])), Class: class, Row: v.rowID(sweep, r), Href: v.anchor(sweep, r)})
		}
	}
	return marks
}

// many reports whether a sweep is drawn as densities.
func (v *view) many(sweep int) bool {
	s := &v.data.Sweeps[sweep]
	return s.Networks.Len() > len(s.Shown)
}

// dotLegend says of densities what their colours are.
func (v *view) dotLegend(sweep int, dots []legend) []legend {
	if !v.many(sweep) {
		return dots
	}
	return append([]legend{{"h1", "few networks"}, {"h4", "more"}, {"h8", "most"}}, dots[2:]...)
}

// budgets is latency over MACs with the Pareto front.
func (v *view) budgets(sweep int) chart {
	s := &v.data.Sweeps[sweep]
	n := &s.Networks
	c := chart{
		Title: "Latency and MACs", Legend: []legend{{"dot", "network"}, {"bad", "INVALID"}, {"front", "on the front"}},
		Note: "The front: no other VALID network has as many MACs at a lower latency. MACs stand for capacity here; latlab knows no accuracies.",
	}
	x, y := newScale(true, n.MACs), newScale(true, n.Seconds)
	tip := func(x, y, k float64) string {
		return fmt.Sprintf("%s about %s M MACs, %s ms", count(int(k), "network"), digits(x/1e6, 3), digits(y*ms, 3))
	}
	f := frame{Label: "latency, ms", Height: 300, X: x.xAxis("MACs, millions", 1e-6), Y: y.yAxis(ms)}
	f.Marks = v.dots(sweep, x, y, n.MACs, n.Seconds, tip, s.Front)
	var xs, ys []float64
	for i, r := range s.Front {
		if i > 0 {
			xs, ys = append(xs, n.MACs[s.Front[i-1]]), append(ys, n.Seconds[r])
		}
		xs, ys = append(xs, n.MACs[r]), append(ys, n.Seconds[r])
	}
	f.Over = []path{{"line", polyline(x, y, xs, ys)}}
	c.Frames = []frame{f}
	c.Legend = v.dotLegend(sweep, c.Legend)
	c.Desc = fmt.Sprintf("Latency over MACs of %s; %d on the front", count(n.Len(), "network"), len(s.Front))
	return c
}

// predictedOver is predicted against measured latency.
func (v *view) predictedOver(on FitOn) chart {
	s := &v.data.Sweeps[on.Sweep]
	n := &s.Networks
	word := string(s.Manifest.Device.Kind)
	c := chart{
		Title:  "Predicted against " + word,
		Legend: []legend{{"dot", "network"}, {"bad", "INVALID"}, {"line", "equal"}, {"cut", "10 % off"}},
		Note:   on.Training.Words(),
	}
	x := newScale(true, n.Seconds, on.Predicted)
	tip := func(x, y, k float64) string {
		return fmt.Sprintf("%s about %s ms, predicted %s ms", count(int(k), "network"), digits(x*ms, 3), digits(y*ms, 3))
	}
	f := frame{Label: "predicted, ms", Height: 300, X: x.xAxis(word+" latency, ms", ms), Y: x.yAxis(ms)}
	f.Marks = v.dots(on.Sweep, x, x, n.Seconds, on.Predicted, tip, nil)
	ends := []float64{x.low, x.high}
	off := func(factor float64) string {
		return polyline(x, x, ends, []float64{x.low * factor, x.high * factor})
	}
	f.Over = []path{{"line", off(1)}, {"cut", off(1.1)}, {"cut", off(1 / 1.1)}}
	c.Frames = []frame{f}
	c.Legend = v.dotLegend(on.Sweep, c.Legend)
	c.Desc = fmt.Sprintf("Predicted against %s latency of %s; mean error %s, mean absolute error %s", word, count(on.Networks, "VALID network"), signed(on.Mean), percent(on.MeanAbsolute))
	return c
}

// errorsOf is the distribution of relative errors.
func (v *view) errorsOf(on FitOn) chart {
	n := &v.data.Sweeps[on.Sweep].Networks
	var errors []float64
	for r := range n.Len() {
		if e := relativeError(n, on.Predicted, r); n.Valid(r) && !unknown(e) {
			errors = append(errors, e)
		}
	}
	c := chart{
		Title: "Relative errors", Legend: []legend{{"dot", "VALID networks"}},
		Note: fmt.Sprintf("Prediction over latency, less 1: right of 0 the model predicts too much. Mean %s, mean absolute %s.", signed(on.Mean), percent(on.MeanAbsolute)),
	}
	if len(errors) == 0 {
		c.Note, c.Legend = "No VALID network is shown that has a prediction, so there are no errors to draw.", nil
	}
	c.Desc = c.Note
	if len(errors) == 0 {
		return c
	}
	x := newScale(false, errors, []float64{-0.01, 0.01})
	counts := histogram(x, 40, errors)
	y := scale{0, 1.1 * float64(max(slices.Max(counts), 1)), false}
	f := frame{Label: "networks", Height: 300, X: x.xAxis("relative error, %", 100), Y: wholeTicks(y)}
	f.Marks = bars(x, y, counts, "dot", func(low, high float64, n int) string {
		return fmt.Sprintf("%s from %s to %s", count(n, "network"), signed(low), signed(high))
	})
	f.Over = []path{{"line", polyline(x, y, []float64{0, 0}, []float64{0, y.high})}}
	c.Frames = []frame{f}
	return c
}

// maxCells bounds the heat maps of a page: the entries of a space of ten such positions.
const maxCells = 12000

// heatCharts are the table of a fit; more is how many positions there was no room for.
func heatCharts(f *Fit) (charts []chart, steps []legend, more int) {
	top := 0.0
	for _, h := range f.Heat {
		for _, row := range h.Seconds {
			top = max(top, slices.Max(append(slices.Clone(row), 0)))
		}
	}
	cells := 0
	for i, h := range f.Heat {
		if cells += len(h.Choices) * len(h.Columns); cells > maxCells {
			return charts, heatLegend(top), len(f.Heat) - i
		}
		charts = append(charts, heatChart(&h, top))
	}
	return charts, heatLegend(top), 0
}

// heatShare spreads the cheap entries: layers of one space differ by a factor of a hundred.
func heatShare(seconds, top float64) float64 {
	if top <= 0 {
		return 0
	}
	return math.Sqrt(max(seconds, 0) / top)
}

func heatLegend(top float64) []legend {
	var all []legend
	for i := range heatSteps {
		from := top * math.Pow(float64(i)/heatSteps, 2)
		text := "from " + digits(from*ms, 2)
		if i == heatSteps-1 {
			text += " to " + digits(top*ms, 2) + " ms"
		}
		all = append(all, legend{fmt.Sprintf("h%d", i), text})
	}
	return append(all, legend{"neg", "below 0"}, legend{"unseen", "with a dot: never seen in training, its value is implied"}, legend{"unreachable", "hatched: no network can use it"})
}

func heatChart(h *Heat, top float64) chart {
	columns := len(h.Columns)
	if h.Unreachable > 0 {
		columns++
	}
	rows := len(h.Choices)
	w, hh := 100/float64(columns), 100/float64(rows)
	f := frame{Height: 17*rows + 2}
	// One path of points, not a pattern a cell: printing 3,000 cells with patterns took
	// Chromium 45 seconds.
	var dots strings.Builder
	unseen := 0
	for i, name := range h.Choices {
		f.Y.Ticks = append(f.Y.Ticks, tick{pos((float64(i) + 0.5) * hh), fitting(name, 126, 11)})
		for k, col := range h.Columns {
			m := mark{X: pos(float64(k) * w), Y: pos(float64(i) * hh), W: pos(w), H: pos(hh), Class: heatClass(heatShare(h.Seconds[i][k], top))}
			if h.Seconds[i][k] < 0 {
				m.Class = "neg"
			}
			m.Tip = fmt.Sprintf("%s, %d to %d channels\n%s ms", name, col.In, col.Out, digits(h.Seconds[i][k]*ms, 3))
			if h.Seen != nil {
				m.Tip += "\n" + seenWords(h.Seen[i][k])
				if h.Seen[i][k] == 0 {
					unseen++
					fmt.Fprintf(&dots, "M%s %sh0", pos(10*(float64(k)+0.5)*w), pos(10*(float64(i)+0.5)*hh))
				}
			}
			f.Marks = append(f.Marks, m)
		}
	}
	if h.Unreachable > 0 {
		f.Marks = append(f.Marks, mark{
			X: pos(100 - w), Y: "0", W: pos(w), H: "100", Class: "unreachable",
			Tip: fmt.Sprintf("%s of unequal widths: no network can use them", count(h.Unreachable, "entry")),
		})
	}
	f.X.Ticks = heatTicks(h, w)
	f.Over = append(heatLines(h, w), path{"unseen-rim", dots.String()}, path{"unseen", dots.String()})
	f.X.Label = "output channels"
	c := chart{Title: h.Position, Rows: true, Frames: []frame{f}}
	if !h.SameWidth && len(h.Columns) > len(f.X.Ticks) {
		f.X.Label = "output channels; in each group the input channels rise, " + inputWords(h)
		c.Frames[0] = f
		c.Wide = len(h.Columns) > 20
	}
	c.Desc = fmt.Sprintf("Weights of %s: %d choices by %s, %d never seen, %d unreachable", h.Position, rows, count(len(h.Columns), "pair")+" of widths", unseen, h.Unreachable)
	return c
}

// inputWords are the input widths from left to right of a group; of many the ends.
func inputWords(h *Heat) string {
	var ins []string
	for _, c := range h.Columns {
		if in := fmt.Sprint(c.In); c.Out == h.Columns[0].Out {
			ins = append(ins, in)
		}
	}
	if len(ins) > 8 {
		return ins[0] + " to " + ins[len(ins)-1]
	}
	return strings.Join(ins, " ")
}

// heatLines part the output widths where each has several columns.
func heatLines(h *Heat, w float64) []path {
	var all []path
	for k := 1; k < len(h.Columns) && !h.SameWidth; k++ {
		if h.Columns[k].Out != h.Columns[k-1].Out {
			all = append(all, path{"part", fmt.Sprintf("M%s 0V1000", pos(10*float64(k)*w))})
		}
	}
	return all
}

// heatTicks are one an output width, in the middle of its columns.
func heatTicks(h *Heat, w float64) []tick {
	var all []tick
	for from := 0; from < len(h.Columns); {
		to := from
		for to < len(h.Columns) && h.Columns[to].Out == h.Columns[from].Out {
			to++
		}
		all = append(all, tick{pos(float64(from+to) / 2 * w), fmt.Sprint(h.Columns[from].Out)})
		from = to
	}
	return all
}

func seenWords(n int) string {
	if n == 0 {
		return "never seen in training: implied by its relatives"
	}
	return "in " + count(n, "training network")
}

// fitting clips a name to about a width in pixels. Nobody here can measure a text; letters are
// taken for wide where they may be.
func fitting(name string, width, size float64) string {
	w := 0.0
	for i, r := range []rune(name) {
		switch {
		case r > unicode.MaxASCII || strings.ContainsRune("mwMW@%", r):
			w += size
		case unicode.IsUpper(r):
			w += 0.75 * size
		default:
			w += 0.62 * size
		}
		if w > width {
			return clipped(name, max(i, 2))
		}
	}
	return name
}

// clipped shortens a name that would leave no room for its picture.
func clipped(name string, limit int) string {
	runes := []rune(name)
	if len(runes) <= limit {
		return name
	}
	return string(runes[:limit-1]) + "…"
}

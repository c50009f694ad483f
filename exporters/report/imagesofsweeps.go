package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"latlab/devices"
)

func (d *Data) distributionSheet(kind devices.Kind) *sheet {
	const bins = 60
	var sweeps []*Sweep
	var all [][]float64
	for i := range d.Sweeps {
		if s := &d.Sweeps[i]; s.Manifest.Device.Kind == kind && s.Tally.Blocks > 0 {
			sweeps, all = append(sweeps, s), append(all, s.Networks.Seconds)
		}
	}
	if len(sweeps) == 0 {
		return nil
	}
	sh := &sheet{
		title: "Latency of the networks, by device, " + KindWord(kind), kind: kind,
		note: "How many networks took how long. The line above is the middle half of the networks, the stroke in it their median.",
		keys: []legend{{"dot", "VALID"}, {"bad", "INVALID"}, {"middle", "middle half, median"}},
	}
	x := newScale(true, all...)
	for i, s := range sweeps {
		valid, invalid := byVerdict(&s.Networks)
		both := slices.Concat(valid, invalid)
		p := counted(x, bins, both, invalid, ms)
		p.Title.Text = plain(clipped(deviceTitle(s), 44) + ", sweep " + s.Manifest.ID + ": " + spanWords(both))
		p.Y.Max *= 1.2
		if len(both) > 0 {
			p.Add(middleHalf(quantiles(both), p))
		}
		if i == len(sweeps)-1 {
			p.X.Label.Text = "latency, ms"
		}
		height := 2 * vg.Inch
		if len(sweeps) == 1 {
			height = 4 * vg.Inch
		}
		sh.rows = append(sh.rows, panels{[]*plot.Plot{p}, height})
	}
	return sh
}

// counted is a histogram; unit is of the x axis.
func counted(x scale, bins int, values, bad []float64, unit float64) *plot.Plot {
	counts := histogram(x, bins, values)
	y := scale{0, 1.1 * float64(max(slices.Max(counts), 1)), false}
	p := boxed("")
	x.along(&p.X, 8, unit, "")
	y.along(&p.Y, 4, 1, "networks")
	p.Y.Tick.Marker = wholeNumbers(y)
	grid(p)
	for _, of := range []struct {
		class  string
		counts []int
	}{{"dot", counts}, {"bad", histogram(x, bins, bad)}} {
		p.Add(paint(func(c draw.Canvas, at func(x, y float64) vg.Point) {
			for i, n := range of.counts {
				if n > 0 {
					a := at(x.from(float64(i)/float64(bins))*unit, 0)
					b := at(x.from((float64(i)+0.96)/float64(bins))*unit, float64(n))
					b.Y = max(b.Y, a.Y+1) // one network among thousands is seen too
					fill(c, of.class, a, b)
				}
			}
		}))
	}
	return p
}

func wholeNumbers(y scale) plot.ConstantTicks {
	var all plot.ConstantTicks
	for _, v := range y.round(4, 1) {
		if v == math.Floor(v) {
			all = append(all, plot.Tick{Value: v, Label: thousands(int(v))})
		}
	}
	return all
}

func middleHalf(q [5]float64, p *plot.Plot) paint {
	return func(c draw.Canvas, at func(x, y float64) vg.Point) {
		y := c.Max.Y - 9
		fill(c, "middle", vg.Point{X: at(q[1]*ms, 0).X, Y: y - 2}, vg.Point{X: at(q[3]*ms, 0).X, Y: y + 2})
		m := at(q[2]*ms, p.Y.Max).X
		fill(c, "middle", vg.Point{X: m - 1, Y: y - 6}, vg.Point{X: m + 1, Y: y + 6})
	}
}

// item is a bar with its value in words behind it.
type item struct {
	name, class string
	value       float64
	words       string
}

func horizontal(items []item, label string) panels {
	top := 0.0
	var labels []string
	for _, i := range items {
		top = max(top, i.value)
		labels = append(labels, clipped(i.name, 60))
	}
	// The longest bar leaves room for the longest words.
	names, words := 0*vg.Inch, 0*vg.Inch
	style := letters(smallSize, "ink")
	for _, i := range items {
		names, words = max(names, style.Width(plain(clipped(i.name, 60)))), max(words, style.Width(plain(i.words)))
	}
	room := float64((words + 12) / (sheetWidth - 2*sheetMargin - names - 20))
	x := scale{0, max(top/(1-min(room, 0.8)), 1e-9), false}
	p := boxed("")
	x.along(&p.X, 6, 1, label)
	named(&p.Y, labels)
	p.Add(paint(func(c draw.Canvas, at func(x, y float64) vg.Point) {
		for i, it := range items {
			y := float64(len(items) - 1 - i)
			a, b := at(0, y-0.36), at(max(it.value, 0), y+0.36)
			fill(c, it.class, a, b)
			style := letters(smallSize, "ink")
			style.YAlign = -0.5
			c.FillText(style, vg.Point{X: b.X + 5, Y: (a.Y+b.Y)/2 + 2}, plain(it.words))
		}
	}))
	return panels{[]*plot.Plot{p}, vg.Length(len(items))*22 + 60}
}

func verdictSheet(s *Sweep) *sheet {
	t := s.Tally
	share := func(n int) string {
		return fmt.Sprintf("%s (%s)", thousands(n), percent(float64(n)/float64(max(t.Networks, 1))))
	}
	var items []item
	for _, x := range shares(t) {
		items = append(items, item{x.Word, x.Class, float64(x.N), share(x.N)})
	}
	for _, of := range []struct {
		word, class string
		counts      []Count
	}{{"INVALID: ", "bad", t.Reasons}, {"warning: ", "warning", t.Warnings}} {
		for _, c := range of.counts {
			items = append(items, item{of.word + c.Words, of.class, float64(c.Networks), share(c.Networks)})
		}
	}
	for _, f := range t.Failures {
		items = append(items, item{fmt.Sprintf("given up: %s, %s", f.Fault, f.Reason), "failed", float64(f.Final), fmt.Sprintf("%s in %s", thousands(f.Final), count(f.Attempts, "attempt"))})
	}
	sh := sweepSheet(s, "What came of the sweep: verdicts and reasons")
	sh.note = fmt.Sprintf("Of %s planned, %s asked for. A network may have several reasons and warnings; a warning does not make it INVALID.", count(t.Networks, "network"), thousands(s.Manifest.Networks))
	sh.rows = []panels{horizontal(items, "networks")}
	return sh
}

func timeSheet(s *Sweep) *sheet {
	line := s.Timeline
	if len(line.Moments) == 0 {
		return nil
	}
	c := overTime(s) // its words, and what it says of rests and of spikes
	sh := sweepSheet(s, "Latency over the sweep, with temperature")
	sh.note = c.Note
	for _, k := range c.keys() {
		if k.Class == "bad" {
			k.Class = "triangle"
		}
		sh.keys = append(sh.keys, k.legend)
	}
	xs, unit, cuts := activeTime(line)
	x := newScale(false, xs)
	mean, low, high := make([]float64, len(xs)), make([]float64, len(xs)), make([]float64, len(xs))
	for i, m := range line.Moments {
		mean[i], low[i], high[i] = m.MeanRatio-1, m.MinRatio-1, m.MaxRatio-1
	}
	limit := spikeLimit(low, high)
	for i := range mean {
		mean[i], low[i], high[i] = min(mean[i], limit), min(low[i], limit), min(high[i], limit)
	}
	y := newScale(false, low, high, []float64{-0.01, 0.01})
	p := boxed("")
	x.along(&p.X, 8, 1, "")
	y.along(&p.Y, 6, 100, "block against its network, %")
	grid(p)
	p.Add(band(xs, low, high, 100), joined("zero", []float64{x.low, x.high}, []float64{0, 0}), joined("line", xs, times(mean, 100)))
	p.Add(uprights(cuts), paint(func(c draw.Canvas, at func(x, y float64) vg.Point) {
		for i, m := range line.Moments {
			switch {
			case m.Throttled > 0:
				dot(c, "hot", at(xs[i], 100*mean[i]), 2.6)
			case m.Invalid > 0:
				dot(c, "bad", at(xs[i], 100*mean[i]), 2.2)
			}
		}
	}))
	hot := temperaturePlot(line, x, xs)
	hot.Add(uprights(cuts))
	hot.X.Label.Text = "active time since " + when(s.Tally.First) + ", " + unit
	below := 2.2 * vg.Inch
	if len(hot.Y.Tick.Marker.Ticks(hot.Y.Min, hot.Y.Max)) == 0 {
		below = 0.9 * vg.Inch
	}
	sh.rows = []panels{{[]*plot.Plot{p}, 3.2 * vg.Inch}, {[]*plot.Plot{hot}, below}}
	return sh
}

func temperaturePlot(line Timeline, x scale, xs []float64) *plot.Plot {
	var at, mean, low, high []float64
	for i, m := range line.Moments {
		if m.MeanC != nil {
			at, mean = append(at, xs[i]), append(mean, *m.MeanC)
			low, high = append(low, *m.CoolestC), append(high, *m.MaxC)
		}
	}
	p := boxed("")
	x.along(&p.X, 8, 1, "")
	if len(at) == 0 {
		p.Title.Text = "temperature: no sensor could be read"
		scale{0, 1, false}.along(&p.Y, 1, 1, "")
		p.Y.Tick.Marker = plot.ConstantTicks{}
		return p
	}
	newScale(false, low, high).along(&p.Y, 4, 1, "hottest sensor, °C")
	grid(p)
	p.Add(band(at, low, high, 1), joined("line", at, mean))
	return p
}

func times(v []float64, by float64) []float64 {
	all := make([]float64, len(v))
	for i := range v {
		all[i] = v[i] * by
	}
	return all
}

func band(xs, low, high []float64, unit float64) paint {
	return func(c draw.Canvas, at func(x, y float64) vg.Point) {
		var points []vg.Point
		for i := range xs {
			points = append(points, at(xs[i], high[i]*unit))
		}
		for i := len(xs) - 1; i >= 0; i-- {
			points = append(points, at(xs[i], low[i]*unit))
		}
		if len(points) > 2 {
			c.FillPolygon(colours("area"), points)
		}
	}
}

func joined(class string, xs, ys []float64) paint {
	return func(c draw.Canvas, at func(x, y float64) vg.Point) {
		var points []vg.Point
		for i := range xs {
			points = append(points, at(xs[i], ys[i]))
		}
		if len(points) > 1 {
			c.StrokeLines(stroke(class), c.ClipLinesXY(points)...)
		}
	}
}

func uprights(xs []float64) paint {
	return func(c draw.Canvas, at func(x, y float64) vg.Point) {
		for _, v := range xs {
			x := at(v, 0).X
			c.StrokeLine2(stroke("cut"), x, c.Min.Y, x, c.Max.Y)
		}
	}
}

func intervalSheet(s *Sweep) *sheet {
	c := intervals(s)
	if len(c.Frames) == 0 {
		return nil
	}
	n := &s.Networks
	var widths, bad []float64
	for r := range n.Len() {
		if w := n.HalfWidth(r); !unknown(w) && w > 0 {
			widths = append(widths, w)
			if !n.Valid(r) {
				bad = append(bad, w)
			}
		}
	}
	target := s.Manifest.Protocol.HalfWidth
	x := newScale(true, widths, []float64{target})
	p := counted(x, 40, widths, bad, 100)
	p.X.Label.Text = "half-width of the interval, % of the latency"
	p.Add(uprights([]float64{100 * target}))
	sh := sweepSheet(s, "Interval widths")
	sh.note, sh.keys = c.Note, []legend{{"dot", "VALID"}, {"bad", "INVALID"}, {"cut", "the protocol's target"}}
	sh.rows = []panels{{[]*plot.Plot{p}, 3.8 * vg.Inch}}
	return sh
}

// cloud draws networks one by one, or how dense they lie where they are many.
func (v *view) cloud(sweep int, x, y scale, xs, ys []float64, ux, uy float64) paint {
	n := &v.data.Sweeps[sweep].Networks
	return func(c draw.Canvas, at func(x, y float64) vg.Point) {
		if v.many(sweep) {
			dense(c, at, x, y, xs, ys, ux, uy)
			return
		}
		for _, invalid := range []bool{true, false} { // VALID ones are not hidden
			for r := range n.Len() {
				if unknown(xs[r]) || unknown(ys[r]) || n.Valid(r) == invalid {
					continue
				}
				class := "dot"
				if invalid {
					class = "bad"
				}
				dot(c, class, at(x.clip(xs[r])*ux, y.clip(ys[r])*uy), 2.4)
			}
		}
	}
}

func dense(c draw.Canvas, at func(x, y float64) vg.Point, x, y scale, xs, ys []float64, ux, uy float64) {
	const columns, lines = 90, 60
	var counts [columns][lines]int
	most := 0
	for i := range xs {
		if !unknown(xs[i]) && !unknown(ys[i]) {
			k := min(max(int(x.at(x.clip(xs[i]))*columns), 0), columns-1)
			l := min(max(int(y.at(y.clip(ys[i]))*lines), 0), lines-1)
			counts[k][l]++
			most = max(most, counts[k][l])
		}
	}
	for k := range columns {
		for l, n := range counts[k] {
			if n > 0 {
				share := math.Log(float64(n)+1) / math.Log(float64(most)+1)
				a := at(x.from(float64(k)/columns)*ux, y.from(float64(l)/lines)*uy)
				b := at(x.from(float64(k+1)/columns)*ux, y.from(float64(l+1)/lines)*uy)
				fill(c, heatClass(max(share, 0.15)), a, b)
			}
		}
	}
}

// cloudKeys are the keys of a cloud.
func (v *view) cloudKeys(sweep int) []legend {
	if v.many(sweep) {
		return []legend{{"h1", "few networks"}, {"h4", "more"}, {"h8", "most (INVALID ones are among them)"}}
	}
	return []legend{{"point", "VALID network"}, {"triangle", "INVALID"}}
}

func (v *view) budgetSheet(i int) *sheet {
	s := &v.data.Sweeps[i]
	if len(s.Front) == 0 {
		return nil
	}
	n := &s.Networks
	x, y := newScale(true, n.MACs), newScale(true, n.Seconds)
	p := boxed("")
	x.along(&p.X, 8, 1e-6, "MACs, millions")
	y.along(&p.Y, 8, ms, "latency, ms")
	grid(p)
	var xs, ys []float64
	for k, r := range s.Front {
		if k > 0 {
			xs, ys = append(xs, n.MACs[s.Front[k-1]]/1e6), append(ys, n.Seconds[r]*ms)
		}
		xs, ys = append(xs, n.MACs[r]/1e6), append(ys, n.Seconds[r]*ms)
	}
	p.Add(v.cloud(i, x, y, n.MACs, n.Seconds, 1e-6, ms), joined("front", xs, ys), paint(func(c draw.Canvas, at func(x, y float64) vg.Point) {
		for _, r := range s.Front {
			dot(c, "front", at(n.MACs[r]/1e6, n.Seconds[r]*ms), 3.4)
		}
	}))
	sh := sweepSheet(s, "Fastest networks by MAC budget")
	sh.note = "The front: no other VALID network has as many MACs at a lower latency. MACs stand for capacity; latlab knows no accuracies. Beneath: the fastest VALID network of each range of MACs."
	sh.keys = append(v.cloudKeys(i), legend{"front", "on the front"})
	sh.rows = []panels{{[]*plot.Plot{p}, 4.4 * vg.Inch}, fastest(s)}
	return sh
}

func fastest(s *Sweep) panels {
	var items []item
	for _, b := range s.Bands {
		r := b.Fastest[0]
		items = append(items, item{
			fmt.Sprintf("%s to %s M MACs", millions(b.LowMACs), millions(b.HighMACs)), "dot", s.Networks.Seconds[r] * ms,
			fmt.Sprintf("%s ms: %s (of %s)", millis(s.Networks.Seconds[r]), clipped(s.Networks.Label(r), 20), count(b.Networks, "network")),
		})
	}
	return horizontal(items, "latency of the fastest, ms")
}

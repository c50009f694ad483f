package charts

import (
	"fmt"
	"math"
	"slices"

	"latlab/bench/verdict"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// polyline returns the places of values as one line of a path.
func polyline(x, y scale, xs, ys []float64) [][]Point {
	var line []Point
	for i := range xs {
		line = append(line, Point{x.x(xs[i]), y.y(ys[i])})
	}
	if line == nil {
		return nil
	}
	return [][]Point{line}
}

// vertical is a line from the top of a frame to its bottom.
func vertical(at Place) [][]Point { return [][]Point{{{at, 0}, {at, 100}}} }

// area is the area between two lines.
func area(x, y scale, xs, low, high []float64) Path {
	p := Path{Class: "area", Lines: polyline(x, y, xs, high)}
	for i := len(xs) - 1; i >= 0; i-- {
		p.Lines[0] = append(p.Lines[0], Point{x.x(xs[i]), y.y(low[i])})
	}
	return p
}

// histogramOf draws a frame that counts values in equal bins of the scale. The bars of the later parts stand
// in front of those of the parts before, which hold their values too. room is the ratio of the frame's height
// to that of the highest bar.
type histogramOf struct {
	x     scale
	bins  int
	parts []histogramPart
	room  float64
	tip   func(low, high float64, n int, of verdict.Verdict) string
}

type histogramPart struct {
	of     verdict.Verdict
	values []float64
}

// byVerdict are the values of measured networks: VALID ones at the top of a bar, INVALID ones at its foot.
func byVerdict(n *report.Networks, value func(row int) float64) []histogramPart {
	parts := []histogramPart{{verdict.Valid, nil}, {verdict.Imprecise, nil}, {verdict.Invalid, nil}}
	for r := range n.Len() {
		if !n.Measured(r) {
			continue
		}
		for i := range parts {
			parts[i].values = append(parts[i].values, value(r))
			if parts[i].of == n.Verdict[r] {
				break
			}
		}
	}
	return parts
}

// markClass is the colour and shape of a network's mark.
func markClass(v verdict.Verdict) string {
	switch v {
	case verdict.Valid:
		return "dot"
	case verdict.Imprecise:
		return "imprecise"
	}
	return "bad"
}

// verdictLegend explains the marks of networks.
func verdictLegend(more ...Legend) []Legend {
	return append([]Legend{{"dot", "VALID"}, {"imprecise", "IMPRECISE: right, with a wider interval than asked for"}, {"bad", "INVALID"}}, more...)
}

func (h histogramOf) frame(label string, height int, axis Axis) Frame {
	var counts [][]int
	for _, p := range h.parts {
		counts = append(counts, histogram(h.x, h.bins, p.values))
	}
	y := scale{0, h.room * float64(max(slices.Max(counts[0]), 1)), false}
	f := Frame{Label: label, Height: height, X: axis, Y: y.counts()}
	for i, p := range h.parts {
		var own []int // without those in front
		for k, n := range counts[i] {
			if i+1 < len(counts) {
				n -= counts[i+1][k]
			}
			own = append(own, n)
		}
		f.Marks = append(f.Marks, h.bars(y, counts[i], own, p.of)...)
	}
	return f
}

func histogram(s scale, bins int, values []float64) []int {
	counts := make([]int, bins)
	for _, v := range values {
		if !describe.Unknown(v) {
			counts[min(max(int(s.at(v)*float64(bins)), 0), bins-1)]++
		}
	}
	return counts
}

func (h histogramOf) bars(y scale, counts, own []int, of verdict.Verdict) []Mark {
	var all []Mark
	w := 1 / float64(h.bins)
	for i, n := range counts {
		if own[i] == 0 {
			continue
		}
		height := max(100*y.at(float64(n)), 1) // so that one network among thousands is visible
		all = append(all, Mark{
			X: Place(100 * float64(i) * w), Y: Place(100 - height), W: Place(100 * w * 0.96), H: Place(height), Class: markClass(of),
			Tip: h.tip(h.x.from(float64(i)*w), h.x.from(float64(i+1)*w), own[i], of),
		})
	}
	return all
}

// cloud draws a sweep's networks as dots, or as densities if they are many: beyond a thousand, dots
// hide each other and a page gets slow. Networks of front are always drawn, on top.
type cloud struct {
	data  *report.Data
	sweep int
	x, y  scale
	xs    []float64
	ys    []float64
	front []int
	tip   func(x, y float64, networks string) string
}

func (c cloud) marks() []Mark {
	s := &c.data.Sweeps[c.sweep]
	front := map[int]bool{}
	for _, r := range c.front {
		front[r] = true
	}
	var marks []Mark
	if s.Sampled() {
		marks = c.density()
	}
	for _, top := range []bool{false, true} {
		for r := range s.Networks.Len() {
			drawn := front[r] == top && (!s.Sampled() || top && s.HasRow(r))
			if drawn && !describe.Unknown(c.xs[r]) && !describe.Unknown(c.ys[r]) {
				marks = append(marks, c.dot(s, r, top))
			}
		}
	}
	return marks
}

func (c cloud) dot(s *report.Sweep, r int, front bool) Mark {
	m := Mark{X: c.x.x(c.x.clip(c.xs[r])), Y: c.y.y(c.y.clip(c.ys[r])), Class: markClass(s.Networks.Verdict[r]), Href: Anchor(c.data, c.sweep, r)}
	if front {
		m.Class = "front"
	}
	if s.HasRow(r) {
		m.Row = fmt.Sprintf("%d,%d", c.sweep, r)
	}
	return m
}

// density draws boxes whose colour shows how many networks lie in them.
func (c cloud) density() []Mark {
	const columns, lines = 56, 40
	var counts [columns][lines]int
	most := 0
	for i := range c.xs {
		if describe.Unknown(c.xs[i]) || describe.Unknown(c.ys[i]) {
			continue
		}
		n := &counts[min(max(int(c.x.at(c.xs[i])*columns), 0), columns-1)][min(max(int(c.y.at(c.ys[i])*lines), 0), lines-1)]
		*n++
		most = max(most, *n)
	}
	var all []Mark
	for k := range columns {
		for l, n := range counts[k] {
			if n == 0 {
				continue
			}
			all = append(all, Mark{
				X: Place(100 * float64(k) / columns), Y: Place(100 - 100*float64(l+1)/lines), W: 100.0 / columns, H: 100.0 / lines,
				Class: heatClass(math.Log(float64(n)+1) / math.Log(float64(most)+1)),
				Tip:   c.tip(c.x.from((float64(k)+0.5)/columns), c.y.from((float64(l)+0.5)/lines), ui.Plural(n, "network")),
			})
		}
	}
	return all
}

// legend explains the dots, or the colours of densities.
func (c cloud) legend(more ...Legend) []Legend {
	if c.data.Sweeps[c.sweep].Sampled() {
		return append([]Legend{{"h1", "few networks"}, {"h4", "more"}, {"h8", "most"}}, more...)
	}
	return verdictLegend(more...)
}

// heatSteps is the number of colours of a heat map.
const heatSteps = 9

// heatClass returns the colour class of a share from 0 to 1.
func heatClass(share float64) string {
	return fmt.Sprintf("h%d", min(max(int(share*heatSteps), 0), heatSteps-1))
}

// bar is a row of a bar chart; its words follow the bar.
type bar struct {
	name, class string
	value       float64
	words       string
}

// barChart draws horizontal bars, the first at the top. It is for pictures: the page has a table
// instead.
func barChart(bars []bar, label string) Chart {
	const rowHeight = 29
	top, names, words := 0.0, 0.0, 0.0
	for i := range bars {
		bars[i].name = describe.Clip(bars[i].name, 60)
		top = max(top, bars[i].value)
		names, words = max(names, textWidth(bars[i].name, smallText)), max(words, textWidth(bars[i].words, smallText))
	}
	// Beside the longest bar there is room for the longest words.
	room := min((words+16)/(pictureWidth-2*pictureMargin-names-20), 0.8)
	x := scale{0, max(top/(1-room), 1e-9), false}
	f := Frame{Height: rowHeight*len(bars) + 2, X: x.xAxis(label, 1)}
	h := 100 / float64(len(bars))
	for i, b := range bars {
		if b.value <= 0 {
			b.class = "none" // only its words
		}
		f.Y.Ticks = append(f.Y.Ticks, Tick{At: Place((float64(i) + 0.5) * h), Text: b.name})
		f.Marks = append(f.Marks, Mark{
			Y: Place((float64(i) + 0.14) * h), W: max(x.x(b.value), 0.1), H: Place(0.72 * h), Class: b.class, Beside: b.words,
		})
	}
	return Chart{Rows: true, Frames: []Frame{f}}
}

// fitting clips the middle of a name to about a width in pixels. The page's font is unknown here, so it is
// assumed to be 40 % wider than Liberation Sans.
func fitting(name string, width, size float64) string {
	runes := []rune(name)
	for i := range runes {
		if 1.4*textWidth(string(runes[:i+1]), size) > width {
			return ui.Middle(name, max(i, 4))
		}
	}
	return name
}

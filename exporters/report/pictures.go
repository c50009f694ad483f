package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
)

const ms = 1e3 // milliseconds a second

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

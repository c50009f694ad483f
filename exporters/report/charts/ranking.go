package charts

import (
	"fmt"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// rankedNetworks is up to how many networks a sweep is drawn as one named row for each: more do not fit
// on a screen, and their names are no longer read.
const rankedNetworks = 40

// maxShared is up to how many times the fastest latency an axis of several sweeps reaches.
const maxShared = 12

// isRanked reports whether a sweep's networks are drawn by name.
func isRanked(s *report.Sweep) bool {
	n := len(s.Networks.Latencies())
	return n > 0 && n <= rankedNetworks
}

// ranking draws the networks of sweeps as dots with their intervals, the fastest at the top, a frame for
// each sweep.
func ranking(d *report.Data, sweeps []int, x scale, u ui.Scale, kind string) Chart {
	c := Chart{
		Title: "Networks by latency, " + kind, Rows: true, Ranked: true,
		Note:   "The fastest network is at the top. Lines are the confidence intervals. The interval of a network after ≈ overlaps that of the one above it: the two are not distinguishable.",
		Legend: verdictLegend(Legend{"line", "interval"}),
	}
	// A phone and a board would leave each other's dots a corner of the picture.
	apart := x.high > maxShared*x.low
	switch {
	case len(sweeps) == 1:
	case apart:
		c.Note += " Each sweep has its own axis."
	default:
		c.Note += " All sweeps share one axis."
	}
	c.Note += verdictNote(d, sweeps, "are ranked too")
	c.Desc = "Ranked latencies"
	for _, i := range sweeps {
		s := &d.Sweeps[i]
		if n := &s.Networks; apart {
			x = newScale(true, n.Seconds, n.Low, n.High)
		}
		f := rankedFrame(d, i, x, u)
		f.Label = "networks, " + describe.SweepAndKind(s)
		c.Frames = append(c.Frames, f)
		c.Desc += ". " + spanWords(s)
	}
	return c
}

func rankedFrame(d *report.Data, sweep int, x scale, u ui.Scale) Frame {
	const rowHeight = 22
	s := &d.Sweeps[sweep]
	n := &s.Networks
	ranked := rank(n)
	names := make([]string, len(ranked))
	for i, r := range ranked {
		names[i] = n.Label(r.Network.Index)
	}
	names = ui.WithoutCommon(names)
	f := Frame{Height: rowHeight * len(ranked), X: x.xAxis(axisLabel("latency", u), 1/u.Factor())}
	intervals := Path{Class: "line"}
	for i, r := range ranked {
		row, y := r.Network.Index, Place(100*(float64(i)+0.5)/float64(len(ranked)))
		name := names[i]
		if r.Tied {
			name = "≈ " + name
		}
		tick := Tick{At: y, Text: fitting(name, 126, 11)}
		if tick.Text != name {
			tick.Full = fitting(name, 246, 11)
		}
		f.Y.Ticks = append(f.Y.Ticks, tick)
		if r.M.Low != nil && r.M.High != nil {
			intervals.Lines = append(intervals.Lines, []Point{{x.x(x.clip(*r.M.Low)), y}, {x.x(x.clip(*r.M.High)), y}})
		}
		m := Mark{X: x.x(x.clip(r.M.Seconds)), Y: y, Class: markClass(n.Verdict[row]), Href: Anchor(d, sweep, row)}
		if s.HasRow(row) {
			m.Row = fmt.Sprintf("%d,%d", sweep, row)
		} else {
			m.Tip = fmt.Sprintf("%s: %s, %.2f times the fastest", n.Label(row), u.Format(r.M.Seconds), r.Times)
		}
		f.Marks = append(f.Marks, m)
	}
	if intervals.Lines != nil {
		f.Paths = []Path{intervals}
	}
	return f
}

// rank ranks the rows of networks; the Index of a ranked network is its row.
func rank(n *report.Networks) []bench.Ranked {
	var all []bench.Estimate
	for r := range n.Len() {
		if !n.Measured(r) || describe.Unknown(n.Seconds[r]) {
			continue
		}
		m := &verdict.Measurement{Seconds: n.Seconds[r]}
		if !describe.Unknown(n.Low[r]) && !describe.Unknown(n.High[r]) {
			m.Low, m.High = &n.Low[r], &n.High[r]
		}
		all = append(all, bench.Estimate{Network: bench.Network{Index: r}, M: m})
	}
	return bench.Rank(all)
}

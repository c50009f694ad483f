package charts

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// maxCells limits the heat maps of a page.
const maxCells = 12000

// CostTable returns the table of a cost model as heat maps, one for each position. All maps share
// the legend; more is the number of positions that are left out for lack of room.
func CostTable(f *report.Fit) (charts []Chart, legend []Legend, more int) {
	top := 0.0
	for _, h := range f.Heat {
		for _, row := range h.Seconds {
			top = max(top, slices.Max(append(slices.Clone(row), 0)))
		}
	}
	u := ui.SecondsScale(top/20, top)
	cells := 0
	for i, h := range f.Heat {
		if cells += len(h.Choices) * len(h.Columns); cells > maxCells {
			return charts, heatLegend(top, u), len(f.Heat) - i
		}
		charts = append(charts, heatChart(&h, top, u))
	}
	return charts, heatLegend(top, u), 0
}

// heatShare spreads the cheap entries: layers of one space differ by a factor of a hundred.
func heatShare(seconds, top float64) float64 {
	if top <= 0 {
		return 0
	}
	return math.Sqrt(max(seconds, 0) / top)
}

func heatLegend(top float64, u ui.Scale) []Legend {
	var all []Legend
	for i := range heatSteps {
		from := top * math.Pow(float64(i)/heatSteps, 2)
		text := "from " + ui.Digits(from/u.Factor(), 2)
		if i == heatSteps-1 {
			text += " to " + ui.Digits(top/u.Factor(), 2) + " " + u.Unit()
		}
		all = append(all, Legend{fmt.Sprintf("h%d", i), text})
	}
	return append(all, Legend{"neg", "below 0"}, Legend{"unseen", "with a dot: never seen in training, value implied"}, Legend{"unreachable", "hatched: no network can use it"})
}

func heatChart(h *report.Heat, top float64, u ui.Scale) Chart {
	columns := len(h.Columns)
	if h.Unreachable > 0 {
		columns++
	}
	rows := len(h.Choices)
	w, hh := 100/float64(columns), 100/float64(rows)
	f := Frame{Height: 17*rows + 2}
	// All points are in one path. A pattern for each cell was rejected: printing 3,000 cells with
	// patterns took Chromium 45 seconds.
	var dots [][]Point
	unseen := 0
	for i, name := range h.Choices {
		f.Y.Ticks = append(f.Y.Ticks, Tick{At: Place((float64(i) + 0.5) * hh), Text: fitting(name, 126, 11)})
		for k, col := range h.Columns {
			m := Mark{X: Place(float64(k) * w), Y: Place(float64(i) * hh), W: Place(w), H: Place(hh), Class: heatClass(heatShare(h.Seconds[i][k], top))}
			if h.Seconds[i][k] < 0 {
				m.Class = "neg"
			}
			m.Tip = fmt.Sprintf("%s, %d to %d channels\n%s", name, col.In, col.Out, u.Format(h.Seconds[i][k]))
			if h.Seen != nil {
				m.Tip += "\n" + seenWords(h.Seen[i][k])
				if h.Seen[i][k] == 0 {
					unseen++
					dots = append(dots, []Point{{Place((float64(k) + 0.5) * w), Place((float64(i) + 0.5) * hh)}})
				}
			}
			f.Marks = append(f.Marks, m)
		}
	}
	if h.Unreachable > 0 {
		f.Marks = append(f.Marks, Mark{
			X: Place(100 - w), W: Place(w), H: 100, Class: "unreachable",
			Tip: fmt.Sprintf("%s of unequal widths: no network can use them", describe.Number(h.Unreachable, "entry", "entries")),
		})
	}
	f.X.Ticks = heatTicks(h, w)
	f.Over = append(heatLines(h, w), Path{"unseen-rim", dots}, Path{"unseen", dots})
	f.X.Label = "output channels"
	c := Chart{Title: h.Position, Rows: true, Frames: []Frame{f}}
	if !h.SameWidth && len(h.Columns) > len(f.X.Ticks) {
		f.X.Label = "output channels; in each group the input channels rise, " + inputWords(h)
		c.Frames[0] = f
		c.Wide = len(h.Columns) > 20
	}
	c.Desc = fmt.Sprintf("Weights of %s: %d choices by %s, %d never seen, %d unreachable", h.Position, rows, ui.Plural(len(h.Columns), "pair")+" of widths", unseen, h.Unreachable)
	return c
}

// inputWords lists the input widths of a group from left to right; if they are many, only the ends.
func inputWords(h *report.Heat) string {
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

// heatLines separates the output widths if each has several columns.
func heatLines(h *report.Heat, w float64) []Path {
	var all []Path
	for k := 1; k < len(h.Columns) && !h.SameWidth; k++ {
		if h.Columns[k].Out != h.Columns[k-1].Out {
			all = append(all, Path{"part", vertical(Place(float64(k) * w))})
		}
	}
	return all
}

// heatTicks puts one tick in the middle of each output width's columns.
func heatTicks(h *report.Heat, w float64) []Tick {
	var all []Tick
	for from := 0; from < len(h.Columns); {
		to := from
		for to < len(h.Columns) && h.Columns[to].Out == h.Columns[from].Out {
			to++
		}
		all = append(all, Tick{At: Place(float64(from+to) / 2 * w), Text: fmt.Sprint(h.Columns[from].Out)})
		from = to
	}
	return all
}

func seenWords(n int) string {
	if n == 0 {
		return "never seen in training: its value is implied by related entries"
	}
	return "in " + ui.Plural(n, "training network")
}

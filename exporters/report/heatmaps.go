package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

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

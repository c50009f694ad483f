package report

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func (v *view) predictedSheet(f *Fit, on FitOn) *sheet {
	s := &v.data.Sweeps[on.Sweep]
	if s.Tally.Blocks == 0 {
		return nil
	}
	word := string(s.Manifest.Device.Kind)
	n := &s.Networks
	x := newScale(true, n.Seconds, on.Predicted)
	p := boxed("")
	x.along(&p.X, 8, ms, word+" latency, ms")
	x.along(&p.Y, 8, ms, "predicted latency, ms")
	grid(p)
	ends := []float64{x.low * ms, x.high * ms}
	p.Add(v.cloud(on.Sweep, x, x, n.Seconds, on.Predicted, ms, ms), joined("line", ends, ends))
	p.Add(joined("cut", ends, times(ends, 1.1)), joined("cut", ends, times(ends, 1/1.1)))
	sh := fitSheet(f, "Predicted against "+word+" latency")
	sh.subject += "; sweep " + s.Manifest.ID
	sh.note = fmt.Sprintf("%s: mean error %s, mean absolute error %s. %s", count(on.Networks, "VALID network"), signed(on.Mean), percent(on.MeanAbsolute), on.Training.Words())
	sh.keys = append(v.cloudKeys(on.Sweep), legend{"line", "equal"}, legend{"cut", "10 % off"})
	sh.rows = []panels{{[]*plot.Plot{p}, 6.6 * vg.Inch}}
	return sh
}

func (v *view) errorSheet(f *Fit, on FitOn) *sheet {
	s := &v.data.Sweeps[on.Sweep]
	var errors []float64
	for r := range s.Networks.Len() {
		if e := relativeError(&s.Networks, on.Predicted, r); s.Networks.Valid(r) && !unknown(e) {
			errors = append(errors, e)
		}
	}
	if len(errors) == 0 {
		return nil
	}
	p := counted(newScale(false, errors, []float64{-0.01, 0.01}), 40, errors, nil, 100)
	p.X.Label.Text = "relative error, prediction over latency less 1, %"
	p.Add(uprights([]float64{0}))
	sh := fitSheet(f, "Relative errors of the predictions")
	sh.subject += "; sweep " + s.Manifest.ID
	sh.note = fmt.Sprintf("Right of 0 the model predicts too much. Mean %s, mean absolute %s. %s", signed(on.Mean), percent(on.MeanAbsolute), on.Training.Words())
	sh.keys = []legend{{"dot", "VALID networks"}, {"cut", "no error"}}
	sh.rows = []panels{{[]*plot.Plot{p}, 3.8 * vg.Inch}}
	return sh
}

func residualSheet(f *Fit, on FitOn, sweep string) *sheet {
	if len(on.Residuals) == 0 {
		return nil
	}
	t := residualTable(on, "")
	var names []string
	for _, r := range t.Rows {
		names = append(names, clipped(r.Stage, 40))
	}
	p := boxed("")
	named(&p.Y, names)
	var types plot.ConstantTicks
	for i, k := range t.Types {
		types = append(types, plot.Tick{Value: float64(i), Label: plain(k)})
	}
	p.X.Min, p.X.Max, p.X.Tick.Marker, p.X.Tick.Length = -0.5, float64(len(types))-0.5, types, 0
	p.X.Label.Text, p.Y.Label.Text = "layer type", "stage"
	p.Add(paint(func(c draw.Canvas, at func(x, y float64) vg.Point) {
		for i, row := range t.Rows {
			for k, cell := range row.Cells {
				residualBox(c, cell, at(float64(k)-0.48, float64(len(names)-1-i)-0.47), at(float64(k)+0.48, float64(len(names)-1-i)+0.47))
			}
		}
	}))
	sh := fitSheet(f, "Residuals by layer type and stage")
	sh.subject += "; sweep " + sweep
	sh.note = "Mean relative error (prediction over latency less 1) of the VALID networks that have such a layer in that stage, weighed by how many; beneath it the standard deviation and the number of networks. A cell far from the others of its row is priced wrongly there."
	sh.keys = []legend{{"up3", "predicted too much"}, {"up1", "a little too much"}, {"down1", "a little too little"}, {"down3", "too little"}}
	sh.rows = []panels{{[]*plot.Plot{p}, vg.Length(len(names))*36 + 60}}
	return sh
}

func residualBox(c draw.Canvas, cell residualCell, a, b vg.Point) {
	class := cell.Class
	if strings.HasSuffix(class, "0") {
		class = "up0"
	}
	fill(c, class, a, b)
	middle := vg.Point{X: (a.X + b.X) / 2, Y: (a.Y + b.Y) / 2}
	style := letters(textSize, "ink")
	style.XAlign, style.YAlign = -0.5, -0.5
	if cell.Spread != "" {
		small := letters(8.5, "ink")
		small.XAlign, small.YAlign = -0.5, -0.5
		c.FillText(small, vg.Point{X: middle.X, Y: middle.Y - 7}, cell.Spread)
		middle.Y += 6
	}
	c.FillText(style, middle, cell.Mean)
}

func slowestSheet(f *Fit, x *Fixture) *sheet {
	if x.Why != "" || len(x.Layers) == 0 {
		return nil
	}
	sh := fitSheet(f, "Slowest layers of "+x.Name+" by the model")
	sh.note = fmt.Sprintf("By the model the network takes %s ms, of which %s ms are the bias, which is no layer's. The slowest %d of %s, with their share of the whole.",
		millis(x.Seconds), millis(x.Bias), min(slowestShown, len(x.Layers)), count(len(x.Layers), "layer"))
	sh.keys = []legend{{"dot", "seen in training"}, {"rest", "never seen, or unknown: implied by its relatives"}}
	var items []item
	for _, l := range x.Layers[:min(slowestShown, len(x.Layers))] {
		class := "dot"
		if l.Seen <= 0 {
			class = "rest"
		}
		items = append(items, item{
			fmt.Sprintf("%s: %s, %d to %d", clipped(l.Position, 24), clipped(l.Choice, 24), l.In, l.Out), class, l.Seconds * ms,
			fmt.Sprintf("%s ms, %s", millis(l.Seconds), percent(l.Seconds/x.Seconds)),
		})
	}
	sh.rows = []panels{horizontal(items, "predicted latency of the layer, ms")}
	return sh
}

func heatSheet(f *Fit) *sheet {
	charts, steps, more := heatCharts(f) // which maps have room, and their steps in words
	if len(charts) == 0 {
		return nil
	}
	top := 0.0
	for _, h := range f.Heat {
		for _, row := range h.Seconds {
			top = max(top, slices.Max(append(slices.Clone(row), 0)))
		}
	}
	sh := fitSheet(f, "The table: what each layer takes by the model")
	sh.note = "One map a position: rows are layer choices, columns widths in channels; darker is slower, on one scale for all. Where each output width has a group of columns, the input width rises in it."
	if more > 0 {
		sh.note += fmt.Sprintf(" %s are left out for want of room.", count(more, "position"))
	}
	sh.keys = steps
	const columns = 3
	sh.width = 15 * vg.Inch
	for i := 0; i < len(charts); i += columns {
		row := panels{plots: make([]*plot.Plot, columns)}
		for k := i; k < min(i+columns, len(charts)); k++ {
			row.plots[k-i] = heatPlot(&f.Heat[k], top)
			row.height = max(row.height, vg.Length(len(f.Heat[k].Choices))*12+76)
		}
		sh.rows = append(sh.rows, row)
	}
	return sh
}

func heatPlot(h *Heat, top float64) *plot.Plot {
	var names []string
	for _, n := range h.Choices {
		names = append(names, fitting(n, 130, 10))
	}
	columns := len(h.Columns)
	if h.Unreachable > 0 {
		columns++
	}
	p := boxed(clipped(h.Position, 40))
	named(&p.Y, names)
	p.Y.Tick.Label.Font.Size, p.X.Tick.Label.Font.Size = 8.5, 8.5
	p.X.Label.TextStyle.Font.Size = 9
	p.X.Min, p.X.Max, p.X.Tick.Length, p.X.Tick.Marker = -0.5, float64(columns)-0.5, 0, heatWidths(h)
	p.X.Label.Text = "output channels"
	p.Add(paint(func(c draw.Canvas, at func(x, y float64) vg.Point) {
		for i := range h.Choices {
			y := float64(len(h.Choices) - 1 - i)
			for k := range h.Columns {
				a, b := at(float64(k)-0.5, y-0.5), at(float64(k)+0.5, y+0.5)
				class := heatClass(heatShare(h.Seconds[i][k], top))
				if h.Seconds[i][k] < 0 {
					class = "neg"
				}
				fill(c, class, a, b)
				if h.Seen != nil && h.Seen[i][k] == 0 {
					middle := vg.Point{X: (a.X + b.X) / 2, Y: (a.Y + b.Y) / 2}
					dot(c, "white", middle, 1.9)
					dot(c, "unseen", middle, 1.2)
				}
			}
		}
		for k := 1; k < len(h.Columns) && !h.SameWidth; k++ {
			if h.Columns[k].Out != h.Columns[k-1].Out {
				x := at(float64(k)-0.5, 0).X
				c.StrokeLine2(draw.LineStyle{Color: colours("white"), Width: 1.6}, x, c.Min.Y, x, c.Max.Y)
			}
		}
		if h.Unreachable > 0 {
			hatch(c, at(float64(columns)-1.5, -0.5), at(float64(columns)-0.5, float64(len(h.Choices))-0.5))
		}
	}))
	return p
}

func hatch(c draw.Canvas, a, b vg.Point) {
	fill(c, "unreachable", a, b)
	style := draw.LineStyle{Color: colours("rest"), Width: 0.6}
	for y := a.Y; y < b.Y; y += 5 {
		c.StrokeLine2(style, a.X, y, b.X, min(y+5, b.Y))
	}
}

// heatWidths are one label an output width, in the middle of its columns.
func heatWidths(h *Heat) plot.ConstantTicks {
	var all plot.ConstantTicks
	for from := 0; from < len(h.Columns); {
		to := from
		for to < len(h.Columns) && h.Columns[to].Out == h.Columns[from].Out {
			to++
		}
		all = append(all, plot.Tick{Value: float64(from+to-1) / 2, Label: fmt.Sprint(h.Columns[from].Out)})
		from = to
	}
	return all
}

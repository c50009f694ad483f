package report

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// paint is a plotter: what it draws on a plot's area, whose places `at` gives.
type paint func(c draw.Canvas, at func(x, y float64) vg.Point)

// Plot implements plot.Plotter.
func (f paint) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	f(c, func(vx, vy float64) vg.Point { return vg.Point{X: x(vx), Y: y(vy)} })
}

// boxed is an empty plot with the sheet's letters.
func boxed(label string) *plot.Plot {
	p := plot.New()
	style := letters(textSize, "ink")
	style.XAlign, style.YAlign = p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign
	p.Title.Text, p.Title.TextStyle, p.Title.Padding = plain(label), style, 4
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		style := letters(smallSize, "ink")
		style.XAlign, style.YAlign = a.Tick.Label.XAlign, a.Tick.Label.YAlign
		a.Tick.Label = style
		label := letters(textSize, "ink")
		label.XAlign, label.YAlign, label.Rotation = a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign, a.Label.TextStyle.Rotation
		a.Label.TextStyle = label
		a.Color, a.Width = colours("soft"), 0.7
		a.Tick.Color, a.Tick.Width = colours("soft"), 0.7
		a.Padding = 0
	}
	return p
}

// along lays an axis out as the page does: the same range, the same round values.
func (s scale) along(a *plot.Axis, n int, unit float64, label string) {
	a.Min, a.Max, a.Label.Text = s.low*unit, s.high*unit, plain(label)
	if s.log {
		a.Scale = plot.LogScale{}
	}
	var all plot.ConstantTicks
	for _, v := range s.round(n, unit) {
		all = append(all, plot.Tick{Value: v, Label: tickText(v)})
	}
	a.Tick.Marker = all
}

// grid draws faint lines at the ticks, beneath all else.
func grid(p *plot.Plot) {
	p.Add(paint(func(c draw.Canvas, at func(x, y float64) vg.Point) {
		style := draw.LineStyle{Color: colours("rule"), Width: 0.5}
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			x := at(t.Value, p.Y.Min).X
			c.StrokeLine2(style, x, c.Min.Y, x, c.Max.Y)
		}
		for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
			y := at(p.X.Min, t.Value).Y
			c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
		}
	}))
}

// named are the names of rows, the first at the top.
func named(a *plot.Axis, names []string) {
	var all plot.ConstantTicks
	for i, n := range names {
		all = append(all, plot.Tick{Value: float64(len(names) - 1 - i), Label: plain(n)})
	}
	a.Min, a.Max, a.Tick.Marker, a.Tick.Length = -0.5, float64(len(names))-0.5, all, 0
}

package charts

import (
	"fmt"
	"io"
	"math"
	"strings"

	"latlab/devices"
	"latlab/exporters/report/describe"
)

// Picture is a chart as a file of its own. A reader who finds it in a slide must still see what it
// shows, of which device, and whether anything was timed.
type Picture struct {
	Name    string // file name without extension, in letters that every file system accepts
	title   string
	kind    devices.Kind
	subject string // sweep or model that the figures belong to
	note    string // how to read it
	keys    []Key
	charts  []Chart
	columns int // of charts
	width   float64
	titles  bool // each chart has its title above it
}

// Sizes of a picture in pixels of an SVG; a PNG has pngScale times as many.
const (
	pictureWidth  = 960
	pictureMargin = 18
	titleText     = 22
	bodyText      = 14
	smallText     = 13
	tinyText      = 11
	lineHeight    = 1.4
	stretch       = 1.6 // a frame without row names is higher than on the page by this factor
)

func pictureOf(name string, kind devices.Kind, subject string, charts ...Chart) Picture {
	c := charts[0]
	return Picture{
		Name: name, title: strings.TrimSuffix(c.Title, ", "+describe.Kind(kind)) + ", " + describe.Kind(kind), kind: kind, subject: subject,
		note: c.Note, keys: c.Keys(), charts: charts, columns: 1, width: pictureWidth,
	}
}

// Write draws it as "png" (144 dots an inch) or "svg". The same data give the same bytes.
func (p *Picture) Write(w io.Writer, format string) error {
	l := p.layout()
	switch format {
	case "png":
		return writePNG(w, l)
	case "svg":
		return writeSVG(w, l, p.title)
	}
	return fmt.Errorf("pictures are png or svg, not %q", format)
}

type point struct{ x, y float64 }

// shape is an area, a line, a circle or a text.
type shape struct {
	points []point // corners; the middle of a circle; the position of a text
	look   look
	radius float64 // of a circle
	text   string
}

// look is the style that shapes usually share with their neighbours. class gives the colour.
type look struct {
	form    form
	class   string
	opacity float64
	width   float64 // of a line; font size of a text
	dashed  bool
	anchor  string // of a text: start, middle or end
}

type form int

const (
	box form = iota // an area with four upright sides
	polygon
	line
	circle
	words
)

// layout builds a picture from the top down.
type layout struct {
	width, y float64
	shapes   []shape
}

func (p *Picture) layout() *layout {
	l := &layout{width: p.width, y: pictureMargin}
	l.head(p)
	room := (p.width - 2*pictureMargin) / float64(p.columns)
	for i := 0; i < len(p.charts); i += p.columns {
		row := p.charts[i:min(i+p.columns, len(p.charts))]
		top, bottom := l.y, l.y
		for k, c := range row {
			l.y = top
			l.chart(c, pictureMargin+float64(k)*room, room-12, p.titles)
			bottom = max(bottom, l.y)
		}
		l.y = bottom + 10
	}
	l.y += pictureMargin - 10
	return l
}

func (l *layout) add(look look, points ...point) {
	if look.opacity == 0 {
		look.opacity = 1
	}
	l.shapes = append(l.shapes, shape{points: points, look: look})
}

func (l *layout) box(class string, x, y, w, h float64) {
	l.add(look{form: box, class: class}, point{x, y}, point{x + w, y}, point{x + w, y + h}, point{x, y + h})
}

func (l *layout) text(x, y, size float64, class, anchor, text string) {
	l.add(look{form: words, class: class, width: size, anchor: anchor}, point{x, y})
	l.shapes[len(l.shapes)-1].text = describe.Plain(text)
}

func (l *layout) circle(class string, opacity, x, y, radius float64) {
	l.add(look{form: circle, class: class, opacity: opacity}, point{x, y})
	l.shapes[len(l.shapes)-1].radius = radius
}

// paragraph breaks words into lines.
func (l *layout) paragraph(x, width, size float64, class, text string) {
	for _, row := range broken(describe.Plain(text), width, size) {
		l.text(x, l.y+size, size, class, "start", row)
		l.y += size * lineHeight
	}
}

// broken breaks a text at spaces, and within words that are wider than a line.
func broken(text string, width, size float64) []string {
	var all []string
	row := ""
	for _, word := range strings.Fields(text) {
		for {
			joined := strings.TrimPrefix(row+" "+word, " ")
			if textWidth(joined, size) <= width {
				row = joined
				break
			}
			if row != "" {
				all, row = append(all, row), ""
				continue
			}
			runes := []rune(word)
			n := len(runes)
			for n > 1 && textWidth(string(runes[:n]), size) > width {
				n--
			}
			all, word = append(all, string(runes[:n])), string(runes[n:])
		}
	}
	if row != "" {
		all = append(all, row)
	}
	return all
}

// head draws the title, the kind in its colour, the subject, the note and the legend.
func (l *layout) head(p *Picture) {
	room := p.width - 2*pictureMargin
	l.paragraph(pictureMargin, room, titleText, "ink", p.title)
	l.y += 4
	kind := describe.Kind(p.kind)
	badge := textWidth(kind, smallText) + 20
	class := string(p.kind)
	if _, known := lightColours()[class]; !known {
		class = "other"
	}
	l.box(class, pictureMargin, l.y, badge, 22)
	l.text(pictureMargin+10, l.y+16, smallText, "bg", "start", kind)
	l.text(pictureMargin+badge+10, l.y+16, smallText, "soft", "start", describe.KindMeaning(p.kind))
	l.y += 30
	l.paragraph(pictureMargin, room, bodyText, "ink", p.subject)
	l.paragraph(pictureMargin, room, smallText, "soft", p.note)
	l.legend(p.keys, room)
	l.y += 10
}

func (l *layout) legend(keys []Key, room float64) {
	const sign = 14
	if len(keys) == 0 {
		return
	}
	l.y += 6
	x := 0.0
	for _, k := range keys {
		w := sign + 6 + textWidth(describe.Plain(k.Text), smallText) + 18
		if x > 0 && x+w > room {
			x, l.y = 0, l.y+20
		}
		l.key(k, pictureMargin+x, l.y)
		l.text(pictureMargin+x+sign+6, l.y+11, smallText, "ink", "start", k.Text)
		x += w
	}
	l.y += 20
}

func (l *layout) key(k Key, x, y float64) {
	switch {
	case k.Class == "line" || k.Class == "cut" || k.Class == "trend":
		l.path(Path{k.Class, [][]Point{{{0, 50}, {100, 50}}}}, rectangle{x, y, 14, 12})
	case k.Dot:
		l.dot(Mark{Class: k.Class}, x+7, y+6, 3.5)
	case k.Class == "unseen":
		l.circle(k.Class, 1, x+7, y+6, 1.6)
	default:
		l.mark(Mark{W: 100, H: 100, Class: k.Class}, rectangle{x, y, 14, 12})
	}
}

// rectangle is the position of a frame in the picture.
type rectangle struct{ x, y, w, h float64 }

func (r rectangle) at(x, y Place) point {
	return point{r.x + r.w*float64(x)/100, r.y + r.h*float64(y)/100}
}

func (l *layout) chart(c Chart, x, width float64, titled bool) {
	size, gutter := float64(smallText), 52.0
	if titled {
		size = tinyText
		l.paragraph(x, width, bodyText, "ink", c.Title)
		l.y += 4
	}
	if c.Rows {
		gutter = 0
		for _, f := range c.Frames {
			for _, t := range f.Y.Ticks {
				gutter = max(gutter, textWidth(describe.Plain(t.longest()), size)+10)
			}
		}
	}
	for _, f := range c.Frames {
		if f.Label != "" {
			l.paragraph(x, width, smallText, "soft", f.Label)
			l.y += 6
		}
		height := float64(f.Height)
		if !c.Rows {
			height *= stretch
		}
		in := rectangle{x + gutter, l.y, width - gutter, height}
		l.axes(&f, in, size, !c.Rows || c.Ranked)
		for _, p := range f.Paths {
			l.path(p, in)
		}
		for _, m := range f.Marks {
			if m.Class != "faint" { // faint marks only carry values to show on the page
				l.mark(m, in)
			}
		}
		for _, p := range f.Over {
			l.path(p, in)
		}
		l.y += height + 10
		if len(f.X.Ticks) > 0 && f.X.Ticks[0].Text != "" {
			l.y += size + 2
		}
		if f.X.Label != "" {
			for _, row := range broken(describe.Plain(f.X.Label), in.w, size) {
				l.text(in.x+in.w/2, l.y+size, size, "soft", "middle", row)
				l.y += size * lineHeight
			}
		}
	}
}

func (l *layout) axes(f *Frame, in rectangle, size float64, grid bool) {
	rule := look{form: line, class: "line", width: 1, opacity: 0.6}
	for _, t := range f.Y.Ticks {
		at := in.at(0, t.At)
		if grid {
			l.add(rule, at, in.at(100, t.At))
		}
		l.text(at.x-6, at.y+size/3, size, "soft", "end", t.longest())
	}
	for _, t := range f.X.Ticks {
		at := in.at(t.At, 100)
		if grid {
			l.add(rule, in.at(t.At, 0), at)
		}
		l.text(at.x, at.y+size+4, size, "soft", "middle", t.Text)
	}
	rule.opacity = 1
	l.add(rule, in.at(0, 0), in.at(100, 0), in.at(100, 100), in.at(0, 100), in.at(0, 0))
}

func (l *layout) path(p Path, in rectangle) {
	style := look{form: line, class: p.Class, width: 1}
	switch p.Class {
	case "area":
		style.form = polygon
	case "line":
		style.class, style.width = "front", 1.6
	case "cut", "zero":
		style.dashed = true
	case "part":
		style.width = 3
	}
	for _, points := range p.Lines {
		var at []point
		for _, q := range points {
			at = append(at, in.at(q.X, q.Y))
		}
		switch {
		case len(at) > 1:
			l.add(style, at...)
		case p.Class == "unseen-rim":
			l.circle(p.Class, 1, at[0].x, at[0].y, 2.2)
		default:
			l.circle(p.Class, 1, at[0].x, at[0].y, 1.3)
		}
	}
}

func (l *layout) mark(m Mark, in rectangle) {
	at, end := in.at(m.X, m.Y), in.at(m.X+m.W, m.Y+m.H)
	switch {
	case m.W == 0 && m.Row != "":
		l.dot(m, at.x, at.y, 3.5)
		return
	case m.W == 0:
		l.dot(m, at.x, at.y, 2.5)
		return
	}
	l.box(m.Class, at.x, at.y, end.x-at.x, end.y-at.y)
	if m.Class == "unreachable" {
		w, h := end.x-at.x, end.y-at.y
		for d := 5.0; d < w+h; d += 5 { // hatched
			l.add(look{form: line, class: "rest", width: 0.7}, point{at.x + min(d, w), at.y + max(0, d-w)}, point{at.x + max(0, d-h), at.y + min(d, h)})
		}
	}
	middle := (at.y + end.y) / 2
	if m.Beside != "" {
		l.text(end.x+6, middle+smallText/3, smallText, "ink", "start", m.Beside)
	}
	if m.Inside != "" {
		first, second, _ := strings.Cut(m.Inside, "\n")
		if second != "" {
			l.text((at.x+end.x)/2, middle+tinyText+2, tinyText, "ink", "middle", second)
			middle -= 8
		}
		l.text((at.x+end.x)/2, middle+bodyText/3, bodyText, "ink", "middle", first)
	}
}

// dot draws a network or a moment as the page does: a circle, or a shape of its own.
func (l *layout) dot(m Mark, x, y, radius float64) {
	corners := shapes()[m.Class]
	if corners == nil {
		l.circle(m.Class, map[string]float64{"dot": 0.75}[m.Class], x, y, radius)
		return
	}
	var at []point
	for _, p := range corners {
		at = append(at, point{x + p.x, y + p.y})
	}
	l.add(look{form: polygon, class: m.Class}, at...)
}

// around returns the corners of a regular polygon that looks like a circle.
func around(middle point, radius float64) []point {
	const corners = 24
	var all []point
	for i := range corners {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		all = append(all, point{middle.x + radius*cos, middle.y + radius*sin})
	}
	return all
}

package report

import (
	"strings"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"latlab/devices"
)

// pen writes from the top of a canvas down.
type pen struct {
	canvas *draw.Canvas
	width  vg.Length
	y      vg.Length // beneath the top
}

func (p *pen) text(style text.Style, x, down vg.Length, words string) {
	if p.canvas == nil {
		return
	}
	style.YAlign = text.YBottom
	style.XAlign = text.XLeft
	p.canvas.FillText(style, vg.Point{X: sheetMargin + x, Y: p.canvas.Max.Y - p.y - down}, words)
}

func (p *pen) box(class string, x, down, w, h vg.Length) {
	if p.canvas != nil {
		low := vg.Point{X: sheetMargin + x, Y: p.canvas.Max.Y - p.y - down - h}
		fill(*p.canvas, class, low, vg.Point{X: low.X + w, Y: low.Y + h})
	}
}

// lines breaks words at spaces, or anywhere where there are none.
func (p *pen) lines(style text.Style, words string) {
	size := style.Font.Size
	for _, line := range broken(style, plain(words), p.width) {
		p.text(style, 0, size*1.15, line)
		p.y += size * lineHeight
	}
}

func broken(style text.Style, words string, width vg.Length) []string {
	var all []string
	line := ""
	for _, word := range strings.Fields(words) {
		for {
			joined := strings.TrimPrefix(line+" "+word, " ")
			if style.Width(joined) <= width {
				line = joined
				break
			}
			if line != "" {
				all, line = append(all, line), ""
				continue
			}
			runes := []rune(word)
			n := len(runes)
			for n > 1 && style.Width(string(runes[:n])) > width {
				n--
			}
			all, word = append(all, string(runes[:n])), string(runes[n:])
		}
	}
	if line != "" {
		all = append(all, line)
	}
	return all
}

// badge says what kind of numbers these are, in the colour that the page gives the kind.
func (p *pen) badge(k devices.Kind) {
	word, style := plain(KindWord(k)), letters(12, "white")
	w := style.Width(word)
	p.box(string(k), 0, 0, w+16, badgeHeight-4)
	p.text(style, 8, 14, word)
	p.text(letters(smallSize, "soft"), w+24, 14, plain(KindMeaning(k)))
	p.y += badgeHeight
}

func (p *pen) keys(keys []legend) {
	if len(keys) == 0 {
		return
	}
	p.y += 4
	style := letters(smallSize, "ink")
	x := vg.Length(0)
	for _, k := range keys {
		w := keyBox + 5 + style.Width(plain(k.Text)) + 16
		if x > 0 && x+w > p.width {
			x, p.y = 0, p.y+smallSize*1.6
		}
		p.key(k.Class, x)
		p.text(style, x+keyBox+5, 11, plain(k.Text))
		x += w
	}
	p.y += smallSize * 1.6
}

func (p *pen) key(class string, x vg.Length) {
	if p.canvas == nil {
		return
	}
	middle := vg.Point{X: sheetMargin + x + keyBox/2, Y: p.canvas.Max.Y - p.y - 7}
	switch class {
	case "line", "cut", "zero":
		p.canvas.StrokeLines(stroke(class), []vg.Point{{X: middle.X - 5, Y: middle.Y}, {X: middle.X + 5, Y: middle.Y}})
	case "unseen":
		dot(*p.canvas, class, middle, 1.6)
	case "triangle":
		dot(*p.canvas, "bad", middle, 3.4)
	case "point":
		dot(*p.canvas, "dot", middle, 3.4)
	case "unreachable":
		p.box(class, x, 2, keyBox, keyBox)
		p.canvas.StrokeLines(stroke("zero"), []vg.Point{{X: middle.X - 4, Y: middle.Y - 4}, {X: middle.X + 4, Y: middle.Y + 4}})
	default:
		p.box(class, x, 2, keyBox, keyBox)
	}
}

func fill(c draw.Canvas, class string, a, b vg.Point) {
	c.FillPolygon(colours(class), []vg.Point{a, {X: b.X, Y: a.Y}, b, {X: a.X, Y: b.Y}})
}

func stroke(class string) draw.LineStyle {
	s := draw.LineStyle{Color: colours(class), Width: 1.6}
	if class == "cut" || class == "zero" {
		s.Width, s.Dashes = 1, []vg.Length{4, 3}
	}
	return s
}

// dot draws a network; INVALID ones are triangles.
func dot(c draw.Canvas, class string, at vg.Point, radius vg.Length) {
	style := draw.GlyphStyle{Color: colours(class), Radius: radius, Shape: draw.CircleGlyph{}}
	if class == "bad" {
		style.Shape, style.Radius = draw.PyramidGlyph{}, radius*1.3
	}
	c.DrawGlyph(style, at)
}

package report

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"strings"
	"unicode"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"latlab/devices"
)

// sheet is a picture that stands alone: whoever finds the file in a slide must still see what
// it shows, of which device, and whether anything was timed.
type sheet struct {
	title   string
	kind    devices.Kind
	subject string // whose figures, in a line or two
	note    string // how to read it
	keys    []legend
	rows    []panels // from top to bottom
	width   vg.Length
}

// panels stand side by side; nil leaves a gap.
type panels struct {
	plots  []*plot.Plot
	height vg.Length
}

const (
	sheetWidth  = 10 * vg.Inch
	sheetMargin = 14
	sheetDPI    = 144
	lineHeight  = 1.4
	titleSize   = 17
	textSize    = 11
	smallSize   = 10
	inkColour   = "#1b1f24"
	softColour  = "#57606a"
	ruleColour  = "#d0d7de"
	badgeHeight = 22
	keyBox      = 9
)

// colours are those of the page on paper, by class. Blue and orange, the pair that carries
// most, is apart for every common colour blindness, and INVALID has a shape of its own.
func colours(class string) color.Color {
	hex, ok := map[string]string{
		"dot": "#0072b2", "bad": "#c04a00", "hot": "#9a0058", "front": "#00705a", "line": "#00705a", "area": "#c9e1f0",
		"cut": softColour, "zero": softColour, "middle": inkColour, "failed": "#6e5494", "rest": "#8c959f", "unseen": inkColour,
		"unreachable": "#e4e7ea", "neg": "#e6a6c8", "warning": "#b08a00",
		"h0": "#eef4fa", "h1": "#d5e5f3", "h2": "#b6d1ea", "h3": "#8fb9dd", "h4": "#659dcc", "h5": "#3f80b8", "h6": "#25639d", "h7": "#13467a", "h8": "#082a52",
		"up1": "#fde3d0", "up2": "#fbc29a", "up3": "#f49c62", "down1": "#dbe9f6", "down2": "#b3d0ea", "down3": "#83b2da", "up0": "#f6f8fa", "none": "#ffffff",
		"simulated": "#5b2a86", "estimated": "#7a4b00", "measured": "#00563f", "ink": inkColour, "soft": softColour, "rule": ruleColour, "white": "#ffffff",
	}[class]
	if !ok {
		hex = softColour
	}
	var c color.NRGBA
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &c.R, &c.G, &c.B); err != nil {
		return color.Black
	}
	c.A = 255
	return c
}

// letters are text of a size. Liberation Sans is in the binary: a picture looks the same on
// every machine.
func letters(size vg.Length, class string) text.Style {
	return text.Style{
		Color: colours(class), Handler: plot.DefaultTextHandler,
		Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
	}
}

// plain makes a name fit for a picture: XML has no word for control characters, and those
// that turn the direction of writing would turn what follows.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// write draws a sheet as PNG or SVG. The same sheet gives the same bytes.
func (s *sheet) write(w io.Writer, format string) error {
	height := s.head(nil) + sheetMargin
	for _, r := range s.rows {
		height += r.height
	}
	var canvas interface {
		vg.CanvasSizer
		vg.CanvasWriterTo
	}
	switch format {
	case "png":
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(s.width, height), vgimg.UseDPI(sheetDPI))}
	case "svg":
		canvas = vgsvg.New(s.width, height)
	default:
		return fmt.Errorf("pictures are png or svg, not %q", format)
	}
	c := draw.New(canvas)
	c.FillPolygon(colours("white"), []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
	s.panels(c, s.head(&c))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	_, err := w.Write(withFallback(b.Bytes()))
	return err
}

// withFallback names fonts for a machine without Liberation Sans; Arial's letters have the
// same widths. A quote in a text is an entity, so no name can look like this attribute.
// The font itself in each file would be many times the picture.
func withFallback(picture []byte) []byte {
	const sans = `style="font-family:Liberation Sans`
	return bytes.ReplaceAll(picture, []byte(sans+";"), []byte(sans+",Arial,Helvetica,sans-serif;"))
}

// head draws title, kind, subject, note and keys, and is how high they are; on no canvas it
// only measures.
func (s *sheet) head(c *draw.Canvas) vg.Length {
	h := pen{canvas: c, width: s.width - 2*sheetMargin, y: sheetMargin}
	h.lines(letters(titleSize, "ink"), s.title)
	h.y += 4
	h.badge(s.kind)
	h.lines(letters(textSize, "ink"), s.subject)
	h.lines(letters(smallSize, "soft"), s.note)
	h.keys(s.keys)
	return h.y + 8
}

// panels draws the plots beneath the head, with the edges of those in a column aligned.
func (s *sheet) panels(c draw.Canvas, top vg.Length) {
	var plots [][]*plot.Plot
	for _, r := range s.rows {
		plots = append(plots, r.plots)
	}
	if len(plots) == 0 {
		return
	}
	tiles := draw.Tiles{Rows: len(plots), Cols: len(plots[0]), PadX: 12, PadLeft: sheetMargin, PadRight: sheetMargin + 4}
	aligned := plot.Align(plots, tiles, c)
	y := c.Max.Y - top
	for i, r := range s.rows {
		for k, p := range r.plots {
			if p == nil {
				continue
			}
			at := aligned[i][k]
			at.Min.Y, at.Max.Y = y-r.height+6, y
			p.Draw(at)
		}
		y -= r.height
	}
}

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

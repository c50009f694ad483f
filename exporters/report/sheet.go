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

package charts

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"sync"

	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// pngScale turns a picture of 960 pixels at 96 dots an inch into one of 1440 at 144.
const pngScale = 1.5

// sans is Liberation Sans, embedded so that a picture looks the same on every machine. It is nil
// only if the embedded font is broken.
var sans = sync.OnceValue(func() *sfnt.Font {
	f, err := opentype.Parse(liberationsansregular.TTF)
	if err != nil {
		return nil
	}
	return f
})

// textWidth returns a text's width in pixels at a font size.
func textWidth(text string, size float64) float64 {
	f := sans()
	if f == nil {
		return 0.6 * size * float64(len(text))
	}
	var buffer sfnt.Buffer
	em := fixed.I(int(f.UnitsPerEm()))
	var width fixed.Int26_6
	for _, r := range text {
		if i, err := f.GlyphIndex(&buffer, r); err == nil {
			if advance, err := f.GlyphAdvance(&buffer, i, em, font.HintingNone); err == nil {
				width += advance
			}
		}
	}
	return size * float64(width) / float64(em)
}

func writePNG(w io.Writer, l *layout) error {
	c := &raster{
		image: image.NewRGBA(image.Rect(0, 0, int(math.Ceil(l.width*pngScale)), int(math.Ceil(l.y*pngScale)))),
		faces: map[float64]font.Face{},
	}
	draw.Draw(c.image, c.image.Bounds(), image.White, image.Point{}, draw.Src)
	for i := range l.shapes {
		if err := c.draw(&l.shapes[i]); err != nil {
			return err
		}
	}
	return png.Encode(w, c.image)
}

// raster draws shapes on an image.
type raster struct {
	image *image.RGBA
	faces map[float64]font.Face // by size
	areas vector.Rasterizer
}

func (c *raster) draw(s *shape) error {
	var points []point
	for _, p := range s.points {
		points = append(points, point{p.x * pngScale, p.y * pngScale})
	}
	ink := colour(s.look.class)
	ink.A = uint8(math.Round(float64(ink.A) * s.look.opacity))
	switch s.look.form {
	case box:
		c.box(ink, points[0], points[2])
	case polygon:
		c.fill(ink, points)
	case circle:
		c.fill(ink, around(points[0], s.radius*pngScale))
	case line:
		c.line(ink, points, s.look)
	case words:
		return c.text(ink, points[0], s)
	}
	return nil
}

// box fills whole pixels, at least one, so that there are no seams between neighbouring boxes.
func (c *raster) box(ink color.NRGBA, a, b point) {
	r := image.Rect(int(math.Round(a.x)), int(math.Round(a.y)), int(math.Round(b.x)), int(math.Round(b.y)))
	r.Max.X, r.Max.Y = max(r.Max.X, r.Min.X+1), max(r.Max.Y, r.Min.Y+1)
	draw.Draw(c.image, r, image.NewUniform(ink), image.Point{}, draw.Over)
}

// fill fills areas, each given by its corners; overlapping areas are filled once.
func (c *raster) fill(ink color.NRGBA, areas ...[]point) {
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, area := range areas {
		for _, p := range area {
			low, high = point{min(low.x, p.x), min(low.y, p.y)}, point{max(high.x, p.x), max(high.y, p.y)}
		}
	}
	bounds := image.Rect(int(math.Floor(low.x)), int(math.Floor(low.y)), int(math.Ceil(high.x))+1, int(math.Ceil(high.y))+1)
	c.areas.Reset(bounds.Dx(), bounds.Dy())
	for _, area := range areas {
		for i, p := range area {
			x, y := float32(p.x-float64(bounds.Min.X)), float32(p.y-float64(bounds.Min.Y))
			if i == 0 {
				c.areas.MoveTo(x, y)
			} else {
				c.areas.LineTo(x, y)
			}
		}
		c.areas.ClosePath()
	}
	c.areas.Draw(c.image, bounds, image.NewUniform(ink), image.Point{})
}

// line draws vertical and horizontal lines on whole pixels, and others as areas with round joints.
func (c *raster) line(ink color.NRGBA, points []point, k look) {
	half := k.width * pngScale / 2
	var areas [][]point
	for i := range points[1:] {
		for _, part := range dashes(points[i], points[i+1], k.dashed) {
			a, b := part[0], part[1]
			if a.x == b.x || a.y == b.y {
				c.straight(ink, a, b, math.Round(2*half))
				continue
			}
			length := math.Hypot(b.x-a.x, b.y-a.y)
			dx, dy := half*(b.y-a.y)/length, half*(b.x-a.x)/length
			areas = append(areas, []point{{a.x - dx, a.y + dy}, {a.x + dx, a.y - dy}, {b.x + dx, b.y - dy}, {b.x - dx, b.y + dy}})
			if !k.dashed && len(points) > 2 {
				areas = append(areas, around(a, half), around(b, half))
			}
		}
	}
	if len(areas) > 0 {
		c.fill(ink, areas...)
	}
}

// straight draws a vertical or horizontal line on whole pixels.
func (c *raster) straight(ink color.NRGBA, a, b point, width float64) {
	low, high := point{min(a.x, b.x), min(a.y, b.y)}, point{max(a.x, b.x), max(a.y, b.y)}
	if a.x == b.x {
		low.x = math.Round(low.x - width/2)
		high.x = low.x + width
	} else {
		low.y = math.Round(low.y - width/2)
		high.y = low.y + width
	}
	c.box(ink, low, high)
}

// dashes cuts a line into dashes of four pixels.
func dashes(a, b point, dashed bool) [][2]point {
	if !dashed {
		return [][2]point{{a, b}}
	}
	const dash = 4 * pngScale
	length := math.Hypot(b.x-a.x, b.y-a.y)
	at := func(d float64) point {
		share := min(d/length, 1)
		return point{a.x + share*(b.x-a.x), a.y + share*(b.y-a.y)}
	}
	var all [][2]point
	for d := 0.0; d < length; d += 2 * dash {
		all = append(all, [2]point{at(d), at(d + dash)})
	}
	return all
}

func (c *raster) text(ink color.NRGBA, at point, s *shape) error {
	size := s.look.width
	face := c.faces[size]
	if face == nil {
		var err error
		face, err = opentype.NewFace(sans(), &opentype.FaceOptions{Size: size * pngScale, DPI: 72})
		if err != nil {
			return err
		}
		c.faces[size] = face
	}
	switch s.look.anchor {
	case "end":
		at.x -= textWidth(s.text, size) * pngScale
	case "middle":
		at.x -= textWidth(s.text, size) * pngScale / 2
	}
	d := font.Drawer{Dst: c.image, Src: image.NewUniform(ink), Face: face, Dot: fixed.Point26_6{X: fixed.Int26_6(at.x * 64), Y: fixed.Int26_6(at.y * 64)}}
	d.DrawString(s.text)
	return nil
}

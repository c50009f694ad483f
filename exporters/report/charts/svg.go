package charts

import (
	"fmt"
	"html"
	"io"
	"strings"
	"unicode"

	"latlab/exporters/report/describe"
)

// writeSVG writes a picture with colours and places in its elements, because programs for slides
// read no style sheets. The fallback fonts have the widths of Liberation Sans; embedding the font
// would make each file many times as large.
func writeSVG(w io.Writer, l *layout, title string) error {
	var b strings.Builder
	width, height := number(l.width), number(l.y)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" font-family="Liberation Sans,Arial,Helvetica,sans-serif">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"%s\" height=\"%s\" fill=\"#fff\"/>\n", escaped(title), width, height)
	for i := range l.shapes {
		s := &l.shapes[i]
		if i == 0 || s.look != l.shapes[i-1].look {
			if i > 0 {
				b.WriteString("</g>\n")
			}
			b.WriteString("<g" + s.look.attributes() + ">\n")
		}
		b.WriteString(s.element())
	}
	if len(l.shapes) > 0 {
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (k look) attributes() string {
	c := colour(k.class)
	ink := fmt.Sprintf(`"#%02x%02x%02x"`, c.R, c.G, c.B)
	opacity := decimals(k.opacity*float64(c.A)/255, 2)
	if k.form == line {
		a := ` fill="none" stroke=` + ink + ` stroke-width="` + number(k.width) + `"`
		if opacity != "1" {
			a += ` stroke-opacity="` + opacity + `"`
		}
		if k.dashed {
			a += ` stroke-dasharray="4"`
		}
		return a
	}
	a := " fill=" + ink
	if opacity != "1" {
		a += ` fill-opacity="` + opacity + `"`
	}
	switch k.form {
	case box:
		a += ` shape-rendering="crispEdges"`
	case words:
		a += ` font-size="` + number(k.width) + `" text-anchor="` + k.anchor + `"`
	}
	return a
}

func (s *shape) element() string {
	at := s.points[0]
	switch s.look.form {
	case box:
		end := s.points[2]
		return fmt.Sprintf("<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"/>\n", number(at.x), number(at.y), number(end.x-at.x), number(end.y-at.y))
	case circle:
		return fmt.Sprintf("<circle cx=\"%s\" cy=\"%s\" r=\"%s\"/>\n", number(at.x), number(at.y), number(s.radius))
	case words:
		return fmt.Sprintf("<text x=\"%s\" y=\"%s\"%s>%s</text>\n", number(at.x), number(at.y), s.fixedWidth(), escaped(s.text))
	}
	var d strings.Builder
	for i, p := range s.points {
		word := "L"
		if i == 0 {
			word = "M"
		}
		d.WriteString(word + number(p.x) + " " + number(p.y))
	}
	if s.look.form == polygon {
		d.WriteString("Z")
	}
	return "<path d=\"" + d.String() + "\"/>\n"
}

// fixedWidth keeps a text within its room if the viewer has none of the fonts. A text with letters
// that Liberation Sans may not have keeps the width of the viewer's font.
func (s *shape) fixedWidth() string {
	if s.text == "" || strings.IndexFunc(s.text, func(r rune) bool { return r > unicode.MaxLatin1 }) >= 0 {
		return ""
	}
	return ` textLength="` + number(textWidth(s.text, s.look.width)) + `" lengthAdjust="spacingAndGlyphs"`
}

func number(x float64) string { return decimals(x, 2) }

func escaped(s string) string { return html.EscapeString(describe.Plain(s)) }

// Package charts draws the charts of a report. A chart is computed once, as a Chart: frames above
// each other with axes, marks and paths, placed in per cent of the frame. A template writes it as
// SVG into the HTML page, where the browser lays it out at any width, CSS themes it, and no script
// is needed. A Picture is a file of its own for slides and papers: the same Chart at a fixed width
// below a title with the kind of its numbers, as SVG with absolute places and a colour in each
// element, which every program that reads SVG understands, or as PNG.
//
// PNG is drawn with golang.org/x/image (vector, opentype) and Liberation Sans: a picture has only
// rectangles, lines, circles and text. The alternatives were rejected: gonum/plot would draw each
// chart a second time with axes of its own, resvg compiled to WebAssembly adds a runtime to the
// binary, tdewolff/canvas has no releases and needs 20 modules, a TeX among them, and oksvg draws
// no text. A chart library in the browser (ECharts was tried) is 1 MB a page, shows nothing without
// scripts and prints in the colours of the screen.
//
// The package refuses to compute figures and to draw different kinds of latencies on one axis. Its
// input is report.Data; its words come from describe.
package charts

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"latlab/exporters/report"
)

// Chart is one or more frames above each other, which share the x axis if only the lowest has its label.
type Chart struct {
	ID     string // on the page; set by the page
	Title  string
	Desc   string // description for readers who cannot see it
	Note   string // how to read it
	Frames []Frame
	Legend []Legend
	Wide   bool // takes the whole width of the page
	Rows   bool // has the names of rows on the left
	Ranked bool // its rows are networks in order
}

// Legend is an entry of a chart's legend: what the marks, boxes or lines of a class mean.
type Legend struct{ Class, Text string }

// Frame is a rectangle with its axes and what is drawn in it.
type Frame struct {
	Label  string // of the y axis, above the frame
	Height int    // pixels on the page
	X, Y   Axis
	Paths  []Path // behind the marks
	Marks  []Mark
	Over   []Path // in front of the marks
}

// Axis has ticks from left to right, or from bottom to top. The x axis has its Label below it.
type Axis struct {
	Label string
	Ticks []Tick
}

// Tick is a value of an axis.
type Tick struct {
	At   Place
	Text string
	Full string // a longer text for where there is room, if Text is clipped
}

func (t Tick) longest() string { return cmp.Or(t.Full, t.Text) }

// Named reports whether a row's name is clipped where there is no room for it.
func (c Chart) Named() bool {
	return slices.ContainsFunc(c.Frames, func(f Frame) bool {
		return slices.ContainsFunc(f.Y.Ticks, func(t Tick) bool { return t.Full != "" })
	})
}

// Mark is a dot (W is 0) or a box that has a value.
type Mark struct {
	X, Y, W, H Place
	Class      string
	Tip        string
	Row        string // sweep and row of a network with a row on the page, "0,12"; "" = none
	Href       string // link to that row
	Inside     string // text in the middle of a box, in pictures
	Beside     string // text to the right of a box, in pictures
}

// Path is lines of a class, or the area within one.
type Path struct {
	Class string
	Lines [][]Point
}

// Point is a place in a frame.
type Point struct{ X, Y Place }

// Place is per cent of a frame, from its left or its top.
type Place float64

// String formats with at most two decimals: a hundredth of a per cent is less than a pixel.
func (p Place) String() string { return decimals(float64(p), 2) }

// decimals formats x with at most n decimals.
func decimals(x float64, n int) string {
	text := strings.TrimRight(strings.TrimRight(strconv.FormatFloat(x, 'f', n, 64), "0"), ".")
	if text == "-0" || text == "" {
		return "0"
	}
	return text
}

// D returns the path in SVG's syntax, in thousandths of the frame.
func (p Path) D() string {
	var b strings.Builder
	for _, line := range p.Lines {
		for i, at := range line {
			word := "L"
			if i == 0 {
				word = "M"
			}
			fmt.Fprintf(&b, "%s%v %v", word, 10*at.X, 10*at.Y)
		}
		if len(line) == 1 {
			b.WriteString("h0") // a dot
		}
	}
	if p.Class == "area" {
		b.WriteString("Z")
	}
	return b.String()
}

// Key is an entry of a legend as it is drawn.
type Key struct {
	Legend
	Dot bool // a dot; otherwise a box, or a line if Class is a line's
}

// Shape is the outline of a dot that must be recognizable without its colour, in print and for
// colour-blind readers. Its coordinates are pixels around 0,0. Empty = a circle.
func (m Mark) Shape() string { return outline(shapes()[m.Class]) }

// Shape returns the shape of the key's dots.
func (k Key) Shape() string {
	if !k.Dot {
		return ""
	}
	return outline(shapes()[k.Class])
}

// shapes are the dots that are not circles, by class.
func shapes() map[string][]point {
	return map[string][]point{
		"bad":       {{0, -4.6}, {4.2, 3}, {-4.2, 3}},
		"imprecise": {{-3.3, -3.3}, {3.3, -3.3}, {3.3, 3.3}, {-3.3, 3.3}},
		"disturbed": {{0, 4.2}, {3.8, -2.8}, {-3.8, -2.8}},
		"hot":       {{0, -4.4}, {4.4, 0}, {0, 4.4}, {-4.4, 0}},
		"k1":        {{0, -4}, {3.6, 2.6}, {-3.6, 2.6}},
		"k2":        {{0, -4}, {4, 0}, {0, 4}, {-4, 0}},
		"k3":        {{-2.8, -2.8}, {2.8, -2.8}, {2.8, 2.8}, {-2.8, 2.8}},
		"k4":        {{0, 4}, {3.6, -2.6}, {-3.6, -2.6}},
		"k5":        {{-4, -1.6}, {4, -1.6}, {4, 1.6}, {-4, 1.6}},
		"k6":        {{-1.6, -4}, {1.6, -4}, {1.6, 4}, {-1.6, 4}},
	}
}

func outline(shape []point) string {
	if shape == nil {
		return ""
	}
	var words []string
	for _, p := range shape {
		words = append(words, decimals(p.x, 1)+" "+decimals(p.y, 1))
	}
	return "M" + strings.Join(words, "L") + "Z"
}

// Keys returns the legend's entries that occur in the chart, so that no reader searches for what
// is not there.
func (c Chart) Keys() []Key {
	var all []Key
	for _, l := range c.Legend {
		marks, dot := 0, false
		for _, f := range c.Frames {
			of := func(m Mark) bool { return m.Class == l.Class }
			if i := slices.IndexFunc(f.Marks, of); i >= 0 {
				marks++
				dot = dot || f.Marks[i].W == 0
			}
		}
		if marks > 0 || !slices.Contains([]string{"dot", "imprecise", "bad", "disturbed", "hot", "front", "middle"}, l.Class) {
			all = append(all, Key{l, dot})
		}
	}
	return all
}

// Anchor returns the link to a network's row on the page; empty if it has none.
func Anchor(d *report.Data, sweep, row int) string {
	s := &d.Sweeps[sweep]
	if !s.HasRow(row) {
		return ""
	}
	return fmt.Sprintf("#s%dn%d", sweep, s.Networks.Index[row])
}

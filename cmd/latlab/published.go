package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"latlab/fixtures"
	"latlab/internal/ui"
	"latlab/sampler/graph"
)

// publishedFigure is a published figure beside the same figure of our graph.
type publishedFigure struct {
	Quantity   fixtures.Quantity `json:"quantity"`
	Unit       string            `json:"unit"`
	Published  float64           `json:"published"`
	Recomputed *float64          `json:"recomputed"` // null where it is not a property of the graph
	On         string            `json:"on"`
	Precision  string            `json:"precision"`
	Note       string            `json:"note"`
	Source     string            `json:"source"`
}

// publishedOf lists the published figures of a fixture, beside ours where g has them. Networks
// that are not fixtures have none.
func publishedOf(figures []fixtures.Figure, g *graph.Graph) []publishedFigure {
	list := []publishedFigure{}
	for _, f := range figures {
		p := publishedFigure{
			Quantity: f.Quantity, Unit: f.Quantity.Unit(), Published: f.Value,
			On: f.On, Precision: f.Precision, Note: f.Note, Source: f.Source.String(),
		}
		if v, ok := fixtures.Recomputed(g, f.Quantity); ok {
			p.Recomputed = &v
		}
		list = append(list, p)
	}
	return list
}

// printPublished prints the table for people, or nothing for an empty list. To stay within 100
// columns, our figure and the device share a column (no figure has both), and the long sources
// and notes follow as numbered references.
func printPublished(w io.Writer, list []publishedFigure) error {
	if len(list) == 0 {
		return nil
	}
	var refs references
	lines := publishedLines(list, &refs)
	_, err := fmt.Fprintf(w, "\nPublished, with the numbers of source and notes below:\n%s%s", lines, refs)
	return err
}

// publishedLines has a line for each figure, because a table would be wider than 80 columns.
func publishedLines(list []publishedFigure, refs *references) string {
	var b strings.Builder
	for _, p := range list {
		head := fmt.Sprintf("  %-8s%-11s%-6s", p.Quantity, paperFigure(p.Quantity, p.Published), refs.of(p.Source, p.Note))
		b.WriteString(strings.TrimRight(ui.WrapIndented(head, strings.Fields(p.where()), strings.Repeat(" ", len(head)), ui.Columns), " \n") + "\n")
	}
	return b.String()
}

// where is our figure, or what the published one was measured on.
func (p publishedFigure) where() string {
	var parts []string
	if p.Recomputed != nil {
		parts = append(parts, "ours "+paperFigure(p.Quantity, *p.Recomputed))
	}
	parts = append(parts, p.On, p.Precision)
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ", ")
}

// references are texts that a table refers to by number, from 1.
type references []string

// of returns the numbers of texts; empty ones have none.
func (r *references) of(texts ...string) string {
	var numbers []string
	for _, text := range texts {
		if text == "" {
			continue
		}
		at := slices.Index(*r, text)
		if at < 0 {
			at = len(*r)
			*r = append(*r, text)
		}
		numbers = append(numbers, strconv.Itoa(at+1))
	}
	return strings.Join(numbers, " ")
}

func (r references) String() string {
	var b strings.Builder
	for i, text := range r {
		b.WriteString(ui.Wrap(fmt.Sprintf("[%d]", i+1), strings.Fields(text), ui.Columns))
	}
	return b.String()
}

// paperFigure formats a figure as papers do, without zeros at its end: 162 ms, not 162.0 ms.
func paperFigure(q fixtures.Quantity, v float64) string {
	switch q {
	case fixtures.Latency:
		return ui.Digits(v*1e3, 4) + " ms"
	case fixtures.MACs:
		return ui.Digits(v/1e9, 5) + " G"
	case fixtures.Params:
		return ui.Digits(v/1e6, 5) + " M"
	}
	return ui.Digits(v, 4) + " %"
}

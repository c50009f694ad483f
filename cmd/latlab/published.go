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

// publishedFigure is a figure of others beside what our graph of the network comes to.
type publishedFigure struct {
	Quantity   fixtures.Quantity `json:"quantity"`
	Unit       string            `json:"unit"`
	Published  float64           `json:"published"`
	Recomputed *float64          `json:"recomputed"` // null for what no graph has
	On         string            `json:"on"`
	Precision  string            `json:"precision"`
	Note       string            `json:"note"`
	Source     string            `json:"source"`
}

// publishedOf lists the published figures of a fixture, beside ours where g has them.
// A network that is no fixture has none.
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

// printPublished prints the table for people; nothing where nothing was published. No
// figure has both something of ours beside it and a device that it was measured on, and
// sources are long: so these share a column, and sources and notes follow by number, that
// lines may stay within a terminal of 100 columns.
func printPublished(w io.Writer, list []publishedFigure) error {
	if len(list) == 0 {
		return nil
	}
	var refs references
	rows := [][]string{{"PUBLISHED", "VALUE", "REF", "OURS, OR WHERE"}}
	for _, p := range list {
		rows = append(rows, []string{string(p.Quantity), people(p.Quantity, p.Published), refs.of(p.Source, p.Note), p.where()})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := ui.Table(w, rows); err != nil {
		return err
	}
	_, err := io.WriteString(w, refs.String())
	return err
}

// where is what stands beside a figure: ours, or what it was measured on.
func (p publishedFigure) where() string {
	var parts []string
	if p.Recomputed != nil {
		parts = append(parts, "ours "+people(p.Quantity, *p.Recomputed))
	}
	for _, part := range []string{p.On, p.Precision} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// references are what a table names by number, from 1.
type references []string

// of are the numbers of texts, those of empty ones left out.
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
		b.WriteString(ui.Wrap(fmt.Sprintf("[%d]", i+1), strings.Fields(text), ui.WideColumns))
	}
	return b.String()
}

// people prints a figure as papers do: a published 162 ms is not 162.0 ms.
func people(q fixtures.Quantity, v float64) string {
	switch q {
	case fixtures.Latency:
		return ui.Digits(v*1e3, 4) + " ms"
	case fixtures.MACs:
		return strconv.FormatFloat(v/1e9, 'f', 4, 64) + " G"
	case fixtures.Params:
		return strconv.FormatFloat(v/1e6, 'f', 4, 64) + " M"
	}
	return ui.Digits(v, 4) + " %"
}

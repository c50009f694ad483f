package main

import (
	"fmt"
	"io"
	"strconv"

	"latlab/fixtures"
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

// printPublished prints the table for people; nothing where nothing was published.
func printPublished(w io.Writer, list []publishedFigure) error {
	if len(list) == 0 {
		return nil
	}
	rows := [][]string{{"PUBLISHED", "VALUE", "OURS", "ON", "NOTE", "SOURCE"}}
	for _, p := range list {
		ours := ""
		if p.Recomputed != nil {
			ours = people(p.Quantity, *p.Recomputed)
		}
		on := p.On
		if p.Precision != "" {
			on += ", " + p.Precision
		}
		rows = append(rows, []string{string(p.Quantity), people(p.Quantity, p.Published), ours, on, p.Note, p.Source})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return printTable(w, rows)
}

// people prints a figure in the unit that papers use.
func people(q fixtures.Quantity, v float64) string {
	switch q {
	case fixtures.Latency:
		return millis(v)
	case fixtures.MACs:
		return strconv.FormatFloat(v/1e9, 'f', 4, 64) + " G"
	case fixtures.Params:
		return strconv.FormatFloat(v/1e6, 'f', 4, 64) + " M"
	}
	return digits(v, 4) + " %"
}

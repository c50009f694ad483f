package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"latlab/bench/source"
	"latlab/fixtures"
	"latlab/internal/ui"
)

type fixturesOptions struct{ json bool }

func (o *fixturesOptions) register(f *flagSet) { f.json(&o.json) }

type fixtureRow struct {
	Name      string            `json:"name"`
	Doc       string            `json:"doc"`
	Space     string            `json:"space"`   // empty for a network that is not in any space
	Indices   string            `json:"indices"` // likewise
	MACs      int64             `json:"macs"`
	Params    int64             `json:"params"`
	Published []publishedFigure `json:"published"`
}

func (o *fixturesOptions) run(_ context.Context, s streams) error {
	rows, err := fixtureRows()
	if err != nil {
		return err
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"fixtures": rows})
	}
	lines := [][]string{{"FIXTURE", "MACS", "PARAMS", "SPACE"}}
	for _, r := range rows {
		lines = append(lines, []string{r.Name, ui.Count(r.MACs), ui.Count(r.Params), r.Space})
	}
	if err := ui.Table(s.out, lines); err != nil {
		return err
	}
	return printAllPublished(s.out, rows)
}

func fixtureRows() ([]fixtureRow, error) {
	var rows []fixtureRow
	for _, name := range fixtures.Names() {
		f, err := fixtures.Get(name)
		if err != nil {
			return nil, err
		}
		n, err := source.Fixture(name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, fixtureRow{
			Name: name, Doc: f.Doc, Space: n.Graph.Space, Indices: n.Graph.Indices,
			MACs: n.Graph.TotalMACs(), Params: n.Graph.TotalParams(), Published: publishedOf(f.Published, n.Graph),
		})
	}
	return rows, nil
}

// printAllPublished prints the published figures of all fixtures, which share their sources.
func printAllPublished(w io.Writer, rows []fixtureRow) error {
	var refs references
	var b strings.Builder
	b.WriteString("\nPublished figures, each with the numbers of its source and notes below. latlab\nmeasured none of them; \"ours\" is what its own graph comes to.\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "\n%s\n%s", r.Name, publishedLines(r.Published, &refs))
	}
	fmt.Fprintf(&b, "\n%s", refs)
	_, err := io.WriteString(w, b.String())
	return err
}

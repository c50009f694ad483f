package main

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"latlab/internal/ui"
	"latlab/sampler"
)

type spaceRow struct {
	Name      string `json:"name"`
	Doc       string `json:"doc"`
	Decisions int    `json:"decisions"`
	Size      string `json:"size"` // too large for a JSON number
	Slots     int    `json:"table_slots"`
	Reachable int    `json:"reachable_entries"`
	// List has what each index chooses among. It is nil unless one space is asked for.
	List []decision `json:"decision_list,omitempty"`
}

// decision is one index of a network's indices.
type decision struct {
	Index   int      `json:"index"`
	Stage   string   `json:"stage"`
	Name    string   `json:"decision"`
	Choices []choice `json:"choices"`
}

// choice is a candidate of a decision: the number that stands in the indices, and its meaning.
type choice struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
}

func (c choice) String() string { return fmt.Sprintf("%d=%s", c.Number, c.Name) }

func decisionsOf(sp *sampler.Space) []decision {
	var list []decision
	for i, d := range sp.Decisions() {
		one := decision{Index: i, Stage: sp.Stages[d.Stage].Name, Name: d.Name}
		for number, name := range d.Names {
			one.Choices = append(one.Choices, choice{number, name})
		}
		list = append(list, one)
	}
	return list
}

type spacesOptions struct {
	space string
	json  bool
}

func (o *spacesOptions) register(f *flagSet) {
	f.space(&o.space)
	f.json(&o.json)
}

func (o *spacesOptions) run(_ context.Context, s streams) error {
	rows, err := spaceRows(o.space)
	if err != nil {
		return err
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"spaces": rows})
	}
	lines := [][]string{{"SPACE", "DECISIONS", "SIZE", "TABLE SLOTS", "REACHABLE"}}
	for _, r := range rows {
		lines = append(lines, []string{r.Name, strconv.Itoa(r.Decisions), roughSize(r.Size), ui.Thousands(r.Slots), ui.Thousands(r.Reachable)})
	}
	if err := ui.Table(s.out, lines); err != nil || o.space == "" {
		return err
	}
	return printDecisions(s.out, rows[0].List)
}

// printDecisions prints a line for each index: its decision, and its choices as number=name.
func printDecisions(w io.Writer, list []decision) error {
	names := 0
	for _, d := range list {
		names = max(names, len(d.Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nINDEX  %-*s  CHOICES, AS NUMBER=NAME\n", names, "DECISION")
	indent := strings.Repeat(" ", len("INDEX  ")+names+1)
	for _, d := range list {
		words := mapped(d.Choices, choice.String)
		b.WriteString(ui.WrapIndented(fmt.Sprintf("%-5d  %-*s ", d.Index, names, d.Name), words, indent, ui.Columns))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func spaceRows(only string) ([]spaceRow, error) {
	names := sampler.BuiltinNames()
	if only != "" {
		names = []string{only}
	}
	var rows []spaceRow
	for _, name := range names {
		sp, err := findSpace(name)
		if err != nil {
			return nil, err
		}
		r := spaceRow{Name: sp.Name, Doc: sp.Doc, Decisions: len(sp.Decisions()), Size: sp.Size().String()}
		r.Slots, r.Reachable = sp.Slots()
		if only != "" {
			r.List = decisionsOf(sp)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// roughSize rounds a size of up to thirty digits: 6.4e30.
func roughSize(size string) string {
	n, ok := new(big.Float).SetString(size)
	if !ok || len(size) <= 6 {
		return size
	}
	return n.Text('g', 3)
}

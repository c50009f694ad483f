package main

import (
	"context"
	"math/big"
	"strconv"

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
	return ui.Table(s.out, lines)
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

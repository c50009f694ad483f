package regress

import (
	"context"
	"fmt"

	"latlab/regress/csvtable"
)

// TableModel is intercept + sum over columns of the weight of the column's value, in the
// target's own unit.
type TableModel struct {
	Target    string             `json:"target"`
	Method    string             `json:"method"`
	Columns   []TableColumn      `json:"columns"`
	LeftOut   []csvtable.LeftOut `json:"left_out"`
	Skipped   []csvtable.Skipped `json:"skipped"` // rows without a latency
	Networks  int                `json:"networks"`
	DataHash  string             `json:"data_hash"` // sha256 of the file
	Intercept float64            `json:"intercept"`
	Figures   Figures            `json:"figures"`
	// RMSE is in the target's unit; Figures has it in seconds if the unit is known.
	RMSE     *float64 `json:"rmse"`
	Warnings []string `json:"warnings"`
}

// TableColumn is one column's weights by value.
type TableColumn struct {
	Name    string             `json:"name"`
	Weights map[string]float64 `json:"weights"`
}

// FitTable fits a table of another lab by the indicator method, the only one that needs just
// categories: the other methods need ops, which a table does not have. Rows of equal categories
// are averaged, as in Fit.
func FitTable(ctx context.Context, t *csvtable.Table, o Options) (*TableModel, error) {
	if o.Method == "" {
		o.Method = Indicator
	}
	if o.Method != Indicator {
		return nil, &OptionError{"method", fmt.Sprintf("%s needs the ops of a network; a table of categories can be fitted by %s only", o.Method, Indicator)}
	}
	nets, of := tableNetworks(t)
	if len(nets) < MinNetworks {
		return nil, &TooFewError{Have: len(nets), Need: MinNetworks}
	}
	if err := o.check(len(nets), Methods()); err != nil {
		return nil, err
	}
	d, offsets := tableDesign(t, nets)
	fit := func(ctx context.Context, train []int) (solution, error) { return fitIndicator(ctx, d, train, o) }
	s, err := fit(ctx, all(len(nets)))
	if err != nil {
		return nil, err
	}
	m := &TableModel{
		Target: t.Target, Method: string(Indicator), LeftOut: t.LeftOut, Skipped: t.Skipped, Networks: len(nets), DataHash: t.Hash,
		Intercept: s.bias * d.scale, Warnings: append(skippedRows(t), duplicates(nets)...),
	}
	mixed, err := d.mixedUnits(ctx, t, of)
	if err != nil {
		return nil, err
	}
	m.Warnings = append(m.Warnings, mixed...)
	for c, name := range t.Columns {
		w := make(map[string]float64, len(t.Values[c]))
		for v, value := range t.Values[c] {
			w[value] = s.slots[offsets[c]+v] * d.scale
		}
		m.Columns = append(m.Columns, TableColumn{name, w})
	}
	if m.Figures, err = validate(ctx, d.heldOut(fit, nil), o, s.params); err != nil {
		return nil, err
	}
	m.RMSE = m.Figures.RMSESeconds
	m.Figures.RMSESeconds = nil
	if unit := t.Seconds(); unit > 0 && m.RMSE != nil {
		m.Figures.RMSESeconds = finite(*m.RMSE * unit)
	}
	return m, nil
}

// Predict returns the model's latency for one value per column, in the target's unit. A value that
// is in no row is an error.
func (m *TableModel) Predict(values []string) (float64, error) {
	if len(values) != len(m.Columns) {
		return 0, fmt.Errorf("%d values for %d columns", len(values), len(m.Columns))
	}
	y := m.Intercept
	for i, c := range m.Columns {
		w, ok := c.Weights[values[i]]
		if !ok {
			return 0, fmt.Errorf("column %s never had the value %q", c.Name, values[i])
		}
		y += w
	}
	return y, nil
}

// tableNetworks averages rows of equal categories; of is the network of each row. The Arch belongs
// to no space: its indices are the row, and Fit's helpers need nothing else.
func tableNetworks(t *csvtable.Table) (nets []network, of []int) {
	observations := make([]Observation, len(t.Rows))
	for i, row := range t.Rows {
		observations[i].Seconds = t.Y[i]
		for _, v := range row {
			observations[i].Arch.Indices = append(observations[i].Arch.Indices, int(v))
		}
	}
	return averaged(observations)
}

// tableDesign is the one-hot matrix; offsets are the first slot of each column.
func tableDesign(t *csvtable.Table, nets []network) (*design, []int) {
	var l layout
	for _, values := range t.Values {
		l.offset = append(l.offset, l.slots)
		l.slots += len(values)
	}
	rows := make([][]int32, len(nets))
	for i, n := range nets {
		for c, v := range n.arch.Indices {
			rows[i] = append(rows[i], int32(l.offset[c]+v))
		}
	}
	return scaled(l, rows, nets), l.offset
}

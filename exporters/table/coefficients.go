// Package table writes cost models and measurements as CSV, and cost models as JSON.
//
// Numbers are written in the shortest form that reads back to the same bits, times are in
// seconds with the unit in the column's name, and an unknown figure is an empty cell, never
// 0. The package refuses to round and to leave out rows of doubtful measurements: verdict,
// reasons and warnings are columns. Files are written whole by atomicfile.Write.
package table

import (
	"encoding/csv"
	"io"
	"strconv"

	"latlab/regress"
	"latlab/sampler"
)

// Options of a coefficient table.
type Options struct {
	// Unreachable adds the entries that no network can use; their weight is 0.
	Unreachable bool
}

// CoefficientColumns are the columns of Coefficients, in order.
func CoefficientColumns() []string {
	return []string{
		"position", "choice", "type", "kernel", "stride", "expansion", "in_ratio", "out_ratio", "se",
		"in", "out", "entry", "weight_seconds", "seen",
	}
}

// Coefficients writes one row per table entry, in the order of the table. The first row is
// the bias: its position is "bias" and only its weight is set. A column that does not apply to
// a layer type (the expansion of a Tucker layer) is empty.
func Coefficients(w io.Writer, m *regress.CostModel, s *sampler.Space, o Options) error {
	if err := m.CheckSpace(s); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	rows := [][]string{CoefficientColumns(), biasRow(m)}
	for i, p := range s.Positions() {
		for e := range p.Slots() {
			if o.Unreachable || p.Reachable(e) {
				rows = append(rows, entryRow(s, p, m.Table[i], e))
			}
		}
	}
	return c.WriteAll(rows)
}

func biasRow(m *regress.CostModel) []string {
	row := make([]string, len(CoefficientColumns()))
	row[0], row[len(row)-2] = "bias", number(m.Bias)
	return row
}

func entryRow(s *sampler.Space, p sampler.Position, t regress.TablePosition, e int) []string {
	out, in, choice := p.Split(e)
	c := p.Choices[choice]
	row := []string{p.Name, c.Name, string(c.Type), "", "", "", "", "", ""}
	if c.Kernel > 0 {
		row[3], row[4] = strconv.Itoa(c.Kernel), strconv.Itoa(s.Stages[p.Stage].Layers[p.Layer].Stride)
	}
	switch c.Type {
	case sampler.IBN, sampler.Fused, sampler.Bottleneck:
		row[5], row[8] = strconv.Itoa(c.Expansion), number(c.SE)
	case sampler.Tucker:
		row[6], row[7] = number(c.InRatio), number(c.OutRatio)
	}
	return append(row, strconv.Itoa(p.In[in]), strconv.Itoa(p.Out[out]), strconv.Itoa(e),
		number(t.Weights[e]), strconv.Itoa(t.Seen[e]))
}

// JSON writes the cost model's own file, which regress.Load reads.
func JSON(w io.Writer, m *regress.CostModel) error { return m.Write(w) }

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

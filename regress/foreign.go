package regress

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Limits of a foreign table, so that a wrong file ends in a sentence and not in swap.
const (
	maxTableBytes   = 256 << 20
	maxTableColumns = 4096
	maxTableValues  = 256 // of one column; more is no category
)

// Foreign is a table that somebody else measured: one network a row, categorical columns
// that say which network, and one column of latencies.
type Foreign struct {
	Target  string
	Columns []string // the categorical ones, in the file's order
	// LeftOut are the other columns, and why they are not features.
	LeftOut []LeftOut
	values  [][]string // of each column, in order of appearance
	rows    [][]int32  // one value's index a column
	y       []float64  // in the target's own unit
	hash    string
}

// LeftOut is a column that is neither target nor feature.
type LeftOut struct {
	Column string `json:"column"`
	Reason string `json:"reason"`
}

// TableError is a line of a foreign table that cannot be used. Line 1 is the header; 0 means
// the file as a whole.
type TableError struct {
	File   string
	Line   int
	Reason string
}

func (e *TableError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// ReadForeign reads a CSV table with a header. Every column but the target is a category,
// whatever its values look like, except
//
//   - columns of the target's unit (the same ending behind the last "_", as in pixel_ms and
//     s7_ms): those are latencies of other devices, and a fit on them would be circular;
//   - columns with a different value in every row (names, ids) or more than 256 values.
//
// features, where it is not empty, names the categorical columns instead. Every refusal is
// a *TableError with file and line.
func ReadForeign(r io.Reader, file, target string, features []string) (*Foreign, error) {
	limited := &io.LimitedReader{R: r, N: maxTableBytes}
	h := sha256.New()
	c := csv.NewReader(io.TeeReader(limited, h))
	c.ReuseRecord = true
	t := &tableReader{file: file, csv: c, limited: limited, hash: h, target: target}
	if err := t.header(features); err != nil {
		return nil, err
	}
	for {
		if err := t.row(); errors.Is(err, io.EOF) {
			return t.finish(features)
		} else if err != nil {
			return nil, err
		}
	}
}

type tableReader struct {
	file, target string
	csv          *csv.Reader
	limited      *io.LimitedReader
	hash         hash.Hash
	names        []string
	at           int // the target's column
	columns      []category
	y            []float64
}

// category is a column while it is read.
type category struct {
	name   string
	field  int
	index  map[string]int32
	values []string
	rows   []int32
	many   bool // more than maxTableValues: its rows are no longer kept
}

func (t *tableReader) fail(line int, format string, args ...any) error {
	return &TableError{File: t.file, Line: line, Reason: fmt.Sprintf(format, args...)}
}

// record is the next line, io.EOF at the end.
func (t *tableReader) record() ([]string, error) {
	record, err := t.csv.Read()
	var parse *csv.ParseError
	switch {
	case t.limited.N == 0:
		return nil, t.fail(0, "larger than %d MiB", maxTableBytes>>20)
	case errors.As(err, &parse):
		return nil, t.fail(parse.Line, "%v", parse.Err)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: %w", t.file, err)
	}
	return record, err
}

func (t *tableReader) header(features []string) error {
	names, err := t.record()
	if errors.Is(err, io.EOF) {
		return t.fail(0, "is empty, want a header line")
	}
	if err != nil {
		return err
	}
	if len(names) > maxTableColumns {
		return t.fail(1, "%d columns, at most %d", len(names), maxTableColumns)
	}
	t.names = slices.Clone(names)
	for i, n := range t.names {
		if slices.Index(t.names, n) != i {
			return t.fail(1, "column %q is there twice", n)
		}
	}
	for _, f := range features {
		if !slices.Contains(t.names, f) || f == t.target {
			return t.fail(1, "no column %q to use as a feature; columns are %s", f, strings.Join(t.names, ", "))
		}
	}
	if t.at = slices.Index(t.names, t.target); t.at < 0 {
		return t.fail(1, "no column %q; columns are %s", t.target, strings.Join(t.names, ", "))
	}
	for i, n := range t.names {
		if len(features) > 0 && slices.Contains(features, n) || len(features) == 0 && i != t.at && !t.sibling(n) {
			t.columns = append(t.columns, category{name: n, field: i, index: map[string]int32{}})
		}
	}
	if len(t.columns) == 0 {
		return t.fail(1, "no columns but latencies: nothing says which network a line is of")
	}
	return nil
}

// sibling is a column of the target's unit.
func (t *tableReader) sibling(name string) bool {
	u := unitOf(t.target)
	return u != "" && unitOf(name) == u
}

// unitOf is what follows the last "_" of a column's name, "" where there is none.
func unitOf(column string) string {
	_, unit, found := lastCut(column, "_")
	if !found {
		return ""
	}
	return unit
}

func lastCut(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (t *tableReader) row() error {
	record, err := t.record()
	if err != nil {
		return err
	}
	line, _ := t.csv.FieldPos(t.at)
	y, err := strconv.ParseFloat(strings.TrimSpace(record[t.at]), 64)
	if err != nil || math.IsNaN(y) || math.IsInf(y, 0) || y <= 0 {
		return t.fail(line, "%s is %q, want a number above 0", t.target, record[t.at])
	}
	t.y = append(t.y, y)
	for i := range t.columns {
		t.columns[i].add(record[t.columns[i].field])
	}
	return nil
}

func (c *category) add(value string) {
	if c.many {
		return
	}
	i, ok := c.index[value]
	if !ok {
		i = int32(len(c.values))
		value = strings.Clone(value) // the record is reused
		c.index[value] = i
		c.values = append(c.values, value)
	}
	c.rows = append(c.rows, i)
	if len(c.values) > maxTableValues {
		c.many, c.rows = true, nil
	}
}

func (t *tableReader) finish(features []string) (*Foreign, error) {
	f := &Foreign{Target: t.target, y: t.y, rows: make([][]int32, len(t.y)), hash: hex.EncodeToString(t.hash.Sum(nil))}
	for _, n := range t.names {
		if len(features) == 0 && n != t.target && t.sibling(n) {
			f.LeftOut = append(f.LeftOut, LeftOut{n, "of the target's unit: another latency"})
		}
	}
	for _, c := range t.columns {
		reason := ""
		switch {
		case c.many:
			reason = fmt.Sprintf("more than %d values", maxTableValues)
		case len(c.values) == len(t.y) && len(t.y) > 1:
			reason = "another value in every row"
		}
		switch {
		case reason != "" && len(features) > 0:
			return nil, t.fail(0, "column %q is no category: %s", c.name, reason)
		case reason != "":
			f.LeftOut = append(f.LeftOut, LeftOut{c.name, reason})
			continue
		}
		f.Columns, f.values = append(f.Columns, c.name), append(f.values, c.values)
		for i, v := range c.rows {
			f.rows[i] = append(f.rows[i], v)
		}
	}
	if len(f.Columns) == 0 && len(t.y) > 0 {
		return nil, t.fail(0, "no column is a category: nothing says which network a line is of")
	}
	return f, nil
}

// ForeignModel is intercept + sum over columns of the weight of the column's value, in the
// target's own unit.
type ForeignModel struct {
	Target    string          `json:"target"`
	Method    string          `json:"method"`
	Columns   []ForeignColumn `json:"columns"`
	LeftOut   []LeftOut       `json:"left_out"`
	Networks  int             `json:"networks"`
	DataHash  string          `json:"data_hash"` // sha256 of the file
	Intercept float64         `json:"intercept"`
	Figures   Figures         `json:"figures"`
	// RMSE is in the target's unit; Figures has it in seconds where the unit is known.
	RMSE     *float64 `json:"rmse"`
	Warnings []string `json:"warnings"`
}

// ForeignColumn is one column's weights by value.
type ForeignColumn struct {
	Name    string             `json:"name"`
	Weights map[string]float64 `json:"weights"`
}

// FitForeign fits the indicator method, the only one that needs nothing but categories: the
// other methods know ops, and a foreign table has none. Rows of equal categories count
// once, with their mean, as in Fit.
func FitForeign(ctx context.Context, f *Foreign, o Options) (*ForeignModel, error) {
	if o.Method == "" {
		o.Method = Indicator
	}
	if o.Method != Indicator {
		return nil, &OptionError{"method", fmt.Sprintf("%s needs the ops of a network; a table of categories can be fitted by %s only", o.Method, Indicator)}
	}
	nets := f.networks()
	if len(nets) < MinNetworks {
		return nil, &TooFewError{Have: len(nets), Need: MinNetworks}
	}
	if err := o.check(len(nets), Methods()); err != nil {
		return nil, err
	}
	d, offsets := f.design(nets)
	fit := func(ctx context.Context, train []int) (solution, error) { return fitIndicator(ctx, d, train, o) }
	s, err := fit(ctx, all(len(nets)))
	if err != nil {
		return nil, err
	}
	m := &ForeignModel{
		Target: f.Target, Method: string(Indicator), LeftOut: f.LeftOut, Networks: len(nets), DataHash: f.hash,
		Intercept: s.bias * d.scale, Warnings: duplicates(nets),
	}
	for c, name := range f.Columns {
		w := make(map[string]float64, len(f.values[c]))
		for v, value := range f.values[c] {
			w[value] = s.slots[offsets[c]+v] * d.scale
		}
		m.Columns = append(m.Columns, ForeignColumn{name, w})
	}
	if m.Figures, err = validate(ctx, d.heldOut(fit), o, s.params); err != nil {
		return nil, err
	}
	m.RMSE = m.Figures.RMSESeconds
	m.Figures.RMSESeconds = inSeconds(m.RMSE, unitOf(f.Target))
	return m, nil
}

// Predict is the model's latency of one value a column, in the target's unit. A value that
// no row had is an error.
func (m *ForeignModel) Predict(values []string) (float64, error) {
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

// networks joins rows of equal categories. The Arch is of no space: its indices are the
// row, which is all that Fit's own helpers look at.
func (f *Foreign) networks() []network {
	at := map[string]int{}
	var nets []network
	for i, row := range f.rows {
		key := fmt.Sprint(row)
		n, seen := at[key]
		if !seen {
			n = len(nets)
			at[key] = n
			nets = append(nets, network{})
			for _, v := range row {
				nets[n].arch.Indices = append(nets[n].arch.Indices, int(v))
			}
		}
		nets[n].seconds += f.y[i]
		nets[n].n++
	}
	for i := range nets {
		nets[i].seconds /= float64(nets[i].n)
	}
	return nets
}

// design is the one-hot matrix; offsets are the first slot of each column.
func (f *Foreign) design(nets []network) (*design, []int) {
	var l layout
	for _, values := range f.values {
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

// inSeconds converts a figure of a known unit; of any other it is nil.
func inSeconds(x *float64, unit string) *float64 {
	if x == nil {
		return nil
	}
	switch strings.ToLower(unit) {
	case "s", "sec", "secs", "seconds":
		return finite(*x)
	case "ms", "msec", "milliseconds":
		return finite(*x / 1e3)
	case "us", "usec", "microseconds":
		return finite(*x / 1e6)
	case "ns", "nanoseconds":
		return finite(*x / 1e9)
	}
	return nil
}

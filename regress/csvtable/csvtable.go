// Package csvtable reads a table of latencies that another lab measured: one network per row,
// categorical columns that identify the network, and one column of latencies.
//
// It does not guess: a table that it cannot use is an error with file and line. It knows nothing
// about spaces and ops; regress.FitTable fits the categories.
package csvtable

import (
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

// Limits of a table, so that a wrong file ends in an error and not in swapping.
const (
	maxBytes   = 256 << 20
	maxColumns = 4096
	maxValues  = 256 // of one column; a column with more is not a category
)

// Table has one network per row.
type Table struct {
	Target  string
	Columns []string // the categorical ones, in the file's order
	// LeftOut are the other columns, with the reason why they are not features.
	LeftOut []LeftOut
	Values  [][]string // of each column, in order of appearance
	Rows    [][]int32  // of each network, for each column the index of its value
	Y       []float64  // latencies in the target's own unit
	Hash    string     // sha256 of the file
}

// LeftOut is a column that is neither target nor feature.
type LeftOut struct {
	Column string `json:"column"`
	Reason string `json:"reason"`
}

// Error is a line that cannot be used. Line 1 is the header; 0 means the whole file.
type Error struct {
	File   string
	Line   int
	Reason string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// Read reads a CSV table with a header. Every column except the target is a category,
// whatever its values, with two exceptions:
//
//   - columns with the target's unit (the same ending after the last "_", as in pixel_ms and
//     s7_ms): they are latencies of other devices, and a fit on them would be circular;
//   - columns with a different value in every row (names, ids) or more than 256 values.
//
// If features is not empty, it names the categorical columns instead. Every error is an
// *Error with file and line.
func Read(r io.Reader, file, target string, features []string) (*Table, error) {
	limited := &io.LimitedReader{R: r, N: maxBytes}
	h := sha256.New()
	c := csv.NewReader(io.TeeReader(limited, h))
	c.ReuseRecord = true
	t := &reader{file: file, csv: c, limited: limited, hash: h, target: target}
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

type reader struct {
	file, target string
	csv          *csv.Reader
	limited      *io.LimitedReader
	hash         hash.Hash
	names        []string
	at           int // the target's column
	columns      []category
	y            []float64
}

// category is a column while it is being read.
type category struct {
	name   string
	field  int
	index  map[string]int32
	values []string
	rows   []int32
	many   bool // more than maxValues: its rows are not kept any more
}

func (t *reader) fail(line int, format string, args ...any) error {
	return &Error{File: t.file, Line: line, Reason: fmt.Sprintf(format, args...)}
}

// record returns the next line, and io.EOF at the end.
func (t *reader) record() ([]string, error) {
	record, err := t.csv.Read()
	var parse *csv.ParseError
	switch {
	case t.limited.N == 0:
		return nil, t.fail(0, "larger than %d MiB", maxBytes>>20)
	case errors.As(err, &parse):
		return nil, t.fail(parse.Line, "%v", parse.Err)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: %w", t.file, err)
	}
	return record, err
}

func (t *reader) header(features []string) error {
	names, err := t.record()
	if errors.Is(err, io.EOF) {
		return t.fail(0, "the file is empty, want a header line")
	}
	if err != nil {
		return err
	}
	if len(names) > maxColumns {
		return t.fail(1, "%d columns, at most %d", len(names), maxColumns)
	}
	t.names = slices.Clone(names)
	for i, n := range t.names {
		if slices.Index(t.names, n) != i {
			return t.fail(1, "column %q appears twice", n)
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
		return t.fail(1, "all columns are latencies: no column identifies the network")
	}
	return nil
}

// sibling reports whether a column has the target's unit.
func (t *reader) sibling(name string) bool {
	u := unitOf(t.target)
	return u != "" && unitOf(name) == u
}

// unitOf is what follows the last "_" of a column's name, "" if there is none.
func unitOf(column string) string {
	i := strings.LastIndex(column, "_")
	if i < 0 {
		return ""
	}
	return column[i+1:]
}

// Unit is the unit of the latencies by the target's name: "ms" for pixel_ms; "" = unknown.
func (t *Table) Unit() string { return unitOf(t.Target) }

func (t *reader) row() error {
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
	if len(c.values) > maxValues {
		c.many, c.rows = true, nil
	}
}

func (t *reader) finish(features []string) (*Table, error) {
	f := &Table{Target: t.target, Y: t.y, Rows: make([][]int32, len(t.y)), Hash: hex.EncodeToString(t.hash.Sum(nil))}
	for _, n := range t.names {
		if len(features) == 0 && n != t.target && t.sibling(n) {
			f.LeftOut = append(f.LeftOut, LeftOut{n, "same unit as the target: a different latency"})
		}
	}
	for _, c := range t.columns {
		reason := ""
		switch {
		case c.many:
			reason = fmt.Sprintf("more than %d values", maxValues)
		case len(c.values) == len(t.y) && len(t.y) > 1:
			reason = "a different value in every row"
		}
		switch {
		case reason != "" && len(features) > 0:
			return nil, t.fail(0, "column %q is not a category: %s", c.name, reason)
		case reason != "":
			f.LeftOut = append(f.LeftOut, LeftOut{c.name, reason})
			continue
		}
		f.Columns, f.Values = append(f.Columns, c.name), append(f.Values, c.values)
		for i, v := range c.rows {
			f.Rows[i] = append(f.Rows[i], v)
		}
	}
	if len(f.Columns) == 0 && len(t.y) > 0 {
		return nil, t.fail(0, "no column is a category: no column identifies the network")
	}
	return f, nil
}

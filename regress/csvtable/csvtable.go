// Package csvtable reads a table of latencies that another lab measured: one network per row,
// categorical columns that identify the network, and one column of latencies.
//
// It does not guess: a table that it cannot use is an error with file and line. It knows nothing
// about spaces and ops; regress.FitTable fits the categories.
package csvtable

import (
	"cmp"
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
	"unicode/utf8"

	"latlab/internal/text"
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
	Lines   []int32    // of each network in the file, from 1
	Skipped []Skipped  // rows without a latency
	Hash    string     // sha256 of the file
}

// Skipped are rows whose target is not a latency: blank, not above 0, or a word for a failed run.
type Skipped struct {
	Value string `json:"value"` // as written
	Rows  int    `json:"rows"`
	Line  int    `json:"first_line"`
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

// Read reads a CSV table with a header, in UTF-8 or UTF-16, separated by commas, semicolons or tabs.
// Blanks around names and values do not belong to them. Every column except the target is a
// category, whatever its values, with these exceptions, which are listed in LeftOut:
//
//   - columns of decimal numbers, columns with the target's unit and columns of numbers whose name
//     says that they are latencies: a fit on another device's latency would be circular;
//   - columns with a different value in every row (names, ids) or more than 256 values;
//   - columns without a name.
//
// If features is not empty, it names the categorical columns instead. Rows whose target is not a
// latency are skipped and counted. Every error is an *Error with file and line.
func Read(r io.Reader, file, target string, features []string) (*Table, error) {
	return standardLimits().read(r, file, target, features)
}

func (max limits) read(r io.Reader, file, target string, features []string) (*Table, error) {
	h := sha256.New()
	plain := decoded(io.TeeReader(r, h), max.line)
	d, err := dialectOf(plain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c := csv.NewReader(&guard{r: plain, file: file, max: max, oldEnds: d.oldEnds})
	c.ReuseRecord, c.Comma = true, d.separator
	t := &reader{file: file, max: max, csv: c, hash: h, target: trimmed(target), skipped: map[string]*Skipped{}}
	for _, f := range features {
		t.features = append(t.features, trimmed(f))
	}
	if err := t.header(); err != nil {
		return nil, err
	}
	for {
		if err := t.row(); errors.Is(err, io.EOF) {
			return t.finish()
		} else if err != nil {
			return nil, err
		}
	}
}

type reader struct {
	file, target string
	max          limits
	features     []string // the user's
	csv          *csv.Reader
	hash         hash.Hash
	names        []string
	leftOut      []LeftOut
	at           int // the target's column
	columns      []category
	y            []float64
	lines        []int32
	skipped      map[string]*Skipped // by value
	point        byte                // decimal separator of the target, 0 until a value has one
}

func (t *reader) fail(line int, format string, args ...any) error {
	return &Error{File: t.file, Line: line, Reason: fmt.Sprintf(format, args...)}
}

// record returns the next line's fields, and io.EOF at the end.
func (t *reader) record() (fields []string, line int, err error) {
	record, err := t.csv.Read()
	var parse *csv.ParseError
	var bad *Error
	switch {
	case errors.As(err, &bad):
		return nil, 0, bad
	case errors.As(err, &parse):
		return nil, 0, t.fail(parse.Line, "%v", parse.Err)
	case errors.Is(err, io.EOF):
		return nil, 0, io.EOF
	case err != nil:
		return nil, 0, fmt.Errorf("%s: %w", t.file, err)
	}
	line, _ = t.csv.FieldPos(0)
	if reason := checkText(record); reason != "" {
		return nil, 0, t.fail(line, "%s", reason)
	}
	return record, line, nil
}

func (t *reader) header() error {
	names, line, err := t.record()
	if errors.Is(err, io.EOF) {
		return t.fail(0, "the file is empty, want a header line")
	}
	if err != nil {
		return err
	}
	if len(names) > t.max.columns {
		return t.fail(line, "%d columns, at most %d", len(names), t.max.columns)
	}
	if err := t.nameColumns(names, line); err != nil {
		return err
	}
	for _, f := range t.features {
		if !slices.Contains(t.names, f) || f == t.target {
			return t.fail(line, "no column %q to use as a feature; columns are %s", f, t.list())
		}
	}
	if t.at = slices.Index(t.names, t.target); t.at < 0 || t.target == "" {
		return t.fail(line, "no column %q; columns are %s", t.target, t.list())
	}
	t.choose()
	if len(t.columns) == 0 {
		return t.fail(line, "all columns are latencies: no column identifies the network")
	}
	return nil
}

// nameColumns takes the names of the header. Names that look the same must be the same.
func (t *reader) nameColumns(names []string, line int) error {
	for i, n := range names {
		n = strings.Clone(trimmed(n))
		if j := strings.IndexFunc(n, invisible); j >= 0 {
			r, _ := utf8.DecodeRuneInString(n[j:])
			return t.fail(line, "the name of column %d, %+q, has an invisible character (%U): remove it", i+1, n, r)
		}
		if n != "" && slices.Contains(t.names, n) {
			return t.fail(line, "column %q appears twice", n)
		}
		t.names = append(t.names, n)
	}
	return nil
}

// list is the columns' names for an error.
func (t *reader) list() string {
	return text.ClipTo(strings.Join(slices.DeleteFunc(slices.Clone(t.names), func(n string) bool { return n == "" }), ", "), 400)
}

// choose finds the columns that may be categories.
func (t *reader) choose() {
	for i, n := range t.names {
		switch {
		case len(t.features) > 0:
			if !slices.Contains(t.features, n) {
				continue
			}
		case i == t.at:
			continue
		case n == "":
			t.leftOut = append(t.leftOut, LeftOut{fmt.Sprintf("%d", i+1), "it has no name"})
			continue
		case t.sibling(n):
			t.leftOut = append(t.leftOut, LeftOut{n, "same unit as the target: a different latency"})
			continue
		}
		t.columns = append(t.columns, category{name: n, field: i, index: map[string]int32{}})
	}
}

// sibling reports whether a column has the target's unit.
func (t *reader) sibling(name string) bool {
	u := unitOf(t.target)
	return u != "" && unitOf(name) == u
}

func (t *reader) row() error {
	record, line, err := t.record()
	if err != nil {
		return err
	}
	written := trimmed(record[t.at])
	y, ok, reason := t.latency(written)
	if reason != "" {
		return t.fail(line, "%s is %q, %s", t.target, written, reason)
	}
	if !ok {
		t.skip(written, line)
		return nil
	}
	if len(t.y) == t.max.rows || len(t.y)*len(t.columns) >= t.max.cells {
		return t.fail(line, "too many rows: at most %d, and %d fields in all", t.max.rows, t.max.cells)
	}
	t.y, t.lines = append(t.y, y), append(t.lines, int32(line))
	for i := range t.columns {
		t.columns[i].add(trimmed(record[t.columns[i].field]))
	}
	return nil
}

// latency reads the target of a row; ok is false where it is the mark of a missing value. A decimal
// comma is read where fields are not separated by commas, and then everywhere in the column: beside
// it, a point may separate thousands.
func (t *reader) latency(s string) (y float64, ok bool, reason string) {
	if missing(s) {
		return 0, false, ""
	}
	if i := strings.LastIndexAny(s, ".,"); i >= 0 && (s[i] == '.' || t.csv.Comma != ',') {
		if t.point != 0 && t.point != s[i] || strings.ContainsAny(s[:i], ".,") {
			return 0, false, "the column has points and commas: write decimals in one way, and no thousands separators"
		}
		t.point = s[i]
		s = s[:i] + "." + s[i+1:]
	}
	y, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(y, 0) {
		return 0, false, "want a number"
	}
	return y, y > 0 && !math.IsInf(y, 0), ""
}

func (t *reader) skip(value string, line int) {
	if t.skipped[value] == nil && len(t.skipped) >= maxValues {
		value = "others" // a column of negative numbers
	}
	s := t.skipped[value]
	if s == nil {
		value = strings.Clone(value) // the record is reused
		s = &Skipped{Value: value, Line: line}
		t.skipped[value] = s
	}
	s.Rows++
}

func (t *reader) finish() (*Table, error) {
	f := &Table{
		Target: t.target, LeftOut: t.leftOut, Rows: make([][]int32, len(t.y)), Y: t.y, Lines: t.lines,
		Hash: hex.EncodeToString(t.hash.Sum(nil)),
	}
	for _, s := range t.skipped {
		f.Skipped = append(f.Skipped, *s)
	}
	slices.SortFunc(f.Skipped, func(a, b Skipped) int { return cmp.Or(b.Rows-a.Rows, a.Line-b.Line) })
	if len(t.y) == 0 && len(f.Skipped) > 0 {
		return nil, t.fail(f.Skipped[0].Line, "no row has a number above 0 in column %q: it is %q here", t.target, f.Skipped[0].Value)
	}
	for _, c := range t.columns {
		switch reason := c.unfit(len(t.y), len(t.features) > 0); {
		case reason != "" && len(t.features) > 0:
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

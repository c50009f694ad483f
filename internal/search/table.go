package search

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"latlab/internal/text"
	"latlab/sampler"
)

// Row is a network with its quality.
type Row struct {
	Arch    sampler.Arch
	Quality float64
}

// TableError is a line of a table that cannot be used; 0 means the whole file.
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

// ReadTable reads a CSV table with the columns indices and quality. It is strict: every line must be a
// network of the space with a finite number, and no network may appear twice. Every error is a *TableError
// or the reader's own.
func ReadTable(r io.Reader, file string, s *sampler.Space) ([]Row, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if why := text.WrongKind(data, file, text.Table); why != "" {
		return nil, &TableError{file, 0, why}
	}
	c := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	c.FieldsPerRecord, c.ReuseRecord = -1, true
	t := tableReader{file: file, space: s, csv: c, lines: map[string]int{}}
	return t.read()
}

type tableReader struct {
	file  string
	space *sampler.Space
	csv   *csv.Reader
	lines map[string]int // of each network
}

func (t *tableReader) read() (rows []Row, err error) {
	head, line, err := t.record()
	switch {
	case errors.Is(err, io.EOF):
		return nil, &TableError{t.file, 0, "it is empty; the first line must be indices,quality"}
	case err != nil:
		return nil, err
	case len(head) != 2 || head[0] != "indices" || head[1] != "quality":
		return nil, &TableError{t.file, line, "the first line must be indices,quality"}
	}
	for {
		fields, line, err := t.record()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		row, reason := t.row(fields, line)
		if reason != "" {
			return nil, &TableError{t.file, line, reason}
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, &TableError{t.file, 0, "it has no network"}
	}
	return rows, nil
}

func (t *tableReader) record() (fields []string, line int, err error) {
	fields, err = t.csv.Read()
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return nil, 0, &TableError{t.file, parse.Line, parse.Err.Error()}
	case errors.Is(err, io.EOF):
		return nil, 0, io.EOF
	case err != nil:
		return nil, 0, fmt.Errorf("%s: %w", t.file, err)
	}
	line, _ = t.csv.FieldPos(0)
	return fields, line, nil
}

func (t *tableReader) row(fields []string, line int) (row Row, reason string) {
	if len(fields) != 2 {
		return Row{}, fmt.Sprintf("it has %d fields, want indices and quality", len(fields))
	}
	a, err := t.space.ParseArch(fields[0])
	if err != nil {
		return Row{}, err.Error()
	}
	quality, err := strconv.ParseFloat(fields[1], 64)
	if err != nil || math.IsNaN(quality) || math.IsInf(quality, 0) {
		return Row{}, fmt.Sprintf("quality is %q, want a finite number", text.Clip(fields[1]))
	}
	if before := t.lines[fields[0]]; before > 0 {
		return Row{}, fmt.Sprintf("network %s is on line %d already", fields[0], before)
	}
	t.lines[fields[0]] = line
	return Row{Arch: a, Quality: quality}, ""
}

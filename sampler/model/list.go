package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"latlab/sampler"
)

// Entry is a line of a list of a user's own models:
//
//	{"path": "models/a.tflite", "features": {"depth": 12, "width": 1.5}}
type Entry struct {
	Path     string // as written; relative to the list's folder
	Features map[string]float64
	Line     int // from 1
}

// entryLine keeps the values as raw JSON: the decoder's error does not name the map key.
type entryLine struct {
	Path     string                     `json:"path"`
	Features map[string]json.RawMessage `json:"features"`
}

// ReadList reads a list, one entry or error at a time, like sampler.Lines. An unknown field is an
// error: otherwise a mistyped "features" would be ignored silently.
func ReadList(r io.Reader, filename string) iter.Seq2[Entry, error] {
	return sampler.Lines(r, filename, parseEntry)
}

func parseEntry(n int, line []byte) (Entry, error) {
	e := Entry{Line: n}
	var l entryLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return e, entryError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return e, errors.New("not a model in JSON: unexpected text after the object")
	}
	if e.Path = l.Path; e.Path == "" {
		return e, errors.New(`"path" is missing`)
	}
	for _, name := range slices.Sorted(maps.Keys(l.Features)) {
		x, err := strconv.ParseFloat(string(l.Features[name]), 64)
		if err != nil {
			return e, fmt.Errorf("feature %s is %.40s, want a finite number", name, l.Features[name])
		}
		if e.Features == nil {
			e.Features = map[string]float64{}
		}
		e.Features[name] = x
	}
	return e, nil
}

// entryError rewrites the decoder's error without Go's type names.
func entryError(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%q is a JSON %s", kind.Field, kind.Value)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return fmt.Errorf(`%s is not known; a line has "path" and "features"`, strings.TrimPrefix(err.Error(), "json: unknown field "))
	}
	if errors.As(err, &kind) {
		return fmt.Errorf("not a model in JSON: a line is an object, not a JSON %s", kind.Value)
	}
	return fmt.Errorf("not a model in JSON: %w", err)
}

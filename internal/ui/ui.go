// Package ui formats what a person reads: tables, wrapped text, numbers with units, colours
// and the progress of a sweep. The terminal and exporters/report share it, so that a latency
// has the same digits in both.
//
// It refuses to decide what is shown: callers pass finished values. cmd/latlab decides between
// text and JSON and owns the command line and exit codes; internal/text clips and quotes text.
package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"latlab/bench"
	"latlab/devices"
)

// JSONSchema is the version of every --json document.
const JSONSchema = 1

// JSON writes v on one line without HTML escapes, so that the && of a command can be copied.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Document writes a --json result: schema_version, then the fields of the parts, which must be
// objects. An embedded part would not do: its MarshalJSON hides the outer fields.
func Document(w io.Writer, parts ...any) error {
	document, err := object(append([]any{map[string]int{"schema_version": JSONSchema}}, parts...)...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", document)
	return err
}

// object joins the fields of objects.
func object(parts ...any) ([]byte, error) {
	all := []byte{'{'}
	for _, part := range parts {
		body, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		if body[0] != '{' {
			return nil, fmt.Errorf("a --json document must be an object, not %T", part)
		}
		if len(body) > len("{}") && len(all) > 1 {
			all = append(all, ',')
		}
		all = append(all, body[1:len(body)-1]...)
	}
	return append(all, '}'), nil
}

// RankedJSON is a ranked network as an object of a --json document: the network, its rank and all fields
// of its measurement. A network without a latency has the rank null.
func RankedJSON(r bench.Ranked, more any) (json.RawMessage, error) {
	n := r.Network
	n.Features = nil // dozens of op-level figures, which belong to exports
	parts := []any{n, map[string]any{"rank": nil}}
	if r.M != nil && r.Rank > 0 {
		parts = []any{n, map[string]any{"rank": r.Rank, "times_fastest": r.Times, "tied": r.Tied}, r.M}
	}
	if more != nil {
		parts = append(parts, more)
	}
	return object(parts...)
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// OneLine joins the lines of an error's text into one that a terminal can show.
func OneLine(err error) string {
	return Printable(strings.Join(strings.Fields(err.Error()), " "))
}

// Printable replaces control characters by ?, because a file's name or a tool's output may
// contain escape sequences, which a terminal would execute. Line feeds and tabs stay.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '?'
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// Kind is the name of a kind, in capitals unless it is measured, so that nobody overlooks it.
func Kind(k devices.Kind) string {
	if k == devices.Measured {
		return string(k)
	}
	return strings.ToUpper(string(k))
}

// Package strictyaml reads YAML files of which every field is known: spaces, simulators, the
// inventory of devices. The first thing that is wrong is an *Error with file, line and field, and with
// what was probably meant.
//
// It refuses what is not exactly what the reader asked for: unknown fields, fields given twice, text
// where a number belongs, a second document, a reference (*name) unless the Kind follows them. What a
// value means its reader says with Value.Fail.
//
// Nodes are read one by one and not by the YAML package's own decoder: that one gives no line for a
// missing field, reads a serial number such as 0123 or 12e5 as a number, and follows references, of which
// a short file can make a billion values.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"latlab/internal/text"
)

// Error says what is wrong with a file and where.
type Error struct {
	File  string // as the caller named it
	Line  int    // from 1; 0 where the whole file is meant
	Field string // "stages[2].layers[0].stride"; empty where the whole file is meant
	Msg   string
}

// Error is "space.yaml:12: stages[2].layers[0].stride: must be 1 or 2, not 3".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// Kind is a kind of file.
type Kind struct {
	Name     string // for errors, with its article: "a space"
	MaxBytes int
	Empty    string // what an empty file lacks, for its error; may be empty
	// Aliases follows references (*name). Whoever follows them bounds what a file may stand for.
	Aliases bool
}

// ReadFile returns a file's bytes, at most one more than the Kind allows, which Read then refuses.
func (k Kind) ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(k.MaxBytes)+1))
}

// Read calls read with the one document of a file, which errors call by the given name. It returns the
// first *Error, of the syntax or of what read found.
func (k Kind) Read(data []byte, file string, read func(Value)) error {
	root, err := k.document(data, file)
	if err != nil {
		return err
	}
	d := &document{file: file, aliases: k.Aliases}
	read(d.value(root, ""))
	if d.err != nil {
		return d.err
	}
	return nil
}

func (k Kind) document(data []byte, file string) (*yaml.Node, error) {
	if len(data) > k.MaxBytes {
		return nil, &Error{File: file, Msg: fmt.Sprintf("is larger than %d bytes, too large for %s", k.MaxBytes, k.Name)}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &Error{File: file, Msg: "is empty" + k.Empty}
	case err != nil:
		return nil, syntaxError(data, err, file)
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, &Error{File: file, Line: more.Line, Msg: "a second document begins here; a file holds " + k.Name}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(data, err, file)
	}
	return doc.Content[0], nil
}

var (
	yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)
	tabbed   = regexp.MustCompile(`^ *\t`)
)

func syntaxError(data []byte, err error, file string) error {
	// What the YAML package says of a tab is no help to whoever cannot see it.
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if tabbed.Match(text) {
			return &Error{File: file, Line: line, Msg: "is indented by a tab; YAML wants spaces"}
		}
	}
	e := &Error{File: file, Msg: text.Clip(strings.TrimPrefix(err.Error(), "yaml: "))}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Msg = text.Clip(strings.TrimPrefix(err.Error(), m[0]))
	}
	return e
}

// document keeps the first thing that is wrong with a file. Reading goes on with zero values after an
// error, so that callers need not check after each field.
type document struct {
	file    string
	aliases bool
	err     *Error
}

func (d *document) value(n *yaml.Node, path string) Value {
	v := Value{d: d, node: n, path: path}
	if n.Kind != yaml.AliasNode {
		return v
	}
	if d.aliases {
		v.node = n.Alias
		return v
	}
	v.Fail("must be written out, not referred to")
	return Value{d: d, path: path}
}

func (d *document) fail(line int, path, format string, args ...any) {
	if d.err == nil {
		d.err = &Error{File: d.file, Line: line, Field: path, Msg: fmt.Sprintf(format, args...)}
	}
}

// maxKnown is how many known names an error lists.
const maxKnown = 12

// DidYouMean ends an error about an unknown word: with the nearest of the known ones, or with all of them
// where none is near and they are few.
func DidYouMean(word string, known []string) string {
	if near := text.DidYouMean(word, known); near != "" {
		return near
	}
	if len(known) > maxKnown {
		return ""
	}
	return "; known: " + strings.Join(known, ", ")
}

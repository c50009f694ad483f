// Package strictyaml reads YAML files with a fixed set of fields: spaces (sampler), simulators
// (devices/sim) and inventories (devices/inventory). It reports the first mistake as an *Error with file,
// line, field and, for a mistyped word, a suggestion.
//
// It refuses unknown fields, fields that are given twice, text where a number belongs, a second document,
// and aliases (*name) unless the Kind allows them. It does not know what values mean: readers report
// their own checks by Value.Fail.
//
// It reads node by node instead of using the YAML package's decoder, which has no line number for a
// missing field, reads a serial number such as 0123 or 12e5 as a number, and follows aliases, by which a
// short file can expand to a billion values.
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
	// Aliases allows aliases (*name). The reader must then limit how far a file can expand.
	Aliases bool
}

// ReadFile reads a file, but at most one byte more than the Kind allows, which Read then refuses.
func (k Kind) ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(k.MaxBytes)+1))
}

// Read calls read with the only document of a file. file is its name in errors. It returns the first
// *Error, either in the syntax or reported by read.
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
	// The YAML package's error about a tab does not mention the tab, which is invisible.
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

// document keeps the first mistake in a file. After it, reading continues with zero values, so that
// callers need not check after each field.
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

// DidYouMean is the end of an error about an unknown word: the nearest known word, or all known words if
// none is near and they are few.
func DidYouMean(word string, known []string) string {
	if near := text.DidYouMean(word, known); near != "" {
		return near
	}
	if len(known) > maxKnown {
		return ""
	}
	return "; known: " + strings.Join(known, ", ")
}

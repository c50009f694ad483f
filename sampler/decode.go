package sampler

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LoadError says what is wrong with a space file and where.
type LoadError struct {
	File  string // as the caller named it
	Line  int    // from 1; 0 where the whole file is meant
	Field string // "stages[2].layers[0].stride"; empty where the whole file is meant
	Msg   string
}

// Error is "space.yaml:12: stages[2].layers[0].stride: must be 1 or 2, not 3".
func (e *LoadError) Error() string {
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

// decoder keeps the first thing that is wrong with a file. Reading goes on with zero
// values after an error, so that callers need not check after each field.
type decoder struct {
	file string
	err  *LoadError
}

// value is one node of the file and the name by which errors call it. A value without a
// node is a field that is missing; the error is then recorded already.
type value struct {
	d    *decoder
	node *yaml.Node
	path string
}

func (d *decoder) value(n *yaml.Node, path string) value {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return value{d: d, node: n, path: path}
}

func (v value) fail(format string, args ...any) {
	if v.node == nil || v.d.err != nil {
		return
	}
	v.d.err = &LoadError{File: v.d.file, Line: v.node.Line, Field: v.path, Msg: fmt.Sprintf(format, args...)}
}

// String shows the value in an error.
func (v value) String() string {
	switch v.node.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	switch v.node.ShortTag() {
	case "!!str":
		return strconv.Quote(Clip(v.node.Value))
	case "!!null":
		return "nothing"
	}
	return Clip(v.node.Value)
}

// object is a mapping whose keys were checked.
type object struct {
	value
	fields map[string]value
}

// object reads a mapping that may have the given keys and no others.
func (v value) object(keys ...string) object {
	o := object{value: v, fields: map[string]value{}}
	if v.node == nil {
		return o
	}
	if v.node.Kind != yaml.MappingNode {
		v.fail("must be a mapping, not %s", v)
		return o
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		o.add(v.node.Content[i], v.node.Content[i+1], keys)
	}
	return o
}

func (o object) add(key, content *yaml.Node, keys []string) {
	k := o.d.value(key, o.path)
	name := k.node.Value
	field := o.d.value(content, joinPath(o.path, Clip(name)))
	at := value{d: o.d, node: key, path: field.path}
	switch _, twice := o.fields[name]; {
	case k.node.Kind != yaml.ScalarNode:
		k.fail("keys must be words, not %s", k)
	case twice:
		at.fail("is given twice")
	case !slices.Contains(keys, name):
		at.fail("unknown field%s", didYouMean(name, keys))
	default:
		o.fields[name] = field
	}
}

// get returns a field that must be there.
func (o object) get(key string) value {
	if v, ok := o.fields[key]; ok {
		return v
	}
	missing := o.value
	missing.path = joinPath(o.path, key)
	missing.fail("is missing")
	return value{d: o.d, path: missing.path}
}

// opt returns a field that may be left out.
func (o object) opt(key string) (value, bool) {
	v, ok := o.fields[key]
	return v, ok
}

// list reads a sequence of 1 to limit values.
func (v value) list(limit int) []value {
	if v.node == nil {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.fail("must be a list, not %s", v)
		return nil
	}
	if n := len(v.node.Content); n < 1 || n > limit {
		v.fail("must have 1 to %d entries, not %d", limit, n)
		return nil
	}
	vs := make([]value, len(v.node.Content))
	for i, n := range v.node.Content {
		vs[i] = v.d.value(n, fmt.Sprintf("%s[%d]", v.path, i))
	}
	return vs
}

// int reads a whole number from lo to hi.
func (v value) int(lo, hi int) int {
	if v.node == nil {
		return lo
	}
	var x int
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() != "!!int" || v.node.Decode(&x) != nil {
		v.fail("must be a whole number, not %s", v)
		return lo
	}
	if x < lo || x > hi {
		word := "to"
		if hi == lo+1 {
			word = "or"
		}
		v.fail("must be %d %s %d, not %d", lo, word, hi, x)
		return lo
	}
	return x
}

// float reads a number above 0 and at most hi.
func (v value) float(hi float64) float64 {
	if v.node == nil {
		return hi
	}
	var x float64
	tag := v.node.ShortTag()
	if v.node.Kind != yaml.ScalarNode || tag != "!!int" && tag != "!!float" || v.node.Decode(&x) != nil {
		v.fail("must be a number, not %s", v)
		return hi
	}
	if !(x > 0 && x <= hi) || math.IsNaN(x) {
		v.fail("must be above 0 and at most %v, not %s", hi, v)
		return hi
	}
	return x
}

func (v value) bool() bool {
	if v.node == nil {
		return false
	}
	var x bool
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() != "!!bool" || v.node.Decode(&x) != nil {
		v.fail("must be true or false, not %s", v)
	}
	return x
}

func (v value) text() string {
	if v.node == nil {
		return ""
	}
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() != "!!str" {
		v.fail("must be text, not %s", v)
		return ""
	}
	return v.node.Value
}

// Names become parts of file names, op names and metric labels, on every system.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// name reads an identifier.
func (v value) name() string {
	s := v.text()
	if v.node != nil && !nameForm.MatchString(s) {
		v.fail("must be 1 to 64 letters, digits, '_', '.' or '-', beginning with a letter or digit, not %s", v)
	}
	return s
}

// oneOf reads one of the given words.
func (v value) oneOf(words ...string) string {
	s := v.text()
	if v.node != nil && !slices.Contains(words, s) {
		v.fail("unknown value %s%s", v, didYouMean(s, words))
	}
	return s
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

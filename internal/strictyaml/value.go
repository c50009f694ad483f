package strictyaml

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"latlab/internal/text"
)

// maxLine is the bytes of a Line or Word.
const maxLine = 400

// Value is one node of the file with its path for errors. A missing one reads as zero; its error is
// already recorded.
type Value struct {
	d    *document
	node *yaml.Node
	path string
}

// Fail reports a mistake in the value. Only the first one of a file is kept.
func (v Value) Fail(format string, args ...any) {
	if v.node != nil {
		v.d.fail(v.node.Line, v.path, format, args...)
	}
}

// OK reports whether the file has no mistake so far.
func (v Value) OK() bool { return v.d.err == nil }

// LineNumber is the value's line in the file, from 1; 0 if it is missing.
func (v Value) LineNumber() int {
	if v.node == nil {
		return 0
	}
	return v.node.Line
}

// IsMapping reports whether the value is a mapping, for fields that also take text.
func (v Value) IsMapping() bool { return v.node != nil && v.node.Kind == yaml.MappingNode }

// String shows the value in an error.
func (v Value) String() string {
	switch {
	case v.node == nil:
		return "nothing"
	case v.node.Kind == yaml.SequenceNode:
		return "a list"
	case v.node.Kind == yaml.MappingNode:
		return "a mapping"
	case v.node.ShortTag() == "!!null":
		return "nothing"
	case v.node.ShortTag() == "!!str":
		return strconv.Quote(text.Clip(v.node.Value))
	}
	return text.Clip(v.node.Value)
}

// scalar reports whether the value is a scalar with one of the YAML tags.
func (v Value) scalar(tags ...string) bool {
	return v.node.Kind == yaml.ScalarNode && slices.Contains(tags, v.node.ShortTag())
}

// List reads a list of 1 to limit values.
func (v Value) List(limit int) []Value { return v.list(1, limit) }

// ListOrNone reads a list of at most limit values.
func (v Value) ListOrNone(limit int) []Value { return v.list(0, limit) }

func (v Value) list(least, most int) []Value {
	if v.node == nil {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.Fail("must be a list, not %s", v)
		return nil
	}
	if n := len(v.node.Content); n < least || n > most {
		v.Fail("must have %d to %d entries, not %d", least, most, n)
		return nil
	}
	vs := make([]Value, len(v.node.Content))
	for i, n := range v.node.Content {
		vs[i] = v.d.value(n, fmt.Sprintf("%s[%d]", v.path, i))
	}
	return vs
}

// Int reads a whole number from low to high. It returns low after a mistake.
func (v Value) Int(low, high int) int {
	if v.node == nil {
		return low
	}
	var x float64
	word := "to"
	if high == low+1 {
		word = "or"
	}
	switch {
	case !v.scalar("!!int", "!!float") || v.node.Decode(&x) != nil:
		v.Fail("must be a whole number, not %s", v)
	case !math.IsInf(x, 0) && x != math.Trunc(x):
		v.Fail("must be a whole number, not %s", v)
	case !(x >= float64(low) && x <= float64(high)):
		v.Fail("must be %d %s %d, not %s", low, word, high, v)
	default:
		return int(x)
	}
	return low
}

// Number reads a number, which may be infinite or NaN. ok is false after a mistake.
func (v Value) Number() (x float64, ok bool) {
	if v.node == nil {
		return 0, false
	}
	if !v.scalar("!!int", "!!float") || v.node.Decode(&x) != nil {
		v.Fail("must be a number, not %s", v)
		return 0, false
	}
	return x, true
}

// Between reads a number from low to high. It returns low after a mistake.
func (v Value) Between(low, high float64) float64 {
	x, ok := v.Number()
	if ok && x >= low && x <= high {
		return x
	}
	if ok {
		v.Fail("must be %v to %v, not %s", low, high, v)
	}
	return low
}

// Bool reads true or false.
func (v Value) Bool() bool {
	var x bool
	if v.node != nil && (!v.scalar("!!bool") || v.node.Decode(&x) != nil) {
		v.Fail("must be true or false, not %s", v)
	}
	return x
}

// Text reads a text of any length, which may be empty.
func (v Value) Text() string {
	if v.node == nil {
		return ""
	}
	if !v.scalar("!!str") {
		v.Fail("must be text, not %s", v)
		return ""
	}
	return v.node.Value
}

// Line reads a text of one line that is not empty.
func (v Value) Line() string { return v.line("!!str") }

// Word reads a Line that may look like a number: serial numbers do.
func (v Value) Word() string { return v.line("!!str", "!!int", "!!float") }

// WordOrBool reads a Word that may also be true or false, as text.
func (v Value) WordOrBool() string { return v.line("!!str", "!!int", "!!float", "!!bool") }

func (v Value) line(tags ...string) string {
	if v.node == nil {
		return ""
	}
	s := v.node.Value
	switch {
	case !v.scalar(tags...):
		v.Fail("must be text, not %s", v)
		return ""
	case strings.TrimSpace(s) == "":
		v.Fail("must not be empty")
	case len(s) > maxLine || strings.ContainsAny(s, "\r\n\x00"):
		v.Fail("must be one line of at most %d bytes", maxLine)
	}
	return s
}

// OneOf reads one of the given words.
func (v Value) OneOf(words ...string) string {
	w := v.Text()
	if !slices.Contains(words, w) {
		v.Fail("unknown value %s%s", v, DidYouMean(w, words))
	}
	return w
}

// Matching reads a Word that matches form, which must describes for errors.
func (v Value) Matching(form *regexp.Regexp, must string) string {
	w := v.Word()
	if !form.MatchString(w) {
		v.Fail("must be %s, not %q", must, text.Clip(w))
	}
	return w
}

// At returns the value at a path below this one, such as "tile.units" or "formats[0]", or the nearest
// parent that exists. Errors name the full path.
func (v Value) At(path string) Value {
	n := v.node
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		n = below(n, step)
	}
	return Value{d: v.d, node: n, path: join(v.path, path)}
}

// below returns the value of a key or at an index, or the node itself if there is none.
func below(n *yaml.Node, step string) *yaml.Node {
	if i, err := strconv.Atoi(step); err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
		return n.Content[i]
	}
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == step {
			return n.Content[i+1]
		}
	}
	return n
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

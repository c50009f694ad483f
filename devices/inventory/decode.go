package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"latlab/internal/strictyaml"
	"latlab/sampler"
)

const (
	maxFile    = 256 << 10 // bytes of the inventory file
	maxEntries = 500
	maxWords   = 64  // entries of any list or mapping
	maxText    = 400 // bytes of any text
)

// DefaultFile is where the user's inventory is looked for, "" where there is no such place.
func DefaultFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "latlab", "devices.yml")
}

// loadFile reads the inventory. A file that is not there is no error unless it was named.
func loadFile(file string, named bool) ([]entry, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, &strictyaml.Error{File: file, Msg: "the inventory cannot be read: " + reason(err)}
	}
	defer f.Close()
	// A pipe in the file's place would be waited for: only what has an end is read.
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, &strictyaml.Error{File: file, Msg: "the inventory cannot be read: it is no file"}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, &strictyaml.Error{File: file, Msg: "the inventory cannot be read: " + reason(err)}
	}
	return parse(data, file)
}

// reason is an error without the path that it repeats.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// parse reads the devices of an inventory. The name is what errors call the file; the first
// thing that is wrong is a *strictyaml.Error with its line.
//
// Every node is read by hand and not by the YAML package's own decoder: that one gives no line
// for a missing field, reads a serial number such as 0123 or 12e5 as a number, and follows
// aliases, of which a short file can make a billion devices.
func parse(data []byte, file string) ([]entry, error) {
	if len(data) > maxFile {
		return nil, &strictyaml.Error{File: file, Msg: fmt.Sprintf("larger than %d bytes, which is no inventory", maxFile)}
	}
	root, err := document(data, file)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: file}
	entries := d.devices(root)
	if d.err != nil {
		return nil, d.err
	}
	return entries, nil
}

func document(data []byte, file string) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &strictyaml.Error{File: file, Msg: "is empty; `devices: []` is an inventory without devices"}
	case err != nil:
		return nil, syntaxError(data, err, file)
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, &strictyaml.Error{File: file, Line: more.Line, Msg: "a second document begins here; a file holds one inventory"}
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
			return &strictyaml.Error{File: file, Line: line, Msg: "is indented by a tab; YAML wants spaces"}
		}
	}
	e := &strictyaml.Error{File: file, Msg: sampler.Clip(strings.TrimPrefix(err.Error(), "yaml: "))}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Msg = sampler.Clip(strings.TrimPrefix(err.Error(), m[0]))
	}
	return e
}

// decoder keeps the first thing that is wrong; what is read after it does not matter.
type decoder struct {
	file string
	err  *strictyaml.Error
}

func (d *decoder) fail(line int, at, format string, args ...any) {
	if d.err == nil {
		d.err = &strictyaml.Error{File: d.file, Line: line, Field: at, Msg: fmt.Sprintf(format, args...)}
	}
}

// devices reads the whole file.
func (d *decoder) devices(root *yaml.Node) []entry {
	var list *yaml.Node
	d.mapping(root, "", []string{"devices"}, func(_ string, _, n *yaml.Node) { list = n })
	switch {
	case d.err != nil:
		return nil
	case list == nil:
		d.fail(root.Line, "devices", "is missing")
		return nil
	case list.Kind != yaml.SequenceNode:
		d.fail(list.Line, "devices", "must be a list, not %s", show(list))
		return nil
	case len(list.Content) > maxEntries:
		d.fail(list.Line, "devices", "has %d devices; at most %d can be listed", len(list.Content), maxEntries)
		return nil
	}
	var entries []entry
	for i, n := range list.Content {
		if e := d.entry(n, fmt.Sprintf("devices[%d]", i)); d.err == nil {
			d.unique(entries, e, fmt.Sprintf("devices[%d].name", i))
			entries = append(entries, e)
		}
	}
	return entries
}

func (d *decoder) unique(before []entry, e entry, at string) {
	i := slices.IndexFunc(before, func(o entry) bool { return o.name == e.name })
	if i >= 0 {
		d.fail(e.line, at, "%q is the name of the device at line %d already", e.name, before[i].line)
	}
}

func (d *decoder) entry(n *yaml.Node, at string) entry {
	e := entry{file: d.file, line: n.Line, lines: map[string]int{}}
	var names []string
	for _, f := range fields() {
		names = append(names, f.Name)
	}
	d.mapping(n, at, names, func(name string, key, value *yaml.Node) {
		e.lines[name] = key.Line
		i := slices.IndexFunc(fields(), func(f Field) bool { return f.Name == name })
		fields()[i].read(d, value, join(at, name), &e)
	})
	if l, named := e.lines["name"]; named {
		e.line = l
	}
	if d.err == nil {
		d.check(&e, at)
	}
	return e
}

// mapping calls f for the fields of a mapping, each of which is of names and there once.
func (d *decoder) mapping(n *yaml.Node, at string, names []string, f func(name string, key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(n.Line, at, "must be a mapping, not %s", show(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content) && d.err == nil; i += 2 {
		key := n.Content[i]
		where := join(at, sampler.Clip(key.Value))
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key.Line, at, "keys must be words")
		case names != nil && !slices.Contains(names, key.Value):
			d.fail(key.Line, where, "unknown field%s", didYouMean(key.Value, names))
		case seen[key.Value]:
			d.fail(key.Line, where, "is given twice")
		default:
			f(key.Value, key, n.Content[i+1])
		}
		seen[key.Value] = true
	}
}

// list calls f for the entries of a list.
func (d *decoder) list(n *yaml.Node, at string, f func(n *yaml.Node, at string)) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n.Line, at, "must be a list, not %s", show(n))
		return
	}
	if len(n.Content) < 1 || len(n.Content) > maxWords {
		d.fail(n.Line, at, "must have 1 to %d entries, not %d", maxWords, len(n.Content))
		return
	}
	for i, c := range n.Content {
		f(c, fmt.Sprintf("%s[%d]", at, i))
	}
}

// word is a text, which may look like a number: serial numbers do.
func (d *decoder) word(n *yaml.Node, at string) string {
	switch tag := n.ShortTag(); {
	case n.Kind == yaml.AliasNode:
		d.fail(n.Line, at, "must be written out, not referred to")
	case n.Kind != yaml.ScalarNode || tag != "!!str" && tag != "!!int" && tag != "!!float":
		d.fail(n.Line, at, "must be text, not %s", show(n))
	case strings.TrimSpace(n.Value) == "":
		d.fail(n.Line, at, "must not be empty")
	case len(n.Value) > maxText || strings.ContainsAny(n.Value, "\r\n\x00"):
		d.fail(n.Line, at, "must be one line of at most %d bytes", maxText)
	}
	return n.Value
}

// oneOf is a word of a list.
func (d *decoder) oneOf(n *yaml.Node, at string, known []string) string {
	w := d.word(n, at)
	if !slices.Contains(known, w) {
		d.fail(n.Line, at, "%q is not known; there are %s%s", sampler.Clip(w), strings.Join(known, ", "), didYouMean(w, known))
	}
	return w
}

func (d *decoder) matching(n *yaml.Node, at string, form *regexp.Regexp, must string) string {
	w := d.word(n, at)
	if !form.MatchString(w) {
		d.fail(n.Line, at, "must be %s, not %q", must, sampler.Clip(w))
	}
	return w
}

func (d *decoder) yes(n *yaml.Node, at string) bool {
	var b bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(&b) != nil {
		d.fail(n.Line, at, "must be true or false, not %s", show(n))
	}
	return b
}

func (d *decoder) number(n *yaml.Node, at string, low, high float64) float64 {
	var x float64
	tag := n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode || tag != "!!int" && tag != "!!float" || n.Decode(&x) != nil:
		d.fail(n.Line, at, "must be a number, not %s", show(n))
	case !(x >= low && x <= high):
		d.fail(n.Line, at, "must be %v to %v, not %s", low, high, show(n))
	}
	return x
}

func (d *decoder) whole(n *yaml.Node, at string, low, high int) int {
	x := d.number(n, at, float64(low), float64(high))
	if x != math.Trunc(x) {
		d.fail(n.Line, at, "must be a whole number, not %s", show(n))
	}
	return int(x)
}

// hostPath is a file or folder of this host.
func (d *decoder) hostPath(n *yaml.Node, at string) string {
	p := d.word(n, at)
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			d.fail(n.Line, at, "%q: there is no home folder", sampler.Clip(p))
		}
		return filepath.Join(home, rest)
	}
	if !filepath.IsAbs(p) {
		d.fail(n.Line, at, "must be absolute or begin with ~/, not %q", sampler.Clip(p))
	}
	return filepath.Clean(p)
}

// eitherPath is a path of this host, or one of the device's own behind "device:".
func (d *decoder) eitherPath(n *yaml.Node, at string) string {
	p := d.word(n, at)
	there, ok := strings.CutPrefix(p, onDevice)
	switch {
	case ok && !path.IsAbs(there):
		d.fail(n.Line, at, "must be absolute behind %s, not %q", onDevice, sampler.Clip(there))
	case ok:
		return onDevice + path.Clean(there)
	case !filepath.IsAbs(p) && !strings.HasPrefix(p, "~/"):
		d.fail(n.Line, at, "must be absolute, or begin with ~/ (this host's) or %s (the device's own), not %q", onDevice, sampler.Clip(p))
	}
	return d.hostPath(n, at)
}

// texts are a mapping of words.
func (d *decoder) texts(n *yaml.Node, at string) map[string]string {
	m := map[string]string{}
	d.mapping(n, at, nil, func(name string, key, value *yaml.Node) {
		if !optionForm.MatchString(name) {
			d.fail(key.Line, at, "option %q must be letters, digits, '.', '_' and '-'", sampler.Clip(name))
		}
		if value.Kind == yaml.ScalarNode && value.ShortTag() == "!!bool" {
			m[name] = value.Value
			return
		}
		m[name] = d.word(value, join(at, name))
	})
	if len(m) > maxWords {
		d.fail(n.Line, at, "must have at most %d entries, not %d", maxWords, len(m))
	}
	return m
}

func show(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.AliasNode:
		return "a reference (*" + sampler.Clip(n.Value) + ")"
	case n.ShortTag() == "!!null":
		return "nothing"
	case n.ShortTag() == "!!str":
		return strconv.Quote(sampler.Clip(n.Value))
	}
	return sampler.Clip(n.Value)
}

func didYouMean(name string, known []string) string {
	if near := sampler.Nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

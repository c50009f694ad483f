package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/tflite/reader"
)

const (
	maxFile = 1 << 20 // bytes
	maxList = 64      // entries of any list
	maxText = 400     // bytes of any text
)

// LoadFile reads a simulator from a YAML file; see Load.
func LoadFile(path string) (*Spec, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, "", err
	}
	return Load(data, path)
}

// Load reads a simulator and returns it with the hex sha256 of its bytes. The name is what
// errors call the file. The first thing that is wrong is a *sampler.LoadError with file,
// line and field: an unknown or missing field, a constant that is not a finite number above
// zero, a constant without a source.
//
// Every node is read by hand and not by the YAML package's own decoder: that one gives no
// line for a missing field, none for a NaN, and several lines where one is wanted.
func Load(data []byte, filename string) (*Spec, string, error) {
	if len(data) > maxFile {
		return nil, "", &sampler.LoadError{File: filename, Msg: fmt.Sprintf("larger than %d bytes, which is no simulator", maxFile)}
	}
	root, err := parse(data, filename)
	if err != nil {
		return nil, "", err
	}
	d := &decoder{file: filename}
	s := &Spec{}
	d.read(root, reflect.ValueOf(s).Elem(), "")
	if d.err == nil {
		d.check(root, s)
	}
	if d.err != nil {
		return nil, "", d.err
	}
	sum := sha256.Sum256(data)
	return s, hex.EncodeToString(sum[:]), nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

func parse(data []byte, filename string) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &sampler.LoadError{File: filename, Msg: "is empty"}
	case err != nil:
		return nil, syntaxError(err, filename)
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, &sampler.LoadError{File: filename, Line: more.Line, Msg: "a second document begins here; a file holds one simulator"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(err, filename)
	}
	return doc.Content[0], nil
}

func syntaxError(err error, filename string) error {
	e := &sampler.LoadError{File: filename, Msg: sampler.Clip(strings.TrimPrefix(err.Error(), "yaml: "))}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Msg = sampler.Clip(strings.TrimPrefix(err.Error(), m[0]))
	}
	return e
}

// decoder keeps the first thing that is wrong; what is read after it does not matter.
type decoder struct {
	file string
	err  *sampler.LoadError
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	if d.err == nil {
		d.err = &sampler.LoadError{File: d.file, Line: n.Line, Field: path, Msg: fmt.Sprintf(format, args...)}
	}
}

// read fills a value of the Spec from a node, by the value's type.
func (d *decoder) read(n *yaml.Node, v reflect.Value, path string) {
	if d.err != nil {
		return
	}
	if n.Kind == yaml.AliasNode {
		d.fail(n, path, "must be written out, not referred to")
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.read(n, v.Elem(), path)
	case reflect.Struct:
		d.readStruct(n, v, path)
	case reflect.Slice:
		d.readList(n, v, path)
	case reflect.String:
		v.SetString(d.text(n, path))
	case reflect.Float64:
		v.SetFloat(d.number(n, path))
	case reflect.Bool:
		var b bool
		if n.ShortTag() != "!!bool" || n.Decode(&b) != nil {
			d.fail(n, path, "must be true or false, not %s", show(n))
		}
		v.SetBool(b)
	}
}

// field is a struct's field by its name in the file.
type field struct {
	index    int
	optional bool
}

func fields(t reflect.Type) (byName map[string]field, names []string) {
	byName = map[string]field{}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		byName[name] = field{index: i, optional: options == "omitempty"}
		names = append(names, name)
	}
	return byName, names
}

func (d *decoder) readStruct(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "must be a mapping, not %s", show(n))
		return
	}
	byName, names := fields(v.Type())
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content) && d.err == nil; i += 2 {
		key := n.Content[i]
		at := join(path, sampler.Clip(key.Value))
		f, known := byName[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key, path, "keys must be words")
		case !known:
			d.fail(key, at, "unknown field%s", didYouMean(key.Value, names))
		case seen[key.Value]:
			d.fail(key, at, "is given twice")
		default:
			d.read(n.Content[i+1], v.Field(f.index), at)
		}
		seen[key.Value] = true
	}
	for _, name := range names {
		if !seen[name] && !byName[name].optional {
			d.fail(n, join(path, name), "is missing")
		}
	}
}

func (d *decoder) readList(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "must be a list, not %s", show(n))
		return
	}
	if len(n.Content) < 1 || len(n.Content) > maxList {
		d.fail(n, path, "must have 1 to %d entries, not %d", maxList, len(n.Content))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, c := range n.Content {
		d.read(c, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *decoder) text(n *yaml.Node, path string) string {
	s := n.Value
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		d.fail(n, path, "must be text, not %s", show(n))
	case strings.TrimSpace(s) == "":
		d.fail(n, path, "must not be empty")
	case len(s) > maxText || strings.ContainsAny(s, "\r\n"):
		d.fail(n, path, "must be one line of at most %d bytes", maxText)
	}
	return s
}

// number is above zero and finite: no constant of a device is anything else. What a device
// does not have is left out.
func (d *decoder) number(n *yaml.Node, path string) float64 {
	var x float64
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode || tag != "!!int" && tag != "!!float" || n.Decode(&x) != nil {
		d.fail(n, path, "must be a number, not %s", show(n))
		return 1
	}
	if !(x > 0) || math.IsInf(x, 1) || x > maxConstant || x < 1/maxConstant {
		d.fail(n, path, "must be a number above 0, not %s", show(n))
		return 1
	}
	return x
}

// maxConstant keeps products and quotients of constants finite.
const maxConstant = 1e18

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,47}$`)

// check is what one field alone cannot say.
func (d *decoder) check(root *yaml.Node, s *Spec) {
	at := func(path string) *yaml.Node { return find(root, path) }
	if !nameForm.MatchString(s.Name) {
		d.fail(at("name"), "name", "must be lower-case letters, digits and '-', not %q", sampler.Clip(s.Name))
	}
	for i, f := range s.Formats {
		if f != model.TFLite && f != model.ONNX {
			d.fail(at("formats"), fmt.Sprintf("formats[%d]", i), "must be %s or %s, not %q", model.TFLite, model.ONNX, sampler.Clip(string(f)))
		}
	}
	var seen []model.Precision
	for i, p := range s.Precisions {
		path := fmt.Sprintf("precisions[%d].precision", i)
		switch {
		case p.Precision != model.Float32 && p.Precision != model.Int8:
			d.fail(at("precisions"), path, "must be %s or %s, not %q", model.Float32, model.Int8, sampler.Clip(string(p.Precision)))
		case slices.Contains(seen, p.Precision):
			d.fail(at("precisions"), path, "is given twice")
		}
		seen = append(seen, p.Precision)
	}
	if s.Accelerator && s.Delegate == "" {
		d.fail(root, "delegate", "is missing: an accelerator is reached through one")
	}
	if len(s.Unsupported) > 0 && s.Delegate == "" {
		d.fail(at("unsupported"), "unsupported", "belongs to a device with a delegate")
	}
	for i, k := range s.Fused {
		d.checkKind(at("fused"), fmt.Sprintf("fused[%d]", i), k)
	}
	for i, u := range s.Unsupported {
		d.checkKind(at("unsupported"), fmt.Sprintf("unsupported[%d].kind", i), u.Kind)
	}
	d.checkRanges(at, s)
}

// checkKind: a misspelt op would be one that no network has, and the file another device
// than its author thinks.
func (d *decoder) checkKind(n *yaml.Node, path string, k graph.Kind) {
	var known []string
	for _, k := range reader.Kinds() {
		known = append(known, string(k))
	}
	if !slices.Contains(known, string(k)) {
		d.fail(n, path, "no op is of kind %q%s", sampler.Clip(string(k)), didYouMean(string(k), known))
	}
}

func (d *decoder) checkRanges(at func(string) *yaml.Node, s *Spec) {
	for name, c := range map[string]Constant{
		"units": s.Tile.Units, "positions": s.Tile.Positions, "out_channels": s.Tile.OutChannels,
		"in_channels": s.Tile.InChannels, "depthwise_channels": s.Tile.DepthwiseChannels,
	} {
		if c.Value != math.Trunc(c.Value) || c.Value > 1<<20 {
			d.fail(at("tile."+name), "tile."+name, "must be a whole number of at most %d, not %v", 1<<20, c.Value)
		}
	}
	for name, c := range map[string]Constant{
		"conv": s.Efficiency.Conv, "pointwise": s.Efficiency.Pointwise,
		"depthwise": s.Efficiency.Depthwise, "fully_connected": s.Efficiency.FullyConnected,
	} {
		if c.Value > 1 {
			d.fail(at("efficiency."+name), "efficiency."+name, "must be at most 1, not %v", c.Value)
		}
	}
	fs := s.Thermal.FrequenciesHz.Values
	for i := 1; i < len(fs); i++ {
		if fs[i] >= fs[i-1] {
			d.fail(at("thermal.frequencies_hz"), "thermal.frequencies_hz", "must descend: %v after %v", fs[i], fs[i-1])
		}
	}
	if t := s.Thermal; t.ThrottleCelsius.Value <= t.AmbientCelsius.Value {
		d.fail(at("thermal.throttle_celsius"), "thermal.throttle_celsius", "must be above ambient_celsius, %v", t.AmbientCelsius.Value)
	}
}

// find is the node of a dotted path, or the nearest above it.
func find(n *yaml.Node, path string) *yaml.Node {
	for _, key := range strings.Split(path, ".") {
		next := n
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}

func show(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
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

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

package strictyaml

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"latlab/internal/text"
)

// Object is a mapping whose keys were checked.
type Object struct {
	Value
	fields map[string]field
	order  []string
}

type field struct {
	key   int // its line
	value Value
}

// Object reads a mapping that may have the given keys and no others.
func (v Value) Object(keys ...string) Object {
	return v.object(func(key string) (bool, string) { return slices.Contains(keys, key), DidYouMean(key, keys) })
}

// Map reads a mapping with any keys.
func (v Value) Map() Object {
	return v.object(func(string) (bool, string) { return true, "" })
}

func (v Value) object(known func(key string) (ok bool, hint string)) Object {
	o := Object{Value: v, fields: map[string]field{}}
	if v.node == nil {
		return o
	}
	if v.node.Kind != yaml.MappingNode {
		v.Fail("must be a mapping, not %s", v)
		return o
	}
	for i := 0; i+1 < len(v.node.Content) && v.OK(); i += 2 {
		o.add(v.node.Content[i], v.node.Content[i+1], known)
	}
	return o
}

func (o *Object) add(key, content *yaml.Node, known func(string) (bool, string)) {
	k := o.d.value(key, o.path)
	if k.node == nil {
		return
	}
	name := k.node.Value
	path := join(o.path, text.Clip(name))
	ok, hint := known(name)
	switch _, twice := o.fields[name]; {
	case k.node.Kind != yaml.ScalarNode:
		k.Fail("keys must be words, not %s", k)
	case twice:
		o.d.fail(key.Line, path, "is given twice")
	case !ok:
		o.d.fail(key.Line, path, "unknown field%s", hint)
	default:
		o.fields[name] = field{key: key.Line, value: o.d.value(content, path)}
		o.order = append(o.order, name)
	}
}

// Keys returns the keys in the order of the file.
func (o Object) Keys() []string { return o.order }

// Get returns a required field.
func (o Object) Get(key string) Value {
	if f, given := o.fields[key]; given {
		return f.value
	}
	o.Fail(key, "is missing")
	return Value{d: o.d, path: join(o.path, key)}
}

// Opt returns an optional field and whether it is given.
func (o Object) Opt(key string) (Value, bool) {
	f, given := o.fields[key]
	return f.value, given
}

// Has reports whether a field is given.
func (o Object) Has(key string) bool {
	_, given := o.fields[key]
	return given
}

// KeyLine is the line of a field's key, or of the mapping if the field is missing.
func (o Object) KeyLine(key string) int {
	if f, given := o.fields[key]; given {
		return f.key
	}
	return o.LineNumber()
}

// Fail reports a mistake in a field, or that it is missing.
func (o Object) Fail(key, format string, args ...any) {
	if o.node != nil {
		o.d.fail(o.KeyLine(key), join(o.path, text.Clip(key)), format, args...)
	}
}

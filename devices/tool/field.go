package tool

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"latlab/internal/strictyaml"
	"latlab/internal/text"
)

// Field is a field of a device in the inventory file.
type Field struct {
	Name  string // "delegate_library"
	Form  string // kind of value, for the documentation: "path"
	Means string // one sentence for the documentation
	Read  func(strictyaml.Value)
	// Paths returns the values that may be files of this host; nil if the field holds no paths. Values
	// that begin with OnDevice are the device's.
	Paths func() []string
}

const (
	// OnDevice begins a path on the device; other paths are on this host and are pushed.
	OnDevice = "device:"
	maxWords = 64 // most entries of a list or mapping
)

// WordForm is the form of names of options, delegates and chips.
var WordForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Into makes a Field's Read function that stores the reader's result.
func Into[T any](to *T, read func(strictyaml.Value) T) func(strictyaml.Value) {
	return func(v strictyaml.Value) { *to = read(v) }
}

// Switch is a field that is true or false.
func Switch(name, means string, to *bool) Field {
	return Field{Name: name, Form: "true", Means: means, Read: Into(to, strictyaml.Value.Bool)}
}

// Words is a field with a list of words.
func Words(name, means string, to *[]string) Field {
	return Field{Name: name, Form: "list of words", Means: means, Read: listInto(to, strictyaml.Value.Word)}
}

func listInto(to *[]string, read func(strictyaml.Value) string) func(strictyaml.Value) {
	return Into(to, func(v strictyaml.Value) (list []string) {
		for _, one := range v.List(maxWords) {
			list = append(list, read(one))
		}
		return list
	})
}

// Texts is a field with a mapping of words.
func Texts(name, means string, to *map[string]string) Field {
	return Field{Name: name, Form: "mapping of words", Means: means, Read: Into(to, readTexts)}
}

func readTexts(v strictyaml.Value) map[string]string {
	o, texts := v.Map(), map[string]string{}
	for _, name := range o.Keys() {
		if !WordForm.MatchString(name) {
			o.Value.Fail("option %q must be letters, digits, '.', '_' and '-'", text.Clip(name))
		}
		texts[name] = o.Get(name).WordOrBool()
	}
	if len(texts) > maxWords {
		v.Fail("must have at most %d entries, not %d", maxWords, len(texts))
	}
	return texts
}

// HostPath is a field that names a file or folder of this host.
func HostPath(name, means string, to *string) Field {
	return Field{Name: name, Form: "path", Means: means, Read: Into(to, ReadHostPath), Paths: func() []string { return []string{*to} }}
}

// AnyPath is a field that names a file of this host, or, behind OnDevice, a file of the device.
func AnyPath(name, means string, to *string) Field {
	f := HostPath(name, means, to)
	f.Read = Into(to, readAnyPath)
	return f
}

// Binary is the field of the tool's own program.
func Binary(to *string) Field {
	return AnyPath("binary", "the tool: a file of this host, which is pushed, or device:/PATH", to)
}

// Libraries is the field of libraries that are installed beside the tool or its delegate.
func Libraries(to *[]string) Field {
	return Field{Name: "libraries", Form: "list of paths", Paths: func() []string { return *to },
		Means: "files that the tool or delegate needs beside it: files of this host, which are pushed",
		Read:  listInto(to, ReadHostPath)}
}

// ReadHostPath reads a path of this host, absolute or below the home folder.
func ReadHostPath(v strictyaml.Value) string {
	p := v.Word()
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			v.Fail("%q: there is no home folder", text.Clip(p))
		}
		return filepath.Join(home, rest)
	}
	if !filepath.IsAbs(p) {
		v.Fail("must be absolute or begin with ~/, not %q", text.Clip(p))
	}
	return filepath.Clean(p)
}

func readAnyPath(v strictyaml.Value) string {
	p := v.Word()
	there, ok := strings.CutPrefix(p, OnDevice)
	switch {
	case ok && !path.IsAbs(there):
		v.Fail("must be absolute behind %s, not %q", OnDevice, text.Clip(there))
	case ok:
		return OnDevice + path.Clean(there)
	case !filepath.IsAbs(p) && !strings.HasPrefix(p, "~/"):
		v.Fail("must be absolute, or begin with ~/ (this host's) or %s (the device's own), not %q", OnDevice, text.Clip(p))
	}
	return ReadHostPath(v)
}

// LocalPath strips OnDevice from a path if the device is this host.
func (d Device) LocalPath(p string) string {
	if d.Local() {
		return strings.TrimPrefix(p, OnDevice)
	}
	return p
}

// Plugin is the library of a delegate that is loaded from a file.
type Plugin struct {
	Library   string // a path on this host, or on the device behind OnDevice
	Options   map[string]string
	Libraries []string // files of this host that it depends on
}

// Fields are the inventory's fields of the library.
func (p *Plugin) Fields() []Field {
	return []Field{
		AnyPath("delegate_library", "library of the delegates external and edgetpu, settings file of stable: a file of this host, which is pushed, or device:/PATH", &p.Library),
		Texts("delegate_options", "options that the library gets", &p.Options),
		Libraries(&p.Libraries),
	}
}

// Check refuses a library without a delegate, and a delegate without its library.
func (p *Plugin) Check(o strictyaml.Object, d Device) {
	for _, f := range []string{"delegate_library", "delegate_options"} {
		if o.Has(f) && !d.Delegate.Library {
			o.Fail(f, "is of delegates with a library (external, edgetpu), not of %s", d.Delegate.Name)
		}
	}
	if d.Delegate.Library && p.Library == "" {
		o.Fail("delegate", "%s needs a library: where is it? give delegate_library", d.Delegate.Name)
	}
	p.Library = d.LocalPath(p.Library)
}

package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/internal/text"
	"latlab/sampler/model"
)

const maxEntries = 500

var fileKind = strictyaml.Kind{Name: "an inventory", MaxBytes: 256 << 10, Empty: "; `devices: []` is an inventory without devices"}

// entry is a device of the inventory file, or an attached one. The tables of fields both decode the
// file and document it.
type entry struct {
	tool.Device
	file  string         // the inventory file; empty for a device that is not in it
	line  int            // of the device in file
	lines map[string]int // of its fields, for errors found later: a missing binary

	place    place
	tool     tool.Tool
	setup    tool.Setup
	coolDown machine.CoolDown
	settings state.Settings
	wrap     []string
	twins    []string // names of entries
	dir      string
}

// DefaultFile is the default path of the inventory, "" if the system has no such folder.
func DefaultFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "latlab", "devices.yml")
}

// loadFile reads the inventory. A missing file is an error only if the user named it.
func loadFile(file string, named bool) ([]*entry, error) {
	st, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	// Reading a pipe could block forever, so only regular files are read.
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	var data []byte
	if err == nil {
		data, err = fileKind.ReadFile(file)
	}
	if err != nil {
		return nil, &strictyaml.Error{File: file, Msg: "the inventory cannot be read: " + reason(err)}
	}
	return parse(data, file)
}

// reason is an error's text without the path, which the caller prints.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// parse reads the devices of an inventory. Errors call it name; the first mistake is a
// *strictyaml.Error with its line.
func parse(data []byte, file string) (entries []*entry, err error) {
	err = fileKind.Read(data, file, func(root strictyaml.Value) {
		for _, v := range root.Object("devices").Get("devices").ListOrNone(maxEntries) {
			e := readEntry(v, file)
			i := slices.IndexFunc(entries, func(o *entry) bool { return o.Name == e.Name })
			if i >= 0 {
				v.At("name").Fail("%q is the name of the device at line %d already", e.Name, entries[i].line)
			}
			entries = append(entries, e)
		}
		for i, v := range root.Object("devices").Get("devices").ListOrNone(maxEntries) {
			if root.OK() {
				checkTwins(v, entries[i], entries)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// checkTwins refuses twins that are not in the file or are set up otherwise. Whether their model, build and runtime
// are the same shows when they are open.
func checkTwins(v strictyaml.Value, e *entry, all []*entry) {
	for _, name := range e.twins {
		i := slices.IndexFunc(all, func(o *entry) bool { return o.Name == name })
		switch {
		case name == e.Name:
			v.At("twins").Fail("%q is the device itself", name)
		case i < 0:
			v.At("twins").Fail("%q is no device of this file", text.Clip(name))
		case all[i].tool.Name != e.tool.Name || all[i].Delegate.Name != e.Delegate.Name || all[i].Threads != e.Threads || all[i].Precision != e.Precision || !slices.Equal(all[i].CPUs, e.CPUs):
			v.At("twins").Fail("%q differs in tool, delegate, threads, cpus or precision, so it is no twin of %s", name, e.Name)
		}
	}
}

// newEntry is a device with its tool and no other fields.
func newEntry(t tool.Tool) *entry {
	return &entry{tool: t, setup: t.New(), lines: map[string]int{}}
}

// fields are all that a device with its tool can have.
func (e *entry) fields() []tool.Field {
	fields := append(e.placeFields(), e.machineFields()...)
	for _, f := range e.runtimeFields() {
		if has(e.tool, f.Name) {
			fields = append(fields, f)
		}
	}
	return append(fields, e.setup.Fields()...)
}

func readEntry(v strictyaml.Value, file string) *entry {
	var known []string
	for _, f := range documentedFields() {
		known = append(known, f.Name)
	}
	o := v.Object(known...)
	e := newEntry(toolOf(o))
	e.file, e.line = file, o.KeyLine("name")
	fields := e.fields()
	for _, name := range o.Keys() {
		e.lines[name] = o.KeyLine(name)
		i := slices.IndexFunc(fields, func(f tool.Field) bool { return f.Name == name })
		if i < 0 {
			o.Fail(name, "does not apply to %s, only to %s", e.tool.Name, strings.Join(toolsWith(name), " and "))
			continue
		}
		fields[i].Read(o.Get(name))
	}
	if v.OK() {
		e.check(o)
	}
	return e
}

func toolOf(o strictyaml.Object) tool.Tool {
	name := toolNames()[0]
	if v, ok := o.Opt("tool"); ok {
		name = v.OneOf(toolNames()...)
	}
	i := slices.Index(toolNames(), name)
	return tools()[max(i, 0)]
}

// check checks the fields together and fills in defaults.
func (e *entry) check(o strictyaml.Object) {
	if !o.Has("name") {
		o.Fail("name", "is missing")
	}
	if owner := familyName(e.Name); owner != "" {
		o.Fail("name", "%q is taken: it names %s", e.Name, owner)
	}
	e.checkPlace(o)
	if !o.OK() {
		return
	}
	e.Transport = e.place.transport()
	e.Threads = max(e.Threads, 1)
	e.takeDelegate(o)
	e.setup.Check(o, e.Device)
	e.checkPrecision(o)
	if n := len(e.CPUs); n > 0 && e.Threads > n {
		o.Fail("threads", "%d threads on %d CPUs: use at most one thread per CPU", e.Threads, n)
	}
}

// checkPlace checks that exactly one field says where the device is.
func (e *entry) checkPlace(o strictyaml.Object) {
	given := slices.DeleteFunc(placeNames(), func(f string) bool { return !o.Has(f) })
	switch {
	case len(given) == 0:
		o.Value.Fail("place is missing: give one of %s", strings.Join(placeNames(), ", "))
	case len(given) > 1:
		o.Fail(given[1], "conflicts with %s: give only one of them", given[0])
	}
	serial, isPhone := e.place.(phone)
	if (e.settings.StayAwake || e.settings.Airplane) && !isPhone {
		o.Fail("settings", "stay_awake and airplane_mode work only on Android phones (adb)")
	}
	e.settings.Wireless = wireless(string(serial))
	if e.settings.Airplane && e.settings.Wireless {
		o.Fail("settings", "airplane_mode would cut the wireless connection to %s permanently", string(serial))
	}
	for _, f := range []string{"dir", "budget"} {
		if o.Has(f) && o.Has("local") {
			o.Fail(f, "does not apply to this machine: nothing is copied to it")
		}
	}
}

func (e *entry) takeDelegate(o strictyaml.Object) {
	if len(e.tool.Delegates) == 0 {
		return
	}
	if e.Delegate.Name == "" {
		e.Delegate = e.tool.Delegates[0]
		return
	}
	i := slices.IndexFunc(e.tool.Delegates, func(d tool.Delegate) bool { return d.Name == e.Delegate.Name })
	if i < 0 {
		names := delegateNames(e.tool)
		o.Fail("delegate", "%s has no delegate %q%s", e.tool.Name, text.Clip(e.Delegate.Name), strictyaml.DidYouMean(e.Delegate.Name, names))
		return
	}
	e.Delegate = e.tool.Delegates[i]
}

func (e *entry) checkPrecision(o strictyaml.Object) {
	known, what := e.tool.Precisions, e.tool.Name
	if e.Delegate.Precisions != nil {
		known, what = e.Delegate.Precisions, e.Delegate.Name
	}
	if e.Precision != "" && !slices.Contains(known, e.Precision) {
		o.Fail("precision", "%q is not a precision of %s; it has %s", text.Clip(string(e.Precision)), what, joined(known))
	}
}

// filesThere checks that the files of this host that a device needs exist. It runs when the device
// is used, not when the inventory is read: an unmounted disk must not disable the other devices.
func (e *entry) filesThere() error {
	for _, f := range e.fields() {
		if f.Paths == nil {
			continue
		}
		for _, p := range f.Paths() {
			if p == "" || strings.HasPrefix(p, tool.OnDevice) {
				continue
			}
			if _, err := os.Stat(p); err != nil {
				return e.fault(f.Name, fmt.Errorf("%s: %s", text.Clip(p), reason(err)))
			}
		}
	}
	return nil
}

// fault is a mistake in the file that is found when the device is used.
func (e *entry) fault(field string, err error) error {
	where := e.Name
	if e.file != "" {
		line, given := e.lines[field]
		if !given {
			line = e.line
		}
		where = fmt.Sprintf("%s:%d", e.file, line)
	}
	return &devices.Error{Fault: devices.FaultUser, Op: where, Reason: devices.ReasonMissing,
		Err: fmt.Errorf("%s: %w", field, err)}
}

// located adds the position in the file to an error of a tool's package.
func (e *entry) located(err error) error {
	var known *devices.Error
	if e.file == "" || !errors.As(err, &known) || known.Fault != devices.FaultUser || strings.HasPrefix(known.Op, e.file) {
		return err
	}
	found := *known
	found.Op = fmt.Sprintf("%s:%d", e.file, e.line)
	return &found
}

// defaultFirst moves the file's precision to the front.
func defaultFirst(have []model.Precision, want model.Precision) []model.Precision {
	i := slices.Index(have, want)
	if i < 0 {
		return have
	}
	return slices.Concat([]model.Precision{want}, have[:i], have[i+1:])
}

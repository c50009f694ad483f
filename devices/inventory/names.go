package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/machine"
	"latlab/devices/sim"
	"latlab/devices/tool"
	"latlab/devices/tool/python"
	"latlab/devices/tool/qnn"
	"latlab/devices/tool/vela"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Local is the name of this machine.
const Local = "cpu"

// Prefixes of the names of devices that the file does not list.
const (
	adbPrefix = "adb:"
	sshPrefix = "ssh:"
)

// family is a kind of devices that are named and opened alike.
type family struct {
	what     string // for people: "this machine"
	owns     func(name string) bool
	names    func() []string
	forms    []string
	describe func(name string) (devices.Info, error)
	open     func(ctx context.Context, name string) (devices.Device, error)
	check    func(ctx context.Context, name string) []Step
	tool     string // name of an estimator, for Tools; otherwise empty
	threaded bool   // Options.Threads and CPUs apply
	why      string // why they do not apply
	// entry returns the inventory's or attached device of a name; nil in families whose devices are
	// not reached over a transport.
	entry func(name string) (*entry, error)
}

// builtIn are the families that need no inventory: this machine, simulators and estimators. A new
// estimator is a package and an entry here.
func builtIn(o Options) []family {
	return []family{
		localFamily(o),
		simulators(),
		estimator[vela.Options, *vela.Device]{
			prefix: vela.Prefix, names: vela.Names, forms: []string{vela.Prefix + "ACCELERATOR[:SYSTEM_CONFIG[:MEMORY_MODE]]"},
			parse: func(name string) (vela.Options, error) {
				v, err := vela.ParseName(name)
				v.Python, v.ConfigFile = o.Python, o.VelaConfig
				return v, err
			},
			describe: vela.Describe, open: vela.Open, check: vela.Check,
		}.family(o.Python),
		estimator[qnn.Options, *qnn.Device]{
			prefix: qnn.Prefix, names: qnn.Names,
			parse: func(name string) (qnn.Options, error) {
				q, err := qnn.ParseName(name)
				q.Python = o.Python
				return q, err
			},
			describe: qnn.Describe, open: qnn.Open, check: qnn.Check,
		}.family(o.Python),
	}
}

// families returns all families in the order of Names.
func (l *Lab) families() []family {
	built := builtIn(l.o)
	return slices.Concat(built[:1], []family{l.fileFamily(), l.phoneFamily(), l.boardFamily()}, built[1:])
}

// familyName is the built-in family that has a name, "" if none has.
func familyName(name string) string {
	for _, f := range builtIn(Options{}) {
		if f.owns(name) {
			return f.what
		}
	}
	return ""
}

func (l *Lab) familyOf(name string) (family, error) {
	for _, f := range l.families() {
		if f.owns(name) {
			return f, nil
		}
	}
	return family{}, &UnknownError{Name: name, Near: l.meant(name)}
}

// familyFor is familyOf, and refuses options that do not apply.
func (l *Lab) familyFor(name string) (family, error) {
	f, err := l.familyOf(name)
	if err == nil {
		err = f.takes(name, l.o)
	}
	return f, err
}

// known checks that a name exists. Other mistakes of a device are steps of its check.
func (f family) known(name string) error {
	if f.entry != nil {
		_, err := f.entry(name)
		return err
	}
	_, err := f.describe(name)
	return err
}

// takes refuses options that would be ignored: a simulator that is given four threads would return
// a figure that is not for four.
func (f family) takes(name string, o Options) error {
	if f.threaded || o.Threads <= 1 && len(o.CPUs) == 0 {
		return nil
	}
	what := "threads"
	if o.Threads <= 1 {
		what = "CPUs"
	}
	why := f.why
	if why == "" {
		why = "its latency is computed, not measured"
	}
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + name, Reason: "options",
		Err:    fmt.Errorf("it does not accept %s: %s", what, why),
		Advice: "leave out --threads and --cpus, LATLAB_THREADS and LATLAB_CPUS"}
}

// Tools lists one name for each estimator's tool. The state of the tool's installation is the same
// for all names of the tool.
func (l *Lab) Tools() []string {
	var names []string
	for _, f := range builtIn(l.o) {
		if f.tool != "" {
			names = append(names, f.tool)
		}
	}
	return names
}

func localFamily(o Options) family {
	options := agent.Options{Name: Local, Path: o.AgentPath, Threads: o.Threads, CPUs: o.CPUs}
	return family{
		what:  "this machine",
		owns:  func(name string) bool { return name == Local },
		names: func() []string { return []string{Local} }, threaded: true,
		describe: func(string) (devices.Info, error) { return agent.Describe(options), nil },
		open:     func(ctx context.Context, _ string) (devices.Device, error) { return openLocal(ctx, options) },
		check:    func(ctx context.Context, _ string) []Step { return checkLocal(ctx, options) },
	}
}

func openLocal(ctx context.Context, o agent.Options) (devices.Device, error) {
	return tool.Opened(agent.Open(ctx, machine.Here(Local), o))
}

// simulators is the family of latlab's simulators. They need only their constants.
func simulators() family {
	open := func(name string) (devices.Device, error) { return tool.Opened(sim.Open(sim.Options{Name: name})) }
	return family{
		what: "a simulator",
		owns: sim.Owns, names: sim.Names, forms: sim.Forms(),
		describe: func(name string) (devices.Info, error) {
			info, err := sim.Describe(name)
			return info, unknown(name, err)
		},
		open: func(_ context.Context, name string) (devices.Device, error) {
			d, err := open(name)
			return d, unknown(name, err)
		},
		check: func(_ context.Context, name string) []Step {
			d, err := open(name)
			if err != nil {
				return []Step{{Name: "constants", State: Missing, Detail: oneLine(err.Error())}}
			}
			f := d.Info().Fingerprint
			return []Step{{Name: "constants", State: OK, Detail: fmt.Sprintf("%s, sha256 %.12s, profile %s, unit %s",
				f["simulator"], f["constants_sha256"], f["profile"], f["unit"])}}
		},
	}
}

// unknown turns sim's error for a name that does not exist into an *UnknownError.
func unknown(name string, err error) error {
	if errors.Is(err, sim.ErrUnknown) {
		return &UnknownError{Name: name, Err: err}
	}
	return err
}

// estimator describes a vendor's compiler that estimates latencies.
type estimator[O any, D devices.Device] struct {
	prefix   string // of its names
	names    func() []string
	forms    []string
	parse    func(name string) (O, error)
	describe func(O) (devices.Info, error)
	open     func(context.Context, transport.Transport, O) (D, error)
	check    func(ctx context.Context, t transport.Transport, python string) []python.Step
}

func (e estimator[O, D]) family(interpreter string) family {
	// What follows the prefix is a name, so a mistake in it is an unknown device.
	options := func(name string) (O, error) {
		o, err := e.parse(name)
		if err != nil {
			err = &UnknownError{Name: name, Err: err}
		}
		return o, err
	}
	return family{
		what:  "an estimator",
		owns:  func(name string) bool { return strings.HasPrefix(name, e.prefix) },
		names: e.names, tool: e.names()[0], forms: e.forms,
		describe: func(name string) (devices.Info, error) {
			o, err := options(name)
			if err != nil {
				return devices.Info{}, err
			}
			return e.describe(o)
		},
		open: func(ctx context.Context, name string) (devices.Device, error) {
			o, err := options(name)
			if err != nil {
				return nil, err
			}
			return tool.Opened(e.open(ctx, transport.Local{}, o))
		},
		check: func(ctx context.Context, _ string) []Step {
			return toolSteps(e.check(ctx, transport.Local{}, interpreter))
		},
	}
}

func toolSteps(found []python.Step) []Step {
	steps := make([]Step, len(found))
	for i, f := range found {
		steps[i] = Step{Name: f.Name, State: OK, Detail: oneLine(f.Detail), Type: f.Advice}
		switch {
		case !f.OK:
			steps[i].State = Missing
		case f.Advice != "":
			steps[i].State = Note
		}
	}
	return steps
}

// fileFamily is the devices of the user's inventory file.
func (l *Lab) fileFamily() family {
	return l.ofEntries(family{
		what: "a device of " + l.file,
		why:  "it has those that " + l.file + " gives it",
		owns: func(name string) bool { return l.entryOf(name) != nil },
		names: func() []string {
			var names []string
			for _, e := range l.entries {
				names = append(names, e.Name)
			}
			return names
		},
		entry: func(name string) (*entry, error) { return l.entryOf(name), nil },
	})
}

// entryOf is the device of the file with a name, nil if there is none.
func (l *Lab) entryOf(name string) *entry {
	i := slices.IndexFunc(l.entries, func(e *entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return l.entries[i]
}

// phoneFamily and boardFamily are phones and boards by their address, measured by the agent on the
// CPU. Other tools, delegates and cooldowns need an entry in the file.
func (l *Lab) phoneFamily() family {
	return l.addressed(adbPrefix, "an attached phone", "SERIAL", func(serial string) (place, string) {
		return phone(serial), badSerial(serial)
	})
}

func (l *Lab) boardFamily() family {
	return l.addressed(sshPrefix, "a board", "HOST", func(address string) (place, string) { return parseHost(address) })
}

func (l *Lab) addressed(prefix, what, form string, parse func(address string) (p place, why string)) family {
	return l.ofEntries(family{
		what: what, threaded: true, forms: []string{prefix + form},
		owns:  func(name string) bool { return strings.HasPrefix(name, prefix) },
		names: func() []string { return nil },
		entry: func(name string) (*entry, error) {
			p, why := parse(strings.TrimPrefix(name, prefix))
			if why != "" {
				return nil, &UnknownError{Name: name, Err: &devices.Error{Err: fmt.Errorf("%q is not a device name", text.Clip(name)), Advice: why}}
			}
			e := newEntry(tools()[0])
			e.place = p
			e.Name, e.Transport, e.Delegate = name, p.transport(), e.tool.Delegates[0]
			e.Threads, e.CPUs = max(l.o.Threads, 1), l.o.CPUs
			return e, nil
		},
	})
}

// ofEntries completes a family whose devices are entries, of the file or made from a name.
func (l *Lab) ofEntries(f family) family {
	f.describe = func(name string) (devices.Info, error) {
		e, err := f.entry(name)
		if err != nil {
			return devices.Info{}, err
		}
		return l.describeEntry(e)
	}
	f.open = func(ctx context.Context, name string) (devices.Device, error) {
		e, err := f.entry(name)
		if err != nil {
			return nil, err
		}
		return l.openEntry(ctx, e)
	}
	f.check = func(ctx context.Context, name string) []Step {
		e, err := f.entry(name)
		if err != nil {
			return []Step{{Name: "name", State: Missing, Detail: oneLine(err.Error())}}
		}
		return l.checkEntry(ctx, e)
	}
	return f
}

// UnknownError is a name that no device has.
type UnknownError struct {
	Name string
	Err  error  // the error of the name's family; nil if it belongs to none
	Near string // the nearest existing name; may be empty
}

// Error suggests the nearest name.
func (e *UnknownError) Error() string {
	says, advice := fmt.Sprintf("no device is named %q", text.Clip(e.Name)), ""
	family, ok := errors.AsType[*devices.Error](e.Err)
	switch {
	case ok: // its operation would name the device once more
		says, advice = family.Err.Error(), family.Advice
	case e.Err != nil:
		says = e.Err.Error()
	case e.Near != "":
		says += fmt.Sprintf("; did you mean %q?", e.Near)
	}
	return fmt.Sprintf("%s (%s)", says, cmp.Or(advice, "`latlab devices` lists them"))
}

// Unwrap returns the error of the name's family.
func (e *UnknownError) Unwrap() error { return e.Err }

// meant is a listed name that is near to the given one or contains it: "ethos-u65-512" is
// vela:ethos-u65-512.
func (l *Lab) meant(name string) string {
	names := l.Names()
	if near := text.Nearest(name, names); near != "" {
		return near
	}
	const least = 4 // letters; a shorter text matches too many names
	for _, n := range names {
		if len(name) >= least && strings.Contains(n, strings.ToLower(name)) {
			return n
		}
	}
	return ""
}

package inventory

import (
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

// Prefixes of devices that the file need not name.
const (
	adbPrefix = "adb:"
	sshPrefix = "ssh:"
)

// family is devices that are opened in one way.
type family struct {
	what     string // for people: "this machine"
	owns     func(name string) bool
	names    func() []string
	forms    []string
	describe func(name string) (devices.Info, error)
	open     func(ctx context.Context, name string) (devices.Device, error)
	check    func(ctx context.Context, name string) []Step
	tool     string // a name of an estimator, for Tools; empty for others
	threaded bool   // Options.Threads and CPUs mean something
	why      string // that they do not, where they do not
	// entry is the device of the file or the attached one that a name is of; nil in families
	// of which none is reached over a transport.
	entry func(name string) (*entry, error)
}

// builtIn are the families that need nothing of the user's: this machine, and those of which figures are computed. A new
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

// families are in the order of Names.
func (l *Lab) families() []family {
	built := builtIn(l.o)
	return slices.Concat(built[:1], []family{l.fileFamily(), l.phoneFamily(), l.boardFamily()}, built[1:])
}

// familyName is the built-in family that has a name, "" where none has.
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

// known is an error for a name that the family does not have. What else is wrong with a device
// is a step of its check.
func (f family) known(name string) error {
	if f.entry != nil {
		_, err := f.entry(name)
		return err
	}
	_, err := f.describe(name)
	return err
}

// takes refuses what would be ignored without a word: who asks a simulator for four threads
// must not take its figure for that of four.
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
		why = "its time is computed, not measured here"
	}
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + name, Reason: "options",
		Err:    fmt.Errorf("it has no %s to choose: %s", what, why),
		Advice: "leave out --threads and --cpus, LATLAB_THREADS and LATLAB_CPUS"}
}

// Tools lists one name of each estimator's tool: what is true of the tool's installation
// for one of its names is true for all.
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

// simulators need their constants only.
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
				return []Step{{"constants", Missing, oneLine(err.Error()), ""}}
			}
			f := d.Info().Fingerprint
			return []Step{{Name: "constants", State: OK, Detail: fmt.Sprintf("%s, sha256 %.12s, profile %s, unit %s",
				f["simulator"], f["constants_sha256"], f["profile"], f["unit"])}}
		},
	}
}

// unknown makes an error of sim's of a name that no simulator has an *UnknownError.
func unknown(name string, err error) error {
	if errors.Is(err, sim.ErrUnknown) {
		return &UnknownError{Name: name, Err: err}
	}
	return err
}

// estimator is a vendor's compiler that estimates, with its options and its device.
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
	// What follows the prefix is a name, so a mistake in it is a device that is not there.
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

// entryOf is the device of the file with a name, nil where there is none.
func (l *Lab) entryOf(name string) *entry {
	i := slices.IndexFunc(l.entries, func(e *entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return l.entries[i]
}

// phoneFamily and boardFamily are phones and boards by their address: timed by the agent on the CPU.
// Whoever wants another tool, delegate or gate writes them into the file.
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
				return nil, &UnknownError{Name: name, Err: fmt.Errorf("%q names no device: %s", name, why)}
			}
			e := newEntry(tools()[0])
			e.place = p
			e.Name, e.Transport, e.Delegate = name, p.transport(), e.tool.Delegates[0]
			e.Threads, e.CPUs = max(l.o.Threads, 1), l.o.CPUs
			return e, nil
		},
	})
}

// ofEntries completes a family whose devices are entries, of the file or made of a name.
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
			return []Step{{"name", Missing, oneLine(err.Error()), ""}}
		}
		return l.checkEntry(ctx, e)
	}
	return f
}

// UnknownError is a name that no device has.
type UnknownError struct {
	Name string
	Err  error  // what the name's family says of it; nil where it is of none
	Near string // the name that was meant, where one is near
}

// Error suggests the name that was meant.
func (e *UnknownError) Error() string {
	says := fmt.Sprintf("no device is named %q", text.Clip(e.Name))
	if e.Err != nil {
		says = e.Err.Error()
	} else if e.Near != "" {
		says += fmt.Sprintf("; did you mean %q?", e.Near)
	}
	return says + " (`latlab devices` lists them)"
}

// Unwrap returns what the name's family says.
func (e *UnknownError) Unwrap() error { return e.Err }

// meant is the listed name that a mistyped one is near to, or a part of: "ethos-u65-512" is
// vela:ethos-u65-512.
func (l *Lab) meant(name string) string {
	names := l.Names()
	if near := text.Nearest(name, names); near != "" {
		return near
	}
	const least = 4 // letters; fewer are in too many names
	for _, n := range names {
		if len(name) >= least && strings.Contains(n, strings.ToLower(name)) {
			return n
		}
	}
	return ""
}

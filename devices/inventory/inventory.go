// Package inventory turns the name of a device into the Device: it is the only room that
// builds devices. Everything else takes the interface.
//
// A name belongs to a family: this machine, our simulators, a vendor's estimator, a device of
// the user's inventory file, an attached phone (adb:SERIAL) or a board (ssh:HOST). A family
// knows its names, can say what a device takes without starting anything, and opens it. A
// device of the file is a transport, a tool and a delegate with their options: fields says
// which there are, and the file is read by that table.
//
// The package refuses to time, to judge and to print. It refuses to look at machines that
// nobody named: hosts of ~/.ssh/config are reached by name and never listed or tried.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/sampler"
)

// Options are what a name does not say.
type Options struct {
	File        string // the user's inventory; empty = DefaultFile, which need not be there
	BuiltIn     bool   // no inventory: only what latlab knows by itself
	Threads     int    // of the runtime; 0 = 1. More is refused by devices that have none to choose
	CPUs        []int  // affinity; empty = none. Others are refused by devices that have none to choose
	AgentPath   string // latlab-agent's file
	AgentBundle string // folder of the agent for arm64 phones and boards
	Python      string // interpreter of the estimators; empty = the first python3 of PATH
	VelaConfig  string // a vela.ini of the user's own; empty = Vela's
	ADB         string // adb's program; empty = the first adb of PATH
	LockDir     string // where devices in use are locked; empty = the user's cache folder
}

// Lab is all devices that can be named here.
type Lab struct {
	o       Options
	file    string
	entries []entry
	adbTurn chan struct{} // held while an adb server is started
	known   remembered
	// reach stands for dial in tests.
	reach func(context.Context, *entry) (transport.Transport, error)
}

// New reads the user's inventory file. What is wrong with it is a *strictyaml.Error.
func New(o Options) (*Lab, error) {
	l := &Lab{o: o, file: o.File, adbTurn: make(chan struct{}, 1)}
	if o.BuiltIn {
		return l, nil
	}
	if l.file == "" {
		l.file = DefaultFile()
	}
	if l.file == "" {
		return l, nil
	}
	var err error
	l.entries, err = loadFile(l.file, o.File != "")
	return l, err
}

// Open opens the device of a name. An unknown name is an *UnknownError. Whoever opened a
// device closes it; that gives up all that it needed.
func (l *Lab) Open(ctx context.Context, name string) (devices.Device, error) {
	f, err := l.familyOf(name)
	if err != nil {
		return nil, err
	}
	if err := f.takes(name, l.o); err != nil {
		return nil, err
	}
	return f.open(ctx, name, l.o)
}

// Describe says what a device is and takes without starting or asking anything: all of Info
// but the fingerprint. It is not said whether the device works; Open says that. An unknown
// name is an *UnknownError.
func (l *Lab) Describe(name string) (devices.Info, error) {
	f, err := l.familyOf(name)
	if err != nil {
		return devices.Info{}, err
	}
	if err := f.takes(name, l.o); err != nil {
		return devices.Info{}, err
	}
	return f.describe(name, l.o)
}

// Names lists the devices that can be named without more of the user's, in the order in
// which they are shown. Attached ones that the file does not name are not among them: List
// looks for those.
func (l *Lab) Names() []string {
	var names []string
	for _, f := range l.families() {
		names = append(names, f.names()...)
	}
	return names
}

// Forms lists, for people, the forms of names that Names cannot list.
func (l *Lab) Forms() []string {
	var forms []string
	for _, f := range l.families() {
		forms = append(forms, f.forms...)
	}
	return forms
}

// File is the inventory file, and how many devices it has. The file need not be there.
func (l *Lab) File() (path string, n int) { return l.file, len(l.entries) }

// UnknownError is a name that no device has.
type UnknownError struct {
	Name string
	Err  error  // what the name's family says of it; nil where it is of none
	Near string // the name that was meant, where one is near
}

// Error suggests the name that was meant.
func (e *UnknownError) Error() string {
	text := fmt.Sprintf("no device is named %q", sampler.Clip(e.Name))
	if e.Err != nil {
		text = e.Err.Error()
	} else if e.Near != "" {
		text += fmt.Sprintf("; did you mean %q?", e.Near)
	}
	return text + " (`latlab devices` lists them)"
}

// Unwrap returns what the name's family says.
func (e *UnknownError) Unwrap() error { return e.Err }

// meant is the listed name that a mistyped one is near to, or a part of: "ethos-u65-512" is
// vela:ethos-u65-512.
func (l *Lab) meant(name string) string {
	names := l.Names()
	if near := sampler.Nearest(name, names); near != "" {
		return near
	}
	const telling = 4 // letters; fewer are in too many names
	for _, n := range names {
		if len(name) >= telling && strings.Contains(n, strings.ToLower(name)) {
			return n
		}
	}
	return ""
}

// unknown makes an error that a family means to be ErrUnknown of its own an *UnknownError.
func unknown(name string, err, sentinel error) error {
	if errors.Is(err, sentinel) {
		return &UnknownError{Name: name, Err: err}
	}
	return err
}

// family is devices that are opened in one way.
type family struct {
	what     string // for people: "this machine"
	owns     func(name string) bool
	names    func() []string
	forms    []string
	describe func(name string, o Options) (devices.Info, error)
	open     func(ctx context.Context, name string, o Options) (devices.Device, error)
	tool     string // a name of an estimator, for Tools; empty for others
	threaded bool   // Options.Threads and CPUs mean something
	why      string // that they do not, where they do not
	check    func(ctx context.Context, name string, o Options) []Step
	// entry is the device of the file or the attached one that a name is of; nil in families
	// of which none is reached over a transport.
	entry func(name string) (*entry, error)
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

// builtIn are the families that need nothing of the user's. A function, so that nobody can
// change them.
func builtIn() []family {
	return []family{localFamily(), simulatedFamily(), velaFamily(), qnnFamily()}
}

// families are in the order of Names.
func (l *Lab) families() []family {
	return slices.Concat([]family{localFamily(), l.fileFamily()}, l.attachedFamilies(), builtIn()[1:])
}

// familyName is the built-in family that has a name, "" where none has.
func familyName(name string) string {
	for _, f := range builtIn() {
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

// Tools lists one name of each estimator's tool: what is true of the tool's installation
// for one of its names is true for all.
func (l *Lab) Tools() []string {
	var names []string
	for _, f := range builtIn() {
		if f.tool != "" {
			names = append(names, f.tool)
		}
	}
	return names
}

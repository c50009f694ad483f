// Package inventory turns the name of a device into the Device: it is the only room that
// builds devices. Everything else takes the interface.
//
// A name belongs to a family: this machine, our simulators, a vendor's estimator, a device of
// the user's inventory file, an attached phone (adb:SERIAL) or a board (ssh:HOST). A family
// knows its names, can say what a device takes without starting anything, and opens it. A
// device of the file is a place and a tool (tool.Tool) with its delegate: the tables of fields say
// what can be said of them, and the file is read by these tables.
//
// The package refuses to time, to judge and to print. It refuses to look at machines that
// nobody named: hosts of ~/.ssh/config are reached by name and never listed or tried.
package inventory

import (
	"context"

	"latlab/devices"
	"latlab/devices/transport"
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
	entries []*entry
	adbTurn chan struct{} // held while an adb server is started
	known   remembered
	// dial, where a test sets it, is used in place of place.dial.
	dial func(context.Context, *entry) (transport.Transport, error)
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
	return f.open(ctx, name)
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
	return f.describe(name)
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

// Package inventory opens the Device of a name. It is the only package that builds devices; all
// others take the interface.
//
// A name belongs to a family: this machine, a simulator, a vendor's estimator, a device of the
// user's inventory file, an attached phone (adb:SERIAL) or a board (ssh:HOST). A family knows its
// names, can describe a device without starting anything, and opens it. A device of the file is a
// place and a tool (tool.Tool) with its delegate; the tables of fields decode the file and document
// it.
//
// The package refuses to measure, to judge and to print. It never contacts machines that nobody
// named: hosts of ~/.ssh/config are not listed or tried.
package inventory

import (
	"context"

	"latlab/devices"
	"latlab/devices/transport"
)

// Options are settings that are not part of a name.
type Options struct {
	File        string // the user's inventory; empty = DefaultFile, which need not be there
	BuiltIn     bool   // ignore the inventory; built-in devices only
	Threads     int    // of the runtime; 0 = 1. Devices without a choice refuse more
	CPUs        []int  // affinity; empty = none. Devices without a choice refuse any
	AgentPath   string // latlab-agent's file
	AgentBundle string // folder of the agent for arm64 phones and boards
	Python      string // interpreter of the estimators; empty = the first python3 of PATH
	VelaConfig  string // a vela.ini of the user's own; empty = Vela's
	ADB         string // adb's program; empty = the first adb of PATH
	LockDir     string // folder of locks of devices in use; empty = in the user's cache folder
}

// Lab opens, lists and checks all devices of this host.
type Lab struct {
	o       Options
	file    string
	entries []*entry
	adbTurn chan struct{} // held while an adb server is started
	known   remembered
	// dial replaces place.dial in tests.
	dial func(context.Context, *entry) (transport.Transport, error)
}

// New reads the user's inventory file. A mistake in it is a *strictyaml.Error.
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

// Open opens the device of a name. An unknown name is an *UnknownError. The caller closes the
// device, which also closes its connection and releases its lock.
func (l *Lab) Open(ctx context.Context, name string) (devices.Device, error) {
	f, err := l.familyFor(name)
	if err != nil {
		return nil, err
	}
	return f.open(ctx, name)
}

// Describe describes a device without starting or contacting anything: all of Info but the
// fingerprint. It does not check whether the device works; Open does. An unknown name is an
// *UnknownError.
func (l *Lab) Describe(name string) (devices.Info, error) {
	f, err := l.familyFor(name)
	if err != nil {
		return devices.Info{}, err
	}
	return f.describe(name)
}

// Names lists the devices that need no attached hardware, in the order in which they are shown:
// built-in ones and those of the file. List also looks for attached phones.
func (l *Lab) Names() []string {
	var names []string
	for _, f := range l.families() {
		names = append(names, f.names()...)
	}
	return names
}

// Forms lists, for people, the forms of names that Names cannot list, such as adb:SERIAL.
func (l *Lab) Forms() []string {
	var forms []string
	for _, f := range l.families() {
		forms = append(forms, f.forms...)
	}
	return forms
}

// Twins are the devices that go on with a sweep of this one when it fails, by name; devices of the inventory file have
// some.
func (l *Lab) Twins(name string) []string {
	if e := l.entryOf(name); e != nil {
		return e.twins
	}
	return nil
}

// File returns the path of the inventory file and its number of devices. The file may not exist.
func (l *Lab) File() (path string, n int) { return l.file, len(l.entries) }

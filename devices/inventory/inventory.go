// Package inventory turns the name of a device into the Device: it is the only room that
// builds devices. Everything else takes the interface.
//
// A name belongs to a family: this machine, our simulators, a vendor's estimator. A family
// knows its names, can say what a device takes without starting anything, and opens it.
// The user's own inventory file, and attached phones and boards, will be families too.
//
// The package refuses to time, to judge and to print.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"latlab/devices"
	"latlab/sampler"
)

// Options are what a name does not say.
type Options struct {
	Threads    int    // of the runtime; 0 = 1. More is refused by devices that have no threads
	CPUs       []int  // affinity; empty = none. Others are refused by devices that run on no CPU of this machine
	AgentPath  string // latlab-agent's file
	Python     string // interpreter of the estimators; empty = the first python3 of PATH
	VelaConfig string // a vela.ini of the user's own; empty = Vela's
}

// Open opens the device of a name. An unknown name is an *UnknownError.
func Open(ctx context.Context, name string, o Options) (devices.Device, error) {
	f, err := familyOf(name)
	if err != nil {
		return nil, err
	}
	if err := f.takes(name, o); err != nil {
		return nil, err
	}
	return f.open(ctx, name, o)
}

// Describe says what a device is and takes without starting anything: all of Info but the
// fingerprint. It is not said whether the device works; Open says that. An unknown name is
// an *UnknownError.
func Describe(name string, o Options) (devices.Info, error) {
	f, err := familyOf(name)
	if err != nil {
		return devices.Info{}, err
	}
	if err := f.takes(name, o); err != nil {
		return devices.Info{}, err
	}
	return f.describe(name, o)
}

// Names lists the devices that can be named without more of the user's, in the order in
// which they are shown.
func Names() []string {
	var names []string
	for _, f := range families() {
		names = append(names, f.names()...)
	}
	return names
}

// Forms lists, for people, the forms of names that Names cannot list.
func Forms() []string {
	var forms []string
	for _, f := range families() {
		forms = append(forms, f.forms...)
	}
	return forms
}

// UnknownError is a name that no device has.
type UnknownError struct {
	Name string
	Err  error // what the name's family says of it; nil where it is of none
}

// Error suggests the name that was meant, where one is near.
func (e *UnknownError) Error() string {
	text := fmt.Sprintf("no device is named %q", e.Name)
	if e.Err != nil {
		text = e.Err.Error()
	} else if near := meant(e.Name); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return text + " (`latlab devices` lists them)"
}

// meant is the listed name that a mistyped one is near to, or a part of: "ethos-u65-512" is
// vela:ethos-u65-512.
func meant(name string) string {
	if near := sampler.Nearest(name, Names()); near != "" {
		return near
	}
	const telling = 4 // letters; fewer are in too many names
	for _, n := range Names() {
		if len(name) >= telling && strings.Contains(n, strings.ToLower(name)) {
			return n
		}
	}
	return ""
}

// Unwrap returns what the name's family says.
func (e *UnknownError) Unwrap() error { return e.Err }

// unknown makes an error that a family means to be ErrUnknown of its own an *UnknownError.
func unknown(name string, err, sentinel error) error {
	if errors.Is(err, sentinel) {
		return &UnknownError{Name: name, Err: err}
	}
	return err
}

// family is devices that are opened in one way.
type family struct {
	owns     func(name string) bool
	names    func() []string
	forms    []string
	describe func(name string, o Options) (devices.Info, error)
	open     func(ctx context.Context, name string, o Options) (devices.Device, error)
	tool     string // a name of an estimator, for Tools; empty for others
	threaded bool   // Options.Threads and CPUs mean something
	check    func(ctx context.Context, name string, o Options) []Step
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
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + name, Reason: "options",
		Err:    fmt.Errorf("it has no %s to choose: its time is computed, not measured here", what),
		Advice: "leave out --threads and --cpus, LATLAB_THREADS and LATLAB_CPUS"}
}

// families are in the order of Names. A function, so that nobody can change them.
func families() []family {
	return []family{localFamily(), simulatedFamily(), velaFamily(), qnnFamily()}
}

func familyOf(name string) (family, error) {
	for _, f := range families() {
		if f.owns(name) {
			return f, nil
		}
	}
	return family{}, &UnknownError{Name: name}
}

// Tools lists one name of each estimator's tool: what is true of the tool's installation
// for one of its names is true for all.
func Tools() []string {
	var names []string
	for _, f := range families() {
		if f.tool != "" {
			names = append(names, f.tool)
		}
	}
	return names
}

// SameTool returns the name of Tools whose installation a device needs, "" where none.
func SameTool(name string) string {
	f, err := familyOf(name)
	if err != nil {
		return ""
	}
	return f.tool
}

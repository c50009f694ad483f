package tool

import (
	"context"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

// Tool is a program that times models, as devices/inventory knows it. A new one is a package with a function that
// returns its Tool, and a line in the inventory's list of tools.
type Tool struct {
	Name       string            // of the inventory's field tool
	Delegates  []Delegate        // of the field delegate, the default first; none where the tool is made for one
	Precisions []model.Precision // of the field precision, the default first
	Threads    bool              // the field threads is for it
	// New returns a Setup of which nothing has been read.
	New func() Setup
}

// Delegate is one that a Tool can be set up with.
type Delegate struct {
	Name       string
	Library    bool              // of the user's: the field delegate_library says where it is
	Precisions []model.Precision // where it takes fewer than the tool
}

// Setup is what the inventory says of a tool on one device.
//
// Fields both decodes the tool's own fields and documents them: with a decoder beside a table of fields, one of the two
// was always behind.
type Setup interface {
	// Fields are the tool's own fields. To read one changes this Setup.
	Fields() []Field
	// Check says with o.Fail what the fields together have wrong. All have been read.
	Check(o strictyaml.Object, d Device)
	// Describe is what is known of the device without asking it: all of Info but the fingerprint.
	Describe(d Device) (devices.Info, error)
	// Open makes the device. Where it fails the machine stays the caller's.
	Open(ctx context.Context, m *machine.Machine, d Device) (devices.Device, error)
}

// Device is what the inventory says of a device whichever tool times on it.
type Device struct {
	Name      string
	Transport string // "adb", "ssh"; empty = this machine
	Delegate  Delegate
	Precision model.Precision // the user's default; empty = the tool's
	Threads   int             // of the runtime; at least 1
	CPUs      []int           // affinity; empty = none
	Budget    int64           // bytes of models kept there; 0 = the tool's default
	Host      Host
}

// Local reports whether the device is this machine.
func (d Device) Local() bool { return d.Transport == "" }

// Host is what tools use of this machine.
type Host struct {
	Agent   string // latlab-agent's file
	Bundles string // folder of what travels to other machines, see agent.Options
	Python  string // interpreter of the compilers; empty = python.Default
}

// StepError is an error of Open that belongs to a step of its own in `devices check`, such as "compiler".
type StepError struct {
	Step string
	Err  error
}

// Error is the error's own.
func (e *StepError) Error() string { return e.Err.Error() }

// Unwrap returns the error.
func (e *StepError) Unwrap() error { return e.Err }

// Opened is what a tool's own Open returned as a Setup's: without it a nil *Device would become a Device that is not nil.
func Opened[D devices.Device](d D, err error) (devices.Device, error) {
	if err != nil {
		return nil, err
	}
	return d, nil
}

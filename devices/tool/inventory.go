package tool

import (
	"context"
	"fmt"
	"slices"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

// Tool is a program that times models, as devices/inventory sees it. To add one, write a package with
// a function that returns its Tool and add a line to the inventory's list of tools.
type Tool struct {
	Name       string            // value of the inventory's field tool
	Delegates  []Delegate        // values of the field delegate, the default first; empty if the tool has only one
	Precisions []model.Precision // values of the field precision, the default first
	Threads    bool              // whether it takes the field threads
	// New returns an empty Setup.
	New func() Setup
}

// Delegate is a delegate that a Tool can be set up with.
type Delegate struct {
	Name       string
	Library    bool              // the user supplies the library: the field delegate_library says where it is
	Precisions []model.Precision // if it takes fewer than the tool
}

// Setup holds the inventory's settings of a tool on one device.
//
// Fields both decodes and documents the tool's own fields: when the decoder and the table of fields
// were separate, one of them was always out of date.
type Setup interface {
	// Fields are the tool's own fields. Reading a field changes this Setup.
	Fields() []Field
	// Check reports fields that contradict each other, by o.Fail. It is called after all fields are
	// read.
	Check(o strictyaml.Object, d Device)
	// Describe returns what is known of the device without contacting it: all of Info but the
	// fingerprint.
	Describe(d Device) (devices.Info, error)
	// Open opens the device. If it fails, the caller still owns the machine and closes it.
	Open(ctx context.Context, m *machine.Machine, d Device) (devices.Device, error)
}

// Device holds the inventory's settings that every tool shares.
type Device struct {
	Name      string
	Transport string // "adb", "ssh"; empty = this machine
	Delegate  Delegate
	Precision model.Precision // the user's default; empty = the tool's default
	Threads   int             // of the runtime; at least 1
	CPUs      []int           // affinity; empty = none
	Budget    int64           // bytes of models cached on the device; 0 = the tool's default
	Host      Host
}

// Local reports whether the device is this machine.
func (d Device) Local() bool { return d.Transport == "" }

// Host is what tools use on this machine.
type Host struct {
	Agent   string // path of latlab-agent
	Bundles string // folder of files to install on other machines, see agent.Options
	Python  string // interpreter of the compilers; empty = python.Default
}

// StepError is an error of Open that `devices check` reports under a step of its own, such as
// "compiler".
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return e.Err.Error() }

func (e *StepError) Unwrap() error { return e.Err }

// Accepts refuses a model in a format or precision that the device does not take.
func Accepts(i devices.Info, m *model.Model, op string) error {
	if slices.Contains(i.Formats, m.Format) && slices.Contains(i.Precisions, m.Precision) {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
		Err: fmt.Errorf("device %s does not take %s models in %s", i.Name, m.Format, m.Precision)}
}

// Opened converts a tool's own result to a Setup's: without it a nil *Device would become a non-nil
// Device.
func Opened[D devices.Device](d D, err error) (devices.Device, error) {
	if err != nil {
		return nil, err
	}
	return d, nil
}

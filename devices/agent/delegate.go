package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/sampler/model"
)

// Delegate selects what executes the models. The zero value is XNNPACK.
//
// Nodes that an external delegate does not take run on the runtime's own kernels without
// XNNPACK, five times as slow as with it. Adding XNNPACK behind the other delegate was rejected:
// it would need two proofs of who ran how much, and on an accelerator a network that is not
// wholly delegated is INVALID anyway.
type Delegate struct {
	// Name is "xnnpack", "none" for the runtime's own kernels, or a name that the user chooses for
	// an external delegate: "edgetpu", "qnn", "armnn".
	Name string
	// Library is the path of an external delegate on the machine where the agent runs. It exports
	// tflite_plugin_create_delegate and tflite_plugin_destroy_delegate.
	Library string
	// Options are passed to an external delegate under its vendor's names: "device" = "usb:0".
	Options map[string]string
	// OnCPU means that an external delegate computes on the CPU, as Arm NN may: its time is then
	// compared with its CPU time, and nodes that it does not take are only a warning.
	OnCPU bool
}

// EdgeTPU is the name of the delegate that takes only int8 models.
const EdgeTPU = "edgetpu"

func (d Delegate) external() bool { return d.Library != "" }

// name returns the delegate's name in proofs; empty if there is nothing to prove.
func (d Delegate) name() string {
	if d.Name == wire.None {
		return ""
	}
	return cmp.Or(d.Name, wire.XNNPACK)
}

// kind returns the delegate's kind as package wire names it.
func (d Delegate) kind() string {
	if d.external() {
		return wire.External
	}
	return cmp.Or(d.Name, wire.XNNPACK)
}

func (d Delegate) ask(req *wire.Request) {
	req.Delegate = d.kind()
	if d.external() {
		req.Plugin = &wire.Plugin{Name: d.Name, Library: d.Library, Options: d.Options}
	}
}

// check refuses settings that would be ignored or mistaken for another delegate.
func (d Delegate) check(op string) error {
	builtIn := d.Name == "" || d.Name == wire.XNNPACK || d.Name == wire.None
	var err error
	switch {
	case d.external() && builtIn:
		err = fmt.Errorf("the delegate of %s needs a name of its own: not %q", d.Library, d.Name)
	case !d.external() && !builtIn:
		err = fmt.Errorf("the delegate %q needs its library", d.Name)
	case !d.external() && (len(d.Options) > 0 || d.OnCPU):
		err = errors.New("options of a delegate need its library")
	}
	for k, v := range d.Options {
		if k == "" || strings.ContainsRune(k+v, 0) {
			err = fmt.Errorf("the delegate's option %q = %q has no name or contains a NUL byte", k, v)
		}
	}
	if err == nil {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonDelegate, Err: err,
		Advice: "built in are xnnpack and none; others are a name and the path of a library"}
}

// precisions lists what the runtime runs: latlab writes float32 and int8, and a user's own file
// may have int16 activations. Files of uint8, and float32 files with float16 weights, count as
// int8 and float32 (sampler/model). The first is the default: int8 for 8-bit accelerators. The
// EdgeTPU's compiler takes only int8.
func (d Delegate) precisions() []model.Precision {
	switch d.Name {
	case EdgeTPU:
		return []model.Precision{model.Int8}
	case "qnn", "hexagon":
		return []model.Precision{model.Int8, model.Float32, "int16"}
	}
	return []model.Precision{model.Float32, model.Int8, "int16"}
}

// doubts invalidates blocks of a delegate on the CPU that took nothing: bench, which knows
// accelerators, would only warn, and times of the runtime's own kernels would be stored under
// the delegate's name.
func (d Delegate) doubts(p devices.Delegation) []devices.Doubt {
	if !d.external() || !d.OnCPU || p.Delegated > 0 {
		return nil
	}
	return []devices.Doubt{{Code: "not_delegated",
		Text: fmt.Sprintf("%s took none of %d nodes: the runtime's own kernels ran them", d.Name, p.Nodes)}}
}

// loadDelegate creates the delegate once without a model, so that a missing library, a library
// for another architecture or a stick that is not plugged in is reported before a sweep begins.
// It returns the library's sha256.
func loadDelegate(ctx context.Context, l launch, o Options) (string, error) {
	if !o.Delegate.external() {
		return "", nil
	}
	req := &wire.Request{Type: wire.Load, Threads: o.Threads}
	o.Delegate.ask(req)
	_, resp, err := ask(ctx, l, "open device "+o.Name, delegateTimeout, req)
	var e *devices.Error
	if errors.As(err, &e) && e.Reason == devices.ReasonCrashed {
		// There was no model yet.
		e.Fault, e.Err = devices.FaultDevice, fmt.Errorf("making the delegate %s of %s: %w", o.Delegate.Name, o.Delegate.Library, e.Err)
	}
	if e != nil && e.Fault == devices.FaultDevice && e.Reason == devices.ReasonDelegate && o.Delegate.Name == EdgeTPU {
		// libedgetpu gives no reason (edgetpu_delegate_for_custom_op_tflite_plugin.cc).
		e.Advice = "is the Edge TPU plugged in, is it the one that the option device names, may this user open it (group plugdev or apex), and does no other program use it?"
	}
	if err != nil {
		return "", err
	}
	return resp.Library, nil
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/sampler/model"
)

// Delegate is what shall execute the models. The zero value is XNNPACK.
//
// The nodes that an external delegate leaves run on the runtime's own kernels, without
// XNNPACK: five times as slow as with it. To add XNNPACK behind the other delegate was
// rejected: who ran how much would then be two proofs, and on an accelerator a network that
// is not wholly delegated is INVALID anyway.
type Delegate struct {
	// Name is "xnnpack", "none" for the runtime's own kernels, or the user's word for an
	// external one: "edgetpu", "qnn", "armnn".
	Name string
	// Library of an external delegate: its path where the agent runs. It exports
	// tflite_plugin_create_delegate and tflite_plugin_destroy_delegate.
	Library string
	// Options of an external delegate, as its vendor names them: "device" = "usb:0".
	Options map[string]string
	// OnCPU says that an external delegate computes on the CPU, as Arm NN may: its time is
	// then held against its CPU time, and nodes that it leaves are only a warning.
	OnCPU bool
}

// EdgeTPU is the name of the delegate whose models are int8 and nothing else.
const EdgeTPU = "edgetpu"

func (d Delegate) external() bool { return d.Library != "" }

// name is the delegate's in proofs; empty where there is none to prove.
func (d Delegate) name() string {
	switch d.Name {
	case "":
		return wire.XNNPACK
	case wire.None:
		return ""
	}
	return d.Name
}

// kind is the wire's word.
func (d Delegate) kind() string {
	switch {
	case d.external():
		return wire.External
	case d.Name == wire.None:
		return wire.None
	}
	return wire.XNNPACK
}

func (d Delegate) ask(req *wire.Request) {
	req.Delegate = d.kind()
	if d.external() {
		req.Plugin = &wire.Plugin{Name: d.Name, Library: d.Library, Options: d.Options}
	}
}

// check refuses what would be ignored or mistaken for another delegate.
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
			err = fmt.Errorf("the delegate's option %q = %q is no text", k, v)
		}
	}
	if err == nil {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonDelegate, Err: err,
		Advice: "built in are xnnpack and none; others are a name and the path of a library"}
}

// precisions are all that the runtime runs: latlab writes float32 and int8, a user's own
// file may have int16 activations. Files of uint8, and float32 ones with float16 weights,
// are of the first two as well (sampler/model). Accelerators for 8 bits have int8 first,
// which is the default; an EdgeTPU's compiler takes nothing else.
func (d Delegate) precisions() []model.Precision {
	switch d.Name {
	case EdgeTPU:
		return []model.Precision{model.Int8}
	case "qnn", "hexagon":
		return []model.Precision{model.Int8, model.Float32, "int16"}
	}
	return []model.Precision{model.Float32, model.Int8, "int16"}
}

// doubts are about a delegate on the CPU that took nothing: bench, which knows accelerators,
// would only warn, and the runtime's own kernels would be stored under the delegate's name.
func (d Delegate) doubts(p devices.Delegation) []devices.Doubt {
	if !d.external() || !d.OnCPU || p.Delegated > 0 {
		return nil
	}
	return []devices.Doubt{{Code: "not_delegated",
		Text: fmt.Sprintf("%s took none of %d nodes: the runtime's own kernels ran them", d.Name, p.Nodes)}}
}

// fingerprint adds what a latency depends on of an external delegate.
func (d Delegate) fingerprint(f map[string]string, librarySHA256 string) {
	if !d.external() {
		return
	}
	f["delegate_sha256"] = librarySHA256
	for _, k := range slices.Sorted(maps.Keys(d.Options)) {
		f["delegate_option_"+k] = d.Options[k]
	}
}

// loadDelegate makes the delegate once without a model, so that a library that is missing or
// of another machine, or a stick that is not plugged in, is told before a sweep begins. It
// returns the library's sha256.
func loadDelegate(ctx context.Context, l launch, o Options) (string, error) {
	if !o.Delegate.external() {
		return "", nil
	}
	req := &wire.Request{Type: wire.Load, Threads: o.Threads}
	o.Delegate.ask(req)
	_, resp, err := ask(ctx, l, "open device "+o.Name, delegateTimeout, req)
	var e *devices.Error
	if errors.As(err, &e) && e.Reason == ReasonCrashed {
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

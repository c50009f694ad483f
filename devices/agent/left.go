package agent

import (
	"fmt"

	"latlab/devices/agent/wire"
	"latlab/sampler/tflite"
)

// floatOnly are ops whose 8-bit form XNNPACK in TFLite 2.21 does not take although it takes
// the float one: their Visit functions in xnnpack_delegate.cc check for a float type,
// and the runtime agrees (TestLeftNodes). A MEAN of the same map is taken (TestMeanIsTaken).
var floatOnly = map[string]bool{"HARD_SWISH": true, "AVERAGE_POOL_2D": true}

// whyLeft is "HARD_SWISH x8, version 1, INT8: XNNPACK takes it in float only".
func whyLeft(l wire.Left, delegate string) string {
	name := tflite.OperatorName(l.Builtin)
	if l.Custom != "" {
		name = l.Custom
	}
	return fmt.Sprintf("%s x%d, version %d, %s: %s", name, l.Count, l.Version, l.Type, reasonLeft(l, name, delegate))
}

// reasonLeft says what is known. XNNPACK itself says nothing: its messages are off while it
// probes a graph. Of other delegates nothing is known.
func reasonLeft(l wire.Left, name, delegate string) string {
	switch {
	case l.Custom != "":
		return "a custom op"
	case l.Dynamic:
		return "a shape is known only when the model runs"
	case delegate == wire.XNNPACK && floatOnly[name] && (l.Type == "INT8" || l.Type == "UINT8"):
		return "XNNPACK takes it in float only"
	}
	return "not taken, and the delegate does not say why"
}

func explain(list []wire.Left, delegate string) []string {
	var why []string
	for _, l := range list {
		why = append(why, whyLeft(l, delegate))
	}
	return why
}

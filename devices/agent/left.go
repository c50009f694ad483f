package agent

import (
	"fmt"

	"latlab/devices/agent/wire"
	"latlab/sampler/tflite"
)

// floatOnly lists ops that XNNPACK in TFLite 2.21 takes in float but not in 8 bits: their Visit
// functions in xnnpack_delegate.cc check for a float type, and the runtime agrees
// (TestLeftNodes). It does take a MEAN of the same map (TestMeanIsTaken).
var floatOnly = map[string]bool{"HARD_SWISH": true, "AVERAGE_POOL_2D": true}

// whyLeft returns a text like "HARD_SWISH x8, version 1, INT8: XNNPACK takes it in float only".
func whyLeft(l wire.Left, delegate string) string {
	name := tflite.OperatorName(l.Builtin)
	if l.Custom != "" {
		name = l.Custom
	}
	return fmt.Sprintf("%s x%d, version %d, %s: %s", name, l.Count, l.Version, l.Type, reasonLeft(l, name, delegate))
}

// reasonLeft returns why XNNPACK does not take a node, where that is known. XNNPACK does not report
// it: its messages are off while it checks a graph. Nothing is known of other delegates.
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

package agent

import (
	"fmt"

	"latlab/sampler/tflite"
)

// Left is a kind of node that the delegate did not take.
type Left struct {
	Builtin int    `json:"builtin"` // operator code of the schema
	Custom  string `json:"custom,omitempty"`
	Version int    `json:"version"`
	Type    string `json:"type"`    // of the first input, in the runtime's words: "INT8"
	Dynamic bool   `json:"dynamic"` // a shape is known only when the model runs
	Count   int    `json:"count"`
}

// floatOnly are ops whose 8-bit form the delegate of TFLite 2.21 does not take although it
// takes the float one: their Visit functions in xnnpack_delegate.cc check for a float type,
// and the runtime agrees (TestLeftNodes). A MEAN of the same map is taken (TestMeanIsTaken).
var floatOnly = map[string]bool{"HARD_SWISH": true, "AVERAGE_POOL_2D": true}

// String is "HARD_SWISH x8, version 1, INT8: XNNPACK takes it in float only".
func (l Left) String() string {
	name := tflite.OperatorName(l.Builtin)
	if l.Custom != "" {
		name = l.Custom
	}
	return fmt.Sprintf("%s x%d, version %d, %s: %s", name, l.Count, l.Version, l.Type, l.reason(name))
}

// reason says what is known. The delegate itself says nothing: its messages are off while
// it probes a graph.
func (l Left) reason(name string) string {
	switch {
	case l.Custom != "":
		return "a custom op"
	case l.Dynamic:
		return "a shape is known only when the model runs"
	case floatOnly[name] && (l.Type == "INT8" || l.Type == "UINT8"):
		return "XNNPACK takes it in float only"
	}
	return "not taken, and the delegate does not say why"
}

func explain(list []Left) []string {
	var why []string
	for _, l := range list {
		why = append(why, l.String())
	}
	return why
}

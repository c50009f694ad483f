package trtexec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// shapes is the flag for inputs that the file leaves open, which trtexec would time with extents of 1. It is for
// the build, in which trtexec takes it for the smallest and the largest shape too, and for every run: an engine
// keeps the inputs open. trtexec refuses shapes of inputs that are fixed.
//
// Source: NVIDIA/TensorRT, samples/common/sampleOptions.cpp, AllOptions::parse and splitNameAndValue. A comma
// separates inputs, and before 8 the first colon ended a name that is not quoted.
func (p program) shapes(op string, m *model.Model) ([]string, error) {
	ports := m.SetPorts()
	if len(ports) == 0 {
		return nil, nil
	}
	if !p.has("--shapes") {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
			Err: errors.New("this trtexec has no --shapes, and the model leaves the size of an input open"), Advice: "convert it with a fixed size"}
	}
	var specs []string
	for _, port := range ports {
		name := port.Name
		switch {
		case name == "" || strings.ContainsAny(name, ",'*\"") || slices.ContainsFunc([]rune(name), func(r rune) bool { return r < ' ' }):
			return nil, &devices.Error{Fault: devices.FaultModel, Op: op, Reason: devices.ReasonRejected,
				Err: fmt.Errorf("trtexec's --shapes cannot name the input %q", text.Clip(name)), Advice: "convert the model with a fixed size"}
		case strings.ContainsAny(name, ": "):
			name = "'" + name + "'"
		}
		extents := make([]string, len(port.Shape))
		for i, n := range port.Shape {
			extents[i] = strconv.Itoa(n)
		}
		specs = append(specs, name+":"+strings.Join(extents, "x"))
	}
	return []string{"--shapes=" + strings.Join(specs, ",")}, nil
}

// doubts are those about shapes that trtexec chose, in the build or in the run.
func doubts(reports ...*report) []devices.Doubt {
	var list []devices.Doubt
	for _, r := range reports {
		for _, said := range r.chosen {
			d := devices.Doubt{Code: tool.ReasonShape, Text: "the tool chose the shape of an input: " + said}
			if !slices.Contains(list, d) {
				list = append(list, d)
			}
		}
	}
	return list
}

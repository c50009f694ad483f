package trtexec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
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
		if err := nameable(op, "--shapes", name); err != nil {
			return nil, err
		}
		if strings.ContainsAny(name, ": ") {
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

func nameable(op, flag, name string) error {
	if name == "" || strings.ContainsAny(name, ",'*\"") || slices.ContainsFunc([]rune(name), func(r rune) bool { return r < ' ' }) {
		return &devices.Error{Fault: devices.FaultModel, Op: op, Reason: devices.ReasonRejected,
			Err: fmt.Errorf("trtexec's %s cannot name the input %q", flag, text.Clip(name)), Advice: "convert the model with a fixed size"}
	}
	return nil
}

// values puts the values that the user gives for inputs into the engine's folder, and returns the flag that names the
// files. The last colon of a pair ends the name; TensorRT 7 would take quotes for a part of it, and fill the input at
// random without a word.
//
// Source: NVIDIA/TensorRT, samples/common/sampleOptions.cpp, splitNameAndValue.
func (d *Device) values(ctx context.Context, op string, m *model.Model, dir *machine.Temp) ([]string, error) {
	var pairs []string
	for i := range m.Ports {
		p := &m.Ports[i]
		if !p.HasValues() {
			continue
		}
		if err := nameable(op, "--loadInputs", p.Name); err != nil {
			return nil, err
		}
		name := fmt.Sprintf("input%d.raw", i)
		if strings.ContainsAny(dir.Dir, ",:'") {
			return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
				Err: fmt.Errorf("trtexec's --loadInputs cannot name the file %s", dir.Path(name))}
		}
		raw, err := d.program.tensor(op, p)
		if err != nil {
			return nil, err
		}
		if err := dir.Put(ctx, op, name, bytes.NewReader(raw), int64(len(raw))); err != nil {
			return nil, err
		}
		pairs = append(pairs, p.Name+":"+dir.Path(name))
	}
	if pairs == nil {
		return nil, nil
	}
	return []string{"--loadInputs=" + strings.Join(pairs, ",")}, nil
}

// tensor returns an input's bytes in the type that TensorRT gives it: before 9 an int64 is an int32. trtexec makes
// float32 of int8, and the parser of float64; values in these types are refused.
//
// Source: onnx/onnx-tensorrt, onnx2trt_utils.cpp, convertDtype; NVIDIA/TensorRT, samples/common/sampleEngines.cpp.
func (p program) tensor(op string, port *model.Port) ([]byte, error) {
	user := func(format string, a ...any) error {
		return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported, Err: fmt.Errorf(format, a...)}
	}
	if !slices.Contains([]string{"float32", "float16", "bfloat16", "int32", "int64", "uint8", "bool"}, port.Type) {
		return nil, user("input %s is %s, which TensorRT does not take as it is: it cannot be given values", port.Name, port.Type)
	}
	raw, err := port.Raw()
	if err != nil {
		return nil, devices.ModelBytes(op, err)
	}
	if port.Type != "int64" || p.version >= 9000 {
		return raw, nil
	}
	narrow := make([]byte, 0, len(raw)/2)
	for ; len(raw) > 0; raw = raw[8:] {
		v := int64(binary.LittleEndian.Uint64(raw))
		if v != int64(int32(v)) {
			return nil, user("input %s: %s holds int64 as int32, which %d does not fit into", port.Name, p.runtime(), v)
		}
		narrow = append(narrow, raw[:4]...)
	}
	return narrow, nil
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

package benchmarkmodel

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// shapeArgs are the flags that resize a model's inputs; none if all have the file's shape. The tool takes the
// shapes of all inputs or of none, by position: commas separate names and extents, colons shapes.
//
// Source: LiteRT, tflite/tools/benchmark/benchmark_tflite_model.cc, PopulateInputLayerInfo and Init.
func (d *Device) shapeArgs(op string, m *model.Model) ([]string, error) {
	if m.SetShapes() == nil {
		return nil, nil
	}
	failed := func(fault devices.Fault, reason string, err error) error {
		return &devices.Error{Fault: fault, Op: op, Reason: reason, Err: err}
	}
	switch {
	case !d.usage["input_layer"] || !d.usage["input_layer_shape"]:
		return nil, failed(devices.FaultUser, devices.ReasonUnsupported, errors.New("this benchmark_model has no --input_layer_shape"))
	case d.o.Flags["input_layer"] != "" || d.o.Flags["input_layer_shape"] != "":
		return nil, failed(devices.FaultUser, devices.ReasonUnsupported, errors.New("the device's flags input_layer and input_layer_shape are there already: remove them, or --input-shape"))
	}
	for _, p := range m.Ports {
		if p.Name == "" || strings.Contains(p.Name, ",") || len(p.Shape) == 0 {
			return nil, failed(devices.FaultModel, devices.ReasonRejected, fmt.Errorf("benchmark_model's --input_layer_shape cannot give the shape of input %q", text.Clip(p.Name)))
		}
	}
	return inputArgs(m.Ports), nil
}

// inputArgs are the flags that name all inputs and give their shapes.
func inputArgs(inputs []model.Port) []string {
	var names, shapes []string
	for _, p := range inputs {
		extents := make([]string, len(p.Shape))
		for i, n := range p.Shape {
			extents[i] = strconv.Itoa(n)
		}
		names, shapes = append(names, p.Name), append(shapes, strings.Join(extents, ","))
	}
	return []string{"--input_layer=" + strings.Join(names, ","), "--input_layer_shape=" + strings.Join(shapes, ":")}
}

// addShapes adds the flags of shapes to others.
func (d *Device) addShapes(op string, m *model.Model, args []string) ([]string, error) {
	shapes, err := d.shapeArgs(op, m)
	return append(args, shapes...), err
}

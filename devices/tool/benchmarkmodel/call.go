package benchmarkmodel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// call is how a user's own file is executed: further flags, and the files of its inputs on the machine.
type call struct {
	args     []string
	files    []*machine.Staged
	warnings []string
}

func (c *call) close() {
	for _, f := range c.files {
		f.Close()
	}
}

// call translates a model's Call, and gives zeros to inputs that are not floats or 8- or 16-bit integers: the
// tool draws integers from 0 to 99 at random, which may be outside of a table or decide the length of a loop.
//
// The tool wants every input by its tensor's name, in the subgraph's order, with its shape; names are
// separated by commas, and a value file follows a colon, doubled where a name has one.
//
// Source: LiteRT, tflite/tools/benchmark/benchmark_tflite_model.cc, PopulateInputLayerInfo and
// SplitInputLayerNameAndValueFile.
func (d *Device) call(ctx context.Context, op string, m *model.Model) (*call, error) {
	c := &call{}
	n := m.Network
	if n == nil {
		return c, nil
	}
	user := func(format string, a ...any) error {
		return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported, Err: fmt.Errorf(format, a...)}
	}
	if n.Runner != nil || m.Call.Signature != "" {
		switch {
		case d.o.Flags["signature_to_run_for"] != "":
			return nil, user("--signature and the device's flag signature_to_run_for name a signature each")
		case !d.usage["signature_to_run_for"]:
			return nil, user("this build of benchmark_model has no flag signature_to_run_for, so it cannot run the signature %q", text.Clip(n.Signature))
		}
		c.args = append(c.args, "--signature_to_run_for="+n.Signature)
	}
	var values []*model.Port
	given := false
	for i := range m.Ports {
		p := &m.Ports[i]
		if p.HasValues() || zeroed(p.Type) && p.TakesValues() {
			values = append(values, p)
		}
		given = given || p.HasValues()
	}
	if len(values) == 0 {
		var err error
		c.args, err = d.addShapes(op, m, c.args)
		return c, err
	}
	if err := d.canGive(m.Ports); err != nil {
		if given {
			return nil, user("the inputs of %s cannot be given values: %w", m.Name, err)
		}
		if d.o.Flags["input_layer"] == "" {
			c.warnings = append(c.warnings, "benchmark_model draws the values of integer inputs at random: "+err.Error())
		}
		c.args, err = d.addShapes(op, m, c.args)
		return c, err
	}
	if err := d.give(ctx, op, m, values, c); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// zeroed reports whether inputs of a type are zero unless the user gives a value, as the agent's are.
func zeroed(element string) bool {
	return !slices.Contains([]string{"float32", "int8", "uint8", "int16"}, element)
}

// canGive returns why the tool's flags cannot hold the inputs of a model.
func (d *Device) canGive(ports []model.Port) error {
	if d.o.Flags["input_layer"] != "" {
		return errors.New("the device's flags have input_layer already")
	}
	for _, flag := range []string{"input_layer", "input_layer_shape", "input_layer_value_files"} {
		if !d.usage[flag] {
			return fmt.Errorf("this build of benchmark_model has no flag %s", flag)
		}
	}
	for _, p := range ports {
		if len(p.Shape) == 0 {
			return fmt.Errorf("its flags cannot hold the shape of the scalar %s", p.Name)
		}
		if strings.ContainsAny(p.Name, ",") {
			return fmt.Errorf("its flags separate names by commas, and an input is named %s", p.Name)
		}
	}
	return nil
}

func (d *Device) give(ctx context.Context, op string, m *model.Model, values []*model.Port, c *call) error {
	var files []string
	for _, p := range values {
		raw, err := p.Raw()
		if err != nil {
			return devices.ModelBytes(op, err)
		}
		f, err := d.m.StageBytes(ctx, op, raw)
		if err != nil {
			return err
		}
		c.files = append(c.files, f)
		if strings.Contains(f.Path, ",") {
			return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
				Err: fmt.Errorf("the folder of temporary files, %s, has a comma in its name, by which benchmark_model separates files", f.Path)}
		}
		files = append(files, doubled(p.Name)+":"+doubled(f.Path))
	}
	c.args = append(append(c.args, inputArgs(m.Ports)...), "--input_layer_value_files="+strings.Join(files, ","))
	return nil
}

func doubled(s string) string { return strings.ReplaceAll(s, ":", "::") }

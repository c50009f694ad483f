package main

import (
	"slices"
	"strings"

	"latlab/bench/source"
	"latlab/devices"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// knownPrecision reads --precision, where "" leaves it to the device.
func (o formOptions) knownPrecision() (model.Precision, error) {
	known := []model.Precision{model.Float32, model.Int8}
	p := model.Precision(o.precision)
	if p != "" && !slices.Contains(known, p) {
		return "", usagef("precision %q is not known; there are %s", p, text.Or(known))
	}
	return p, nil
}

// inputOf reads --input, of networks in a precision.
func (o formOptions) inputOf(p model.Precision) (model.Input, error) {
	in := model.Input(o.input)
	switch {
	case in == "":
		return "", nil
	case in != model.UInt8 && string(in) != string(model.Int8):
		return "", usagef("input %q is not known; there are int8 and %s", in, model.UInt8)
	case p != model.Int8:
		return "", usagef("--input %s is of int8 networks; --precision is %s", in, p)
	case in != model.UInt8:
		return "", nil
	}
	return in, nil
}

// deviceForm is how networks are written for a device: in the precision asked for, or its
// own, and in the first of its formats.
func (o formOptions) deviceForm(d devices.Info) (model.Form, error) {
	return o.deviceFormOr(d, d.Precisions[0])
}

// deviceFormOr is deviceForm with another precision where none is asked for.
func (o formOptions) deviceFormOr(d devices.Info, otherwise model.Precision) (model.Form, error) {
	p, err := o.knownPrecision()
	if err != nil {
		return model.Form{}, err
	}
	if p == "" {
		p = otherwise
	}
	if !slices.Contains(d.Precisions, p) {
		return model.Form{}, usagef("device %s takes %s, not %s", d.Name, source.Takes(d), p)
	}
	in, err := o.inputOf(p)
	return model.Form{Format: d.Formats[0], Precision: p, Input: in}, err
}

// fileForm is how compile writes networks.
func (o formOptions) fileForm(format string) (model.Form, error) {
	p, err := o.knownPrecision()
	if err != nil {
		return model.Form{}, err
	}
	known := []model.Format{model.TFLite, model.ONNX}
	f := model.Format(format)
	if !slices.Contains(known, f) {
		return model.Form{}, usagef("format %q is not known; there are %s", f, text.Or(known))
	}
	in, err := o.inputOf(p)
	return model.Form{Format: f, Precision: p, Input: in}, err
}

// takesShort leaves out precisions that only a user's own file may have.
func takesShort(d devices.Info) string {
	var precisions []string
	more := ""
	for _, p := range d.Precisions {
		if p == model.Float32 || p == model.Int8 {
			precisions = append(precisions, string(p))
		} else {
			more = " ..."
		}
	}
	var formats []string
	for _, f := range d.Formats {
		formats = append(formats, string(f))
	}
	return strings.Join(formats, "/") + " " + strings.Join(precisions, ", ") + more
}

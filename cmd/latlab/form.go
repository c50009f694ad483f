package main

import (
	"cmp"
	"slices"
	"strings"

	"latlab/bench/source"
	"latlab/devices"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// knownPrecision reads --precision; "" lets the device choose.
func (o formOptions) knownPrecision() (model.Precision, error) {
	known := []model.Precision{model.Float32, model.Int8}
	p := model.Precision(o.precision)
	if p != "" && !slices.Contains(known, p) {
		return "", usagef("unknown precision %q; known: %s", p, text.Or(known))
	}
	return p, nil
}

// inputOf reads --input for networks of a precision.
func (o formOptions) inputOf(p model.Precision) (model.Input, error) {
	in := model.Input(o.input)
	switch {
	case in == "":
	case in != model.UInt8 && string(in) != string(model.Int8):
		return "", usagef("unknown input type %q; known: int8 or %s", in, model.UInt8)
	case p != model.Int8:
		return "", usagef("--input %s applies to int8 networks; --precision is %s", in, p)
	case in == model.UInt8:
		return in, nil
	}
	return "", nil
}

// deviceForm is the model form for a device: the precision asked for, or the default, in the
// device's first format.
func (o formOptions) deviceForm(d devices.Info, otherwise model.Precision) (model.Form, error) {
	p, err := o.knownPrecision()
	if err != nil {
		return model.Form{}, err
	}
	p = cmp.Or(p, otherwise)
	if !slices.Contains(d.Precisions, p) {
		return model.Form{}, usagef("device %s takes %s, not %s", d.Name, source.Takes(d), p)
	}
	in, err := o.inputOf(p)
	return model.Form{Format: d.Formats[0], Precision: p, Input: in}, err
}

// fileForm is the model form that compile writes.
func (o formOptions) fileForm(format string) (model.Form, error) {
	p, err := o.knownPrecision()
	if err != nil {
		return model.Form{}, err
	}
	known := []model.Format{model.TFLite, model.ONNX}
	f := model.Format(format)
	if !slices.Contains(known, f) {
		return model.Form{}, usagef("unknown format %q; known: %s", f, text.Or(known))
	}
	in, err := o.inputOf(p)
	return model.Form{Format: f, Precision: p, Input: in}, err
}

// formsAndPrecisions is the TAKES column of `devices`: "onnx/tflite float32, int8". Precisions
// that only a user's own file can have are "...".
func formsAndPrecisions(d devices.Info) string {
	var precisions []string
	more := ""
	for _, p := range d.Precisions {
		if p == model.Float32 || p == model.Int8 {
			precisions = append(precisions, string(p))
		} else {
			more = " ..."
		}
	}
	return strings.Join(texts(d.Formats), "/") + " " + strings.Join(precisions, ", ") + more
}

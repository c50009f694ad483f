package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/internal/ui"
	"latlab/sampler/model"
)

func precisionFlag() cli.Flag {
	return stringFlag("precision", "numeric type: `PRECISION` float32 or int8; the device's own unless told", "")
}

func inputFlag() cli.Flag {
	return stringFlag("input", "type of an int8 network's inputs: `TYPE` uint8; int8 unless told", "")
}

// readPrecision reads --precision, where "" leaves it to the device.
func readPrecision(c *cli.Context) (model.Precision, error) {
	known := []model.Precision{model.Float32, model.Int8}
	p := model.Precision(c.String("precision"))
	if p != "" && !slices.Contains(known, p) {
		return "", usagef("precision %q is not known; there are %s", p, ui.Or(known))
	}
	return p, nil
}

func readInput(c *cli.Context, p model.Precision) (model.Input, error) {
	in := model.Input(c.String("input"))
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
func deviceForm(c *cli.Context, d devices.Info) (model.Form, error) {
	return deviceFormOr(c, d, d.Precisions[0])
}

// deviceFormOr is deviceForm with another precision where none is asked for.
func deviceFormOr(c *cli.Context, d devices.Info, otherwise model.Precision) (model.Form, error) {
	p, err := readPrecision(c)
	if err != nil {
		return model.Form{}, err
	}
	if p == "" {
		p = otherwise
	}
	if !slices.Contains(d.Precisions, p) {
		return model.Form{}, usagef("device %s takes %s, not %s", d.Name, takes(d), p)
	}
	in, err := readInput(c, p)
	return model.Form{Format: d.Formats[0], Precision: p, Input: in}, err
}

// fileForm is how compile writes networks.
func fileForm(c *cli.Context) (model.Form, error) {
	p, err := readPrecision(c)
	if err != nil {
		return model.Form{}, err
	}
	known := []model.Format{model.TFLite, model.ONNX}
	f := model.Format(c.String("format"))
	if !slices.Contains(known, f) {
		return model.Form{}, usagef("format %q is not known; there are %s", f, ui.Or(known))
	}
	in, err := readInput(c, p)
	return model.Form{Format: f, Precision: p, Input: in}, err
}

// takes says which models a device takes: "tflite float32 or int8".
func takes(d devices.Info) string {
	if len(d.Formats) == 0 {
		return "nothing"
	}
	return ui.Or(d.Formats) + " in " + ui.Or(d.Precisions)
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

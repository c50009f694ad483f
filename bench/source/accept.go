package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// Accept says whether a device can time a user's own file, and what it lacks.
func Accept(m *model.Model, d devices.Info) error {
	open := unsized(m, d)
	for _, o := range m.Call.Options() {
		if !slices.Contains(d.Calls, o) {
			return fmt.Errorf("device %s cannot take --%s", d.Name, o)
		}
	}
	if n := m.Network; n != nil && n.Runner != nil && !slices.Contains(d.Calls, model.GivenSignature) {
		return fmt.Errorf("model %s has its first signature, %s, in subgraph %d, and device %s executes the first subgraph", m.Name, n.Signature, n.SubGraph, d.Name)
	}
	switch {
	case !slices.Contains(d.Formats, m.Format):
		return fmt.Errorf("model %s is %s in %s; device %s takes %s: give the network as .%s", m.Name, m.Format, m.Precision, d.Name, Takes(d), d.Formats[0])
	case !slices.Contains(d.Precisions, m.Precision):
		return fmt.Errorf("model %s is %s in %s; device %s takes %s: latlab does not convert files", m.Name, m.Format, m.Precision, d.Name, Takes(d))
	case open != "":
		return errors.New(open)
	case d.NeedsGraph && m.Network == nil:
		return fmt.Errorf("device %s needs to know the ops of a network, and latlab reads those of no .%s: give the .%s", d.Name, m.Format, model.TFLite)
	case d.NeedsGraph && m.Graph == nil:
		return fmt.Errorf("device %s needs to know every op of a network; of model %s these are not known: %s", d.Name, m.Name, unknownOps(m))
	}
	return nil
}

// Takes says which models a device takes: "tflite in float32 or int8".
func Takes(d devices.Info) string {
	if len(d.Formats) == 0 {
		return "nothing"
	}
	return text.Or(d.Formats) + " in " + text.Or(d.Precisions)
}

// unsized says which input has no size, and what to do; empty if all have one. An open batch is 1. Of another
// axis 1 is no size: runtimes time an image of one pixel, or crash on what their operators make of it.
func unsized(m *model.Model, d devices.Info) string {
	p := m.OpenPort()
	if p == nil {
		return ""
	}
	advice := "convert it with a fixed size"
	if slices.Contains(d.Calls, model.GivenShape) {
		advice = fmt.Sprintf("give one by --%s %s of `latlab time`, or %s", model.GivenShape, p.Example(), advice)
	}
	return fmt.Sprintf("model %s leaves the size of its input open (%s): %s", m.Name, p, advice)
}

// unknownOps names a few ops that stand between a file and its Graph.
func unknownOps(m *model.Model) string {
	const few = 6
	var names []string
	for _, o := range m.Network.UnknownOps {
		names = append(names, o.Name)
	}
	if more := len(names) - few; more > 0 {
		names = append(names[:few], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

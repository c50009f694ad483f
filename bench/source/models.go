package source

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/model"
)

// Models is what a list of a user's own files holds: those that can be timed, in the list's
// order, and how many lines cannot.
type Models struct {
	Networks List
	Form     model.Form // all networks have it, the type of inputs aside: that is each file's own
	Skipped  int
	file     string
	features []string       // names, of each network
	line     map[string]int // of an identity
}

// ReadModels reads a list of JSON lines: {"path", "features"}. precision is that of the networks
// wanted, "" = that of the first which the device can time. A line that cannot be timed goes to
// skip, as an error with file and line; the others are not lost.
func ReadModels(file string, precision model.Precision, d devices.Info, skip func(error)) (*Models, error) {
	// Any word will do: a user's own file may be of a precision that latlab writes none in.
	l := &Models{file: file, line: map[string]int{}, Form: model.Form{Precision: precision}}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for e, err := range model.ReadList(f, file) {
		if _, bad := errors.AsType[*sampler.LineError](err); err != nil && !bad {
			return nil, err
		}
		if err == nil {
			err = l.add(e, d)
		}
		if err != nil {
			skip(err)
			l.Skipped++
		}
	}
	if len(l.Networks) == 0 {
		return nil, fmt.Errorf("%s: no line is a model that device %s can time", file, d.Name)
	}
	return l, nil
}

// add takes a line, or returns why it cannot be timed.
func (l *Models) add(e model.Entry, d devices.Info) error {
	bad := func(err error) error { return &sampler.LineError{File: l.file, Line: e.Line, Err: err} }
	m, err := model.FromFile(l.path(e.Path), model.Call{})
	if err != nil {
		return bad(err)
	}
	if line, twice := l.line[m.Identity]; twice {
		return bad(fmt.Errorf("model %s has the same bytes as that of line %d", e.Path, line))
	}
	if err := Accept(m, d); err != nil {
		return bad(err)
	}
	if err := l.fits(m, e); err != nil {
		return bad(err)
	}
	l.line[m.Identity] = e.Line
	l.Networks = append(l.Networks, Listed{Name: e.Path, Model: m, Features: withOps(m, e.Features)})
	return nil
}

// path resolves a path as the list has it.
func (l *Models) path(written string) string {
	if filepath.IsAbs(written) {
		return written
	}
	return filepath.Join(filepath.Dir(l.file), written)
}

// fits checks what all networks of one sweep must have in common: what a fit must not mix,
// and the names of their features.
func (l *Models) fits(m *model.Model, e model.Entry) error {
	for name, x := range e.Features {
		if err := regress.OwnFeature(name, x); err != nil {
			return err
		}
	}
	names := slices.Sorted(maps.Keys(e.Features))
	if len(l.Networks) == 0 && (l.Form.Precision == "" || l.Form.Precision == m.Precision) {
		l.Form, l.features = model.Form{Format: m.Format, Precision: m.Precision}, names
		return nil
	}
	switch {
	case m.Precision != l.Form.Precision:
		return fmt.Errorf("model %s is %s, this sweep is of %s: --precision %s times the others", e.Path, m.Precision, l.Form.Precision, m.Precision)
	case m.Format != l.Form.Format:
		return fmt.Errorf("model %s is %s, the first of the list %s", e.Path, m.Format, l.Form.Format)
	case !slices.Equal(names, l.features):
		return fmt.Errorf("its features are %s, those of the first model %s", featureNames(names), featureNames(l.features))
	}
	return nil
}

func featureNames(names []string) string {
	return cmp.Or(strings.Join(names, ", "), "none")
}

// withOps adds the op-level features where all ops are known: a fit then needs no file.
func withOps(m *model.Model, own map[string]float64) map[string]float64 {
	all := maps.Clone(own)
	if m.Graph == nil {
		return all
	}
	if all == nil {
		all = map[string]float64{}
	}
	maps.Copy(all, regress.GraphFeatures(m.Graph))
	return all
}

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

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/model"
)

func modelsFlag() cli.Flag {
	return stringFlag("models", "networks of your own: a `LIST.jsonl` of {\"path\",\"features\":{}} lines", "")
}

// modelList is what a list of a user's own files holds: those that can be timed, in the
// list's order, and how many lines cannot.
type modelList struct {
	file    string
	usable  []listed
	skipped int
	// head is the first line that a device can time: all others must be as it is.
	form     model.Form
	features []string
	line     map[string]int // of an identity
}

// readModels reads --models. A line that cannot be timed is named with file and line on
// stderr; the others are not lost.
func readModels(s streams, c *cli.Context, d devices.Info) (*modelList, error) {
	l := &modelList{file: c.String("models"), line: map[string]int{}}
	// Any word will do: a user's own file may be of a precision that latlab writes none in.
	l.form.Precision = model.Precision(c.String("precision"))
	f, err := os.Open(l.file)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	defer f.Close()
	for e, err := range model.ReadList(f, l.file) {
		var bad *sampler.LineError
		if err != nil && !errors.As(err, &bad) {
			return nil, withCode(exitUsage, err)
		}
		if err == nil {
			err = l.add(e, d)
		}
		if err != nil {
			fmt.Fprintf(s.err, "latlab: %s\n", ui.OneLine(err))
			l.skipped++
		}
	}
	if len(l.usable) == 0 {
		return nil, usagef("%s: no line is a model that device %s can time", l.file, d.Name)
	}
	return l, nil
}

// add takes a line, or says why not.
func (l *modelList) add(e model.Entry, d devices.Info) error {
	bad := func(err error) error { return &sampler.LineError{File: l.file, Line: e.Line, Err: err} }
	m, err := model.FromFile(l.path(e.Path))
	if err != nil {
		return bad(err)
	}
	if line, twice := l.line[m.Identity]; twice {
		return bad(fmt.Errorf("model %s has the same bytes as that of line %d", e.Path, line))
	}
	if err := acceptFile(m, d); err != nil {
		return bad(err)
	}
	if err := l.fits(m, e); err != nil {
		return bad(err)
	}
	l.line[m.Identity] = e.Line
	l.usable = append(l.usable, listed{name: e.Path, model: m, features: withOps(m, e.Features)})
	return nil
}

// path resolves a path as the list has it.
func (l *modelList) path(written string) string {
	if filepath.IsAbs(written) {
		return written
	}
	return filepath.Join(filepath.Dir(l.file), written)
}

// fits checks what all networks of one sweep must have in common: what a fit must not mix,
// and the names of their features.
func (l *modelList) fits(m *model.Model, e model.Entry) error {
	for name, x := range e.Features {
		if err := regress.OwnFeature(name, x); err != nil {
			return err
		}
	}
	names := slices.Sorted(maps.Keys(e.Features))
	if len(l.usable) == 0 && (l.form.Precision == "" || l.form.Precision == m.Precision) {
		// The type of inputs is each file's own.
		l.form, l.features = model.Form{Format: m.Format, Precision: m.Precision}, names
		return nil
	}
	switch {
	case m.Precision != l.form.Precision:
		return fmt.Errorf("model %s is %s, this sweep is of %s: --precision %s times the others", e.Path, m.Precision, l.form.Precision, m.Precision)
	case m.Format != l.form.Format:
		return fmt.Errorf("model %s is %s, the first of the list %s", e.Path, m.Format, l.form.Format)
	case !slices.Equal(names, l.features):
		return fmt.Errorf("its features are %s, those of the first model %s", featureNames(names), featureNames(l.features))
	}
	return nil
}

func featureNames(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
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

// acceptFile says whether a device can time a user's own file, and what it lacks.
func acceptFile(m *model.Model, d devices.Info) error {
	unsized := unsizedInput(m)
	switch {
	case !slices.Contains(d.Formats, m.Format):
		return fmt.Errorf("model %s is %s in %s; device %s takes %s: give the network as .%s", m.Name, m.Format, m.Precision, d.Name, takes(d), d.Formats[0])
	case !slices.Contains(d.Precisions, m.Precision):
		return fmt.Errorf("model %s is %s in %s; device %s takes %s: latlab does not convert files", m.Name, m.Format, m.Precision, d.Name, takes(d))
	case unsized != "":
		return fmt.Errorf("model %s leaves the size of its input open (%s): convert it with a fixed size", m.Name, unsized)
	case d.NeedsGraph && m.Network == nil:
		return fmt.Errorf("device %s needs to know the ops of a network, and latlab reads those of no .%s: give the .%s", d.Name, m.Format, model.TFLite)
	case d.NeedsGraph && m.Graph == nil:
		return fmt.Errorf("device %s needs to know every op of a network; of model %s these are not known: %s", d.Name, m.Name, unknownOps(m))
	}
	return nil
}

// unsizedInput names the first input whose size a file leaves open, "" where none. An open
// batch is 1, as runtimes take it. Of another axis the 1 that converters write is no size:
// runtimes time an image of one pixel, or crash on what their operators make of it.
func unsizedInput(m *model.Model) string {
	if m.Network == nil {
		return ""
	}
	for _, p := range m.Network.Inputs {
		for axis, n := range p.Given {
			if n < 1 || n == 1 && axis > 0 && p.Shape[axis] < 0 {
				return port(p)
			}
		}
	}
	return ""
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

// headHash identifies a list by one network. A sweep's identity leaves out how many
// networks there are; a space and a seed tell all of them, a list only those that it has.
// So a list goes on with the sweep whose first network it holds, wherever its lines were
// moved, mended or appended. The hash of all lines was rejected: a line more would begin
// anew. The file's name was too: two lists are often called models.jsonl.
func headHash(identity string) string {
	sum := sha256.Sum256([]byte("list\n" + identity))
	return hex.EncodeToString(sum[:])
}

package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"latlab/internal/ui"
	"latlab/sampler"
	"latlab/sampler/graph"
)

type description struct {
	Name         string            `json:"name"`
	Space        string            `json:"space"`
	Indices      string            `json:"indices"`
	ID           string            `json:"id"`
	MACs         int64             `json:"macs"`
	MACsComplete bool              `json:"macs_complete"`
	Params       int64             `json:"params"`
	UnknownOps   []string          `json:"unknown_ops"`
	Choices      []chosen          `json:"choices"` // empty for a network of no known space
	Layers       []graph.Row       `json:"layers"`
	Published    []publishedFigure `json:"published"`
	*fileFacts
}

// chosen is what one index of a network's indices chose.
type chosen struct {
	Index    int    `json:"index"`
	Stage    string `json:"stage"`
	Decision string `json:"decision"`
	choice
	isWidth bool
}

// choicesOf is empty without a space. indices must be those of a point of it.
func choicesOf(sp *sampler.Space, indices []int) []chosen {
	list := []chosen{}
	if sp == nil {
		return list
	}
	for i, d := range sp.Decisions() {
		list = append(list, chosen{i, sp.Stages[d.Stage].Name, d.Name, choice{indices[i], d.Names[indices[i]]}, d.Layer < 0})
	}
	return list
}

// printChoices prints a line for each stage: the choices of its layers, and then its width.
func printChoices(w io.Writer, list []chosen) error {
	if len(list) == 0 {
		return nil
	}
	rows := [][2]string{{"INDICES", "CHOICES OF A STAGE, AS NUMBER=NAME"}}
	first, words := 0, ""
	for _, c := range list {
		if !c.isWidth {
			words += c.String() + " "
			continue
		}
		rows = append(rows, [2]string{fmt.Sprintf("%d-%d", first, c.Index), c.Stage + ": " + words + "width " + c.String()})
		first, words = c.Index+1, ""
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	ui.Facts(w, rows)
	return nil
}

type describeOptions struct {
	networkOptions
	model string
	callOptions
	json bool
}

func (o *describeOptions) register(f *flagSet) {
	o.networkOptions.register(f)
	f.string(&o.model, "model", "a .tflite or .onnx `FILE`; --space may name the space that a .tflite comes from", "")
	o.callOptions.register(f)
	f.json(&o.json)
}

func (o *describeOptions) run(_ context.Context, s streams) error {
	d, err := describe(o)
	if err != nil {
		return err
	}
	if o.json {
		return ui.Document(s.out, d)
	}
	return printDescription(s, d)
}

func describe(o *describeOptions) (description, error) {
	call, err := o.call(o.model != "")
	if err != nil {
		return description{}, err
	}
	if o.model != "" {
		return describeFile(o, call)
	}
	if o.fixture == "" && o.arch == "" && o.space == "" {
		return description{}, usagef("name a network: --fixture NAME, --space NAME with --arch INDICES, or --model FILE")
	}
	n, err := o.network()
	if err != nil {
		return description{}, err
	}
	return description{
		Name: n.Name, Space: n.Graph.Space, Indices: n.Graph.Indices, ID: n.ID(),
		MACs: n.Graph.TotalMACs(), MACsComplete: true, Params: n.Graph.TotalParams(),
		UnknownOps: []string{}, Choices: choicesOf(n.Space, n.Arch.Indices), Layers: n.Graph.Rows(n.Space, float32Bytes),
		Published: publishedOf(n.Published, n.Graph),
	}, nil
}

const float32Bytes = 4

func printDescription(s streams, d description) error {
	if d.fileFacts != nil {
		return printFile(s, d)
	}
	if err := printLayers(s, d.Layers, true); err != nil {
		return err
	}
	title := d.Name + "\n"
	if d.Space != "" {
		title = ui.Wrap(d.Name+" ", []string{d.Space, d.Indices}, ui.Columns)
	}
	if _, err := fmt.Fprintf(s.out, "\n%s%s MACs, %s parameters, %d layers\n",
		title, ui.Count(d.MACs), ui.Count(d.Params), len(d.Layers)); err != nil {
		return err
	}
	if err := printChoices(s.out, d.Choices); err != nil {
		return err
	}
	return printPublished(s.out, d.Published)
}

// printLayers prints what fits: the activation is left out first, then the position that pays, if it is known.
func printLayers(s streams, layers []graph.Row, paid bool) error {
	return ui.FittingTable(s.out, s.columns, []ui.Column{
		column(layers, "LAYER", 0, func(l graph.Row) string { return ui.Middle(nameEnd(l.Name), max(25, s.columns-60)) }),
		column(layers, "OP", 0, func(l graph.Row) string { return string(l.Kind) }),
		column(layers, "KERNEL", 3, kernel),
		column(layers, "OUTPUT", 5, func(l graph.Row) string { return ui.Shape(l.Output) }),
		column(layers, "ACT", 1, activation),
		column(layers, "MMACS", 0, func(l graph.Row) string { return strconv.FormatFloat(float64(l.MACs)/1e6, 'f', 3, 64) }),
		column(layers, "PARAMS", 4, func(l graph.Row) string { return ui.Thousands(int(l.Params)) }),
		column(layers, "PAID BY", 2, func(l graph.Row) string {
			if !paid {
				return ""
			}
			return l.Position
		}),
	})
}

func kernel(l graph.Row) string {
	if l.Kernel[0] == 0 {
		return ""
	}
	k := fmt.Sprintf("%dx%d", l.Kernel[0], l.Kernel[1])
	if l.Stride[0] > 1 {
		k += fmt.Sprintf(" /%d", l.Stride[0])
	}
	return k
}

func activation(l graph.Row) string {
	if l.Activation == graph.Linear {
		return ""
	}
	return string(l.Activation)
}

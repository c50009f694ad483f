package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/tflite/reader"
)

// fileFacts are what `describe --model` reports besides the fields of every network.
type fileFacts struct {
	File      string           `json:"file"`
	Bytes     int64            `json:"bytes"`
	SHA256    string           `json:"sha256"`
	Precision string           `json:"precision"` // of the file; float16 and dynamic_range concern only its weights
	Inputs    []reader.Port    `json:"inputs"`
	Outputs   []reader.Port    `json:"outputs"`
	SubGraphs int              `json:"subgraphs"`
	SubGraph  int              `json:"subgraph"`  // the described one
	Signature string           `json:"signature"` // the described one; empty in a file without signatures
	Keys      []string         `json:"signatures"`
	Tool      string           `json:"tool"` // latlab's version where latlab wrote the file, else ""
	Operators []reader.OpCount `json:"operators"`
	Unknown   []reader.OpCount `json:"unknown_op_counts"`
	Notes     []string         `json:"notes"`
	paid      bool             // whether PAID BY is known
	unread    bool             // whether the ops are not read
}

func describeFile(o *describeOptions, call model.Call) (description, error) {
	if o.fixture != "" || o.arch != "" {
		return description{}, usagef("--model, --fixture and --arch name different networks; choose one")
	}
	m, err := model.FromFile(o.model, call)
	if err != nil {
		return description{}, withCode(exitUsage, err)
	}
	size, err := m.Size()
	if err != nil {
		return description{}, err
	}
	n := m.Network
	if n == nil {
		return describeONNX(o, m, size)
	}
	space, err := spaceOfFile(o.space, n)
	if err != nil {
		return description{}, err
	}
	f := &fileFacts{
		File: o.model, Bytes: size, SHA256: m.FileSHA256(), Precision: n.Precision, Inputs: n.Inputs, Outputs: n.Outputs,
		SubGraphs: n.SubGraphs, SubGraph: n.SubGraph, Signature: n.Signature, Keys: list(n.Signatures), Tool: n.Tool, Operators: n.Operators, Unknown: n.UnknownOps,
		Notes: list(n.Notes), paid: space != nil,
	}
	d := description{
		Name: m.Name, Space: n.Graph.Space, Indices: n.Graph.Indices,
		MACs: n.Graph.TotalMACs(), MACsComplete: n.MACsComplete, Params: n.Params,
		UnknownOps: mapped(n.UnknownOps, func(op reader.OpCount) string { return op.Name }), Choices: []chosen{}, Layers: n.Rows(space), Published: []publishedFigure{}, fileFacts: f,
	}
	if space != nil {
		a, err := space.ParseArch(d.Indices)
		if err != nil {
			return description{}, err
		}
		d.ID, d.Choices = a.ID(), choicesOf(space, a.Indices)
	}
	return d, nil
}

// describeONNX describes what latlab reads of an .onnx file, which has no shapes between its ops and so no work.
func describeONNX(o *describeOptions, m *model.Model, size int64) (description, error) {
	if o.space != "" {
		return description{}, usagef("%s is an onnx file, whose space is not known: leave --space out", o.model)
	}
	f := &fileFacts{
		File: o.model, Bytes: size, SHA256: m.FileSHA256(), Precision: m.ONNX.Precision, Inputs: []reader.Port{}, Outputs: []reader.Port{},
		SubGraphs: 1, Keys: []string{}, Operators: []reader.OpCount{}, Unknown: []reader.OpCount{},
		Notes: list(m.Warnings()), unread: true,
	}
	for _, in := range m.ONNX.Inputs {
		p := reader.Port{Name: text.Clip(in.Name), Type: in.Type, Shape: []int{}}
		for _, d := range in.Dims {
			p.Shape = append(p.Shape, cmp.Or(d.Size, -1))
		}
		f.Inputs = append(f.Inputs, p)
	}
	return description{Name: m.Name, UnknownOps: []string{}, Layers: []graph.Row{}, Published: []publishedFigure{}, fileFacts: f}, nil
}

// list copies s, so that an empty one is [] in JSON and not null.
func list[T any](s []T) []T { return append([]T{}, s...) }

// spaceOfFile returns the space that the file records, if it is built in or given by --space
// and the file's ops are those of the recorded point. Otherwise it returns nil and adds a note.
func spaceOfFile(named string, n *reader.Network) (*sampler.Space, error) {
	sp, err := namedSpace(named, n)
	if err != nil || sp == nil {
		return nil, err
	}
	if err := n.PayBy(sp); err != nil {
		n.Notes = append(n.Notes, err.Error())
		return nil, nil
	}
	return sp, nil
}

func namedSpace(named string, n *reader.Network) (*sampler.Space, error) {
	if named != "" {
		return findSpace(named)
	}
	if n.Graph.Space == "" {
		return nil, nil
	}
	sp, err := sampler.Builtin(n.Graph.Space)
	if err != nil {
		n.Notes = append(n.Notes, fmt.Sprintf("space %s is not built in; give it by --space FILE.yaml to see which position pays for each layer", n.Graph.Space))
		return nil, nil
	}
	return sp, nil
}

// nameColumns leaves room for the other columns of a layer. Other converters join the names of all fused
// operators, of which the last is the most useful, so nameEnd keeps the end.
const nameColumns = 32

func nameEnd(name string) string {
	r := []rune(name)
	if len(r) <= nameColumns {
		return name
	}
	return ".." + string(r[len(r)-nameColumns+2:])
}

func printFile(s streams, d description) error {
	if !d.unread {
		if err := printLayers(s, d.Layers, d.paid); err != nil {
			return err
		}
		fmt.Fprintln(s.out)
	}
	if _, err := io.WriteString(s.out, fileSummary(d)); err != nil {
		return err
	}
	return printChoices(s.out, d.Choices)
}

func fileSummary(d description) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s bytes, %s\n", d.File, ui.Thousands(int(d.Bytes)), d.Precision)
	if d.Space != "" {
		b.WriteString(ui.Wrap(d.Space, []string{d.Indices + ",", "written by " + d.Tool}, ui.Columns))
	}
	if d.Signature != "" {
		fmt.Fprintf(&b, "signature  %s\n", d.Signature)
	}
	for _, side := range []struct {
		name  string
		ports []reader.Port
	}{{"input", d.Inputs}, {"output", d.Outputs}} {
		for _, p := range side.ports {
			fmt.Fprintf(&b, "%s  %s\n", side.name, p)
		}
	}
	folded := ""
	if d.Tool != "" {
		folded = " (batch norm folded)"
	}
	if d.unread {
		b.WriteString("the layers of an .onnx file are not read\n")
	} else {
		fmt.Fprintf(&b, "%s MACs, %s parameters%s, %d layers\n", ui.Count(d.MACs), ui.Count(d.Params), folded, len(d.Layers))
	}
	if !d.unread && !d.MACsComplete {
		b.WriteString("these figures include the known operators only\n")
		b.WriteString(ui.Wrap("unknown operators:", counted(d.Unknown), ui.Columns))
	}
	for _, n := range d.Notes {
		b.WriteString(ui.Wrap("note:", strings.Fields(n), ui.Columns))
	}
	return b.String()
}

func counted(ops []reader.OpCount) []string {
	words := make([]string, len(ops))
	for i, op := range ops {
		words[i] = fmt.Sprintf("%s (%d)", op.Name, op.Count)
		if i < len(ops)-1 {
			words[i] += ","
		}
	}
	return words
}

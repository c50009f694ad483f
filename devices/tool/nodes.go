package tool

import (
	"context"
	"os"
	"slices"

	"latlab/devices"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/onnx"
)

// Nodes are the positions of a model's operators by the names that its ONNX file gives them: in Graph.Ops, or in
// the file if it is the user's, which has no Graph. Names that occur twice are left out.
type Nodes map[string]int

// written are the suffixes of nodes that sampler/onnx writes beside the node that has an op's own name.
var written = []string{"/relu6", "/gate"}

// NodesOf reads the names of a model's nodes.
func NodesOf(ctx context.Context, op string, m *model.Model) (Nodes, error) {
	n, twice := Nodes{}, map[string]bool{}
	add := func(name string, i int) {
		_, known := n[name]
		twice[name] = twice[name] || known || name == ""
		n[name] = i
	}
	if m.Graph != nil {
		for i, o := range m.Graph.Ops {
			add(o.Name, i)
			for _, suffix := range written {
				add(o.Name+suffix, i)
			}
		}
	} else {
		f, err := OpenModel(ctx, op, m)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		data, err := os.ReadFile(f.Path)
		if err != nil {
			return nil, devices.ModelBytes(op, err)
		}
		file, err := onnx.Read(data)
		if err != nil {
			return nil, devices.ModelBytes(op, err)
		}
		for i, o := range file.Ops {
			add(o.Name, i)
		}
	}
	for name, is := range twice {
		if is {
			delete(n, name)
		}
	}
	return n, nil
}

// Find returns the positions of all named nodes, sorted; nil unless every name is known.
func (n Nodes) Find(names ...string) []int {
	var found []int
	for _, name := range names {
		i, known := n[name]
		if !known {
			return nil
		}
		found = append(found, i)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Describe fills in the multiply-accumulates of the rows that stand for ops of the graph, and gives a row that stands for
// one op that op's name. Rows that stand for a part of an op, which other rows stand for too, stay as they are.
func Describe(m *model.Model, rows []devices.Layer) {
	g := m.Graph
	if g == nil {
		return
	}
	ops := map[int]graph.Op{} // by position in the file
	for i, node := range m.Nodes() {
		ops[node] = g.Ops[i]
	}
	rowsOf := map[int]int{}
	for _, r := range rows {
		for _, i := range r.Nodes {
			rowsOf[i]++
		}
	}
	for k := range rows {
		r := &rows[k]
		if slices.ContainsFunc(r.Nodes, func(i int) bool { return ops[i].Name == "" || rowsOf[i] > 1 }) {
			continue
		}
		for _, i := range r.Nodes {
			r.MACs += g.MACs(ops[i])
		}
		if len(r.Nodes) == 1 {
			r.Name = ops[r.Nodes[0]].Name
		}
	}
}

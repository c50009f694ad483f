package agent

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

// Operator codes of the schema.
const conv, depthwise, add = 3, 4, 0

func kernelOf(delegate string, nodes []wire.Node, rows ...wire.Row) *table {
	o := &wire.Observed{
		Rows:      append([]wire.Row{{Kind: wire.KernelRow, Name: "Delegate", Within: -1, Index: len(nodes), Times: 1, Seconds: 1e-4, All: 1}}, rows...),
		Subgraphs: [][]wire.Node{nodes}, Kernels: []wire.Kernel{{Index: len(nodes)}}, Plain: []float64{1},
	}
	for i := range nodes {
		nodes[i].Index = i
		o.Kernels[0].Nodes = append(o.Kernels[0].Nodes, i)
	}
	return tabulate(o, delegate)
}

func inside(index int, name string) wire.Row {
	return wire.Row{Kind: wire.Inside, Name: name, Index: index, Times: 1, Seconds: .25, All: .25}
}

func layersOf(t *table) (list []devices.Layer) {
	for _, l := range t.rows {
		if l.Op != "overhead" {
			list = append(list, l)
		}
	}
	return list
}

// TestRowsNameOperatorsOnlyOneToOne: where the numbers or the kinds differ, no row of the kernel names an
// operator of the model.
func TestRowsNameOperatorsOnlyOneToOne(t *testing.T) {
	const gemm, igemm, dw = "Fully Connected (NC, F32) GEMM", "Convolution (NHWC, F32) IGEMM", "Convolution (NHWC, F32) DWConv"
	three := func() []wire.Node {
		return []wire.Node{{Builtin: conv, Output: "a"}, {Builtin: depthwise, Output: "b"}, {Builtin: add, Output: "c"}}
	}
	for _, c := range []struct {
		name string
		rows []wire.Row
		why  string // empty: one to one
	}{
		{"one to one", []wire.Row{inside(0, gemm), inside(1, dw), inside(2, "Add (ND)")}, ""},
		{"another kernel", []wire.Row{inside(0, igemm), inside(1, igemm), inside(2, "Add (ND)")}, ""},
		{"fused", []wire.Row{inside(0, gemm), inside(1, dw)}, "2 for 3"},
		{"split", []wire.Row{inside(0, gemm), inside(1, dw), inside(2, "Copy (NC, X32)"), inside(3, "Add (ND)")}, "4 for 3"},
		{"in another order", []wire.Row{inside(0, dw), inside(1, gemm), inside(2, "Add (ND)")}, "DWConv\" where the model has CONV_2D"},
		{"another kind", []wire.Row{inside(0, gemm), inside(1, dw), inside(2, "Multiply (ND)")}, "\"Multiply (ND)\" where the model has ADD"},
		{"an unknown kind", []wire.Row{inside(0, gemm), inside(1, dw), inside(2, "Frobnicate")}, "\"Frobnicate\" where"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := kernelOf(wire.XNNPACK, three(), c.rows...)
			rows := layersOf(got)
			if len(rows) != len(c.rows) {
				t.Fatalf("rows are %+v", rows)
			}
			for i, l := range rows {
				if l.Kernel != c.rows[i].Name || l.Seconds != .25 || l.Where != "xnnpack" {
					t.Errorf("row %+v", l)
				}
				if c.why == "" && !slices.Equal(l.Nodes, []int{i}) || c.why != "" && (len(l.Nodes) > 0 || l.Name == "" || l.Op == "") {
					t.Errorf("row %+v of %q", l, c.why)
				}
			}
			warned := strings.Join(got.warnings(got.o), "\n")
			if !strings.Contains(warned, c.why) || (c.why == "") != (warned == "") {
				t.Errorf("warnings %q, want %q", warned, c.why)
			}
		})
	}
}

// TestRowsOfOverlappingOperators: operators inside a kernel that sum to more than it takes are not rows.
func TestRowsOfOverlappingOperators(t *testing.T) {
	nodes := []wire.Node{{Builtin: conv, Output: "a"}, {Builtin: conv, Output: "b"}}
	got := layersOf(kernelOf("npu", nodes, inside(0, "x"), inside(1, "y"), inside(2, "z"), inside(3, "w"), inside(4, "v")))
	want := []devices.Layer{{Name: "b", Op: "Delegate", Kernel: "Delegate", Where: "npu", Nodes: []int{0, 1}, Seconds: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRowsThatDisagreeWithTheModel: a runtime whose numbers of nodes mean something else names no operator.
func TestRowsThatDisagreeWithTheModel(t *testing.T) {
	o := &wire.Observed{
		Rows: []wire.Row{
			{Kind: wire.Operator, Name: "MUL", Within: -1, Index: 0, Times: .5, Seconds: 1, All: 1},
			{Kind: wire.Operator, Name: "Mine\n", Within: -1, Index: 1, Times: 1, Seconds: 1, All: 1},
		},
		Subgraphs: [][]wire.Node{{{Index: 0, Builtin: add, Output: "a"}, {Index: 1, Builtin: 32, Custom: "Mine\n", Output: "b\x1b["}}},
		Varies:    true, Plain: []float64{1},
	}
	got := tabulate(o, wire.XNNPACK)
	want := []devices.Layer{
		{Name: "CPU 0", Op: "MUL", Kernel: "MUL", Where: "CPU", Seconds: 1},
		{Name: "b?[", Op: "Mine?", Kernel: "Mine?", Where: "CPU", Nodes: []int{1}, Seconds: 1},
	}
	if diff := cmp.Diff(want, layersOf(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := got.warnings(o); len(w) != 1 || !strings.Contains(w[0], "different operators") {
		t.Errorf("warnings %q", w)
	}
}

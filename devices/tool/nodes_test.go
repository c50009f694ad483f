package tool_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/tool"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/onnx"
)

// TestNodesOf: latlab's own names lead to the graph's ops, and a user's to the file's nodes.
func TestNodesOf(t *testing.T) {
	g := &graph.Graph{Ops: []graph.Op{{Name: "stem"}, {Name: "same"}, {Name: "same"}, {Name: "swish"}}}
	own, err := tool.NodesOf(t.Context(), "test", &model.Model{Graph: g})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		names []string
		want  []int
	}{
		{[]string{"stem"}, []int{0}},
		{[]string{"swish/gate", "stem", "swish", "stem/relu6"}, []int{0, 3}},
		{[]string{"same"}, nil},
		{[]string{"stem", "unknown"}, nil},
		{[]string{""}, nil},
		{nil, nil},
	} {
		if diff := cmp.Diff(tt.want, own.Find(tt.names...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.names, diff)
		}
	}
	file := written(t)
	m, err := model.FromFile(file, model.Call{})
	if err != nil {
		t.Fatal(err)
	}
	users, err := tool.NodesOf(t.Context(), "test", m)
	if err != nil {
		t.Fatal(err)
	}
	// The ReLU6 behind the first convolution is a node of its own.
	if diff := cmp.Diff([]int{0, 1}, users.Find("stem/conv/relu6", "stem/conv")); diff != "" {
		t.Errorf("the user's nodes are %v: %s", users, diff)
	}
}

// written is the path of a small network as ONNX.
func written(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "user.onnx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := onnx.Write(f, devicetest.TinyGraph(t, 1), onnx.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDescribe: an operator that two rows stand for is counted in neither, and names neither.
func TestDescribe(t *testing.T) {
	g := &graph.Graph{Tensors: []graph.Tensor{{Shape: [4]int{1, 2, 2, 3}}, {Shape: [4]int{1, 2, 2, 5}}}}
	conv := graph.Op{Kind: graph.Conv2D, Inputs: []int{0}, Output: 1, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}}
	for _, name := range []string{"a", "b", "c", "d"} {
		conv.Name = name
		g.Ops = append(g.Ops, conv)
	}
	one := g.MACs(conv)
	rows := []devices.Layer{{Name: "a + b", Nodes: []int{0, 1}}, {Name: "[c]:2", Nodes: []int{2}}, {Nodes: []int{3}}, {Nodes: []int{3}}, {}, {Nodes: []int{4}}}
	tool.Describe(&model.Model{Graph: g}, rows)
	var got []int64
	var names []string
	for _, r := range rows {
		got, names = append(got, r.MACs), append(names, r.Name)
	}
	if diff := cmp.Diff([]string{"a + b", "c", "", "", "", ""}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{2 * one, one, 0, 0, 0, 0}, got); diff != "" || one != 60 {
		t.Errorf("%d each (-want +got):\n%s", one, diff)
	}
	tool.Describe(&model.Model{}, rows)
}

package graph

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler"
)

// tiny is one convolution and one h-swish.
func tiny() *Graph {
	return &Graph{
		Name: "tiny", Space: "s", Indices: "0:1",
		Tensors: []Tensor{
			{Name: "input", Shape: [4]int{1, 4, 4, 3}},
			{Name: "conv", Shape: [4]int{1, 2, 2, 8}},
			{Name: "act", Shape: [4]int{1, 2, 2, 8}},
		},
		Ops: []Op{
			{Kind: Conv2D, Name: "conv", Inputs: []int{0}, Output: 1, Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Activation: Linear, BatchNorm: true, Position: 0},
			{Kind: HardSwish, Name: "act", Inputs: []int{1}, Output: 2, Activation: Linear, Position: Bias},
		},
		Inputs: []int{0}, Outputs: []int{2},
	}
}

// The hash is a file format: stored sweeps name models by it. It was computed with
// sha256sum over the text of Hash's comment.
func TestHashGolden(t *testing.T) {
	const want = "5c4286a3ad7e4139fa219f6e2ad53d319da41be424fceb4beab7bc1f2a81d082"
	if got := tiny().Hash(); got != want {
		t.Errorf("hash is %s, want %s", got, want)
	}
}

func TestHashSeesEveryField(t *testing.T) {
	seen := map[string]string{tiny().Hash(): "tiny"}
	for name, change := range map[string]func(*Graph){
		"name":            func(g *Graph) { g.Name = "other" },
		"space":           func(g *Graph) { g.Space = "other" },
		"indices":         func(g *Graph) { g.Indices = "0:2" },
		"tensor name":     func(g *Graph) { g.Tensors[1].Name = "x" },
		"tensor shape":    func(g *Graph) { g.Tensors[2].Shape[3] = 16 },
		"op kind":         func(g *Graph) { g.Ops[1].Kind = Logistic },
		"op name":         func(g *Graph) { g.Ops[1].Name = "x" },
		"op inputs":       func(g *Graph) { g.Ops[1].Inputs = []int{1, 1} },
		"op output":       func(g *Graph) { g.Ops[1].Output = 1 },
		"kernel":          func(g *Graph) { g.Ops[0].Kernel[1] = 5 },
		"stride":          func(g *Graph) { g.Ops[0].Stride[0] = 1 },
		"activation":      func(g *Graph) { g.Ops[0].Activation = ReLU6 },
		"batch norm":      func(g *Graph) { g.Ops[0].BatchNorm = false },
		"position":        func(g *Graph) { g.Ops[1].Position = 0 },
		"graph inputs":    func(g *Graph) { g.Inputs = []int{1} },
		"graph outputs":   func(g *Graph) { g.Outputs = []int{1, 2} },
		"padding":         func(g *Graph) { g.Ops[0].Padding = Valid },
		"dilation":        func(g *Graph) { g.Ops[0].Dilation[1] = 2 },
		"groups":          func(g *Graph) { g.Ops[0].Groups = 2 },
		"no bias":         func(g *Graph) { g.Ops[0].NoBias = true },
		"dynamic weights": func(g *Graph) { g.Ops[0].DynamicWeights = true },
		"more outputs":    func(g *Graph) { g.Ops[0].MoreOutputs = []int{2} },
		"counted MACs":    func(g *Graph) { g.Ops[0].Counted.MACs = 1 },
		"counted weights": func(g *Graph) { g.Ops[0].Counted.Weights = 1 },
		"counted biases":  func(g *Graph) { g.Ops[0].Counted.Biases = 1 },
		"quotes are safe": func(g *Graph) { g.Name, g.Space = `tiny" space "s`, "" },
	} {
		g := tiny()
		change(g)
		h := g.Hash()
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[h] = name
	}
}

// Hash of equal networks is equal, whatever capacity their slices have.
func TestHashIsDeterministic(t *testing.T) {
	s := testSpace(sampler.HSwish, 0.25, ssdliteHead())
	a, b := mustLower(t, s, zeroArch(s)), mustLower(t, s, zeroArch(s))
	if a.Hash() != b.Hash() {
		t.Error("two lowerings of one arch have different hashes")
	}
}

func TestRows(t *testing.T) {
	got, err := json.Marshal(tiny().Rows(nil, 4))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"conv","kind":"conv","kernel":[3,3],"stride":[2,2],"input_shape":[1,4,4,3],"output_shape":[1,2,2,8],` +
		`"activation":"none","position":"","macs":864,"params":248,"input_bytes":192,"output_bytes":128,"weight_bytes":896},` +
		`{"name":"act","kind":"h-swish","kernel":[0,0],"stride":[0,0],"input_shape":[1,2,2,8],"output_shape":[1,2,2,8],` +
		`"activation":"none","position":"","macs":0,"params":0,"input_bytes":128,"output_bytes":128,"weight_bytes":0}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func BenchmarkHash(b *testing.B) {
	s := testSpace(sampler.HSwish, 0.25, ssdliteHead())
	g := mustLower(b, s, zeroArch(s))
	for b.Loop() {
		g.Hash()
	}
}

package graph_test

import (
	"strings"
	"testing"

	"latlab/fixtures"
	"latlab/fixtures/fixturetest"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// squeezed is a small network with every kind of op: a squeeze-and-excite block.
func squeezed(t testing.TB) *graph.Graph {
	t.Helper()
	s, err := sampler.Builtin("mobiledet_cpu_ibn")
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	s.Input.Height, s.Input.Width = 64, 64
	g, err := graph.Lower(s, archs[0])
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// opOf is the first op of a kind.
func opOf(t testing.TB, g *graph.Graph, k graph.Kind) *graph.Op {
	t.Helper()
	for i := range g.Ops {
		if g.Ops[i].Kind == k {
			return &g.Ops[i]
		}
	}
	t.Fatalf("%s has no %s", g.Name, k)
	return nil
}

func TestCheckAcceptsLoweredGraphs(t *testing.T) {
	for _, space := range sampler.BuiltinNames() {
		s, err := sampler.Builtin(space)
		if err != nil {
			t.Fatal(err)
		}
		archs, err := sampler.Sample(s, 1, 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range archs {
			g, err := graph.Lower(s, a)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Check(); err != nil {
				t.Errorf("%s: %v", g.Name, err)
			}
		}
	}
	for _, name := range fixtures.Names() {
		g := fixturetest.Graph(t, name)
		if err := g.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(g *graph.Graph)
		want  string
	}{
		{"unknown kind", func(g *graph.Graph) { g.Ops[0].Kind = "softmax" }, `op stem/conv: op kind "softmax" does not occur in any space`},
		{"kind of another network", func(g *graph.Graph) { g.Ops[0].Kind = graph.TransposeConv }, `op kind "transpose_conv" does not occur in any space`},
		{"dilation", func(g *graph.Graph) { g.Ops[0].Dilation = [2]int{2, 2} }, "that only networks read from files have"},
		{"activation", func(g *graph.Graph) { g.Ops[0].Activation = graph.Tanh }, `activation "tanh" does not occur in any space`},
		{"later input", func(g *graph.Graph) { g.Ops[0].Inputs[0] = len(g.Tensors) - 1 }, "no earlier op computes input"},
		{"index", func(g *graph.Graph) { g.Ops[0].Inputs[0] = 1 << 20 }, "no earlier op computes input"},
		{"negative index", func(g *graph.Graph) { g.Ops[0].Inputs[0] = -1 }, "no earlier op computes input"},
		{"no input", func(g *graph.Graph) { g.Ops[0].Inputs = nil }, "has 0 inputs, want 1"},
		{"one input of two", func(g *graph.Graph) {
			op := opOf(t, g, graph.Mul)
			op.Inputs = op.Inputs[:1]
		}, "has 1 inputs, want 2"},
		{"negative output", func(g *graph.Graph) { g.Ops[0].Output = -1 }, "is already in use"},
		{"output twice", func(g *graph.Graph) { g.Ops[1].Output = g.Ops[0].Output }, "is already in use"},
		{"name", func(g *graph.Graph) { g.Ops[1].Name = g.Ops[0].Name }, "two ops are named stem/conv"},
		{"graph output", func(g *graph.Graph) { g.Outputs[0] = 99999 }, "no op computes output"},
		{"graph input", func(g *graph.Graph) { g.Inputs[0] = -1 }, "is not one of"},
		{"shape", func(g *graph.Graph) { g.Tensors[1].Shape[1]++ }, "output shape is"},
		{"zero shape", func(g *graph.Graph) { g.Tensors[1].Shape[3] = 0 }, "want 1 to 268435456 elements"},
		{"huge extent", func(g *graph.Graph) { g.Tensors[1].Shape[3] = 1<<28 + 1 }, "want 1 to 268435456 elements"},
		{"elements that overflow", func(g *graph.Graph) { g.Tensors[0].Shape = [4]int{1 << 20, 1 << 20, 1 << 20, 1 << 20} }, "want 1 to 268435456 elements"},
		{"weights that overflow", func(g *graph.Graph) { g.Ops[0].Kernel = [2]int{1 << 28, 1 << 28} }, "too many weights for any file"},
		{"stride", func(g *graph.Graph) { g.Ops[0].Stride = [2]int{} }, "stride [0 0]"},
		{"kernel", func(g *graph.Graph) { g.Ops[0].Kernel[1] = -3 }, "kernel [3 -3]"},
		{"pool", func(g *graph.Graph) { opOf(t, g, graph.AveragePool).Kernel[0]++ }, "does not cover the map"},
		{"fully connected", func(g *graph.Graph) {
			op := opOf(t, g, graph.AveragePool)
			*op = graph.Op{Kind: graph.FullyConnected, Name: op.Name, Inputs: op.Inputs, Output: op.Output}
		}, "fully connected needs a 1x1 map"},
		{"sum", func(g *graph.Graph) { opOf(t, g, graph.Add).Inputs[1] = g.Inputs[0] }, "do not fit"},
		{"product", func(g *graph.Graph) { opOf(t, g, graph.Mul).Inputs[1] = g.Inputs[0] }, "do not fit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := squeezed(t)
			tc.spoil(g)
			if err := g.Check(); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tc.want)
			}
		})
	}
}

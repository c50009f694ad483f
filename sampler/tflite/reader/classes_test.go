package reader

import (
	"slices"
	"testing"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// TestKinds: every kind that has a name in sampler/graph is one that a file may hold, and
// what is counted by name only is none.
func TestKinds(t *testing.T) {
	kinds := Kinds()
	for _, k := range []graph.Kind{
		graph.Conv2D, graph.DepthwiseConv, graph.FullyConnected, graph.AveragePool, graph.Add, graph.Mul, graph.HardSwish,
		graph.Logistic, graph.TransposeConv, graph.MaxPool, graph.BatchMatMul, graph.Conv3D, graph.TransposeConv3D,
		graph.Recurrent, "softmax", "resize_bilinear", "concatenation",
	} {
		if !slices.Contains(kinds, k) {
			t.Errorf("%q is not among the kinds", k)
		}
	}
	for _, k := range []graph.Kind{"custom", "while", "conv_2d", "hard_swish", ""} {
		if slices.Contains(kinds, k) {
			t.Errorf("%q is among the kinds", k)
		}
	}
	if !slices.IsSorted(kinds) || len(slices.Compact(slices.Clone(kinds))) != len(kinds) {
		t.Errorf("not sorted, or with doubles: %q", kinds)
	}
}

// TestOperatorNames: every listed operator is one of the schema's.
func TestOperatorNames(t *testing.T) {
	for name := range classes {
		if _, ok := schema.EnumValuesBuiltinOperator[name]; !ok {
			t.Errorf("the schema has no operator %s", name)
		}
	}
}

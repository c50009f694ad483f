package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestShape4(t *testing.T) {
	for _, tc := range []struct {
		shape []int
		want  [4]int
	}{
		{nil, [4]int{1, 1, 1, 1}},
		{[]int{7}, [4]int{1, 1, 1, 7}},
		{[]int{2, 7}, [4]int{2, 1, 1, 7}},
		{[]int{2, 5, 7}, [4]int{2, 1, 5, 7}},
		{[]int{2, 4, 5, 7}, [4]int{2, 4, 5, 7}},
		{[]int{2, 3, 4, 5, 7}, [4]int{6, 4, 5, 7}},
		{[]int{2, 3, 2, 4, 5, 7}, [4]int{12, 4, 5, 7}},
	} {
		if got := Shape4(tc.shape); got != tc.want {
			t.Errorf("%v is %v, want %v", tc.shape, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		shape := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 8).Draw(t, "shape")
		elements := int64(1)
		for _, d := range shape {
			elements *= int64(d)
		}
		got := Shape4(shape)
		if (Tensor{Shape: got}).Elements() != elements || got[3] != shape[len(shape)-1] {
			t.Fatalf("%v became %v", shape, got)
		}
	})
}

// TestOpsOfOtherNetworks counts what no space has.
func TestOpsOfOtherNetworks(t *testing.T) {
	g := &Graph{Tensors: []Tensor{
		{"x", [4]int{1, 8, 8, 12}}, {"y", [4]int{1, 4, 4, 8}}, {"w", [4]int{8, 3, 3, 12}}, {"flat", [4]int{3, 1, 1, 10}}, {"z", [4]int{1, 8, 8, 12}},
	}}
	conv := Op{Kind: Conv2D, Inputs: []int{0}, Output: 1, Kernel: [2]int{3, 3}}
	with := func(op Op, change func(*Op)) Op { change(&op); return op }
	for _, tc := range []struct {
		name                                  string
		op                                    Op
		macs, params, weightBytes1, inputs, y int64
	}{
		{"grouped", with(conv, func(o *Op) { o.Groups = 4 }), 27 * 8 * 16, 27*8 + 8, 27*8 + 32, 768, 128},
		{"no bias", with(conv, func(o *Op) { o.NoBias = true }), 108 * 8 * 16, 108 * 8, 108 * 8, 768, 128},
		{"computed weights", with(conv, func(o *Op) { o.DynamicWeights, o.Inputs = true, []int{0, 2} }), 108 * 8 * 16, 0, 0, 768 + 864, 128},
		{"transposed", Op{Kind: TransposeConv, Inputs: []int{1}, Output: 0, Kernel: [2]int{2, 2}}, 4 * 8 * 12 * 16, 4*8*12 + 12, 4*8*12 + 48, 128, 768},
		{"rows", Op{Kind: FullyConnected, Inputs: []int{0}, Output: 3, NoBias: true}, 256 * 10 * 3, 2560, 2560, 768, 30},
		{"split", Op{Kind: "split", Inputs: []int{0}, Output: 1, MoreOutputs: []int{1, 3}}, 0, 0, 0, 768, 128 + 128 + 30},
		{"counted", Op{Kind: BatchMatMul, Inputs: []int{0}, Output: 4, Counted: Counts{100, 20, 3}}, 100, 23, 20 + 12, 768, 768},
		{"of constants alone", Op{Kind: "fill", Output: 4}, 0, 0, 0, 0, 768},
		{"fully connected of nothing", Op{Kind: FullyConnected, Output: 4, NoBias: true}, 0, 0, 0, 0, 768},
	} {
		got := []int64{g.MACs(tc.op), g.Params(tc.op), g.WeightBytes(tc.op, 1), g.InputElements(tc.op), g.OutputElements(tc.op)}
		if diff := cmp.Diff([]int64{tc.macs, tc.params, tc.weightBytes1, tc.inputs, tc.y}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		if g.PaidOp(tc.op).MACs != tc.macs || tc.op.Plain() {
			t.Errorf("%s: paid %+v, plain %t", tc.name, g.PaidOp(tc.op), tc.op.Plain())
		}
	}
	if !conv.Plain() {
		t.Error("a convolution of a space is not plain")
	}
}

package onnx

import (
	"bytes"
	"testing"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/tflitetest"
	"latlab/sampler/weights"
)

func TestSaturates(t *testing.T) {
	for _, tc := range []struct {
		affine weights.Affine
		want   bool
	}{
		{weights.Affine{Scale: 6.0 / 255, Zero: -128}, true},
		{weights.Affine{Scale: 2.5 / 255, Zero: -128}, true},
		{weights.Affine{Scale: 6.01 / 255, Zero: -128}, true}, // 6 is nearest to the last value
		{weights.Affine{Scale: 6.03 / 255, Zero: -128}, false},
		{weights.Affine{Scale: 2.5 / 255, Zero: -127}, false},
		{weights.Affine{Scale: 12.0 / 255, Zero: 0}, false},
	} {
		b := &builder{quantized: &weights.Quantized{Tensors: []weights.Affine{tc.affine}}}
		if got := b.saturates(0); got != tc.want {
			t.Errorf("%+v: %t", tc.affine, got)
		}
	}
	if (&builder{}).saturates(0) {
		t.Error("float32 saturates")
	}
}

// TestClipWhereQuantizationDoesNot gives every tensor a range beyond 0 and 6, which
// sampler/weights never does behind a ReLU6: each must then be cut off by a Clip.
func TestClipWhereQuantizationDoesNot(t *testing.T) {
	cs, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	g := cs[0].Graph
	set, err := weights.New(g)
	if err != nil {
		t.Fatal(err)
	}
	q := set.Quantize()
	clips := func() int {
		b := newBuilder(&source{g: g, set: set, quantized: q})
		b.build()
		return bytes.Count(b.nodes, []byte("/relu6\"\x04Clip")) // a name, then the operator
	}
	if n := clips(); n != 0 {
		t.Errorf("%d Clips where none is needed", n)
	}
	relu6 := 0
	for _, op := range g.Ops {
		if op.Activation == graph.ReLU6 {
			relu6++
		}
	}
	for i := range q.Tensors {
		q.Tensors[i] = weights.Affine{Scale: 16.0 / 255, Zero: 0}
	}
	if n := clips(); n != relu6 || n == 0 {
		t.Errorf("%d Clips for %d ReLU6", n, relu6)
	}
}

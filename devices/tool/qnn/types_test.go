package qnn

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/fixtures"
	"latlab/sampler/onnx"
)

func written(t *testing.T, fixture, precision string) []byte {
	t.Helper()
	f, err := fixtures.Get(fixture)
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Graph()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := onnx.Write(&b, g, onnx.Options{Precision: precision}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestOurNetworksAreIntegers: squeeze-and-excite, h-swish and activations that the
// quantization does not cut off as well.
func TestOurNetworksAreIntegers(t *testing.T) {
	for _, name := range fixtures.Names() {
		found, err := unquantized(written(t, name, "int8"))
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %q, %v", name, found, err)
		}
	}
}

func TestFloatsAreNamed(t *testing.T) {
	found, err := unquantized(written(t, "mobiledet_dsp", "float32"))
	if err != nil {
		t.Fatal(err)
	}
	// Its input, its 94 convolutions and their activations and additions, its 12 outputs.
	if len(found) < 1+94+12 || found[0][:6] != "input " || found[len(found)-1][:7] != "output " {
		t.Errorf("%d: %q", len(found), found)
	}
}

func TestIntegerRules(t *testing.T) {
	q := func(x, y string) onnxNode {
		return onnxNode{op: quantizeOp, inputs: []string{x, "s", "z"}, outputs: []string{y}}
	}
	dq := func(x, y string) onnxNode {
		return onnxNode{op: dequantizeOp, inputs: []string{x, "s", "z"}, outputs: []string{y}}
	}
	op := func(op, y string, xs ...string) onnxNode {
		return onnxNode{op: op, name: y, inputs: xs, outputs: []string{y}}
	}
	for name, tt := range map[string]struct {
		nodes []onnxNode
		want  []string
	}{
		"joined activation":    {[]onnxNode{dq("in", "a"), dq("wq", "w"), op("Conv", "c", "a", "w"), op("Clip", "r", "c", "s", "s"), q("r", "out")}, nil},
		"two activations":      {[]onnxNode{dq("in", "a"), op("Relu", "r", "a"), op("Relu", "t", "r"), q("t", "out")}, []string{"Relu r", "Relu t"}},
		"float weight":         {[]onnxNode{dq("in", "a"), op("Conv", "c", "a", "s"), q("c", "out")}, []string{"Conv c"}},
		"weight of a Constant": {[]onnxNode{dq("in", "a"), op("Constant", "k"), op("Conv", "c", "a", "k"), q("c", "out")}, []string{"Conv c"}},
		"shape of a Constant":  {[]onnxNode{dq("in", "a"), op("Constant", "k"), op("Reshape", "c", "a", "k"), q("c", "out")}, nil},
		"nothing between":      {[]onnxNode{dq("in", "a"), op("Add", "b", "a", "a"), op("Add", "c", "b", "a"), q("c", "out")}, []string{"Add b", "Add c"}},
		"no dequantization":    {[]onnxNode{op("Relu", "r", "in"), q("r", "out")}, []string{"Relu r"}},
		"no quantization":      {[]onnxNode{dq("in", "a"), op("Relu", "out", "a")}, []string{"Relu out"}},
		"one use without":      {[]onnxNode{dq("in", "a"), op("Add", "b", "a", "a"), q("b", "out"), op("Exp", "e", "b"), q("e", "f")}, []string{"Add b", "Exp e"}},
	} {
		g := onnxGraph{nodes: tt.nodes, constants: map[string]bool{"s": true, "z": false, "wq": false}}
		if diff := cmp.Diff(tt.want, g.floats()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

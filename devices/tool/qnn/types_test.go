package qnn

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/fixtures"
	"latlab/fixtures/fixturetest"
	"latlab/sampler/onnx"
)

func written(t *testing.T, fixture, precision string) []byte {
	t.Helper()
	g := fixturetest.Graph(t, fixture)
	var b bytes.Buffer
	if _, err := onnx.Write(&b, g, onnx.Options{Precision: precision}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestOurNetworksAreIntegers: including squeeze-and-excite, h-swish and activations that the
// quantization does not clip.
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
	q := func(x, y string) onnx.Op {
		return onnx.Op{Type: quantizeOp, Inputs: []string{x, "s", "z"}, Outputs: []string{y}}
	}
	dq := func(x, y string) onnx.Op {
		return onnx.Op{Type: dequantizeOp, Inputs: []string{x, "s", "z"}, Outputs: []string{y}}
	}
	op := func(op, y string, xs ...string) onnx.Op {
		return onnx.Op{Type: op, Name: y, Inputs: xs, Outputs: []string{y}}
	}
	for name, tt := range map[string]struct {
		nodes []onnx.Op
		want  []string
	}{
		"joined activation":    {[]onnx.Op{dq("in", "a"), dq("wq", "w"), op("Conv", "c", "a", "w"), op("Clip", "r", "c", "s", "s"), q("r", "out")}, nil},
		"two activations":      {[]onnx.Op{dq("in", "a"), op("Relu", "r", "a"), op("Relu", "t", "r"), q("t", "out")}, []string{"Relu r", "Relu t"}},
		"float weight":         {[]onnx.Op{dq("in", "a"), op("Conv", "c", "a", "s"), q("c", "out")}, []string{"Conv c"}},
		"weight of a Constant": {[]onnx.Op{dq("in", "a"), op("Constant", "k"), op("Conv", "c", "a", "k"), q("c", "out")}, []string{"Conv c"}},
		"shape of a Constant":  {[]onnx.Op{dq("in", "a"), op("Constant", "k"), op("Reshape", "c", "a", "k"), q("c", "out")}, nil},
		"nothing between":      {[]onnx.Op{dq("in", "a"), op("Add", "b", "a", "a"), op("Add", "c", "b", "a"), q("c", "out")}, []string{"Add b", "Add c"}},
		"no dequantization":    {[]onnx.Op{op("Relu", "r", "in"), q("r", "out")}, []string{"Relu r"}},
		"no quantization":      {[]onnx.Op{dq("in", "a"), op("Relu", "out", "a")}, []string{"Relu out"}},
		"outputs left out":     {[]onnx.Op{dq("in", "a"), {Type: "Split", Name: "p", Inputs: []string{"a", ""}, Outputs: []string{"b", ""}}, q("b", "out")}, nil},
		"one use without":      {[]onnx.Op{dq("in", "a"), op("Add", "b", "a", "a"), q("b", "out"), op("Exp", "e", "b"), q("e", "f")}, []string{"Add b", "Exp e"}},
	} {
		g := &onnx.Network{Ops: tt.nodes, Constants: map[string]bool{"s": true, "z": false, "wq": false}}
		if diff := cmp.Diff(tt.want, floats(g)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

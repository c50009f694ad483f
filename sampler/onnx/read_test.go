package onnx_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler/onnx"
)

// value is a ValueInfoProto of a type: 1 is float32, 2 uint8, 10 float16.
func value(name string, dataType int) []byte { return msg(1, name, 2, msg(1, msg(1, dataType))) }

func TestRead(t *testing.T) {
	data := model(msg(
		1, msg(1, "x", 1, "", 1, "w", 2, "y", 2, "", 3, "first", 4, "Conv"),
		1, msg(1, "y", 2, "z", 4, "Relu"),
		5, msg(1, 1, 2, 10, 8, "w", 9, "ab"), 5, msg(1, 1, 2, 3, 8, "q", 9, "a"),
		11, value("x", 2), 12, value("z", 16), 12, msg(1, "of no type"),
	))
	want := &onnx.Network{
		Ops: []onnx.Op{
			{Name: "first", Type: "Conv", Inputs: []string{"x", "", "w"}, Outputs: []string{"y", ""}},
			{Type: "Relu", Inputs: []string{"y"}, Outputs: []string{"z"}},
		},
		Constants: map[string]bool{"w": true, "q": false},
		Inputs:    []onnx.Value{{Name: "x"}},
		Outputs:   []onnx.Value{{Name: "z", Float: true}, {Name: "of no type"}},
	}
	got, err := onnx.Read(data)
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
}

func TestReadErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"damaged":        {model(msg(1, []byte{0xff})), "truncated or damaged"},
		"damaged value":  {model(msg(11, msg(2, msg(1, []byte{0xff})))), "truncated or damaged"},
		"computed twice": {model(msg(1, msg(2, "y", 4, "Relu"), 1, msg(2, "y", 4, "Relu"))), `two ops compute "y"`},
	} {
		_, err := onnx.Read(tc.data)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", name, err, tc.want)
		}
	}
}

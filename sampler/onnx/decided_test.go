package onnx_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler/onnx"
)

// TestDecided: only values decide; sizes, and values that the file has, do not.
func TestDecided(t *testing.T) {
	image, count := in("image", f32, 1, 3, 8, 8), in("count", i64)
	for name, tt := range map[string]struct {
		nodes parts
		want  []onnx.Decision
	}{
		"loop of a count":       {parts{op("Loop count cond image -> y")}, []onnx.Decision{{Op: "Loop", Input: "count", What: "the number of runs"}}},
		"loop of a constant":    {parts{op("Loop fixed cond image -> y")}, nil},
		"loop until a value":    {parts{op("Cast image -> until"), op("Loop fixed until image -> y")}, []onnx.Decision{{Op: "Loop", Input: "image", What: "the number of runs"}}},
		"branch":                {parts{op("Greater count fixed -> b"), op("If b -> y")}, []onnx.Decision{{Op: "If", Input: "count", What: "the branch"}}},
		"range":                 {parts{op("Range fixed count fixed -> y")}, []onnx.Decision{{Op: "Range", Input: "count", What: "the size"}}},
		"found in an image":     {parts{op("NonZero image -> y")}, []onnx.Decision{{Op: "NonZero", Input: "image", What: "the size"}}},
		"reshape by a value":    {parts{op("Concat count fixed -> s"), op("Reshape image s -> y")}, []onnx.Decision{{Op: "Reshape", Input: "count", What: "the size"}}},
		"reshape by a size":     {parts{op("Shape image -> s"), op("Gather s fixed -> n"), op("Reshape image n -> y")}, nil},
		"reshape by a constant": {parts{op("Reshape image fixed -> y")}, nil},
		"constant node":         {parts{op("Constant -> c"), op("Reshape image c -> y")}, nil},
		"gather by a value":     {parts{op("Gather image count -> y")}, nil},
		"convolution":           {parts{op("Conv image fixed -> y")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := onnx.Read(model(graphOf(tt.nodes, parts{tensor("fixed", i64, 1), tensor("cond", u8, 1)}, image, count)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, n.Decided()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

// TestAccept: a file is taken or refused with what to do, before anything runs it.
func TestAccept(t *testing.T) {
	npu := devices.Info{Name: "npu", Formats: []model.Format{model.TFLite}, Precisions: []model.Precision{model.Float32}}
	chip := devices.Info{Name: "chip", Formats: []model.Format{model.ONNX}, Precisions: []model.Precision{model.Float32}}
	whole := devices.Info{Name: "whole", Formats: []model.Format{model.TFLite}, Precisions: []model.Precision{model.Int8}}
	sizing := chip
	sizing.Calls = []model.CallOption{model.GivenShape}
	onnxFile := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("../../sampler/onnx/testdata", name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	fixed := tflitetest.Sized([]int{1, 8, 8, 3}, nil)
	for _, c := range []struct {
		name   string
		device devices.Info
		file   []byte
		says   string // "" = taken
	}{
		{"fixed", npu, fixed, ""},
		{"another format", chip, fixed, "m is tflite in float32; device chip takes onnx in float32: give the network as .onnx"},
		{"another precision", whole, fixed, "device whole takes tflite in int8: latlab does not convert files"},
		{"an open batch", npu, tflitetest.Sized([]int{1, 8, 8, 3}, []int{-1, 8, 8, 3}), ""},
		{"open with a size", npu, tflitetest.Sized([]int{1, 8, 8, 3}, []int{1, -1, -1, 3}), ""},
		{"open", npu, tflitetest.Sized([]int{1, 1, 1, 3}, []int{1, -1, -1, 3}), "leaves the size of its input open (in float32 1x?x?x3)"},
		{"a batch of 0", npu, tflitetest.Sized([]int{0, 8, 8, 3}, []int{-1, 8, 8, 3}), "(in float32 ?x8x8x3)"},
		{"no pixel", npu, tflitetest.Sized([]int{1, 0, 0, 3}, nil), "(in float32 1x0x0x3)"},
		{"no number", npu, tflitetest.Sized([]int{1, -1, 8, 3}, []int{1, -1, 8, 3}), "convert it with a fixed size"},
		{"samples", npu, tflitetest.Sized([]int{1}, []int{-1}), "leaves the size of its input open (in float32 ?)"},
		{"open ONNX", sizing, onnxFile("open_size"), "(x float32 [N, 3, H, W]): give one by --input-shape x=1x3xNxN of `latlab time`, or convert it with a fixed size"},
		{"open ONNX, no flag", chip, onnxFile("open_size"), "(x float32 [N, 3, H, W]): convert it with a fixed size"},
		{"ONNX of open batch", chip, onnxFile("open_batch"), ""},
		{"float16", chip, onnxFile("float16"), "m is onnx in float16; device chip takes onnx in float32"},
		{"float16 in Constant nodes", chip, onnxFile("float16_constant_nodes"), "m is onnx in float16; device chip takes onnx in float32"},
		{"no axis", npu, tflitetest.Sized([]int{}, nil), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.tflite")
			if err := os.WriteFile(path, c.file, 0o644); err != nil {
				t.Fatal(err)
			}
			m, err := model.FromFile(path, model.Call{})
			if err != nil {
				t.Fatal(err)
			}
			err = Accept(m, c.device)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(strings.ReplaceAll(err.Error(), "  ", " "), c.says) {
				t.Errorf("Accept = %v, want %q", err, c.says)
			}
		})
	}
}

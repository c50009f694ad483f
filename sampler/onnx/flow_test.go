package onnx_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latlab/sampler/onnx"
)

// Data types of onnx.proto.
const (
	f32, u8, i8, u16, i16, i64, f16, bf16, i4 = 1, 2, 3, 4, 5, 7, 10, 16, 22
)

// op is a NodeProto: "Conv x w -> y".
func op(text string, attributes ...[]byte) []byte {
	left, right, _ := strings.Cut(text, " -> ")
	words := strings.Fields(left)
	m := msg(4, words[0])
	for _, w := range words[1:] {
		m = append(m, msg(1, w)...)
	}
	for _, w := range strings.Fields(right) {
		m = append(m, msg(2, w)...)
	}
	for _, a := range attributes {
		m = append(m, msg(5, a)...)
	}
	return m
}

// tensor has n elements, their values as raw bytes.
func tensor(name string, dataType, n int) []byte {
	bits := map[int]int{f32: 32, u8: 8, i8: 8, u16: 16, i16: 16, i64: 64, f16: 16, bf16: 16, i4: 4}[dataType]
	return msg(1, n, 2, dataType, 8, name, 9, make([]byte, (n*bits+7)/8))
}

func graphOf(nodes, initializers [][]byte, more ...[]byte) []byte {
	var g []byte
	for _, n := range nodes {
		g = append(g, msg(1, n)...)
	}
	for _, t := range initializers {
		g = append(g, msg(5, t)...)
	}
	return slices.Concat(append([][]byte{g}, append(more, msg(12, output))...)...)
}

func in(name string, dataType int, dims ...int) []byte {
	var shape []byte
	for _, d := range dims {
		shape = append(shape, msg(1, msg(1, d))...)
	}
	return msg(11, msg(1, name, 2, msg(1, msg(1, dataType, 2, shape))))
}

type parts = [][]byte

// TestPrecision is the rule of sampler/precision, wherever a file keeps its weights.
func TestPrecision(t *testing.T) {
	quantizedX := op("DequantizeLinear qx s zx -> x")
	quantizedW := op("DequantizeLinear qw s zw -> w")
	scales := parts{tensor("s", f32, 1), tensor("zx", u8, 1), tensor("zw", i8, 1)}
	conv := op("Conv x w -> y")
	qdq := parts{op("QuantizeLinear f s zx -> qx"), quantizedX, quantizedW, conv}
	dynamic := op("DynamicQuantizeLinear f -> dx ds dz")
	with := func(more ...[]byte) parts { return slices.Concat(scales, more) }
	constant := func(name string, value []byte) []byte {
		return op("Constant -> "+name, msg(1, "value", 5, value, 20, 4))
	}
	branch := func(g []byte) []byte {
		return op("If c -> y", msg(1, "then_branch", 6, g, 20, 5), msg(1, "else_branch", 6, g, 20, 5))
	}
	for name, tc := range map[string]struct {
		graph []byte
		want  string // precision and activations
	}{
		"float32":                   {graphOf(parts{conv}, parts{tensor("w", f32, 9)}), "float32 float32"},
		"float16":                   {graphOf(parts{conv}, parts{tensor("w", f16, 9)}), "float16 float16"},
		"float16 Constant":          {graphOf(parts{constant("w", tensor("", f16, 9)), conv}, nil), "float16 float16"},
		"float32 Constant":          {graphOf(parts{constant("w", tensor("", f32, 9)), conv}, nil), "float32 float32"},
		"bfloat16":                  {graphOf(parts{conv}, parts{tensor("w", bf16, 9)}), "bfloat16 bfloat16"},
		"float16 unpacked":          {graphOf(parts{op("Cast h -> w", msg(1, "to", 3, f32)), conv}, parts{tensor("h", f16, 9)}), "float16 float32"},
		"float16 Constant, cast":    {graphOf(parts{constant("h", tensor("", f16, 9)), op("Cast h -> w", msg(1, "to", 3, f32)), conv}, nil), "float16 float32"},
		"weights of int8 alone":     {graphOf(parts{quantizedW, conv}, with(tensor("qw", i8, 9))), "dynamic_range float32"},
		"transposed weights":        {graphOf(parts{quantizedW, op("Transpose w -> wt"), op("MatMul x wt -> y")}, with(tensor("qw", i8, 9))), "dynamic_range float32"},
		"int8 Constant":             {graphOf(parts{constant("qw", tensor("", i8, 9)), quantizedW, conv}, with()), "dynamic_range float32"},
		"weights of int4":           {graphOf(parts{quantizedW, conv}, with(tensor("qw", i4, 9))), "dynamic_range float32"},
		"int8 weights of float16":   {graphOf(parts{quantizedW, conv}, parts{tensor("s", f16, 1), tensor("qw", i8, 9)}), "float16 float16"},
		"int8":                      {graphOf(qdq, with(tensor("qw", i8, 9))), "int8 int8"},
		"int8 with float16 scales":  {graphOf(qdq, parts{tensor("s", f16, 1), tensor("zx", u8, 1), tensor("qw", i8, 9)}), "int8 int8"},
		"int8 input":                {graphOf(parts{quantizedX, quantizedW, conv}, with(tensor("qw", i8, 9)), in("qx", i8, 1, 3)), "int8 int8"},
		"quantized float weights":   {graphOf(append(parts{op("QuantizeLinear fw s zw -> qw")}, qdq...), with(tensor("fw", f32, 9))), "int8 int8"},
		"int16 activations":         {graphOf(qdq, parts{tensor("s", f32, 1), tensor("zx", u16, 1), tensor("zw", i8, 1), tensor("qw", i8, 9)}), "int16x8 int16"},
		"float weights":             {graphOf(parts{qdq[0], quantizedX, conv}, with(tensor("w", f32, 9))), "float32 float32"},
		"a few quantized":           {graphOf(append(slices.Clone(qdq), op("Gemm y big -> z")), with(tensor("qw", i8, 9), tensor("big", f32, 99))), "float32 float32"},
		"dynamic":                   {graphOf(parts{dynamic, op("MatMulInteger dx w dz zw -> y")}, with(tensor("w", i8, 9))), "dynamic_range float32"},
		"dynamic convolution":       {graphOf(parts{dynamic, op("ConvInteger dx w dz zw -> y")}, with(tensor("w", u8, 9))), "dynamic_range float32"},
		"MatMulInteger of int8":     {graphOf(parts{op("MatMulInteger x w -> y")}, parts{tensor("w", i8, 9)}, in("x", i8, 1, 3)), "int8 int8"},
		"QLinearConv":               {graphOf(parts{op("QLinearConv x s zx w s zw s zx -> y")}, with(tensor("w", i8, 9))), "int8 int8"},
		"4 bits":                    {graphOf(parts{op("MatMulNBits x w s -> y")}, with(tensor("w", u8, 9))), "dynamic_range float32"},
		"weights first":             {graphOf(parts{quantizedX, quantizedW, op("MatMul w x -> y")}, with(tensor("qw", i8, 9))), "int8 int8"},
		"If":                        {graphOf(parts{branch(graphOf(parts{constant("w", tensor("", f16, 9)), conv}, nil))}, nil), "float16 float16"},
		"If around int8":            {graphOf(parts{branch(graphOf(parts{quantizedW, conv}, nil))}, with(tensor("qw", i8, 9))), "dynamic_range float32"},
		"LSTM":                      {graphOf(parts{op("LSTM x w r -> y")}, parts{tensor("w", f16, 9), tensor("r", f16, 9)}), "float16 float16"},
		"quantized without weights": {graphOf(parts{op("QuantizeLinear f s zx -> qx"), quantizedX, op("Relu x -> y")}, scales), "int8 int8"},
		"nothing but an input":      {graphOf(parts{op("Relu x -> y")}, nil, in("x", f16, 1, 3)), "float16 float16"},
		"a shape is no weight":      {graphOf(parts{op("Constant -> shape", msg(1, "value_ints", 8, 1, 8, 3, 20, 7)), op("Reshape x shape -> y")}, nil), "float32 float32"},
		"value_floats":              {graphOf(parts{op("Constant -> w", msg(1, "value_floats", 7, "0123456789abcdef", 20, 6)), op("MatMul x w -> y")}, nil), "float32 float32"},
		"sparse weights":            {graphOf(parts{conv}, nil, msg(15, msg(1, tensor("w", f16, 2), 2, tensor("", i64, 2), 3, 9))), "float16 float16"},
	} {
		info, err := onnx.Check(model(tc.graph))
		if got := info.Precision + " " + info.Activations; err != nil || got != tc.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tc.want)
		}
	}
}

// TestInitializerOrder: a field may come before or after the fields that it concerns.
func TestInitializerOrder(t *testing.T) {
	late := slices.Concat(msg(12, output), in("x", f32, 1), in("w", f16, 9), msg(1, op("Conv x w -> y")), msg(5, tensor("w", f16, 9)))
	info, err := onnx.Check(model(late))
	if err != nil || info.Precision != "float16" || len(info.Inputs) != 1 || info.Inputs[0].Name != "x" {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestCheckNested(t *testing.T) {
	external := msg(1, 1, 2, 1, 8, "w", 14, 1)
	nested := op("Relu x -> y")
	for range 40 {
		nested = op("If c -> y", msg(1, "then_branch", 6, graphOf(parts{nested}, nil)))
	}
	function := slices.Concat(model(msg(1, relu, 12, output)), msg(25, msg(1, "f", 7, op("Constant -> w", msg(1, "value", 5, external)))))
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"Constant in another file": {model(graphOf(parts{op("Constant -> w", msg(1, "value", 5, external))}, nil)), "node 0: its value value: it lies in another file"},
		"too few values":           {model(graphOf(parts{op("Constant -> w", msg(1, "value", 5, msg(1, 2, 2, 1, 9, "abcd")))}, nil)), "4 bytes for 2 elements"},
		"in a branch":              {model(graphOf(parts{op("If c -> y", msg(1, "then_branch", 6, graphOf(parts{relu}, parts{external})))}, nil)), `node 0: initializer "w": it lies in another file`},
		"in a function":            {function, "it lies in another file"},
		"deep":                     {model(graphOf(parts{nested}, nil)), "nested deeper than 16"},
		"sparse":                   {model(graphOf(parts{relu}, nil, msg(15, msg(1, external)))), "it lies in another file"},
	} {
		if _, err := onnx.Check(tc.data); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestInputs(t *testing.T) {
	dims := func(ds ...[]byte) []byte {
		var shape []byte
		for _, d := range ds {
			shape = append(shape, msg(1, d)...)
		}
		return msg(11, msg(1, "x", 2, msg(1, msg(1, f32, 2, shape))))
	}
	for name, tc := range map[string]struct {
		input []byte
		want  string
	}{
		"fixed":               {in("x", u8, 1, 3, 224, 224), "[uint8 [1, 3, 224, 224]]"},
		"named":               {dims(msg(2, "N"), msg(1, 3), msg(2, "H"), msg(2, "W")), "[float32 [N, 3, H, W]]"},
		"absent":              {dims(nil, msg(1, 3)), "[float32 [?, 3]]"},
		"0 and -1":            {dims(msg(1, 0), msg(1, -1)), "[float32 [?, ?]]"},
		"both: last counts":   {dims(msg(1, 7, 2, "N"), msg(2, "N", 1, 7)), "[float32 [N, 7]]"},
		"rank 0":              {in("x", i64), "[int64 []]"},
		"no shape":            {msg(11, msg(1, "x", 2, msg(1, msg(1, f32)))), "[float32 of any rank]"},
		"no tensor":           {msg(11, msg(1, "x", 2, msg(4, msg(1, 1)))), "[no tensor]"},
		"default":             {in("d", f32, 1), "[]"},
		"a name of two lines": {dims(msg(2, "a\nb")), "[float32 [a b]]"},
	} {
		info, err := onnx.Check(model(graphOf(parts{relu}, parts{tensor("d", f32, 1)}, tc.input)))
		if got := fmt.Sprint(info.Inputs); err != nil || got != tc.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tc.want)
		}
	}
	for name, input := range map[string][]byte{"a huge extent": dims(msg(1, 1<<40)), "many axes": dims(make(parts, 65)...)} {
		if _, err := onnx.Check(model(graphOf(parts{relu}, nil, input))); err == nil || !strings.Contains(err.Error(), `input "x": `) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCasesFloat16(t *testing.T) {
	for _, name := range []string{"float16", "float16_constant_nodes"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := onnx.Check(data); err != nil || info.Precision != "float16" || info.Activations != "float16" {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
}

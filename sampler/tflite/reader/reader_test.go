package reader_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/google/go-cmp/cmp"

	"latlab/internal/testenv"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/internal/schema"
	"latlab/sampler/tflite/reader"
	"latlab/sampler/tflite/tflitetest"
)

func cases(t testing.TB) []tflitetest.Case {
	t.Helper()
	cs, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func mustBytes(t testing.TB, c tflitetest.Case) []byte {
	t.Helper()
	data, err := tflitetest.Bytes(c.Graph, tflite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustRead(t testing.TB, data []byte) *reader.Network {
	t.Helper()
	n, err := reader.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// folded is a graph as a file keeps it: batch norm in weights and bias, and no positions.
func folded(g *graph.Graph, positions bool) *graph.Graph {
	f := *g
	f.Ops = append([]graph.Op(nil), g.Ops...)
	for i := range f.Ops {
		f.Ops[i].BatchNorm = false
		if !positions {
			f.Ops[i].Position = graph.Bias
		}
	}
	return &f
}

func TestReadReturnsWrittenGraph(t *testing.T) {
	for _, c := range cases(t) {
		n := mustRead(t, mustBytes(t, c))
		if diff := cmp.Diff(folded(c.Graph, false), n.Graph); diff != "" {
			t.Errorf("%s (-written +read):\n%s", c.Name, diff)
		}
		want := folded(c.Graph, false)
		if !n.MACsComplete || len(n.UnknownOps) != 0 || n.Params != want.TotalParams() || n.Precision != "float32" {
			t.Errorf("%s: complete %t, unknown %v, %d params of %d, precision %s", c.Name, n.MACsComplete, n.UnknownOps, n.Params, want.TotalParams(), n.Precision)
		}
		if len(n.Notes) != 0 || n.SubGraphs != 1 || !strings.HasPrefix(n.Tool, "latlab ") {
			t.Errorf("%s: notes %q, %d subgraphs, tool %q", c.Name, n.Notes, n.SubGraphs, n.Tool)
		}
	}
}

// TestReadReturnsWrittenInt8: quantization changes no op but the inputs' QUANTIZE.
func TestReadReturnsWrittenInt8(t *testing.T) {
	for _, c := range cases(t) {
		for _, bytesIn := range []bool{false, true} {
			data, err := tflitetest.Bytes(c.Graph, tflite.Options{Precision: "int8", UInt8Input: bytesIn})
			if err != nil {
				t.Fatal(err)
			}
			n := mustRead(t, data)
			got, want := n.Graph, folded(c.Graph, false)
			if bytesIn {
				q := got.Ops[0]
				if q.Kind != "quantize" || n.Inputs[0].Type != "uint8" || !cmp.Equal(q.Inputs, got.Inputs) || q.Output != want.Inputs[0] {
					t.Errorf("%s: first op %+v, inputs %+v", c.Name, q, n.Inputs)
				}
				got.Ops, got.Tensors, got.Inputs = got.Ops[1:], got.Tensors[:len(want.Tensors)], want.Inputs
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, uint8 %t (-written +read):\n%s", c.Name, bytesIn, diff)
			}
			if n.Precision != "int8" || n.Params != want.TotalParams() || n.Inputs[0].Scale == nil || len(n.Notes) != 0 {
				t.Errorf("%s, uint8 %t: precision %s, %d params of %d, input %+v, notes %q",
					c.Name, bytesIn, n.Precision, n.Params, want.TotalParams(), n.Inputs[0], n.Notes)
			}
		}
	}
}

// TestReadRestoresPositions has networks of all built-in spaces.
func TestReadRestoresPositions(t *testing.T) {
	for i, name := range sampler.BuiltinNames() {
		s, err := sampler.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		s.Input.Height, s.Input.Width = 32, 32
		archs, err := sampler.Sample(s, 2, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range archs {
			g, err := graph.Lower(s, a)
			if err != nil {
				t.Fatal(err)
			}
			n := mustRead(t, mustBytes(t, tflitetest.Case{Graph: g}))
			if err := n.PayBy(s); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(folded(g, true), n.Graph); diff != "" {
				t.Errorf("%s (-written +read):\n%s", g.Name, diff)
			}
			if diff := cmp.Diff(folded(g, true).Rows(s, 4), n.Rows(s)); diff != "" {
				t.Errorf("%s: rows (-lowered +read):\n%s", g.Name, diff)
			}
		}
	}
}

func TestPayByRefuses(t *testing.T) {
	s, err := sampler.Builtin("mobiledet_cpu_ibn")
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Lower(s, archs[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*graph.Graph)
		want   string
	}{
		{"other space", func(g *graph.Graph) { g.Space = "x" }, `belongs to space "x"`},
		{"no indices", func(g *graph.Graph) { g.Indices = "0:1" }, "0:1"},
		{"other ops", func(g *graph.Graph) { g.Indices = archs[1].String() }, "ops"},
	} {
		changed := *g
		tc.change(&changed)
		n := mustRead(t, mustBytes(t, tflitetest.Case{Graph: &changed}))
		if err := n.PayBy(s); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// options makes an options table by the schema's own functions.
type options = func(*flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT)

func conv(padding schema.Padding, strideH, strideW, dilation int) options {
	return func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
		schema.Conv2DOptionsStart(b)
		schema.Conv2DOptionsAddPadding(b, padding)
		schema.Conv2DOptionsAddStrideH(b, int32(strideH))
		schema.Conv2DOptionsAddStrideW(b, int32(strideW))
		schema.Conv2DOptionsAddDilationHFactor(b, int32(dilation))
		schema.Conv2DOptionsAddDilationWFactor(b, int32(dilation))
		schema.Conv2DOptionsAddFusedActivationFunction(b, schema.ActivationFunctionTypeRELU)
		return schema.BuiltinOptionsConv2DOptions, schema.Conv2DOptionsEnd(b)
	}
}

func depthwise(padding schema.Padding, stride, multiplier int) options {
	return func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
		schema.DepthwiseConv2DOptionsStart(b)
		schema.DepthwiseConv2DOptionsAddPadding(b, padding)
		schema.DepthwiseConv2DOptionsAddStrideH(b, int32(stride))
		schema.DepthwiseConv2DOptionsAddStrideW(b, int32(stride))
		schema.DepthwiseConv2DOptionsAddDepthMultiplier(b, int32(multiplier))
		return schema.BuiltinOptionsDepthwiseConv2DOptions, schema.DepthwiseConv2DOptionsEnd(b)
	}
}

func transposeConv(padding schema.Padding, stride int) options {
	return func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
		schema.TransposeConvOptionsStart(b)
		schema.TransposeConvOptionsAddPadding(b, padding)
		schema.TransposeConvOptionsAddStrideH(b, int32(stride))
		schema.TransposeConvOptionsAddStrideW(b, int32(stride))
		return schema.BuiltinOptionsTransposeConvOptions, schema.TransposeConvOptionsEnd(b)
	}
}

func pool(padding schema.Padding, kernelH, kernelW, stride int) options {
	return func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
		schema.Pool2DOptionsStart(b)
		schema.Pool2DOptionsAddPadding(b, padding)
		schema.Pool2DOptionsAddStrideH(b, int32(stride))
		schema.Pool2DOptionsAddStrideW(b, int32(stride))
		schema.Pool2DOptionsAddFilterHeight(b, int32(kernelH))
		schema.Pool2DOptionsAddFilterWidth(b, int32(kernelW))
		return schema.BuiltinOptionsPool2DOptions, schema.Pool2DOptionsEnd(b)
	}
}

func fullyConnected(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
	schema.FullyConnectedOptionsStart(b)
	schema.FullyConnectedOptionsAddFusedActivationFunction(b, schema.ActivationFunctionTypeTANH)
	return schema.BuiltinOptionsFullyConnectedOptions, schema.FullyConnectedOptionsEnd(b)
}

func matmul(adjX, adjY bool) options {
	return func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
		schema.BatchMatMulOptionsStart(b)
		schema.BatchMatMulOptionsAddAdjX(b, adjX)
		schema.BatchMatMulOptionsAddAdjY(b, adjY)
		return schema.BuiltinOptionsBatchMatMulOptions, schema.BatchMatMulOptionsEnd(b)
	}
}

// value is an activation, weights a constant of the right length.
func value(name string, shape ...int) tflitetest.Tensor {
	return tflitetest.Tensor{Name: name, Shape: shape}
}

func weights(name string, shape ...int) tflitetest.Tensor {
	n := 4
	for _, d := range shape {
		n *= d
	}
	return tflitetest.Tensor{Name: name, Shape: shape, Data: make([]byte, n)}
}

func typed(t tflitetest.Tensor, k schema.TensorType, bytes int) tflitetest.Tensor {
	t.Type = k
	if t.Data != nil {
		t.Data = t.Data[:len(t.Data)/4*bytes]
	}
	return t
}

// one is a file of one operator: the first tensors are its inputs, the last its output;
// inputs without data are the network's.
func one(code schema.BuiltinOperator, o options, tensors ...tflitetest.Tensor) tflitetest.File {
	last := len(tensors) - 1
	f := tflitetest.File{Tensors: tensors, Outputs: []int{last}}
	op := tflitetest.Operator{Code: code, Options: o, Outputs: []int{last}}
	for i, t := range tensors[:last] {
		op.Inputs = append(op.Inputs, i)
		if t.Data == nil && !t.Variable {
			f.Inputs = append(f.Inputs, i)
		}
	}
	f.Operators = []tflitetest.Operator{op}
	return f
}

const (
	same  = schema.PaddingSAME
	valid = schema.PaddingVALID
)

// TestReadOps compares every kind with counts computed by hand.
func TestReadOps(t *testing.T) {
	const (
		c2   = schema.BuiltinOperatorCONV_2D
		dw   = schema.BuiltinOperatorDEPTHWISE_CONV_2D
		fc   = schema.BuiltinOperatorFULLY_CONNECTED
		tc   = schema.BuiltinOperatorTRANSPOSE_CONV
		bmm  = schema.BuiltinOperatorBATCH_MATMUL
		lstm = schema.BuiltinOperatorUNIDIRECTIONAL_SEQUENCE_LSTM
	)
	none := typed(weights("shape", 4), schema.TensorTypeINT32, 4)
	for _, tc := range []struct {
		name         string
		file         tflitetest.File
		macs, params int64
		want         graph.Op // Name, Inputs, Output and Position are as ever
	}{
		{
			"valid padding, stride of two axes", one(c2, conv(valid, 2, 1, 1), value("x", 1, 9, 9, 3), weights("w", 8, 3, 3, 3), weights("b", 8), value("y", 1, 4, 7, 8)),
			27 * 8 * 28, 27*8 + 8,
			graph.Op{Kind: graph.Conv2D, Kernel: [2]int{3, 3}, Stride: [2]int{2, 1}, Padding: graph.Valid, Activation: graph.ReLU},
		},
		{
			"dilation, no bias", one(c2, conv(valid, 1, 1, 2), value("x", 1, 9, 9, 3), weights("w", 8, 3, 3, 3), value("y", 1, 5, 5, 8)),
			27 * 8 * 25, 27 * 8,
			graph.Op{Kind: graph.Conv2D, Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Padding: graph.Valid, Dilation: [2]int{2, 2}, NoBias: true, Activation: graph.ReLU},
		},
		{
			"groups, batch of 2", one(c2, conv(same, 2, 2, 1), value("x", 2, 8, 8, 12), weights("w", 8, 3, 3, 3), weights("b", 8), value("y", 2, 4, 4, 8)),
			9 * 3 * 8 * 32, 9*3*8 + 8,
			graph.Op{Kind: graph.Conv2D, Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Groups: 4, Activation: graph.ReLU},
		},
		{
			"computed weights", one(c2, conv(same, 1, 1, 1), value("x", 1, 8, 8, 3), value("w", 8, 1, 1, 3), weights("b", 8), value("y", 1, 8, 8, 8)),
			3 * 8 * 64, 8,
			graph.Op{Kind: graph.Conv2D, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, DynamicWeights: true, NoBias: true, Activation: graph.ReLU, Counted: graph.Counts{Biases: 8}},
		},
		{
			"depth multiplier", one(dw, depthwise(same, 2, 3), value("x", 1, 9, 9, 4), weights("w", 1, 3, 5, 12), weights("b", 12), value("y", 1, 5, 5, 12)),
			15 * 12 * 25, 15*12 + 12,
			graph.Op{Kind: graph.DepthwiseConv, Kernel: [2]int{3, 5}, Stride: [2]int{2, 2}, Activation: graph.Linear},
		},
		{
			"transposed", one(tc, transposeConv(same, 2), none, weights("w", 6, 3, 3, 4), value("x", 1, 5, 5, 4), weights("b", 6), value("y", 1, 10, 10, 6)),
			9 * 4 * 6 * 25, 9*4*6 + 6,
			graph.Op{Kind: graph.TransposeConv, Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Activation: graph.Linear},
		},
		{
			"transposed, valid", one(tc, transposeConv(valid, 2), none, weights("w", 6, 2, 2, 4), value("x", 1, 5, 5, 4), value("y", 1, 10, 10, 6)),
			4 * 4 * 6 * 25, 4 * 4 * 6,
			graph.Op{Kind: graph.TransposeConv, Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Padding: graph.Valid, NoBias: true, Activation: graph.Linear},
		},
		{
			"fully connected flattens", one(fc, fullyConnected, value("x", 2, 3, 4, 5), weights("w", 7, 60), weights("b", 7), value("y", 2, 7)),
			2 * 60 * 7, 60*7 + 7,
			graph.Op{Kind: graph.FullyConnected, Activation: graph.Tanh},
		},
		{
			"fully connected keeps axes, no bias", one(fc, nil, value("x", 2, 3, 5), weights("w", 7, 5), value("y", 2, 3, 7)),
			6 * 5 * 7, 5 * 7,
			graph.Op{Kind: graph.FullyConnected, NoBias: true, Activation: graph.Linear},
		},
		{
			"matrix product of two values", one(bmm, matmul(false, true), value("x", 2, 4, 10, 8), value("w", 2, 4, 6, 8), value("y", 2, 4, 10, 6)),
			8 * 10 * 6 * 8, 0,
			graph.Op{Kind: graph.BatchMatMul, Activation: graph.Linear, Counted: graph.Counts{MACs: 8 * 10 * 6 * 8}},
		},
		{
			"matrix product by a constant", one(bmm, matmul(true, false), value("x", 3, 8, 10), weights("w", 8, 6), value("y", 3, 10, 6)),
			3 * 10 * 6 * 8, 48,
			graph.Op{Kind: graph.BatchMatMul, Activation: graph.Linear, Counted: graph.Counts{MACs: 3 * 10 * 6 * 8, Weights: 48}},
		},
		{
			"3D convolution", one(schema.BuiltinOperatorCONV_3D, nil, value("x", 1, 4, 6, 6, 3), weights("w", 2, 3, 3, 3, 5), value("y", 1, 4, 6, 6, 5)),
			2 * 9 * 15 * 144, 2 * 9 * 15,
			graph.Op{Kind: graph.Conv3D, Activation: graph.Linear, Counted: graph.Counts{MACs: 2 * 9 * 15 * 144, Weights: 2 * 9 * 15}},
		},
		{
			"recurrent", one(lstm, nil, value("x", 1, 10, 4), weights("w", 6, 4), weights("r", 6, 6), weights("b", 6), tflitetest.Tensor{Name: "state", Shape: []int{1, 6}, Variable: true}, value("y", 1, 10, 6)),
			10 * (24 + 36), 24 + 36 + 6,
			graph.Op{Kind: graph.Recurrent, Activation: graph.Linear, Counted: graph.Counts{MACs: 600, Weights: 60, Biases: 6}},
		},
		{
			"max pool", one(schema.BuiltinOperatorMAX_POOL_2D, pool(same, 3, 2, 2), value("x", 1, 7, 7, 4), value("y", 1, 4, 4, 4)), 0, 0,
			graph.Op{Kind: graph.MaxPool, Kernel: [2]int{3, 2}, Stride: [2]int{2, 2}, Padding: graph.Same, Activation: graph.Linear},
		},
		{
			"slopes are parameters", one(schema.BuiltinOperatorPRELU, nil, value("x", 1, 7, 7, 4), weights("a", 1, 1, 4), value("y", 1, 7, 7, 4)), 0, 4,
			graph.Op{Kind: "prelu", Activation: graph.Linear, Counted: graph.Counts{Weights: 4}},
		},
		{
			"a new shape is none", one(schema.BuiltinOperatorRESHAPE, nil, value("x", 1, 2, 3, 4), none, value("y", 6, 4)), 0, 0,
			graph.Op{Kind: "reshape", Activation: graph.Linear},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := mustRead(t, tc.file.Bytes())
			if !n.MACsComplete || len(n.Graph.Ops) != 1 {
				t.Fatalf("unknown %v, notes %q", n.UnknownOps, n.Notes)
			}
			op := n.Graph.Ops[0]
			if got := n.Graph.MACs(op); got != tc.macs {
				t.Errorf("%d MACs, want %d", got, tc.macs)
			}
			if got := n.Graph.Params(op); got != tc.params || n.Params != tc.params {
				t.Errorf("%d parameters of the op, %d of the network, want %d", got, n.Params, tc.params)
			}
			tc.want.Name, tc.want.Position, tc.want.Inputs, tc.want.Output = "y", graph.Bias, op.Inputs, op.Output
			if diff := cmp.Diff(tc.want, op); diff != "" {
				t.Errorf("op (-want +got):\n%s", diff)
			}
			if _, err := tflitetest.Bytes(n.Graph, tflite.Options{}); err == nil {
				t.Error("the writer took an op that it cannot write")
			}
		})
	}
}

// TestReadCountsUnknown reads operators whose cost is not certain.
func TestReadCountsUnknown(t *testing.T) {
	chain := tflitetest.File{
		Tensors: []tflitetest.Tensor{
			value("x", 1, 4), resized("frames", []int{1, 1, 4}, []int{1, -1, 4}), weights("w", 5, 4), resized("y", []int{1, 1, 5}, []int{1, -1, 5}), value("z", 1, 5),
		},
		Operators: []tflitetest.Operator{
			{Code: schema.BuiltinOperatorRFFT2D, Inputs: []int{0}, Outputs: []int{1}},
			{Code: schema.BuiltinOperatorFULLY_CONNECTED, Inputs: []int{1, 2, -1}, Outputs: []int{3}, Options: fullyConnected},
			{Code: schema.BuiltinOperatorSUM, Inputs: []int{3}, Outputs: []int{4}},
		},
		Inputs: []int{0}, Outputs: []int{4},
	}
	custom := one(schema.BuiltinOperatorCUSTOM, nil, value("x", 1, 4), value("y", 1, 4))
	custom.Operators[0].Custom = "My\nOp"
	noCode := one(schema.BuiltinOperatorCUSTOM, nil, value("x", 1, 4), value("y", 1, 4))
	for _, tc := range []struct {
		name string
		file tflitetest.File
		want []reader.OpCount
		note string
	}{
		{"custom", custom, []reader.OpCount{{Name: "My?Op", Count: 1}}, ""},
		{"custom without a name", noCode, []reader.OpCount{{Name: "CUSTOM", Count: 1}}, ""},
		{"newer than the schema", one(4711, nil, value("x", 1), value("y", 1)), []reader.OpCount{{Name: "BUILTIN_4711", Count: 1}}, ""},
		{"control flow", one(schema.BuiltinOperatorWHILE, nil, value("x", 1, 4), value("y", 1, 4)), []reader.OpCount{{Name: "WHILE", Count: 1}}, ""},
		{"size of data", one(schema.BuiltinOperatorWHERE, nil, value("x", 1, 4), value("y", 1, 4)), []reader.OpCount{{Name: "WHERE", Count: 1}}, ""},
		{
			"what depends on it", chain,
			[]reader.OpCount{{Name: "FULLY_CONNECTED", Count: 1}, {Name: "RFFT2D", Count: 1}, {Name: "SUM", Count: 1}}, "the size of frames is known only when the network runs",
		},
		{
			"open shape", one(schema.BuiltinOperatorRELU, nil, value("x", 1, -1), value("y", 1, -1)),
			[]reader.OpCount{{Name: "RELU", Count: 1}}, "without a size",
		},
		{
			"output of another size", one(schema.BuiltinOperatorCONV_2D, conv(same, 1, 1, 1), value("x", 1, 8, 8, 3), weights("w", 8, 1, 1, 3), value("y", 1, 4, 4, 8)),
			[]reader.OpCount{{Name: "CONV_2D", Count: 1}}, "but [1 8 8 8] by its input and options",
		},
		{
			"no options", one(schema.BuiltinOperatorCONV_2D, nil, value("x", 1, 8, 8, 3), weights("w", 8, 1, 1, 3), value("y", 1, 8, 8, 8)),
			[]reader.OpCount{{Name: "CONV_2D", Count: 1}}, "no options",
		},
		{
			"stride 0", one(schema.BuiltinOperatorCONV_2D, conv(same, 0, 1, 1), value("x", 1, 8, 8, 3), weights("w", 8, 1, 1, 3), value("y", 1, 8, 8, 8)),
			[]reader.OpCount{{Name: "CONV_2D", Count: 1}}, "stride [0 1]",
		},
		{
			"sums that do not fit", one(schema.BuiltinOperatorADD, nil, value("x", 1, 3), value("x2", 1, 4), value("y", 1, 4)),
			[]reader.OpCount{{Name: "ADD", Count: 1}}, "do not fit",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := mustRead(t, tc.file.Bytes())
			if diff := cmp.Diff(tc.want, n.UnknownOps); diff != "" || n.MACsComplete {
				t.Errorf("unknown (-want +got):\n%s", diff)
			}
			if len(n.Graph.Ops) != 0 || n.Graph.TotalMACs() != 0 {
				t.Errorf("ops %+v", n.Graph.Ops)
			}
			if notes := strings.Join(n.Notes, "\n"); !strings.Contains(notes, tc.note) {
				t.Errorf("notes %q, want %q", n.Notes, tc.note)
			}
		})
	}
}

func resized(name string, shape, signature []int) tflitetest.Tensor {
	return tflitetest.Tensor{Name: name, Shape: shape, Signature: signature}
}

func int32s(name string, shape []int, values ...int32) tflitetest.Tensor {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, uint32(v))
	}
	return tflitetest.Tensor{Name: name, Shape: shape, Type: schema.TensorTypeINT32, Data: data}
}

// TestReadInfersShapes: TensorFlow's converter writes a dilated convolution of a free batch
// as a batch of pieces, and gives them a batch of 1. Four convolutions take four times as long.
func TestReadInfersShapes(t *testing.T) {
	f := tflitetest.File{
		Tensors: []tflitetest.Tensor{
			resized("x", []int{1, 16, 20, 3}, []int{-1, 16, 20, 3}), int32s("block", []int{2}, 2, 2), int32s("edges", []int{2, 2}, 2, 2, 2, 2),
			resized("pieces", []int{1, 10, 12, 3}, []int{-1, 10, 12, 3}), weights("w", 8, 3, 3, 3),
			resized("convolved", []int{1, 8, 10, 8}, []int{-1, 8, 10, 8}), weights("shift", 8),
			resized("sum", []int{1, 8, 10, 8}, []int{-1, 8, 10, 8}), int32s("crops", []int{2, 2}, 0, 0, 0, 0),
			resized("y", []int{1, 16, 20, 8}, []int{-1, 16, 20, 8}),
			resized("rows", []int{1, 8}, []int{-1, 8}),
		},
		Operators: []tflitetest.Operator{
			{Code: schema.BuiltinOperatorSPACE_TO_BATCH_ND, Inputs: []int{0, 1, 2}, Outputs: []int{3}},
			{Code: schema.BuiltinOperatorCONV_2D, Inputs: []int{3, 4}, Outputs: []int{5}, Options: conv(valid, 1, 1, 1)},
			{Code: schema.BuiltinOperatorADD, Inputs: []int{5, 6}, Outputs: []int{7}},
			{Code: schema.BuiltinOperatorBATCH_TO_SPACE_ND, Inputs: []int{7, 1, 8}, Outputs: []int{9}},
			{Code: schema.BuiltinOperatorRESHAPE, Inputs: []int{9}, Outputs: []int{10}},
		},
		Inputs: []int{0}, Outputs: []int{10},
	}
	n := mustRead(t, f.Bytes())
	if !n.MACsComplete || n.Graph.TotalMACs() != 4*8*10*27*8 {
		t.Errorf("%d MACs, want %d; unknown %v, notes %q", n.Graph.TotalMACs(), 4*8*10*27*8, n.UnknownOps, n.Notes)
	}
	var got [][4]int
	for _, op := range n.Graph.Ops {
		got = append(got, n.Graph.Out(op))
	}
	want := [][4]int{{4, 10, 12, 3}, {4, 8, 10, 8}, {4, 8, 10, 8}, {1, 16, 20, 8}, {320, 1, 1, 8}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}

	// After an operator without a rule, shapes are not certain.
	f.Operators[2] = tflitetest.Operator{Code: schema.BuiltinOperatorTILE, Inputs: []int{5, 6}, Outputs: []int{7}}
	n = mustRead(t, f.Bytes())
	if diff := cmp.Diff([]reader.OpCount{{Name: "BATCH_TO_SPACE_ND", Count: 1}, {Name: "RESHAPE", Count: 1}, {Name: "TILE", Count: 1}}, n.UnknownOps); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
}

// TestReadStoredWeights: weights that a runtime unpacks once belong to their op.
func TestReadStoredWeights(t *testing.T) {
	half := typed(weights("w16", 8, 1, 1, 3), schema.TensorTypeFLOAT16, 2)
	f := tflitetest.File{
		Tensors: []tflitetest.Tensor{value("x", 1, 8, 8, 3), half, value("w", 8, 1, 1, 3), value("y", 1, 8, 8, 8), value("z", 1, 8, 8, 8)},
		Operators: []tflitetest.Operator{
			{Code: schema.BuiltinOperatorDEQUANTIZE, Inputs: []int{1}, Outputs: []int{2}},
			{Code: schema.BuiltinOperatorCONV_2D, Inputs: []int{0, 2}, Outputs: []int{3}, Options: conv(same, 1, 1, 1)},
			{Code: schema.BuiltinOperatorCONV_2D, Inputs: []int{0, 2}, Outputs: []int{4}, Options: conv(same, 1, 1, 1)},
		},
		Inputs: []int{0}, Outputs: []int{3, 4}, SubGraphs: 1, Signatures: []string{"serving_default"},
	}
	n := mustRead(t, f.Bytes())
	if len(n.Graph.Ops) != 2 || !n.MACsComplete || n.Precision != "float16" || n.Params != 24 {
		t.Errorf("%d ops, complete %t, precision %s, %d params", len(n.Graph.Ops), n.MACsComplete, n.Precision, n.Params)
	}
	if diff := cmp.Diff([]int{1, 2}, n.Nodes); diff != "" {
		t.Errorf("operators of the ops (-want +got):\n%s", diff)
	}
	if got := n.Rows(nil)[0]; got.WeightBytes != 48 || got.InputBytes != 4*192 || got.OutputBytes != 4*512 {
		t.Errorf("bytes of %+v", got)
	}
	if len(n.Graph.Tensors) != 3 || n.SubGraphs != 2 || !cmp.Equal(n.Signatures, []string{"serving_default"}) {
		t.Errorf("tensors %v, %d subgraphs, signatures %v", n.Graph.Tensors, n.SubGraphs, n.Signatures)
	}
	for _, want := range []string{"2 subgraphs", "1 operators only unpack weights", "1 constants are shared"} {
		if !strings.Contains(strings.Join(n.Notes, "\n"), want) {
			t.Errorf("notes %q, want %q", n.Notes, want)
		}
	}
}

// TestReadPrecisionWithoutWork: a network without multiply-accumulates has its output's type.
func TestReadPrecisionWithoutWork(t *testing.T) {
	for kind, want := range map[schema.TensorType]string{
		schema.TensorTypeINT8: "int8", schema.TensorTypeUINT8: "uint8", schema.TensorTypeFLOAT32: "float32", schema.TensorTypeBOOL: "float32",
	} {
		width := 1
		if kind == schema.TensorTypeFLOAT32 {
			width = 4
		}
		x, y := typed(value("x", 1, 8, 8, 3), kind, width), typed(value("y", 1, 8, 8, 3), kind, width)
		if n := mustRead(t, one(schema.BuiltinOperatorLOGISTIC, nil, x, y).Bytes()); n.Precision != want {
			t.Errorf("%v: precision %s, want %s", kind, n.Precision, want)
		}
	}
}

func TestReadPrecision(t *testing.T) {
	for _, tc := range []struct {
		want           string
		flow, weights  schema.TensorType
		flowB, weightB int
	}{
		{"float32", schema.TensorTypeFLOAT32, schema.TensorTypeFLOAT32, 4, 4},
		{"dynamic_range", schema.TensorTypeFLOAT32, schema.TensorTypeINT8, 4, 1},
		{"int8", schema.TensorTypeINT8, schema.TensorTypeINT8, 1, 1},
		{"uint8", schema.TensorTypeUINT8, schema.TensorTypeUINT8, 1, 1},
		{"int16x8", schema.TensorTypeINT16, schema.TensorTypeINT8, 2, 1},
		{"float16", schema.TensorTypeFLOAT32, schema.TensorTypeFLOAT16, 4, 2},
		{"float16", schema.TensorTypeFLOAT16, schema.TensorTypeFLOAT16, 2, 2},
	} {
		x, y := typed(value("x", 1, 8, 8, 3), tc.flow, tc.flowB), typed(value("y", 1, 8, 8, 8), tc.flow, tc.flowB)
		x.Scale, x.Zero = 0.5, 3
		f := one(schema.BuiltinOperatorCONV_2D, conv(same, 1, 1, 1), x, typed(weights("w", 8, 1, 1, 3), tc.weights, tc.weightB), y)
		n := mustRead(t, f.Bytes())
		if n.Precision != tc.want {
			t.Errorf("%s: got %s", tc.want, n.Precision)
		}
		if want := strings.ToLower(tc.flow.String()); n.Activations != want {
			t.Errorf("%s: activations of %s, want %s", tc.want, n.Activations, want)
		}
		if p := n.Inputs[0]; p.Scale == nil || *p.Scale != 0.5 || *p.ZeroPoint != 3 || p.Name != "x" {
			t.Errorf("%s: input %+v", tc.want, p)
		}
		if got := n.Rows(nil)[0]; got.InputBytes != int64(192*tc.flowB) || got.WeightBytes != int64(24*tc.weightB) {
			t.Errorf("%s: bytes of %+v", tc.want, got)
		}
	}
}

// TestReadRefuses reads complete but contradictory files.
func TestReadRefuses(t *testing.T) {
	short := weights("w", 8, 1, 1, 3)
	short.Data = short.Data[:92]
	conv1 := func(w tflitetest.Tensor) tflitetest.File {
		return one(schema.BuiltinOperatorCONV_2D, conv(same, 1, 1, 1), value("x", 1, 8, 8, 3), w, value("y", 1, 8, 8, 8))
	}
	cycle := tflitetest.File{
		Tensors: []tflitetest.Tensor{value("a", 1), value("b", 1)},
		Operators: []tflitetest.Operator{
			{Code: schema.BuiltinOperatorRELU, Inputs: []int{0}, Outputs: []int{1}},
			{Code: schema.BuiltinOperatorRELU, Inputs: []int{1}, Outputs: []int{0}},
		},
		Outputs: []int{1},
	}
	twice := cycle
	twice.Inputs = []int{0}
	twice.Operators = []tflitetest.Operator{cycle.Operators[0], cycle.Operators[0]}
	huge := value("y", 1<<20, 1<<20, 1<<20, 1<<20)
	large := one(schema.BuiltinOperatorBATCH_MATMUL, nil, value("x", 1<<10, 1<<10, 1<<11), value("w", 1<<10, 1<<11, 1<<10), value("y", 1<<10, 1<<10, 1<<10))
	for _, tc := range []struct {
		name string
		file tflitetest.File
		want string
	}{
		{"buffer too short", conv1(short), "w: its shape [8 1 1 3] of float32 needs 96 bytes, its buffer has 92"},
		{"shape overflows", one(schema.BuiltinOperatorRELU, nil, huge, huge), "more than 2147483648 elements"},
		{"negative extent", one(schema.BuiltinOperatorRELU, nil, value("x", -5), value("y", 1)), "extent -5"},
		{"many axes", one(schema.BuiltinOperatorRELU, nil, value("x", make([]int, 9)...), value("y", 1)), "9 axes"},
		{"cycle", cycle, "computes after it"},
		{"computed twice", twice, "which operator 0 has computed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := reader.Read(tc.file.Bytes())
			if !errors.Is(err, tflite.ErrNotTFLite) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tc.want)
			}
		})
	}
	n := mustRead(t, large.Bytes())
	if got := n.Graph.TotalMACs(); got != 1<<41 {
		t.Errorf("large, but within bounds: %d MACs", got)
	}
}

// TestReadRealFile reads the only .tflite in the tests' Python packages.
func TestReadRealFile(t *testing.T) {
	python := testenv.Python(t)
	found, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(python)), "lib/python3*/site-packages/tflite_micro/python/tflite_micro/*.tflite"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no file: %v", err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	n := mustRead(t, data)
	// sine_float: 1 -> 16 -> 16 -> 1, fully connected.
	if n.Graph.TotalMACs() != 16+256+16 || n.Params != 288+33 || !n.MACsComplete || n.Precision != "float32" {
		t.Errorf("%d MACs, %d params, precision %s, unknown %v", n.Graph.TotalMACs(), n.Params, n.Precision, n.UnknownOps)
	}
	if got := fmt.Sprint(n.Inputs[0].Shape); got != "[-1 1]" {
		t.Errorf("input %s", got)
	}
}

// TestReadBoundsMemory reads a file whose four-byte offsets all lead to one table, which must not be stored a
// hundred thousand times.
func TestReadBoundsMemory(t *testing.T) {
	f := one(schema.BuiltinOperatorRELU, nil, value(strings.Repeat("n", 1<<16), 1, 4), value("y", 1, 4))
	f.Shared = 100_000
	for i := range 1<<14 - len(f.Outputs) {
		f.Outputs = append(f.Outputs, 2+i)
	}
	data := f.Bytes()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := mustRead(t, data)
	runtime.ReadMemStats(&after)
	// The names alone would be 6.4 GB.
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(100*len(data)); got > most {
		t.Errorf("a file of %d bytes took %d bytes of memory, want at most %d", len(data), got, most)
	}
	if len(n.Outputs) != 1<<14 {
		t.Errorf("%d outputs", len(n.Outputs))
	}
	f.Outputs = append(f.Outputs, 0)
	if _, err := reader.Read(f.Bytes()); err == nil || !strings.Contains(err.Error(), "16385 inputs or outputs, want at most 16384") {
		t.Errorf("one output more: %v", err)
	}
	f.Shared, f.Outputs = 1<<18, []int{1}
	if _, err := reader.Read(f.Bytes()); err == nil || !strings.Contains(err.Error(), "want at most 262144") {
		t.Errorf("many tensors: %v", err)
	}
}

// FuzzRead requires no panic and no impossible figure.
func FuzzRead(f *testing.F) {
	for _, c := range cases(f)[:2] {
		data := mustBytes(f, c)
		f.Add(data[:min(len(data), 16<<10)])
	}
	none := typed(weights("shape", 4), schema.TensorTypeINT32, 4)
	for _, file := range []tflitetest.File{
		one(schema.BuiltinOperatorCONV_2D, conv(valid, 2, 1, 1), value("x", 1, 9, 9, 3), weights("w", 8, 3, 3, 3), weights("b", 8), value("y", 1, 4, 7, 8)),
		one(schema.BuiltinOperatorDEPTHWISE_CONV_2D, depthwise(same, 2, 3), value("x", 1, 9, 9, 4), weights("w", 1, 3, 5, 12), value("y", 1, 5, 5, 12)),
		one(schema.BuiltinOperatorTRANSPOSE_CONV, transposeConv(same, 2), none, weights("w", 6, 3, 3, 4), value("x", 1, 5, 5, 4), value("y", 1, 10, 10, 6)),
		one(schema.BuiltinOperatorFULLY_CONNECTED, fullyConnected, value("x", 2, 3, 4, 5), weights("w", 7, 60), weights("b", 7), value("y", 2, 7)),
		one(schema.BuiltinOperatorBATCH_MATMUL, matmul(true, false), value("x", 3, 8, 10), weights("w", 8, 6), value("y", 3, 10, 6)),
		one(schema.BuiltinOperatorMAX_POOL_2D, pool(same, 3, 2, 2), value("x", 1, 7, 7, 4), value("y", 1, 4, 4, 4)),
		one(schema.BuiltinOperatorRNN, nil, value("x", 1, 4), weights("w", 6, 4), weights("r", 6, 6), value("y", 1, 6)),
		one(schema.BuiltinOperatorCONV_3D, nil, value("x", 1, 4, 6, 6, 3), weights("w", 2, 3, 3, 3, 5), value("y", 1, 4, 6, 6, 5)),
		one(schema.BuiltinOperatorSPACE_TO_BATCH_ND, nil, value("x", 1, 4, 4, 3), int32s("b", []int{2}, 2, 2), int32s("e", []int{2, 2}, 0, 0, 0, 0), resized("y", []int{1, 2, 2, 3}, []int{-1, 2, 2, 3})),
		one(schema.BuiltinOperatorRESHAPE, nil, value("x", 1, 4, 4, 3), resized("y", []int{1, 3}, []int{-1, 3})),
		{SubGraphs: 1, Signatures: []string{"a"}},
		framing([]int{-1, 24}),
		one(schema.BuiltinOperatorSTRIDED_SLICE, masks{shrink: 1}.options, value("x", 4, 6), list(1, 2), list(2, 5), list(1, 2), free(1)),
		one(schema.BuiltinOperatorGATHER, gather(1, 0), value("x", 2, 6, 8), list(0, 5), free(3)),
		one(schema.BuiltinOperatorSQUEEZE, squeeze(1), value("x", 2, 1, 8), free(2)),
		one(schema.BuiltinOperatorPAD, nil, value("x", 2, 3), int32s("edges", []int{2, 2}, 0, 1, 2, 0), free(2)),
	} {
		f.Add(file.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := reader.Read(data)
		if err != nil {
			if !errors.Is(err, tflite.ErrNotTFLite) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		for _, row := range n.Rows(nil) {
			if row.MACs < 0 || row.Params < 0 || row.InputBytes < 0 || row.OutputBytes < 0 || row.WeightBytes < 0 {
				t.Fatalf("row %+v", row)
			}
		}
		if n.Graph.TotalMACs() < 0 || n.Params < 0 || n.MACsComplete != (len(n.UnknownOps) == 0) {
			t.Fatalf("%d MACs, %d params, unknown %v", n.Graph.TotalMACs(), n.Params, n.UnknownOps)
		}
		for _, op := range n.Graph.Ops {
			n.Graph.PaidOp(op)
		}
		n.Graph.Hash()
	})
}

// BenchmarkRead reads a network of a built-in space, its weights included.
func BenchmarkRead(b *testing.B) {
	s, err := sampler.Builtin("mobiledet_edgetpu_tucker")
	if err != nil {
		b.Fatal(err)
	}
	archs, err := sampler.Sample(s, 1, 1)
	if err != nil {
		b.Fatal(err)
	}
	g, err := graph.Lower(s, archs[0])
	if err != nil {
		b.Fatal(err)
	}
	data := mustBytes(b, tflitetest.Case{Graph: g})
	b.ReportAllocs()
	for b.Loop() {
		mustRead(b, data)
	}
}

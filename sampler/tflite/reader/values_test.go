package reader_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/google/go-cmp/cmp"

	"latlab/sampler/tflite/internal/schema"
	"latlab/sampler/tflite/reader"
	"latlab/sampler/tflite/tflitetest"
)

func gather(axis, batch int) options {
	return func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
		schema.GatherOptionsStart(b)
		schema.GatherOptionsAddAxis(b, int32(axis))
		schema.GatherOptionsAddBatchDims(b, int32(batch))
		return schema.BuiltinOptionsGatherOptions, schema.GatherOptionsEnd(b)
	}
}

func squeeze(axes ...int32) options {
	return func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
		schema.SqueezeOptionsStartSqueezeDimsVector(b, len(axes))
		for _, a := range slices.Backward(axes) {
			b.PrependInt32(a)
		}
		list := b.EndVector(len(axes))
		schema.SqueezeOptionsStart(b)
		schema.SqueezeOptionsAddSqueezeDims(b, list)
		return schema.BuiltinOptionsSqueezeOptions, schema.SqueezeOptionsEnd(b)
	}
}

// masks are a slice's, by bits of axes.
type masks struct{ begin, end, ellipsis, newAxis, shrink int32 }

func (m masks) options(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
	schema.StridedSliceOptionsStart(b)
	schema.StridedSliceOptionsAddBeginMask(b, m.begin)
	schema.StridedSliceOptionsAddEndMask(b, m.end)
	schema.StridedSliceOptionsAddEllipsisMask(b, m.ellipsis)
	schema.StridedSliceOptionsAddNewAxisMask(b, m.newAxis)
	schema.StridedSliceOptionsAddShrinkAxisMask(b, m.shrink)
	return schema.BuiltinOptionsStridedSliceOptions, schema.StridedSliceOptionsEnd(b)
}

func concatenation(axis int) options {
	return func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
		schema.ConcatenationOptionsStart(b)
		schema.ConcatenationOptionsAddAxis(b, int32(axis))
		return schema.BuiltinOptionsConcatenationOptions, schema.ConcatenationOptionsEnd(b)
	}
}

func addReLU(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
	schema.AddOptionsStart(b)
	schema.AddOptionsAddFusedActivationFunction(b, schema.ActivationFunctionTypeRELU)
	return schema.BuiltinOptionsAddOptions, schema.AddOptionsEnd(b)
}

func list(values ...int32) tflitetest.Tensor { return int32s("list", []int{len(values)}, values...) }
func scalar(v int32) tflitetest.Tensor       { return int32s("scalar", []int{}, v) }
func longs(values ...int64) tflitetest.Tensor {
	t := tflitetest.Tensor{Name: "longs", Shape: []int{len(values)}, Type: schema.TensorTypeINT64, Data: []byte{}}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint64(t.Data, uint64(v))
	}
	return t
}

// free is an output of which the file has only the rank.
func free(rank int) tflitetest.Tensor {
	return resized("y", slices.Repeat([]int{1}, rank), slices.Repeat([]int{-1}, rank))
}

// framing is TensorFlow's output for tf.signal.frame without overlap: the signal's length, the number of frames and
// their shape are all computed.
func framing(signature []int) tflitetest.File {
	ints := func(name string, shape ...int) tflitetest.Tensor {
		return tflitetest.Tensor{Name: name, Shape: shape, Type: schema.TensorTypeINT32}
	}
	return tflitetest.File{
		Tensors: []tflitetest.Tensor{
			resized("x", []int{1, 24}, signature), ints("shape", 2), list(1, -1, 0), scalar(0), // 0 to 3
			ints("batch", 1), ints("length1", 1), ints("nothing", 0), ints("none", 0), ints("length"), // to 8
			scalar(4), ints("frames"), list(1), ints("frames1", 1), list(4), ints("framed", 3), // to 14
			resized("cut", []int{1, 1, 4}, []int{-1, -1, 4}), weights("w", 5, 4), // to 16
			resized("rows", []int{1, 1, 5}, []int{-1, -1, 5}), list(1), resized("mean", []int{1, 5}, []int{-1, 5}), // to 19
		},
		Operators: []tflitetest.Operator{
			{Code: schema.BuiltinOperatorSHAPE, Inputs: []int{0}, Outputs: []int{1}},
			{Code: schema.BuiltinOperatorSPLIT_V, Inputs: []int{1, 2, 3}, Outputs: []int{4, 5, 6}},
			{Code: schema.BuiltinOperatorRESHAPE, Inputs: []int{5, 7}, Outputs: []int{8}},
			{Code: schema.BuiltinOperatorFLOOR_DIV, Inputs: []int{8, 9}, Outputs: []int{10}},
			{Code: schema.BuiltinOperatorRESHAPE, Inputs: []int{10, 11}, Outputs: []int{12}},
			{Code: schema.BuiltinOperatorCONCATENATION, Inputs: []int{4, 12, 13}, Outputs: []int{14}, Options: concatenation(0)},
			{Code: schema.BuiltinOperatorRESHAPE, Inputs: []int{0, 14}, Outputs: []int{15}},
			{Code: schema.BuiltinOperatorFULLY_CONNECTED, Inputs: []int{15, 16, -1}, Outputs: []int{17}, Options: fullyConnected},
			{Code: schema.BuiltinOperatorMEAN, Inputs: []int{17, 18}, Outputs: []int{19}},
		},
		Inputs: []int{0}, Outputs: []int{19},
	}
}

// TestReadFollowsShapes: the file has one frame where a run has six.
func TestReadFollowsShapes(t *testing.T) {
	n := mustRead(t, framing([]int{-1, 24}).Bytes())
	if !n.MACsComplete || n.Graph.TotalMACs() != 6*4*5 || n.Params != 20 {
		t.Errorf("%d MACs, want %d; %d params, unknown %v, notes %q", n.Graph.TotalMACs(), 6*4*5, n.Params, n.UnknownOps, n.Notes)
	}
	if notes := strings.Join(n.Notes, "\n"); !strings.Contains(notes, "1 SHAPE operators read tensors that may be resized") {
		t.Errorf("notes %q", n.Notes)
	}

	// With a missing length nothing can be counted.
	n = mustRead(t, framing([]int{-1, -1}).Bytes())
	want := []reader.OpCount{{Name: "FULLY_CONNECTED", Count: 1}, {Name: "MEAN", Count: 1}, {Name: "RESHAPE", Count: 1}}
	if diff := cmp.Diff(want, n.UnknownOps); diff != "" || n.Graph.TotalMACs() != 0 {
		t.Errorf("%d MACs, unknown (-want +got):\n%s", n.Graph.TotalMACs(), diff)
	}
}

// TestReadRules has an output for every rule, of which the file has only the rank.
func TestReadRules(t *testing.T) {
	x := value("x", 2, 6, 1, 8)
	for _, tc := range []struct {
		name    string
		code    schema.BuiltinOperator
		options options
		inputs  []tflitetest.Tensor
		rank    int
		want    [4]int // nil where the op is not certain
	}{
		{"reshape", schema.BuiltinOperatorRESHAPE, nil, []tflitetest.Tensor{x, list(3, -1, 2)}, 3, [4]int{3, 1, 16, 2}},
		{"reshape, int64", schema.BuiltinOperatorRESHAPE, nil, []tflitetest.Tensor{x, longs(3, -1, 2)}, 3, [4]int{3, 1, 16, 2}},
		{"reshape to another size", schema.BuiltinOperatorRESHAPE, nil, []tflitetest.Tensor{x, list(3, 5, 2)}, 3, [4]int{}},
		{"transpose", schema.BuiltinOperatorTRANSPOSE, nil, []tflitetest.Tensor{x, list(3, 0, -2, 1)}, 4, [4]int{8, 2, 1, 6}},
		{"expand", schema.BuiltinOperatorEXPAND_DIMS, nil, []tflitetest.Tensor{value("x", 2, 6, 8), scalar(-1)}, 4, [4]int{2, 6, 8, 1}},
		{"squeeze one", schema.BuiltinOperatorSQUEEZE, squeeze(-2), []tflitetest.Tensor{x}, 3, [4]int{2, 1, 6, 8}},
		{"squeeze all", schema.BuiltinOperatorSQUEEZE, squeeze(), []tflitetest.Tensor{x}, 3, [4]int{2, 1, 6, 8}},
		{"squeeze what is not 1", schema.BuiltinOperatorSQUEEZE, squeeze(1), []tflitetest.Tensor{x}, 3, [4]int{}},
		{"pad", schema.BuiltinOperatorPAD, nil, []tflitetest.Tensor{x, int32s("edges", []int{4, 2}, 0, 0, 1, 2, 3, 0, 0, 0)}, 4, [4]int{2, 9, 4, 8}},
		{"concatenate", schema.BuiltinOperatorCONCATENATION, concatenation(-3), []tflitetest.Tensor{x, value("x2", 2, 5, 1, 8)}, 4, [4]int{2, 11, 1, 8}},
		{"concatenate what does not fit", schema.BuiltinOperatorCONCATENATION, concatenation(-3), []tflitetest.Tensor{x, value("x2", 2, 5, 2, 8)}, 4, [4]int{}},
		{"mean", schema.BuiltinOperatorMEAN, nil, []tflitetest.Tensor{x, list(1, 2)}, 2, [4]int{2, 1, 1, 8}},
		{"sum that keeps axes", schema.BuiltinOperatorSUM, nil, []tflitetest.Tensor{x, scalar(-1)}, 4, [4]int{2, 6, 1, 1}},
		{"gather", schema.BuiltinOperatorGATHER, gather(1, 0), []tflitetest.Tensor{value("x", 2, 6, 8), int32s("at", []int{3, 2}, 0, 1, 2, 3, 4, 5)}, 4, [4]int{2, 3, 2, 8}},
		{"gather by batch", schema.BuiltinOperatorGATHER, gather(1, 1), []tflitetest.Tensor{value("x", 2, 6, 8), int32s("at", []int{2, 1}, 0, 1)}, 3, [4]int{}},
		{"slice", schema.BuiltinOperatorSTRIDED_SLICE, masks{begin: 1, end: 3}.options, []tflitetest.Tensor{x, list(9, 1), list(0, 0), list(1, 2)}, 4, [4]int{2, 3, 1, 8}},
		{"slice that drops an axis", schema.BuiltinOperatorSTRIDED_SLICE, masks{shrink: 2}.options, []tflitetest.Tensor{x, list(0, -1), list(1, 0), list(1, 1)}, 3, [4]int{1, 1, 1, 8}},
		{"slice with a new axis", schema.BuiltinOperatorSTRIDED_SLICE, masks{newAxis: 1}.options, []tflitetest.Tensor{x, list(0), list(1), list(1)}, 5, [4]int{}},
		{"slice of nothing", schema.BuiltinOperatorSTRIDED_SLICE, masks{}.options, []tflitetest.Tensor{x, list(1), list(1), list(1)}, 4, [4]int{}},
		{"range", schema.BuiltinOperatorRANGE, nil, []tflitetest.Tensor{scalar(0), scalar(10), scalar(3)}, 1, [4]int{1, 1, 1, 4}},
		{"range backwards", schema.BuiltinOperatorRANGE, nil, []tflitetest.Tensor{scalar(10), scalar(0), scalar(-3)}, 1, [4]int{}},
		{"range without end", schema.BuiltinOperatorRANGE, nil, []tflitetest.Tensor{scalar(0), scalar(5), scalar(0)}, 1, [4]int{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := mustRead(t, one(tc.code, tc.options, append(tc.inputs, free(tc.rank))...).Bytes())
			switch {
			case tc.want == [4]int{}:
				if n.MACsComplete {
					t.Errorf("certain of %v", n.Graph.Out(n.Graph.Ops[0]))
				}
			case !n.MACsComplete:
				t.Errorf("unknown, notes %q", n.Notes)
			case n.Graph.Out(n.Graph.Ops[0]) != tc.want:
				t.Errorf("got %v, want %v", n.Graph.Out(n.Graph.Ops[0]), tc.want)
			}
		})
	}
}

// TestReadAfterRFFT: the cost of a transform is not counted, but its size is known.
func TestReadAfterRFFT(t *testing.T) {
	f := tflitetest.File{
		Tensors: []tflitetest.Tensor{value("x", 1, 3, 1, 16), list(1, 16), free(4), free(4), weights("w", 5, 9), free(4)},
		Operators: []tflitetest.Operator{
			{Code: schema.BuiltinOperatorRFFT2D, Inputs: []int{0, 1}, Outputs: []int{2}},
			{Code: schema.BuiltinOperatorCAST, Inputs: []int{2}, Outputs: []int{3}},
			{Code: schema.BuiltinOperatorFULLY_CONNECTED, Inputs: []int{3, 4, -1}, Outputs: []int{5}, Options: fullyConnected},
		},
		Inputs: []int{0}, Outputs: []int{5},
	}
	n := mustRead(t, f.Bytes())
	if diff := cmp.Diff([]reader.OpCount{{Name: "RFFT2D", Count: 1}}, n.UnknownOps); diff != "" || n.Graph.TotalMACs() != 3*9*5 {
		t.Errorf("%d MACs, want %d; unknown (-want +got):\n%s", n.Graph.TotalMACs(), 3*9*5, diff)
	}
}

// shaped is a file that computes integers and uses them as the shape of a RESHAPE.
func shaped(op tflitetest.Operator, inputs []tflitetest.Tensor, made tflitetest.Tensor, want []int) tflitetest.File {
	elements := 1
	for _, d := range want {
		elements *= d
	}
	made.Name, made.Type = "made", schema.TensorTypeINT32
	f := tflitetest.File{Tensors: append(slices.Clone(inputs), made, value("x", elements), free(max(len(want), 1)))}
	n := len(inputs)
	for i := range n {
		op.Inputs = append(op.Inputs, i)
	}
	op.Outputs = []int{n}
	f.Operators = []tflitetest.Operator{op, {Code: schema.BuiltinOperatorRESHAPE, Inputs: []int{n + 1, n}, Outputs: []int{n + 2}}}
	f.Inputs, f.Outputs = []int{n + 1}, []int{n + 2}
	return f
}

// TestReadComputesValues: the shape of a reshaped tensor shows the computed list.
func TestReadComputesValues(t *testing.T) {
	type operator = tflitetest.Operator
	const none = 97 // a prime: an output of several axes that are not known cannot have it
	for _, tc := range []struct {
		name   string
		op     operator
		inputs []tflitetest.Tensor
		made   []int // shape of what is computed
		want   []int // nil where it is not known
	}{
		{"add", operator{Code: schema.BuiltinOperatorADD}, []tflitetest.Tensor{list(1, 2), scalar(3)}, []int{2}, []int{4, 5}},
		{"add and cut off", operator{Code: schema.BuiltinOperatorADD, Options: addReLU}, []tflitetest.Tensor{list(1, 2), scalar(3)}, []int{2}, nil},
		{"subtract", operator{Code: schema.BuiltinOperatorSUB}, []tflitetest.Tensor{scalar(7), list(2, 3)}, []int{2}, []int{5, 4}},
		{"multiply", operator{Code: schema.BuiltinOperatorMUL}, []tflitetest.Tensor{list(2, 3), list(4, 1)}, []int{2}, []int{8, 3}},
		{"multiply beyond bounds", operator{Code: schema.BuiltinOperatorMUL}, []tflitetest.Tensor{list(1<<16, 1), list(1<<16, 1)}, []int{2}, nil},
		{"floor of a quotient", operator{Code: schema.BuiltinOperatorFLOOR_DIV}, []tflitetest.Tensor{list(7, -7), list(2, -3)}, []int{2}, []int{3, 2}},
		{"floor below zero", operator{Code: schema.BuiltinOperatorFLOOR_DIV}, []tflitetest.Tensor{list(-1, 5), list(6, 1)}, []int{2}, []int{-1, 5}},
		{"divide by zero", operator{Code: schema.BuiltinOperatorFLOOR_DIV}, []tflitetest.Tensor{list(7, 7), list(2, 0)}, []int{2}, nil},
		{"maximum", operator{Code: schema.BuiltinOperatorMAXIMUM}, []tflitetest.Tensor{list(-7, 5), scalar(2)}, []int{2}, []int{2, 5}},
		{"minimum", operator{Code: schema.BuiltinOperatorMINIMUM}, []tflitetest.Tensor{list(7, 5), scalar(6)}, []int{2}, nil},
		{"pack", operator{Code: schema.BuiltinOperatorPACK}, []tflitetest.Tensor{scalar(4), scalar(3), scalar(2)}, []int{3}, []int{4, 3, 2}},
		{"gather", operator{Code: schema.BuiltinOperatorGATHER, Options: gather(0, 0)}, []tflitetest.Tensor{list(4, 3, 2), list(2, 0)}, []int{2}, []int{2, 4}},
		{"gather outside", operator{Code: schema.BuiltinOperatorGATHER, Options: gather(0, 0)}, []tflitetest.Tensor{list(4, 3, 2), list(2, 3)}, []int{2}, nil},
		{"slice", operator{Code: schema.BuiltinOperatorSTRIDED_SLICE, Options: masks{}.options}, []tflitetest.Tensor{list(4, 3, 2), list(0), list(2), list(1)}, []int{2}, nil},
		{"cast", operator{Code: schema.BuiltinOperatorCAST}, []tflitetest.Tensor{longs(4, 3)}, []int{2}, []int{4, 3}},
		{"cast what is too large", operator{Code: schema.BuiltinOperatorCAST}, []tflitetest.Tensor{longs(1<<40, 3)}, []int{2}, nil},
		{"product", operator{Code: schema.BuiltinOperatorREDUCE_PROD}, []tflitetest.Tensor{list(4, 3), list(0)}, []int{1}, []int{12}},
		{"sum", operator{Code: schema.BuiltinOperatorSUM}, []tflitetest.Tensor{list(4, 3), list(0)}, []int{1}, nil},
		{"range", operator{Code: schema.BuiltinOperatorRANGE}, []tflitetest.Tensor{scalar(2), scalar(8), scalar(2)}, []int{3}, nil},
		{"shape", operator{Code: schema.BuiltinOperatorSHAPE}, []tflitetest.Tensor{weights("w", 3, 5)}, []int{2}, []int{3, 5}},
		{"too many values", operator{Code: schema.BuiltinOperatorADD}, []tflitetest.Tensor{list(make([]int32, 65)...), scalar(1)}, []int{65}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.want
			if want == nil {
				want = []int{none, 1}
			}
			elements := slices.Clone(want)
			for i, d := range elements {
				if d == -1 {
					elements[i], want = 4, slices.Replace(slices.Clone(want), i, i+1, 4)
				}
			}
			n := mustRead(t, shaped(tc.op, tc.inputs, value("", tc.made...), elements).Bytes())
			switch {
			case (tc.want == nil) == n.MACsComplete:
				t.Fatalf("unknown %v, notes %q", n.UnknownOps, n.Notes)
			case tc.want == nil:
				return
			}
			if diff := cmp.Diff(want, outShape(n, 1, len(want))); diff != "" {
				t.Errorf("shape (-want +got):\n%s", diff)
			}
		})
	}
}

// outShape undoes the four axes of a Graph for a rank of up to three: batch, 1..., rest.
func outShape(n *reader.Network, op, rank int) []int {
	s := n.Graph.Out(n.Graph.Ops[op])
	if rank < 2 {
		return []int{s[3]}
	}
	return append([]int{s[0]}, s[4-rank+1:]...)
}

// TestReadSlicesAsPython tries every slice of a list of three. A backward slice is not followed, and an empty one
// has no size to count with.
func TestReadSlicesAsPython(t *testing.T) {
	const n = 3
	walk := func(begin, end, stride int) int {
		if begin < 0 {
			begin += n
		}
		if end < 0 {
			end += n
		}
		count := 0
		for i := max(begin, 0); i < min(end, n) && stride > 0; i += stride {
			count++
		}
		return count
	}
	for begin := -5; begin <= 5; begin++ {
		for end := -5; end <= 5; end++ {
			for _, stride := range []int{-3, -2, -1, 1, 2, 3} {
				want := walk(begin, end, stride)
				got := mustRead(t, one(schema.BuiltinOperatorSTRIDED_SLICE, masks{}.options, value("x", n),
					list(int32(begin)), list(int32(end)), list(int32(stride)), free(1)).Bytes())
				if got.MACsComplete != (want > 0) || want > 0 && outShape(got, 0, 1)[0] != want {
					t.Fatalf("[%d:%d:%d] of %d: want %d; unknown %v, notes %q", begin, end, stride, n, want, got.UnknownOps, got.Notes)
				}
			}
		}
	}
}

package reader_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler/tflite/internal/schema"
	"latlab/sampler/tflite/reader"
	"latlab/sampler/tflite/tflitetest"
)

// TestDecidedByLoops: a condition is followed through the subgraphs and the variables of a loop.
func TestDecidedByLoops(t *testing.T) {
	for file, want := range map[string][]reader.Decision{
		"small_loop.tflite":     {{Op: "WHILE", Input: "n", What: "the number of runs"}},
		"while_constant.tflite": nil,                                                     // five times, whatever x is
		"while_chain.tflite":    {{Op: "WHILE", Input: "n", What: "the number of runs"}}, // n becomes the limit in the body
		"while_if.tflite":       {{Op: "IF", Input: "x", What: "the branch"}},            // in the body of a loop of five
	} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, mustRead(t, data).Decided); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestDecidedSizes: a size that an input's value decides is named; constants and sizes that are computed
// from shapes are not.
func TestDecidedSizes(t *testing.T) {
	const f32, i32 = schema.TensorTypeFLOAT32, schema.TensorTypeINT32
	size := []tflitetest.Tensor{
		{Name: "x", Shape: []int{4}, Type: f32}, {Name: "n", Shape: []int{1}, Type: i32},
		{Name: "constant", Shape: []int{1}, Type: i32, Data: []byte{4, 0, 0, 0}}, {Name: "rest", Shape: []int{1}, Type: i32, Data: []byte{255, 255, 255, 255}},
		{Name: "shape", Shape: []int{1}, Type: i32}, {Name: "sum", Shape: []int{1}, Type: i32}, {Name: "y", Shape: []int{4}, Type: f32},
	}
	const x, n, constant, rest, shape, sum, y = 0, 1, 2, 3, 4, 5, 6
	for _, c := range []struct {
		name  string
		code  schema.BuiltinOperator
		in    []int
		input string
	}{
		{"FILL", schema.BuiltinOperatorFILL, []int{n, x}, "n"}, {"FILL", schema.BuiltinOperatorFILL, []int{sum, x}, "n"},
		{"FILL", schema.BuiltinOperatorFILL, []int{constant, x}, ""}, {"FILL", schema.BuiltinOperatorFILL, []int{shape, x}, ""},
		{"RESHAPE", schema.BuiltinOperatorRESHAPE, []int{x, n}, "n"}, {"TILE", schema.BuiltinOperatorTILE, []int{x, n}, "n"},
		{"RANGE", schema.BuiltinOperatorRANGE, []int{constant, n, constant}, "n"}, {"WHERE", schema.BuiltinOperatorWHERE, []int{x}, "x"},
		{"SLICE", schema.BuiltinOperatorSLICE, []int{x, n, constant}, ""}, {"SLICE", schema.BuiltinOperatorSLICE, []int{x, n, rest}, "n"},
		{"SLICE", schema.BuiltinOperatorSLICE, []int{x, constant, n}, "n"}, {"GATHER", schema.BuiltinOperatorGATHER, []int{x, n}, ""},
		{"ADD", schema.BuiltinOperatorADD, []int{x, x}, ""},
	} {
		file := tflitetest.File{Tensors: size, Inputs: []int{x, n}, Outputs: []int{y}, Operators: []tflitetest.Operator{
			{Code: schema.BuiltinOperatorSHAPE, Inputs: []int{x}, Outputs: []int{shape}},
			{Code: schema.BuiltinOperatorADD, Inputs: []int{n, constant}, Outputs: []int{sum}},
			{Code: c.code, Inputs: c.in, Outputs: []int{y}},
		}}
		var want []reader.Decision
		if c.input != "" {
			want = []reader.Decision{{Op: c.name, Input: c.input, What: "the size"}}
		}
		if diff := cmp.Diff(want, mustRead(t, file.Bytes()).Decided); diff != "" {
			t.Errorf("%s of %v (-want +got):\n%s", c.name, c.in, diff)
		}
	}
}

// TestDecidedByTheLastOfManyInputs: a language model's past values come before the count.
func TestDecidedByTheLastOfManyInputs(t *testing.T) {
	file := tflitetest.File{}
	for i := range 40 {
		file.Tensors = append(file.Tensors, tflitetest.Tensor{Name: fmt.Sprint("past", i), Shape: []int{1}, Type: schema.TensorTypeFLOAT32})
		file.Inputs = append(file.Inputs, i)
	}
	file.Tensors = append(file.Tensors, tflitetest.Tensor{Name: "n", Shape: []int{1}, Type: schema.TensorTypeINT32}, tflitetest.Tensor{Name: "y", Shape: []int{4}, Type: schema.TensorTypeFLOAT32})
	file.Inputs, file.Outputs = append(file.Inputs, 40), []int{41}
	file.Operators = []tflitetest.Operator{{Code: schema.BuiltinOperatorFILL, Inputs: []int{40, 0}, Outputs: []int{41}}}
	if diff := cmp.Diff([]reader.Decision{{Op: "FILL", Input: "n", What: "the size"}}, mustRead(t, file.Bytes()).Decided); diff != "" {
		t.Error(diff)
	}
}

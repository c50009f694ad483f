package tflitetest

import "latlab/sampler/tflite/internal/schema"

// Sized is a model of one operator whose input has the given shape and, unless nil, signature: an extent of -1 is
// free.
func Sized(shape, signature []int) []byte {
	return File{
		Tensors: []Tensor{
			{Name: "in", Shape: shape, Signature: signature}, {Name: "out", Shape: shape, Signature: signature},
		},
		Operators: []Operator{{Code: schema.BuiltinOperatorRELU, Inputs: []int{0}, Outputs: []int{1}}},
		Inputs:    []int{0}, Outputs: []int{1},
	}.Bytes()
}

// TextInput is a model that compares four texts with "", "b c", "\u00fc" and "b c": its output shows what its input holds.
func TextInput() []byte {
	texts := "\x04\x00\x00\x00\x18\x00\x00\x00\x18\x00\x00\x00\x1b\x00\x00\x00\x1d\x00\x00\x00\x20\x00\x00\x00b c\u00fcb c"
	return File{
		Tensors: []Tensor{
			{Name: "in", Shape: []int{4}, Type: schema.TensorTypeSTRING}, {Name: "out", Shape: []int{4}, Type: schema.TensorTypeBOOL},
			{Name: "const", Shape: []int{4}, Type: schema.TensorTypeSTRING, Data: []byte(texts)},
		},
		Operators: []Operator{{Code: schema.BuiltinOperatorEQUAL, Inputs: []int{0, 2}, Outputs: []int{1}}},
		Inputs:    []int{0}, Outputs: []int{1},
	}.Bytes()
}

// Compiled is a model whose only operator is a custom one that copies its input, like the output of vendors'
// compilers: "edgetpu-custom-op".
func Compiled(custom string) []byte {
	return File{
		Tensors:   []Tensor{{Name: "in", Shape: []int{1, 8}}, {Name: "out", Shape: []int{1, 8}}},
		Operators: []Operator{{Code: schema.BuiltinOperatorCUSTOM, Custom: custom, Inputs: []int{0}, Outputs: []int{1}}},
		Inputs:    []int{0}, Outputs: []int{1},
	}.Bytes()
}

package tflitetest

import (
	"strings"

	"latlab/sampler/tflite/internal/schema"
)

// Shown is a model of one CAST, from four elements of a type to float32: its output shows what its
// input holds. A scale above 0 quantizes the input.
func Shown(element string, scale float32) []byte {
	return File{
		Tensors: []Tensor{
			{Name: "x", Shape: []int{1, 4}, Type: schema.EnumValuesTensorType[strings.ToUpper(element)], Scale: scale},
			{Name: "y", Shape: []int{1, 4}, Type: schema.TensorTypeFLOAT32},
		},
		Operators: []Operator{{Code: schema.BuiltinOperatorCAST, Inputs: []int{0}, Outputs: []int{1}}},
		Inputs:    []int{0}, Outputs: []int{1},
	}.Bytes()
}

package tflitetest

import (
	"strings"

	flatbuffers "github.com/google/flatbuffers/go"

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

// TwoSignatures has an ADD, x + x, as the signature "double" of its first subgraph, and a chain of three, 8 x, as
// the signature "eightfold" of its second one. The signatures name their input "in", the tensors are called x
// and v, and y and w.
func TwoSignatures() []byte { return twoSignatures().Bytes() }

// SecondFirst is TwoSignatures with the signatures in the other order.
func SecondFirst() []byte {
	f := twoSignatures()
	f.Defs[0], f.Defs[1] = f.Defs[1], f.Defs[0]
	return f.Bytes()
}

// NoSignatures is TwoSignatures without its signatures.
func NoSignatures() []byte {
	f := twoSignatures()
	f.Defs = nil
	return f.Bytes()
}

func twoSignatures() File {
	row := func(name string) Tensor {
		return Tensor{Name: name, Shape: []int{1, 4}, Type: schema.TensorTypeFLOAT32}
	}
	double := func(from, to int) Operator {
		return Operator{Code: schema.BuiltinOperatorADD, Inputs: []int{from, from}, Outputs: []int{to}, Options: func(b *flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
			schema.AddOptionsStart(b)
			return schema.BuiltinOptionsAddOptions, schema.AddOptionsEnd(b)
		}}
	}
	return File{
		Tensors: []Tensor{row("x"), row("y")}, Operators: []Operator{double(0, 1)}, Inputs: []int{0}, Outputs: []int{1},
		More: []SubGraph{{
			Tensors: []Tensor{row("v"), row("v2"), row("v4"), row("w")}, Operators: []Operator{double(0, 1), double(1, 2), double(2, 3)},
			Inputs: []int{0}, Outputs: []int{3},
		}},
		Defs: []Signature{
			{Key: "double", Inputs: []Named{{"in", 0}}, Outputs: []Named{{"out", 1}}},
			{Key: "eightfold", SubGraph: 1, Inputs: []Named{{"in", 0}}, Outputs: []Named{{"out", 3}}},
		},
	}
}

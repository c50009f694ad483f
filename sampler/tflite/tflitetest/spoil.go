package tflitetest

import (
	"slices"

	"latlab/sampler/tflite/internal/schema"
)

// Spoil returns a copy of a model whose first op is unknown to every runtime: the file is complete and
// tflite.Check accepts it, but every runtime refuses it.
func Spoil(data []byte) []byte {
	spoiled := slices.Clone(data)
	var code schema.OperatorCode
	if !schema.GetRootAsModel(spoiled, 0).OperatorCodes(&code, 0) || !code.MutateBuiltinCode(9999) {
		panic("tflitetest: the model's first operator code has no field to change")
	}
	return spoiled
}

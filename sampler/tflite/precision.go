package tflite

import "latlab/sampler/tflite/internal/schema"

// Precision names the narrowest type that the main subgraph's tensors have, which is what
// a model of a user's own was quantized to: "int8", "uint8", "int16", "float16" or, with
// none of them, "float32". The bytes must have passed Check.
func Precision(data []byte) string {
	var sub schema.SubGraph
	schema.GetRootAsModel(data, 0).Subgraphs(&sub, 0)
	seen := map[schema.TensorType]bool{}
	for i := range sub.TensorsLength() {
		var t schema.Tensor
		sub.Tensors(&t, i)
		seen[t.Type()] = true
	}
	switch {
	case seen[schema.TensorTypeINT8]:
		return "int8"
	case seen[schema.TensorTypeUINT8]:
		return "uint8"
	case seen[schema.TensorTypeINT16]:
		return "int16"
	case seen[schema.TensorTypeFLOAT16]:
		return "float16"
	}
	return "float32"
}

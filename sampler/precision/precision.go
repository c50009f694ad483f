// Package precision names the numeric types of a user's own file, by one rule for all formats: by the
// type that values have between the ops, and by the type in which the weights are stored.
//
// It knows no format. sampler/tflite/reader and sampler/onnx find the types in a file; sampler/model
// says which of latlab's precisions a device has to support for them.
package precision

// Of names the precision of an op: the type of its activations, except for networks of float32 whose
// weights are stored in fewer bits ("float16"; "dynamic_range" for 8 bits and fewer, whether a runtime
// unpacks them or quantizes the activations for each product), and for 16-bit activations with weights
// of 8 bits ("int16x8"). bits is the size of a stored weight.
func Of(activations, weights string, bits int64) string {
	small := bits > 0 && bits <= 8
	switch {
	case activations == "float32" && (weights == "float16" || weights == "bfloat16"):
		return "float16"
	case activations == "float32" && small:
		return "dynamic_range"
	case activations == "int16" && small:
		return "int16x8"
	}
	return activations
}

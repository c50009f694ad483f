package tflitetest

import (
	"bytes"

	"latlab/sampler/graph"
	"latlab/sampler/tflite"
)

// Bytes is the file that tflite.Write writes.
func Bytes(g *graph.Graph, o tflite.Options) ([]byte, error) {
	var b bytes.Buffer
	_, err := tflite.Write(&b, g, o)
	return b.Bytes(), err
}

// Package model is a network in a format and precision: its identity, and its bytes when
// somebody asks for them.
//
// Bytes are written on demand into a bounded cache on disk that processes share, and
// made again when they were evicted; the identity is known without them. A user's own
// file is a Model too. The package refuses to know devices.
package model

import (
	"context"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/reader"
)

// Format is a file format.
type Format string

// The formats.
const (
	TFLite Format = "tflite" // a FlatBuffer with the identifier TFL3
	ONNX   Format = "onnx"   // a ModelProto; int8 as QuantizeLinear and DequantizeLinear pairs
)

// Precision is the numeric type of weights and activations.
type Precision string

// The precisions.
const (
	Float32 Precision = "float32" // IEEE 754 single precision
	Int8    Precision = "int8"    // full integer: weights int8 per channel, biases int32, activations 8 bit
)

// Input is the type of a network's inputs, where it is not that of its activations.
type Input string

// UInt8 inputs are what cameras give; an int8 network then begins with a QUANTIZE.
const UInt8 Input = "uint8"

// Form is how a network is written.
type Form struct {
	Format    Format
	Precision Precision
	Input     Input // empty: as the activations
}

// Model is a network in a format and precision.
type Model struct {
	Name string // file name without extension: SPACE-ID-PRECISION, FIXTURE-PRECISION
	// Graph is nil for a user's .tflite with operators that are not known (Network says
	// which, and has the part that is), and for a user's .onnx.
	Graph *graph.Graph
	// Network is what a user's .tflite says of itself; nil for all others.
	Network *reader.Network
	Form
	// Identity is hex sha256 of graph hash + form + writer revision; for a
	// user's own file the sha256 of its bytes.
	Identity string

	source source
}

// File is a Model's bytes on disk. It stays until Close.
type File struct {
	Path   string
	SHA256 string // hex
	Size   int64
	close  func()
}

// Close lets the cache evict the file.
func (f *File) Close() {
	if f != nil && f.close != nil {
		f.close()
	}
}

// source brings a Model's bytes to disk: the cache, or a user's own file.
type source interface {
	open(ctx context.Context, m *Model) (*File, error)
}

// Open returns the Model's bytes as a file, writing them first if they are not there.
func (m *Model) Open(ctx context.Context) (*File, error) { return m.source.open(ctx, m) }

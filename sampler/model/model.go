// Package model is a network in a format and precision: its identity, and its bytes on demand.
//
// Bytes are written on demand into a limited cache on disk that processes share, and written again
// after eviction; the identity is known without them. A user's own file is a Model too. The package
// knows nothing about devices.
package model

import (
	"context"
	"fmt"
	"slices"

	"latlab/sampler/graph"
	"latlab/sampler/onnx"
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

// Input is the type of a network's inputs, if it differs from that of its activations.
type Input string

// UInt8 inputs are what cameras deliver; an int8 network then begins with a QUANTIZE.
const UInt8 Input = "uint8"

// Form is how a network is written.
type Form struct {
	Format    Format
	Precision Precision
	Input     Input // empty: same as the activations
}

// Model is a network in a format and precision.
type Model struct {
	Name string // file name without extension: SPACE-ID-PRECISION, FIXTURE-PRECISION
	// Graph is nil for a user's .tflite with unknown operators (Network lists them and has the known
	// part), and for a user's .onnx.
	Graph *graph.Graph
	// Network describes a user's .tflite; nil for all others.
	Network *reader.Network
	// ONNX describes a user's .onnx; nil for all others.
	ONNX *onnx.Info
	// Decided are the inputs of a user's .onnx whose values decide how much is computed; those of a
	// .tflite are in Network.
	Decided []reader.Decision
	Form
	// Ports are the inputs of a user's own file, in the file's order.
	Ports []Port
	// Call is how a user's own file is executed. Devices must follow it or list what they cannot.
	Call Call
	// Identity is hex sha256 of graph hash + form + writer revision; for a user's own file the sha256
	// of its bytes, or of that and the Call.
	Identity string

	source source // nil without a cache
}

// Warnings are sentences about what a latency of the Model depends on: inputs whose values decide how
// much is computed, unless the Call gives their values.
func (m *Model) Warnings() []string {
	var list []string
	decided := m.Decided
	if m.Network != nil {
		decided = m.Network.Decided
	}
	for _, d := range decided {
		if !slices.ContainsFunc(m.Ports, func(p Port) bool { return p.Name == d.Input && p.HasValues() }) {
			list = append(list, d.String())
		}
	}
	return list
}

// Nodes are the ops of the Graph, or of the Network's known part, among the operators of the file, which are
// in execution order from 0. They differ where the file has operators that the graph has not: the QUANTIZE
// of a uint8 input, constants that are computed once, unknown ones.
func (m *Model) Nodes() []int {
	if m.Network != nil {
		return m.Network.Nodes
	}
	if m.Graph == nil {
		return nil
	}
	first := 0
	if m.Format == TFLite && m.Input == UInt8 {
		first = len(m.Graph.Inputs)
	}
	nodes := make([]int, len(m.Graph.Ops))
	for i := range nodes {
		nodes[i] = first + i
	}
	return nodes
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

// source provides a Model's bytes on disk: the cache, or a user's own file.
type source interface {
	open(ctx context.Context, m *Model) (*File, error)
}

// Open returns the Model's bytes as a file, and writes them first if necessary.
func (m *Model) Open(ctx context.Context) (*File, error) {
	if m.source == nil {
		return nil, fmt.Errorf("model %s: it has no cache", m.Name)
	}
	return m.source.open(ctx, m)
}

// Package tflite writes a graph.Graph as a .tflite model and checks whether bytes are one.
//
// It lays the FlatBuffer out itself instead of using TensorFlow's converter, which makes sweeps of thousands
// of networks practical. The random weights come from sampler/weights.
//
// It writes the operators of the released MobileDets, at the lowest operator versions that support the types,
// because compilers for accelerators reject newer ones: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED,
// AVERAGE_POOL_2D, ADD, MUL, HARD_SWISH, LOGISTIC. Batch norm is folded: each convolution has weights and one
// bias vector.
//
// int8 is full integer, with the scheme and values of sampler/weights: one scale per output channel for
// convolutions, one for all weights of a fully connected op. Outputs are int8, inputs int8 or, before a
// QUANTIZE, uint8. Reference kernels and tflitetest agree to the last bit. XNNPACK of TFLite 2.21 supports
// CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, MUL and LOGISTIC of it. It leaves HARD_SWISH and
// AVERAGE_POOL_2D, which it supports only in float, and the QUANTIZE from uint8 to int8 to TFLite's own
// kernels, so networks with h-swish or squeeze-and-excite run in many pieces there (MobileDet-CPU: 181 of 257
// nodes in 58). TensorFlow's own file of that network has the same operators in the same versions, is split in
// the same way and has the same latency.
//
// Its neighbours: sampler/tflite/reader reads a .tflite of any origin, sampler/graph creates graphs,
// sampler/model names and caches files. The tables in internal/schema are generated from schema/latlab.fbs.
package tflite

import (
	"errors"
	"fmt"

	"latlab/sampler/weights"
)

//go:generate flatc --go --go-module-name latlab -o internal schema/latlab.fbs

// WriterRevision changes whenever the bytes written for some graph change. It is part of a model's identity,
// so that a cache never returns bytes of an older writer. Its number is the revision of the layout; the
// revision of the weights' values is appended.
const WriterRevision = "1" + weights.Revision

// WriterRelease is the release of latlab that introduced this WriterRevision: the tool version in a model's
// metadata. It is not the running release, or every release would change the bytes, and so the checksums, of
// otherwise equal models.
const WriterRelease = "0.1.0"

// Identifier is the file identifier at byte 4 of every .tflite.
const Identifier = "TFL3"

// MetadataName is the entry of the model's metadata that describes its origin: JSON with tool, writer, name,
// and for a point of a space its space and indices.
const MetadataName = "latlab"

// Options say how to write a graph.
type Options struct {
	// Precision is the numeric type of weights and activations: "float32", or "int8" for
	// full integer. Empty means float32.
	Precision string
	// UInt8Input gives an int8 model inputs of uint8, each behind a QUANTIZE.
	UInt8Input bool
}

const (
	precisionFloat32 = "float32"
	precisionInt8    = "int8"
)

func (o Options) check() error {
	switch o.Precision {
	case precisionInt8:
		return nil
	case precisionFloat32, "":
		if o.UInt8Input {
			return errors.New("tflite: only an int8 model can have uint8 inputs")
		}
		return nil
	}
	return fmt.Errorf("tflite: cannot write precision %q, only %s and %s", o.Precision, precisionFloat32, precisionInt8)
}

// Result describes the written file.
type Result struct {
	Bytes  int64
	SHA256 string // hex
}

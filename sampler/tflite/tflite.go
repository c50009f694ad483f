// Package tflite writes a graph.Graph as a .tflite model and checks whether bytes are one.
//
// The writer is what makes sweeps of thousands of networks practical: it lays the
// FlatBuffer out itself instead of asking TensorFlow's converter. Weights are random but
// the same on every machine, and scaled so that activations neither blow up nor die
// through a deep network: a device's time must not depend on infinities or denormals.
//
// It emits what the released MobileDets consist of, at the lowest operator versions that have
// the types, as compilers for accelerators reject newer ones: CONV_2D, DEPTHWISE_CONV_2D,
// FULLY_CONNECTED, AVERAGE_POOL_2D, ADD, MUL, HARD_SWISH, LOGISTIC. Batch norm is folded:
// each convolution has weights and one bias vector.
//
// int8 is full integer, by the scheme and with the values of sampler/weights: a scale an
// output channel for convolutions, one for a fully connected op's weights; outputs are int8,
// inputs too or, behind a QUANTIZE, uint8. Reference kernels run it to the last bit as
// tflitetest computes it. XNNPACK of TFLite 2.21 takes CONV_2D, DEPTHWISE_CONV_2D,
// FULLY_CONNECTED, ADD, MUL and LOGISTIC of it. It leaves to TFLite's own kernels HARD_SWISH
// and AVERAGE_POOL_2D, which it has in float only, so networks with h-swish or
// squeeze-and-excite run in many pieces there (MobileDet-CPU: 181 of 257 nodes in 58), and
// the QUANTIZE from uint8 to int8. TensorFlow's own file of the network has the same operators
// in the same versions, fares the same and takes the same time.
//
// Its neighbours: sampler/tflite/reader reads a .tflite of any origin, sampler/graph makes
// graphs, sampler/model has names and caches of files. The tables in internal/schema are
// generated from schema/latlab.fbs.
package tflite

import (
	"errors"
	"fmt"

	"latlab/sampler/weights"
)

//go:generate flatc --go --go-module-name latlab -o internal schema/latlab.fbs

// WriterRevision changes whenever the bytes written for some graph change. It is part
// of a model's identity, so that a cache never serves what an older writer wrote. Its number
// is that of the layout; the values of weights bring their own.
const WriterRevision = "1" + weights.Revision

// WriterRelease is the release of latlab that brought this WriterRevision: the tool version
// in a model's metadata. It is not the running release, or every release would change the
// bytes, and with them the checksums, of models that are otherwise the same.
const WriterRelease = "0.1.0"

// Identifier is the file identifier at byte 4 of every .tflite.
const Identifier = "TFL3"

// MetadataName is the entry of the model's metadata that says where it came from: JSON
// with tool, writer, name, and for a point of a space its space and indices.
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

// Result says what was written.
type Result struct {
	Bytes  int64
	SHA256 string // hex
}

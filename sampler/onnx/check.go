package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrNotONNX is wrapped by every error of Check.
var ErrNotONNX = errors.New("not a readable ONNX model")

// Info is what Check finds out about a model.
type Info struct {
	// Precision is that of most weights (sampler/precision): "int8" if activations are quantized and weights
	// are integers; "float16" and "dynamic_range" for float32 networks with weights of 16 bits, or of 8 and
	// fewer; otherwise the type that the network computes in, "float16" too.
	Precision   string
	Activations string // the type of the values between the ops: "float32", "float16", "int8", "int16"
	Opset       int64  // of the standard operators
	Producer    string // "pytorch", "tf2onnx", "latlab"
	Inputs      []Input
}

// Detect reports whether data begins like a ModelProto: with its IR version. Other formats do not
// begin this way, but data that does need not be a model.
func Detect(data []byte) bool {
	n, kind, size := protowire.ConsumeTag(data)
	return size > 0 && n == modelIRVersion && kind == protowire.VarintType
}

// Check reports whether data is a complete ONNX model: a protocol buffer with model, graph, nodes and
// initializers, each initializer with as many values as its shape requires. A protocol buffer has no
// checksum or identifier, so a file that was cut between two fields is detected by what is missing.
// Weights in other files are refused: a model is timed under the checksum of one file. The values of
// Constant nodes are weights like any others, also in the branches of an If and the bodies of loops and
// functions. Work is proportional to len(data); memory to the names in it.
func Check(data []byte) (Info, error) {
	c := checker{initialized: map[string]bool{}, work: map[flow]int64{}}
	err := error(nil)
	if int64(len(data)) > math.MaxInt32 {
		err = fmt.Errorf("%d bytes, but no runtime reads a protocol buffer above 2 GiB", len(data))
	} else {
		err = c.model(data)
	}
	if err != nil {
		return Info{}, fmt.Errorf("%w: %w", ErrNotONNX, err)
	}
	c.info.Inputs = slices.DeleteFunc(c.inputs, func(in Input) bool { return c.initialized[in.Name] })
	c.info.Precision, c.info.Activations = c.precision()
	return c.info, nil
}

// checker collects the properties of a model's parts.
type checker struct {
	info        Info
	ir          uint64
	graphs      int
	opsets      int
	nodes       int
	outputs     int
	inputs      []Input
	initialized map[string]bool // names of initializers
	depth       int             // of the graph that is read
	quantizes   bool
	bytes       [dataTypes]int64 // of constants, by data type
	work        map[flow]int64   // elements of weights in products
}

func (c *checker) model(data []byte) error {
	if len(data) == 0 {
		return errors.New("it is empty")
	}
	if err := fields(data, c.modelField); err != nil {
		return err
	}
	switch {
	case c.ir == 0:
		return errors.New("it has no IR version")
	case c.graphs != 1:
		return fmt.Errorf("it has %d graphs, want 1: truncated, or not a model", c.graphs)
	case c.opsets == 0:
		return errors.New("it imports no operators")
	case c.nodes == 0:
		return errors.New("its graph has no nodes")
	case c.outputs == 0:
		return errors.New("its graph has no outputs")
	}
	return nil
}

func (c *checker) modelField(f field) error {
	switch {
	case f.number == modelIRVersion && f.kind == protowire.VarintType:
		c.ir = f.value
	case f.is(modelProducer):
		c.info.Producer = string(f.bytes)
	case f.is(modelOpset):
		return c.opset(f.bytes)
	case f.is(modelGraph):
		c.graphs++
		return c.graph(f.bytes, nil)
	case f.is(modelFunction):
		c.depth++
		defer func() { c.depth-- }()
		return c.nodesOf(f.bytes, functionNode, &scope{nil, map[string]value{}})
	}
	return nil
}

func (c *checker) opset(data []byte) error {
	c.opsets++
	domain, version := "", int64(0)
	err := fields(data, func(f field) error {
		switch {
		case f.is(opsetDomain):
			domain = string(f.bytes)
		case f.number == opsetVersion && f.kind == protowire.VarintType:
			version = int64(f.value)
		}
		return nil
	})
	if domain == "" || domain == "ai.onnx" {
		c.info.Opset = version
	}
	return err
}

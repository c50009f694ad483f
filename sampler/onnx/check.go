package onnx

import (
	"errors"
	"fmt"
	"math"

	"latlab/internal/text"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrNotONNX is wrapped by every error of Check.
var ErrNotONNX = errors.New("not a readable ONNX model")

// Info is what Check finds out about a model.
type Info struct {
	// Precision is the type that the model was quantized to: "int8" if it quantizes between its ops or
	// computes with integers, otherwise the type of most bytes of its initializers: "float32",
	// "float16", "bfloat16", "float64".
	Precision string
	Opset     int64  // of the standard operators
	Producer  string // "pytorch", "tf2onnx", "latlab"
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
// Weights in other files are refused: a model is timed under the checksum of one file. Nested parts,
// such as the branches of an If, are left to the runtimes. Work is proportional to len(data); memory
// is constant.
func Check(data []byte) (Info, error) {
	var c checker
	err := error(nil)
	if int64(len(data)) > math.MaxInt32 {
		err = fmt.Errorf("%d bytes, but no runtime reads a protocol buffer above 2 GiB", len(data))
	} else {
		err = c.model(data)
	}
	if err != nil {
		return Info{}, fmt.Errorf("%w: %w", ErrNotONNX, err)
	}
	c.info.Precision = c.precision()
	return c.info, nil
}

// checker collects the properties of a model's parts.
type checker struct {
	info      Info
	ir        uint64
	graphs    int
	opsets    int
	nodes     int
	outputs   int
	quantizes bool
	bytes     [dataTypes]int64 // of initializers, by data type
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
		return fields(f.bytes, c.graphField)
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

func (c *checker) graphField(f field) error {
	switch {
	case f.is(graphNode):
		c.nodes++
		if err := c.node(f.bytes); err != nil {
			return fmt.Errorf("node %d: %w", c.nodes-1, err)
		}
	case f.is(graphInitializer):
		return c.initializer(f.bytes)
	case f.is(graphOutput):
		c.outputs++
	}
	return nil
}

// quantizing are the standard operators that only quantized models have.
var quantizing = map[string]bool{
	"QuantizeLinear": true, "DequantizeLinear": true, "QLinearConv": true, "QLinearMatMul": true,
	"ConvInteger": true, "MatMulInteger": true, "DynamicQuantizeLinear": true,
}

func (c *checker) node(data []byte) error {
	opType := ""
	err := fields(data, func(f field) error {
		if f.is(nodeOpType) {
			opType = string(f.bytes)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if opType == "" {
		return errors.New("it has no operator")
	}
	c.quantizes = c.quantizes || quantizing[opType]
	return nil
}

func (c *checker) initializer(data []byte) error {
	t, err := readTensor(data)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return fmt.Errorf("initializer %q: %w", text.Clip(t.name), err)
	}
	c.bytes[t.kind] += int64(len(data))
	return nil
}

func (c *checker) precision() string {
	if c.quantizes {
		return "int8"
	}
	best := float32Type
	for kind, n := range c.bytes {
		if n > c.bytes[best] && floatNames[dataType(kind)] != "" {
			best = dataType(kind)
		}
	}
	return floatNames[best]
}

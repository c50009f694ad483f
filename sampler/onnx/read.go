package onnx

import (
	"fmt"
	"math"

	"latlab/internal/text"

	"google.golang.org/protobuf/encoding/protowire"
)

// Network is how a model's graph is wired: the information needed to tell which ops compute in which
// type, and what an input decides. Other attributes and values are not read.
type Network struct {
	Ops []Op // in the file's order, which is the execution order
	// Constants are the initializers by name, and whether their type is a floating type.
	Constants       map[string]bool
	Inputs, Outputs []Value
	Depth           int // how many graphs are around this one
}

// Op is a node. An input or output with an empty name is optional and absent.
type Op struct {
	Name, Type      string
	Inputs, Outputs []string
	Bodies          []*Network // the branches of an If, the body of a Loop or Scan: they see the values around them
	Scanned         int        // of a Scan's inputs, the last ones, which its body gets in slices
}

// Value is an input or output of the graph.
type Value struct {
	Name  string
	Float bool // of a floating type
}

// Read reads the wiring of a model that Check has accepted; for other data it may be incomplete. If two
// ops compute the same value, which ONNX forbids, it returns an error. Memory is proportional to
// len(data) and holds only names.
func Read(data []byte) (*Network, error) {
	n := newNetwork(0)
	err := fields(data, func(f field) error {
		if f.is(modelGraph) {
			return fields(f.bytes, n.graphField)
		}
		return nil
	})
	if err == nil {
		err = n.checkOutputs()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotONNX, err)
	}
	return n, nil
}

func newNetwork(depth int) *Network { return &Network{Constants: map[string]bool{}, Depth: depth} }

func (n *Network) checkOutputs() error {
	made := map[string]bool{}
	for _, op := range n.Ops {
		for _, y := range op.Outputs {
			if y != "" && made[y] { // an absent optional output has no name
				return fmt.Errorf("two ops compute %q", text.Clip(y))
			}
			made[y] = true
		}
	}
	return nil
}

func (n *Network) graphField(f field) error {
	switch {
	case f.is(graphNode):
		op, err := n.readOp(f.bytes)
		n.Ops = append(n.Ops, op)
		return err
	case f.is(graphInitializer):
		t, err := readTensor(f.bytes)
		n.Constants[t.name] = t.kind.floating()
		return err
	case f.is(graphInput):
		v, err := readValue(f.bytes)
		n.Inputs = append(n.Inputs, v)
		return err
	case f.is(graphOutput):
		v, err := readValue(f.bytes)
		n.Outputs = append(n.Outputs, v)
		return err
	}
	return nil
}

func (n *Network) readOp(data []byte) (Op, error) {
	var op Op
	err := fields(data, func(f field) error {
		switch {
		case f.is(nodeInput):
			op.Inputs = append(op.Inputs, string(f.bytes))
		case f.is(nodeOutput):
			op.Outputs = append(op.Outputs, string(f.bytes))
		case f.is(nodeName):
			op.Name = string(f.bytes)
		case f.is(nodeOpType):
			op.Type = string(f.bytes)
		case f.is(nodeAttribute):
			return n.attribute(f.bytes, &op)
		}
		return nil
	})
	return op, err
}

func (n *Network) attribute(data []byte, op *Op) error {
	name, value := "", uint64(0)
	err := fields(data, func(f field) error {
		switch {
		case f.is(attributeName):
			name = string(f.bytes)
		case f.number == attributeInt && f.kind == protowire.VarintType:
			value = f.value
		case f.is(attributeGraph):
			body := newNetwork(n.Depth + 1)
			if body.Depth >= maxDepth {
				return errDepth
			}
			op.Bodies = append(op.Bodies, body)
			return fields(f.bytes, body.graphField)
		}
		return nil
	})
	if name == "num_scan_inputs" {
		op.Scanned = int(min(value, math.MaxInt32))
	}
	return err
}

// readValue reads ValueInfoProto: name, and type.tensor_type.elem_type.
func readValue(data []byte) (Value, error) {
	var v Value
	element := func(f field) error {
		if f.number == tensorTypeElement && f.kind == protowire.VarintType {
			v.Float = dataType(f.value).floating()
		}
		return nil
	}
	tensorType := func(f field) error {
		if f.is(typeTensor) {
			return fields(f.bytes, element)
		}
		return nil
	}
	err := fields(data, func(f field) error {
		switch {
		case f.is(valueName):
			v.Name = string(f.bytes)
		case f.is(valueType):
			return fields(f.bytes, tensorType)
		}
		return nil
	})
	return v, err
}

package onnx

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers of onnx.proto that are written or checked here (github.com/onnx/onnx,
// onnx/onnx.proto; its versioning rules freeze them).
const (
	modelIRVersion, modelProducer, modelProducerVersion protowire.Number = 1, 2, 3
	modelGraph, modelOpset, modelMetadata               protowire.Number = 7, 8, 14
	modelFunction                                       protowire.Number = 25

	graphNode, graphName, graphInitializer, graphInput, graphOutput protowire.Number = 1, 2, 5, 11, 12
	graphSparseInitializer                                          protowire.Number = 15

	functionNode                protowire.Number = 7
	sparseValues, sparseIndices protowire.Number = 1, 2

	nodeInput, nodeOutput, nodeName, nodeOpType, nodeAttribute protowire.Number = 1, 2, 3, 4, 5

	attributeName, attributeFloat, attributeInt, attributeInts, attributeType protowire.Number = 1, 2, 3, 8, 20
	attributeTensor, attributeGraph, attributeString, attributeFloats         protowire.Number = 5, 6, 4, 7
	attributeTensors, attributeGraphs, attributeSparse, attributeSparses      protowire.Number = 10, 11, 22, 23

	tensorDims, tensorDataType, tensorName, tensorRawData, tensorLocation protowire.Number = 1, 2, 8, 9, 14

	tensorFloats, tensorInt32s, tensorStrings, tensorInt64s, tensorDoubles, tensorUint64s protowire.Number = 4, 5, 6, 7, 10, 11

	valueName, valueType                           protowire.Number = 1, 2
	typeTensor, tensorTypeElement, tensorTypeShape protowire.Number = 1, 1, 2
	shapeDim, dimValue, dimParam                   protowire.Number = 1, 1, 2

	opsetDomain, opsetVersion protowire.Number = 1, 2

	entryKey, entryValue protowire.Number = 1, 2
)

// dataType is TensorProto.DataType.
type dataType uint64

const (
	float32Type dataType = 1
	uint8Type   dataType = 2
	int8Type    dataType = 3
	int32Type   dataType = 6
	int64Type   dataType = 7
	stringType  dataType = 8

	float8Last dataType = 20 // in later types several elements may share a value
	dataTypes  dataType = 32 // above the largest type
)

// complex reports whether an element has two numbers.
func (d dataType) complex() bool { return d == 14 || d == 15 }

// externalLocation is TensorProto.DataLocation's EXTERNAL.
const externalLocation = 1

// names of the data types; later ones have none here.
var names = map[dataType]string{
	float32Type: "float32", uint8Type: "uint8", int8Type: "int8", 4: "uint16", 5: "int16", int32Type: "int32", int64Type: "int64",
	stringType: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
	17: "float8", 18: "float8", 19: "float8", 20: "float8", 21: "uint4", 22: "int4", 23: "float4", 24: "float8", 25: "uint2", 26: "int2",
}

// floating reports whether a type is one that a model's ops compute in.
func (d dataType) floating() bool { return d == float32Type || d == 10 || d == 11 || d == 16 }

// bits is the size of a weight of the type, 0 if it is unknown.
func (d dataType) bits() int64 {
	switch {
	case d > 16 && d <= float8Last || d == 24:
		return 8
	case d == 23:
		return 4
	case d >= dataTypes:
		return 0
	}
	return elementBits[d]
}

// elementBits is the size of a data type's elements in raw_data; 0 if it is not needed.
var elementBits = [dataTypes]int64{
	float32Type: 32, uint8Type: 8, int8Type: 8, 4: 16, 5: 16, int32Type: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16,
	21: 4, 22: 4, 25: 2, 26: 2, // uint4, int4: two per byte; uint2, int2: four
}

// bytes is the size of an element.
func (d dataType) bytes() int64 {
	if d == float32Type || d == int32Type {
		return 4
	}
	return 1
}

// AttributeProto.AttributeType.
const (
	floatAttribute, intAttribute, intsAttribute = 1, 2, 7
)

// message is a protocol buffer message under construction. Fields are appended in order, so the same
// calls give the same bytes.
type message []byte

func (m *message) int(n protowire.Number, x uint64) {
	*m = protowire.AppendTag(*m, n, protowire.VarintType)
	*m = protowire.AppendVarint(*m, x)
}

func (m *message) text(n protowire.Number, s string) {
	*m = protowire.AppendTag(*m, n, protowire.BytesType)
	*m = protowire.AppendString(*m, s)
}

func (m *message) message(n protowire.Number, sub message) {
	*m = protowire.AppendTag(*m, n, protowire.BytesType)
	*m = protowire.AppendBytes(*m, sub)
}

// opening is the tag and length of a field of size bytes. Large values are not held in memory but
// written after it.
func opening(n protowire.Number, size int64) message {
	m := message(protowire.AppendTag(nil, n, protowire.BytesType))
	return protowire.AppendVarint(m, uint64(size))
}

func intsOf(name string, xs ...int) message {
	var value message
	for _, x := range xs { // proto2: one field per number, not packed
		value.int(attributeInts, uint64(x))
	}
	return attribute(name, value, intsAttribute)
}

func intOf(name string, x int) message {
	var value message
	value.int(attributeInt, uint64(x))
	return attribute(name, value, intAttribute)
}

func floatOf(name string, x float32) message {
	value := protowire.AppendTag(nil, attributeFloat, protowire.Fixed32Type)
	return attribute(name, protowire.AppendFixed32(value, math.Float32bits(x)), floatAttribute)
}

// attribute is one setting of a node.
func attribute(name string, value message, kind uint64) message {
	var m message
	m.text(attributeName, name)
	m = append(m, value...)
	m.int(attributeType, kind)
	return m
}

// node is one operation.
type node struct {
	opType     string
	name       string
	inputs     []string
	output     string
	attributes []message
}

func (n node) message() message {
	var m message
	for _, in := range n.inputs {
		m.text(nodeInput, in)
	}
	m.text(nodeOutput, n.output)
	m.text(nodeName, n.name)
	m.text(nodeOpType, n.opType)
	for _, a := range n.attributes {
		m.message(nodeAttribute, a)
	}
	return m
}

// valueInfo is a graph's input or output.
func valueInfo(name string, d dataType, shape [4]int) message {
	var dims message
	for _, x := range shape {
		var dim message
		dim.int(dimValue, uint64(x))
		dims.message(shapeDim, dim)
	}
	var tensor, kind, m message
	tensor.int(tensorTypeElement, uint64(d))
	tensor.message(tensorTypeShape, dims)
	kind.message(typeTensor, tensor)
	m.text(valueName, name)
	m.message(valueType, kind)
	return m
}

// tensorHead is a TensorProto up to the values of its raw_data, which come last. A scalar has no dims.
func tensorHead(name string, d dataType, dims []int) (head message, values int64) {
	values = d.bytes()
	for _, x := range dims {
		head.int(tensorDims, uint64(x))
		values *= int64(x)
	}
	head.int(tensorDataType, uint64(d))
	head.text(tensorName, name)
	return append(head, opening(tensorRawData, values)...), values
}

package tflitetest

import (
	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/tflite/internal/schema"
)

// File is a model to build without checks, so that tests can write files of other converters and invalid ones.
type File struct {
	Tensors         []Tensor
	Operators       []Operator
	Inputs, Outputs []int
	SubGraphs       int         // additional empty subgraphs
	More            []SubGraph  // after the empty ones
	Shared          int         // additional tensors that share the first one's table
	Signatures      []string    // keys of signatures without inputs and outputs, of the first subgraph
	Defs            []Signature // further signatures
}

// SubGraph is a further subgraph of a File.
type SubGraph struct {
	Tensors         []Tensor
	Operators       []Operator
	Inputs, Outputs []int
}

// Signature is a signature of a File.
type Signature struct {
	Key             string
	SubGraph        int
	Inputs, Outputs []Named
}

// Named is an input or output of a Signature.
type Named struct {
	Name   string
	Tensor int
}

// Tensor is a tensor of a File.
type Tensor struct {
	Name      string
	Shape     []int
	Signature []int
	Type      schema.TensorType
	Data      []byte // of a constant
	Scale     float32
	Zero      int64
	Variable  bool
	Sparse    bool
}

// Operator is an operator of a File.
type Operator struct {
	Code            schema.BuiltinOperator
	Custom          string
	Inputs, Outputs []int
	Options         func(*flatbuffers.Builder) (schema.BuiltinOptions, flatbuffers.UOffsetT)
}

// Bytes builds the .tflite.
func (f File) Bytes() []byte {
	w := &fileWriter{Builder: flatbuffers.NewBuilder(1024)}
	w.buffers = []flatbuffers.UOffsetT{w.buffer(nil)}
	subgraphs := []flatbuffers.UOffsetT{w.subgraph(SubGraph{f.Tensors, f.Operators, f.Inputs, f.Outputs}, f.Shared)}
	for range f.SubGraphs {
		schema.SubGraphStart(w.Builder)
		subgraphs = append(subgraphs, schema.SubGraphEnd(w.Builder))
	}
	for _, sub := range f.More {
		subgraphs = append(subgraphs, w.subgraph(sub, 0))
	}
	var defs []Signature
	for _, key := range f.Signatures {
		defs = append(defs, Signature{Key: key})
	}
	w.finish(subgraphs, append(defs, f.Defs...))
	return w.FinishedBytes()
}

type fileWriter struct {
	*flatbuffers.Builder
	buffers, codes []flatbuffers.UOffsetT
}

func (w *fileWriter) subgraph(sub SubGraph, shared int) flatbuffers.UOffsetT {
	var tensors, operators []flatbuffers.UOffsetT
	for _, t := range sub.Tensors {
		at := 0
		if t.Data != nil {
			at = len(w.buffers)
			w.buffers = append(w.buffers, w.buffer(t.Data))
		}
		tensors = append(tensors, w.tensor(t, at))
	}
	for range shared {
		tensors = append(tensors, tensors[0])
	}
	for _, op := range sub.Operators {
		w.codes = append(w.codes, w.code(op))
		operators = append(operators, w.operator(op, len(w.codes)-1))
	}
	tensorsAt, operatorsAt := w.CreateVectorOfTables(tensors), w.CreateVectorOfTables(operators)
	inputs, outputs := w.ints(sub.Inputs), w.ints(sub.Outputs)
	schema.SubGraphStart(w.Builder)
	schema.SubGraphAddTensors(w.Builder, tensorsAt)
	schema.SubGraphAddInputs(w.Builder, inputs)
	schema.SubGraphAddOutputs(w.Builder, outputs)
	schema.SubGraphAddOperators(w.Builder, operatorsAt)
	return schema.SubGraphEnd(w.Builder)
}

func (w *fileWriter) finish(subgraphs []flatbuffers.UOffsetT, defs []Signature) {
	var signatures []flatbuffers.UOffsetT
	for _, d := range defs {
		key, inputs, outputs := w.CreateString(d.Key), w.named(d.Inputs), w.named(d.Outputs)
		schema.SignatureDefStart(w.Builder)
		schema.SignatureDefAddInputs(w.Builder, inputs)
		schema.SignatureDefAddOutputs(w.Builder, outputs)
		schema.SignatureDefAddSignatureKey(w.Builder, key)
		schema.SignatureDefAddSubgraphIndex(w.Builder, uint32(d.SubGraph))
		signatures = append(signatures, schema.SignatureDefEnd(w.Builder))
	}
	subgraphsAt, codesAt, buffersAt := w.CreateVectorOfTables(subgraphs), w.CreateVectorOfTables(w.codes), w.CreateVectorOfTables(w.buffers)
	signaturesAt := w.CreateVectorOfTables(signatures)
	schema.ModelStart(w.Builder)
	schema.ModelAddVersion(w.Builder, 3)
	schema.ModelAddOperatorCodes(w.Builder, codesAt)
	schema.ModelAddSubgraphs(w.Builder, subgraphsAt)
	schema.ModelAddBuffers(w.Builder, buffersAt)
	schema.ModelAddSignatureDefs(w.Builder, signaturesAt)
	w.FinishWithFileIdentifier(schema.ModelEnd(w.Builder), []byte("TFL3"))
}

func (w *fileWriter) named(list []Named) flatbuffers.UOffsetT {
	var maps []flatbuffers.UOffsetT
	for _, n := range list {
		name := w.CreateString(n.Name)
		schema.TensorMapStart(w.Builder)
		schema.TensorMapAddName(w.Builder, name)
		schema.TensorMapAddTensorIndex(w.Builder, uint32(n.Tensor))
		maps = append(maps, schema.TensorMapEnd(w.Builder))
	}
	return w.CreateVectorOfTables(maps)
}

func (w *fileWriter) buffer(data []byte) flatbuffers.UOffsetT {
	var at flatbuffers.UOffsetT
	if data != nil {
		w.StartVector(1, len(data), 16)
		for i := len(data) - 1; i >= 0; i-- {
			w.PlaceByte(data[i])
		}
		at = w.EndVector(len(data))
	}
	schema.BufferStart(w.Builder)
	if data != nil {
		schema.BufferAddData(w.Builder, at)
	}
	return schema.BufferEnd(w.Builder)
}

func (w *fileWriter) tensor(t Tensor, buffer int) flatbuffers.UOffsetT {
	name, shape, signature := w.CreateString(t.Name), w.ints(t.Shape), w.ints(t.Signature)
	quantization, sparsity := w.quantization(t), flatbuffers.UOffsetT(0)
	if t.Sparse {
		schema.SparsityParametersStart(w.Builder)
		sparsity = schema.SparsityParametersEnd(w.Builder)
	}
	schema.TensorStart(w.Builder)
	schema.TensorAddName(w.Builder, name)
	schema.TensorAddShape(w.Builder, shape)
	schema.TensorAddType(w.Builder, t.Type)
	schema.TensorAddBuffer(w.Builder, uint32(buffer))
	schema.TensorAddIsVariable(w.Builder, t.Variable)
	if len(t.Signature) > 0 {
		schema.TensorAddShapeSignature(w.Builder, signature)
	}
	if quantization != 0 {
		schema.TensorAddQuantization(w.Builder, quantization)
	}
	if sparsity != 0 {
		schema.TensorAddSparsity(w.Builder, sparsity)
	}
	return schema.TensorEnd(w.Builder)
}

func (w *fileWriter) quantization(t Tensor) flatbuffers.UOffsetT {
	if t.Scale == 0 {
		return 0
	}
	w.StartVector(4, 1, 4)
	w.PrependFloat32(t.Scale)
	scale := w.EndVector(1)
	w.StartVector(8, 1, 8)
	w.PrependInt64(t.Zero)
	zero := w.EndVector(1)
	schema.QuantizationParametersStart(w.Builder)
	schema.QuantizationParametersAddScale(w.Builder, scale)
	schema.QuantizationParametersAddZeroPoint(w.Builder, zero)
	return schema.QuantizationParametersEnd(w.Builder)
}

// code writes an operator's code. Each operator has its own: files may have the same code twice.
func (w *fileWriter) code(op Operator) flatbuffers.UOffsetT {
	custom := w.CreateString(op.Custom)
	schema.OperatorCodeStart(w.Builder)
	schema.OperatorCodeAddDeprecatedBuiltinCode(w.Builder, int8(min(op.Code, schema.BuiltinOperatorPLACEHOLDER_FOR_GREATER_OP_CODES)))
	schema.OperatorCodeAddBuiltinCode(w.Builder, op.Code)
	if op.Custom != "" {
		schema.OperatorCodeAddCustomCode(w.Builder, custom)
	}
	return schema.OperatorCodeEnd(w.Builder)
}

func (w *fileWriter) operator(op Operator, code int) flatbuffers.UOffsetT {
	inputs, outputs := w.ints(op.Inputs), w.ints(op.Outputs)
	kind, options := schema.BuiltinOptionsNONE, flatbuffers.UOffsetT(0)
	if op.Options != nil {
		kind, options = op.Options(w.Builder)
	}
	schema.OperatorStart(w.Builder)
	schema.OperatorAddOpcodeIndex(w.Builder, uint32(code))
	schema.OperatorAddInputs(w.Builder, inputs)
	schema.OperatorAddOutputs(w.Builder, outputs)
	if options != 0 {
		schema.OperatorAddBuiltinOptionsType(w.Builder, kind)
		schema.OperatorAddBuiltinOptions(w.Builder, options)
	}
	return schema.OperatorEnd(w.Builder)
}

func (w *fileWriter) ints(xs []int) flatbuffers.UOffsetT {
	w.StartVector(4, len(xs), 4)
	for i := len(xs) - 1; i >= 0; i-- {
		w.PrependInt32(int32(xs[i]))
	}
	return w.EndVector(len(xs))
}

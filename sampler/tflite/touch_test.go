package tflite_test

import (
	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/tflite/internal/schema"
)

// touch reads every field that the generated accessors can reach, and panics if one is outside the bytes, which
// tflite.Check must prevent.
func touch(data []byte) {
	m := schema.GetRootAsModel(data, 0)
	m.Description()
	ends(m.MetadataBufferLength(), m.MetadataBuffer)
	for i := range m.OperatorCodesLength() {
		var c schema.OperatorCode
		m.OperatorCodes(&c, i)
		c.DeprecatedBuiltinCode()
		c.CustomCode()
		c.Version()
		c.BuiltinCode()
	}
	for i := range m.BuffersLength() {
		var b schema.Buffer
		m.Buffers(&b, i)
		b.DataBytes()
		b.Offset()
		b.Size()
	}
	for i := range m.MetadataLength() {
		var e schema.Metadata
		m.Metadata(&e, i)
		e.Name()
		e.Buffer()
	}
	for i := range m.SignatureDefsLength() {
		var s schema.SignatureDef
		m.SignatureDefs(&s, i)
		s.SignatureKey()
		s.SubgraphIndex()
	}
	for i := range m.SubgraphsLength() {
		var s schema.SubGraph
		m.Subgraphs(&s, i)
		touchSubGraph(&s)
	}
}

// ends reads a list's first and last element: damaged files may share one long list among thousands of tables.
func ends[T any](n int, at func(int) T) {
	if n > 0 {
		at(0)
		at(n - 1)
	}
}

func touchSubGraph(s *schema.SubGraph) {
	s.Name()
	for i := range s.TensorsLength() {
		var t schema.Tensor
		s.Tensors(&t, i)
		touchTensor(&t)
	}
	for i := range s.OperatorsLength() {
		var op schema.Operator
		s.Operators(&op, i)
		ends(op.InputsLength(), op.Inputs)
		ends(op.OutputsLength(), op.Outputs)
		op.OpcodeIndex()
		op.CustomOptionsBytes()
		touchOptions(&op)
	}
}

func touchTensor(t *schema.Tensor) {
	ends(t.ShapeLength(), t.Shape)
	ends(t.ShapeSignatureLength(), t.ShapeSignature)
	t.Name()
	t.Type()
	t.IsVariable()
	t.Sparsity(nil)
	q := t.Quantization(nil)
	if q == nil {
		return
	}
	ends(q.ScaleLength(), q.Scale)
	ends(q.ZeroPointLength(), q.ZeroPoint)
	ends(q.MinLength(), q.Min)
	ends(q.MaxLength(), q.Max)
	q.QuantizedDimension()
}

func touchOptions(op *schema.Operator) {
	var t flatbuffers.Table
	if !op.BuiltinOptions(&t) {
		return
	}
	switch op.BuiltinOptionsType() {
	case schema.BuiltinOptionsConv2DOptions:
		var o schema.Conv2DOptions
		o.Init(t.Bytes, t.Pos)
		o.Padding()
		o.StrideH()
		o.StrideW()
		o.FusedActivationFunction()
		o.DilationHFactor()
		o.DilationWFactor()
	case schema.BuiltinOptionsDepthwiseConv2DOptions:
		var o schema.DepthwiseConv2DOptions
		o.Init(t.Bytes, t.Pos)
		o.Padding()
		o.StrideH()
		o.StrideW()
		o.DepthMultiplier()
		o.FusedActivationFunction()
		o.DilationHFactor()
		o.DilationWFactor()
	case schema.BuiltinOptionsPool2DOptions:
		var o schema.Pool2DOptions
		o.Init(t.Bytes, t.Pos)
		o.Padding()
		o.StrideH()
		o.StrideW()
		o.FilterHeight()
		o.FilterWidth()
		o.FusedActivationFunction()
	case schema.BuiltinOptionsFullyConnectedOptions:
		var o schema.FullyConnectedOptions
		o.Init(t.Bytes, t.Pos)
		o.FusedActivationFunction()
	case schema.BuiltinOptionsAddOptions:
		var o schema.AddOptions
		o.Init(t.Bytes, t.Pos)
		o.FusedActivationFunction()
	case schema.BuiltinOptionsTransposeConvOptions:
		var o schema.TransposeConvOptions
		o.Init(t.Bytes, t.Pos)
		o.Padding()
		o.StrideH()
		o.StrideW()
		o.FusedActivationFunction()
	case schema.BuiltinOptionsBatchMatMulOptions:
		var o schema.BatchMatMulOptions
		o.Init(t.Bytes, t.Pos)
		o.AdjX()
		o.AdjY()
	case schema.BuiltinOptionsConcatenationOptions:
		var o schema.ConcatenationOptions
		o.Init(t.Bytes, t.Pos)
		o.FusedActivationFunction()
	case schema.BuiltinOptionsSubOptions:
		var o schema.SubOptions
		o.Init(t.Bytes, t.Pos)
		o.FusedActivationFunction()
	case schema.BuiltinOptionsDivOptions:
		var o schema.DivOptions
		o.Init(t.Bytes, t.Pos)
		o.FusedActivationFunction()
	case schema.BuiltinOptionsConv3DOptions:
		var o schema.Conv3DOptions
		o.Init(t.Bytes, t.Pos)
		o.FusedActivationFunction()
	case schema.BuiltinOptionsMulOptions:
		var o schema.MulOptions
		o.Init(t.Bytes, t.Pos)
		o.FusedActivationFunction()
	}
}

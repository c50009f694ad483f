package tflite

import (
	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

func builtin(k graph.Kind) schema.BuiltinOperator {
	switch k {
	case graph.Conv2D:
		return schema.BuiltinOperatorCONV_2D
	case graph.DepthwiseConv:
		return schema.BuiltinOperatorDEPTHWISE_CONV_2D
	case graph.FullyConnected:
		return schema.BuiltinOperatorFULLY_CONNECTED
	case graph.AveragePool:
		return schema.BuiltinOperatorAVERAGE_POOL_2D
	case graph.Mul:
		return schema.BuiltinOperatorMUL
	case graph.HardSwish:
		return schema.BuiltinOperatorHARD_SWISH
	case graph.Logistic:
		return schema.BuiltinOperatorLOGISTIC
	}
	return schema.BuiltinOperatorADD // graph.Check refuses all other kinds
}

func fused(a graph.Activation) schema.ActivationFunctionType {
	if a == graph.ReLU6 {
		return schema.ActivationFunctionTypeRELU6
	}
	return schema.ActivationFunctionTypeNONE
}

// options creates the op's options table. LOGISTIC has none.
func (m *modelTables) options(op graph.Op) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
	switch op.Kind {
	case graph.Conv2D:
		return schema.BuiltinOptionsConv2DOptions, m.convOptions(op)
	case graph.DepthwiseConv:
		return schema.BuiltinOptionsDepthwiseConv2DOptions, m.depthwiseOptions(op)
	case graph.FullyConnected:
		schema.FullyConnectedOptionsStart(m.b)
		schema.FullyConnectedOptionsAddFusedActivationFunction(m.b, fused(op.Activation))
		return schema.BuiltinOptionsFullyConnectedOptions, schema.FullyConnectedOptionsEnd(m.b)
	case graph.AveragePool:
		return schema.BuiltinOptionsPool2DOptions, m.poolOptions(op)
	case graph.Add:
		schema.AddOptionsStart(m.b)
		schema.AddOptionsAddFusedActivationFunction(m.b, fused(op.Activation))
		return schema.BuiltinOptionsAddOptions, schema.AddOptionsEnd(m.b)
	case graph.Mul:
		schema.MulOptionsStart(m.b)
		schema.MulOptionsAddFusedActivationFunction(m.b, fused(op.Activation))
		return schema.BuiltinOptionsMulOptions, schema.MulOptionsEnd(m.b)
	case graph.HardSwish:
		schema.HardSwishOptionsStart(m.b)
		return schema.BuiltinOptionsHardSwishOptions, schema.HardSwishOptionsEnd(m.b)
	}
	return schema.BuiltinOptionsNONE, 0
}

func (m *modelTables) convOptions(op graph.Op) flatbuffers.UOffsetT {
	schema.Conv2DOptionsStart(m.b)
	schema.Conv2DOptionsAddPadding(m.b, schema.PaddingSAME)
	schema.Conv2DOptionsAddStrideH(m.b, int32(op.Stride[0]))
	schema.Conv2DOptionsAddStrideW(m.b, int32(op.Stride[1]))
	schema.Conv2DOptionsAddFusedActivationFunction(m.b, fused(op.Activation))
	return schema.Conv2DOptionsEnd(m.b)
}

func (m *modelTables) depthwiseOptions(op graph.Op) flatbuffers.UOffsetT {
	schema.DepthwiseConv2DOptionsStart(m.b)
	schema.DepthwiseConv2DOptionsAddPadding(m.b, schema.PaddingSAME)
	schema.DepthwiseConv2DOptionsAddStrideH(m.b, int32(op.Stride[0]))
	schema.DepthwiseConv2DOptionsAddStrideW(m.b, int32(op.Stride[1]))
	schema.DepthwiseConv2DOptionsAddDepthMultiplier(m.b, 1)
	schema.DepthwiseConv2DOptionsAddFusedActivationFunction(m.b, fused(op.Activation))
	return schema.DepthwiseConv2DOptionsEnd(m.b)
}

func (m *modelTables) poolOptions(op graph.Op) flatbuffers.UOffsetT {
	schema.Pool2DOptionsStart(m.b)
	schema.Pool2DOptionsAddPadding(m.b, schema.PaddingVALID)
	schema.Pool2DOptionsAddStrideH(m.b, int32(op.Stride[0]))
	schema.Pool2DOptionsAddStrideW(m.b, int32(op.Stride[1]))
	schema.Pool2DOptionsAddFilterHeight(m.b, int32(op.Kernel[0]))
	schema.Pool2DOptionsAddFilterWidth(m.b, int32(op.Kernel[1]))
	schema.Pool2DOptionsAddFusedActivationFunction(m.b, fused(op.Activation))
	return schema.Pool2DOptionsEnd(m.b)
}

// flatTensors marks the tensors that FULLY_CONNECTED makes two-dimensional: its output, and tensors computed
// only from such tensors.
func flatTensors(g *graph.Graph) []bool {
	flat := make([]bool, len(g.Tensors))
	for _, op := range g.Ops {
		switch op.Kind {
		case graph.FullyConnected:
			flat[op.Output] = true
		case graph.HardSwish, graph.Logistic, graph.Add, graph.Mul:
			all := true
			for _, in := range op.Inputs {
				all = all && flat[in]
			}
			flat[op.Output] = all
		}
	}
	return flat
}

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
	return schema.BuiltinOperatorADD // graph.Check let no other kind through
}

func fused(a graph.Activation) schema.ActivationFunctionType {
	if a == graph.ReLU6 {
		return schema.ActivationFunctionTypeRELU6
	}
	return schema.ActivationFunctionTypeNONE
}

// options makes the op's options table. LOGISTIC has none.
func (h *head) options(op graph.Op) (schema.BuiltinOptions, flatbuffers.UOffsetT) {
	switch op.Kind {
	case graph.Conv2D:
		return schema.BuiltinOptionsConv2DOptions, h.convOptions(op)
	case graph.DepthwiseConv:
		return schema.BuiltinOptionsDepthwiseConv2DOptions, h.depthwiseOptions(op)
	case graph.FullyConnected:
		schema.FullyConnectedOptionsStart(h.b)
		schema.FullyConnectedOptionsAddFusedActivationFunction(h.b, fused(op.Activation))
		return schema.BuiltinOptionsFullyConnectedOptions, schema.FullyConnectedOptionsEnd(h.b)
	case graph.AveragePool:
		return schema.BuiltinOptionsPool2DOptions, h.poolOptions(op)
	case graph.Add:
		schema.AddOptionsStart(h.b)
		schema.AddOptionsAddFusedActivationFunction(h.b, fused(op.Activation))
		return schema.BuiltinOptionsAddOptions, schema.AddOptionsEnd(h.b)
	case graph.Mul:
		schema.MulOptionsStart(h.b)
		schema.MulOptionsAddFusedActivationFunction(h.b, fused(op.Activation))
		return schema.BuiltinOptionsMulOptions, schema.MulOptionsEnd(h.b)
	case graph.HardSwish:
		schema.HardSwishOptionsStart(h.b)
		return schema.BuiltinOptionsHardSwishOptions, schema.HardSwishOptionsEnd(h.b)
	}
	return schema.BuiltinOptionsNONE, 0
}

func (h *head) convOptions(op graph.Op) flatbuffers.UOffsetT {
	schema.Conv2DOptionsStart(h.b)
	schema.Conv2DOptionsAddPadding(h.b, schema.PaddingSAME)
	schema.Conv2DOptionsAddStrideH(h.b, int32(op.Stride[0]))
	schema.Conv2DOptionsAddStrideW(h.b, int32(op.Stride[1]))
	schema.Conv2DOptionsAddFusedActivationFunction(h.b, fused(op.Activation))
	return schema.Conv2DOptionsEnd(h.b)
}

func (h *head) depthwiseOptions(op graph.Op) flatbuffers.UOffsetT {
	schema.DepthwiseConv2DOptionsStart(h.b)
	schema.DepthwiseConv2DOptionsAddPadding(h.b, schema.PaddingSAME)
	schema.DepthwiseConv2DOptionsAddStrideH(h.b, int32(op.Stride[0]))
	schema.DepthwiseConv2DOptionsAddStrideW(h.b, int32(op.Stride[1]))
	schema.DepthwiseConv2DOptionsAddDepthMultiplier(h.b, 1)
	schema.DepthwiseConv2DOptionsAddFusedActivationFunction(h.b, fused(op.Activation))
	return schema.DepthwiseConv2DOptionsEnd(h.b)
}

func (h *head) poolOptions(op graph.Op) flatbuffers.UOffsetT {
	schema.Pool2DOptionsStart(h.b)
	schema.Pool2DOptionsAddPadding(h.b, schema.PaddingVALID)
	schema.Pool2DOptionsAddStrideH(h.b, int32(op.Stride[0]))
	schema.Pool2DOptionsAddStrideW(h.b, int32(op.Stride[1]))
	schema.Pool2DOptionsAddFilterHeight(h.b, int32(op.Kernel[0]))
	schema.Pool2DOptionsAddFilterWidth(h.b, int32(op.Kernel[1]))
	schema.Pool2DOptionsAddFusedActivationFunction(h.b, fused(op.Activation))
	return schema.Pool2DOptionsEnd(h.b)
}

// flatTensors marks what FULLY_CONNECTED makes two-dimensional: its output, and what is
// computed from such tensors alone.
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

package reader

import (
	"cmp"
	"slices"
	"strings"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// class is how a reader determines an operator's shapes and multiply-accumulates.
type class int

const (
	// unknown operators are only counted by name: their shapes depend on data (WHERE), their work does
	// (NON_MAX_SUPPRESSION), or it is in another subgraph (WHILE) or outside the format (CUSTOM).
	unknown class = iota
	convolution
	depthwise
	fullyConnected
	transposed
	convolution3D
	matrixProduct
	recurrent
	pool
	// reshaping operators have no multiply-accumulates and as many elements in as out: functions of one element, and
	// rearrangements.
	reshaping
	// elementwise operators have none either; they combine two tensors or more, which are broadcast to the output.
	elementwise
	// plain operators have no multiply-accumulates; their output shape is the file's and does not depend on data.
	plain
	// folding operators are reshaping ones that unpack constants (weights stored as float16 or sparse), which
	// a runtime does only once.
	folding
	// stateful operators keep values between inferences and compute nothing.
	stateful
)

// operatorNames are the schema's names of each class's operators. An unlisted operator is unknown.
var operatorNames = map[class]string{
	convolution:    "CONV_2D",
	depthwise:      "DEPTHWISE_CONV_2D",
	fullyConnected: "FULLY_CONNECTED",
	transposed:     "TRANSPOSE_CONV",
	convolution3D:  "CONV_3D CONV_3D_TRANSPOSE",
	matrixProduct:  "BATCH_MATMUL",
	recurrent: `LSTM UNIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_LSTM RNN UNIDIRECTIONAL_SEQUENCE_RNN
		BIDIRECTIONAL_SEQUENCE_RNN SVDF`,
	pool:     "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D",
	folding:  "DEQUANTIZE DENSIFY",
	stateful: "VAR_HANDLE ASSIGN_VARIABLE CALL_ONCE",
	reshaping: `ABS CAST CEIL COS CUMSUM DEPTH_TO_SPACE ELU EXP EXPAND_DIMS FAKE_QUANT FLOOR GELU HARD_SWISH
		L2_NORMALIZATION LEAKY_RELU LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX NEG PRELU
		QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE REVERSE_SEQUENCE REVERSE_V2 ROUND RSQRT SIGN SIN
		SOFTMAX SPACE_TO_DEPTH SQRT SQUARE SQUEEZE TANH TRANSPOSE ZEROS_LIKE`,
	elementwise: `ADD ATAN2 BITWISE_XOR DIV EQUAL FLOOR_DIV FLOOR_MOD GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND
		LOGICAL_OR MAXIMUM MINIMUM MUL NOT_EQUAL POW RIGHT_SHIFT SELECT_V2 SQUARED_DIFFERENCE SUB`,
	plain: `ADD_N ARG_MAX ARG_MIN BATCH_TO_SPACE_ND BITCAST BROADCAST_ARGS BROADCAST_TO BUCKETIZE COMPLEX_ABS
		CONCATENATION DILATE DYNAMIC_UPDATE_SLICE EMBEDDING_LOOKUP FILL GATHER GATHER_ND IMAG MATRIX_DIAG
		MATRIX_SET_DIAG MEAN MIRROR_PAD MULTINOMIAL ONE_HOT PACK PAD PADV2 RANDOM_STANDARD_NORMAL RANDOM_UNIFORM
		RANGE RANK READ_VARIABLE REAL REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RESIZE_BILINEAR
		RESIZE_NEAREST_NEIGHBOR SCATTER_ND SEGMENT_SUM SELECT SHAPE SLICE SPACE_TO_BATCH_ND SPARSE_TO_DENSE SPLIT
		SPLIT_V STRIDED_SLICE SUM TILE TOPK_V2 UNPACK UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN
		UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM`,
}

var classes = func() map[string]class {
	byName := map[string]class{}
	for c, names := range operatorNames {
		for _, name := range strings.Fields(names) {
			byName[name] = c
		}
	}
	return byName
}()

func classOf(op schema.BuiltinOperator) class { return classes[op.String()] }

// Kinds lists the kinds of op that a file's Graph can hold, sorted.
func Kinds() []graph.Kind {
	var list []graph.Kind
	for op := range schema.EnumNamesBuiltinOperator {
		if classOf(op) != unknown {
			list = append(list, kindOf(op))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// kinds are the kinds whose name is not the operator's.
var kinds = map[schema.BuiltinOperator]graph.Kind{
	schema.BuiltinOperatorCONV_2D:           graph.Conv2D,
	schema.BuiltinOperatorDEPTHWISE_CONV_2D: graph.DepthwiseConv,
	schema.BuiltinOperatorAVERAGE_POOL_2D:   graph.AveragePool,
	schema.BuiltinOperatorMAX_POOL_2D:       graph.MaxPool,
	schema.BuiltinOperatorHARD_SWISH:        graph.HardSwish,
	schema.BuiltinOperatorCONV_3D_TRANSPOSE: graph.TransposeConv3D,
}

// kindOf is a known operator's kind in a Graph.
func kindOf(op schema.BuiltinOperator) graph.Kind {
	if classOf(op) == recurrent {
		return graph.Recurrent
	}
	return cmp.Or(kinds[op], graph.Kind(strings.ToLower(op.String())))
}

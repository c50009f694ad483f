package reader

import (
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
	// reshaping operators have no multiply-accumulates and as many outputs as inputs.
	reshaping
	// elementwise operators have none either; their inputs are broadcast to the output.
	elementwise
	// plain operators have no multiply-accumulates; their output shape is the file's.
	plain
	// folding operators are reshaping ones that unpack constants (weights stored as float16 or sparse), which
	// a runtime does only once.
	folding
	// stateful operators keep values between inferences and compute nothing.
	stateful
)

// classOf is a switch and not a table so that unlisted operators are unknown.
func classOf(op schema.BuiltinOperator) class {
	switch op {
	case schema.BuiltinOperatorCONV_2D:
		return convolution
	case schema.BuiltinOperatorDEPTHWISE_CONV_2D:
		return depthwise
	case schema.BuiltinOperatorFULLY_CONNECTED:
		return fullyConnected
	case schema.BuiltinOperatorTRANSPOSE_CONV:
		return transposed
	case schema.BuiltinOperatorCONV_3D, schema.BuiltinOperatorCONV_3D_TRANSPOSE:
		return convolution3D
	case schema.BuiltinOperatorBATCH_MATMUL:
		return matrixProduct
	case schema.BuiltinOperatorLSTM, schema.BuiltinOperatorUNIDIRECTIONAL_SEQUENCE_LSTM,
		schema.BuiltinOperatorBIDIRECTIONAL_SEQUENCE_LSTM, schema.BuiltinOperatorRNN,
		schema.BuiltinOperatorUNIDIRECTIONAL_SEQUENCE_RNN, schema.BuiltinOperatorBIDIRECTIONAL_SEQUENCE_RNN,
		schema.BuiltinOperatorSVDF:
		return recurrent
	case schema.BuiltinOperatorAVERAGE_POOL_2D, schema.BuiltinOperatorMAX_POOL_2D, schema.BuiltinOperatorL2_POOL_2D:
		return pool
	case schema.BuiltinOperatorDEQUANTIZE, schema.BuiltinOperatorDENSIFY:
		return folding
	case schema.BuiltinOperatorVAR_HANDLE, schema.BuiltinOperatorASSIGN_VARIABLE, schema.BuiltinOperatorCALL_ONCE:
		return stateful
	}
	switch {
	case isReshaping(op):
		return reshaping
	case isElementwise(op):
		return elementwise
	case isPlain(op):
		return plain
	}
	return unknown
}

// isReshaping lists operators with equally many elements in and out: functions of one element, and
// rearrangements.
func isReshaping(op schema.BuiltinOperator) bool {
	switch op {
	case schema.BuiltinOperatorABS, schema.BuiltinOperatorCAST, schema.BuiltinOperatorCEIL,
		schema.BuiltinOperatorCOS, schema.BuiltinOperatorCUMSUM, schema.BuiltinOperatorDEPTH_TO_SPACE,
		schema.BuiltinOperatorELU, schema.BuiltinOperatorEXP, schema.BuiltinOperatorEXPAND_DIMS,
		schema.BuiltinOperatorFAKE_QUANT, schema.BuiltinOperatorFLOOR, schema.BuiltinOperatorGELU,
		schema.BuiltinOperatorHARD_SWISH, schema.BuiltinOperatorL2_NORMALIZATION,
		schema.BuiltinOperatorLEAKY_RELU, schema.BuiltinOperatorLOCAL_RESPONSE_NORMALIZATION,
		schema.BuiltinOperatorLOG, schema.BuiltinOperatorLOGICAL_NOT, schema.BuiltinOperatorLOGISTIC,
		schema.BuiltinOperatorLOG_SOFTMAX, schema.BuiltinOperatorNEG, schema.BuiltinOperatorPRELU,
		schema.BuiltinOperatorQUANTIZE, schema.BuiltinOperatorRELU, schema.BuiltinOperatorRELU6,
		schema.BuiltinOperatorRELU_0_TO_1, schema.BuiltinOperatorRELU_N1_TO_1,
		schema.BuiltinOperatorRESHAPE, schema.BuiltinOperatorREVERSE_SEQUENCE,
		schema.BuiltinOperatorREVERSE_V2, schema.BuiltinOperatorROUND, schema.BuiltinOperatorRSQRT,
		schema.BuiltinOperatorSIGN, schema.BuiltinOperatorSIN, schema.BuiltinOperatorSOFTMAX,
		schema.BuiltinOperatorSPACE_TO_DEPTH, schema.BuiltinOperatorSQRT, schema.BuiltinOperatorSQUARE,
		schema.BuiltinOperatorSQUEEZE, schema.BuiltinOperatorTANH, schema.BuiltinOperatorTRANSPOSE,
		schema.BuiltinOperatorZEROS_LIKE:
		return true
	}
	return false
}

// isElementwise lists operators that combine two tensors or more element by element.
func isElementwise(op schema.BuiltinOperator) bool {
	switch op {
	case schema.BuiltinOperatorADD, schema.BuiltinOperatorATAN2, schema.BuiltinOperatorBITWISE_XOR,
		schema.BuiltinOperatorDIV, schema.BuiltinOperatorEQUAL, schema.BuiltinOperatorFLOOR_DIV,
		schema.BuiltinOperatorFLOOR_MOD, schema.BuiltinOperatorGREATER, schema.BuiltinOperatorGREATER_EQUAL,
		schema.BuiltinOperatorLESS, schema.BuiltinOperatorLESS_EQUAL, schema.BuiltinOperatorLOGICAL_AND,
		schema.BuiltinOperatorLOGICAL_OR, schema.BuiltinOperatorMAXIMUM, schema.BuiltinOperatorMINIMUM,
		schema.BuiltinOperatorMUL, schema.BuiltinOperatorNOT_EQUAL, schema.BuiltinOperatorPOW,
		schema.BuiltinOperatorRIGHT_SHIFT, schema.BuiltinOperatorSELECT_V2, schema.BuiltinOperatorSQUARED_DIFFERENCE,
		schema.BuiltinOperatorSUB:
		return true
	}
	return false
}

// isPlain lists the other operators without multiply-accumulates whose shapes do not depend on data.
func isPlain(op schema.BuiltinOperator) bool {
	switch op {
	case schema.BuiltinOperatorADD_N, schema.BuiltinOperatorARG_MAX, schema.BuiltinOperatorARG_MIN,
		schema.BuiltinOperatorBATCH_TO_SPACE_ND, schema.BuiltinOperatorBITCAST, schema.BuiltinOperatorBROADCAST_ARGS,
		schema.BuiltinOperatorBROADCAST_TO, schema.BuiltinOperatorBUCKETIZE, schema.BuiltinOperatorCOMPLEX_ABS,
		schema.BuiltinOperatorCONCATENATION, schema.BuiltinOperatorDILATE, schema.BuiltinOperatorDYNAMIC_UPDATE_SLICE,
		schema.BuiltinOperatorEMBEDDING_LOOKUP, schema.BuiltinOperatorFILL, schema.BuiltinOperatorGATHER,
		schema.BuiltinOperatorGATHER_ND, schema.BuiltinOperatorIMAG, schema.BuiltinOperatorMATRIX_DIAG,
		schema.BuiltinOperatorMATRIX_SET_DIAG, schema.BuiltinOperatorMEAN, schema.BuiltinOperatorMIRROR_PAD,
		schema.BuiltinOperatorMULTINOMIAL, schema.BuiltinOperatorONE_HOT, schema.BuiltinOperatorPACK,
		schema.BuiltinOperatorPAD, schema.BuiltinOperatorPADV2, schema.BuiltinOperatorRANDOM_STANDARD_NORMAL,
		schema.BuiltinOperatorRANDOM_UNIFORM, schema.BuiltinOperatorRANGE, schema.BuiltinOperatorRANK,
		schema.BuiltinOperatorREAD_VARIABLE, schema.BuiltinOperatorREAL, schema.BuiltinOperatorREDUCE_ALL,
		schema.BuiltinOperatorREDUCE_ANY, schema.BuiltinOperatorREDUCE_MAX, schema.BuiltinOperatorREDUCE_MIN,
		schema.BuiltinOperatorREDUCE_PROD, schema.BuiltinOperatorRESIZE_BILINEAR,
		schema.BuiltinOperatorRESIZE_NEAREST_NEIGHBOR, schema.BuiltinOperatorSCATTER_ND,
		schema.BuiltinOperatorSEGMENT_SUM, schema.BuiltinOperatorSELECT, schema.BuiltinOperatorSHAPE,
		schema.BuiltinOperatorSLICE, schema.BuiltinOperatorSPACE_TO_BATCH_ND, schema.BuiltinOperatorSPARSE_TO_DENSE,
		schema.BuiltinOperatorSPLIT, schema.BuiltinOperatorSPLIT_V, schema.BuiltinOperatorSTRIDED_SLICE,
		schema.BuiltinOperatorSUM, schema.BuiltinOperatorTILE, schema.BuiltinOperatorTOPK_V2,
		schema.BuiltinOperatorUNPACK, schema.BuiltinOperatorUNSORTED_SEGMENT_MAX,
		schema.BuiltinOperatorUNSORTED_SEGMENT_MIN, schema.BuiltinOperatorUNSORTED_SEGMENT_PROD,
		schema.BuiltinOperatorUNSORTED_SEGMENT_SUM:
		return true
	}
	return false
}

// Kinds lists the kinds of op that a file's Graph can hold, sorted.
func Kinds() []graph.Kind {
	var kinds []graph.Kind
	for op := range schema.EnumNamesBuiltinOperator {
		if classOf(op) != unknown {
			kinds = append(kinds, kindOf(op))
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// kindOf is a known operator's kind in a Graph.
func kindOf(op schema.BuiltinOperator) graph.Kind {
	switch op {
	case schema.BuiltinOperatorCONV_2D:
		return graph.Conv2D
	case schema.BuiltinOperatorDEPTHWISE_CONV_2D:
		return graph.DepthwiseConv
	case schema.BuiltinOperatorAVERAGE_POOL_2D:
		return graph.AveragePool
	case schema.BuiltinOperatorMAX_POOL_2D:
		return graph.MaxPool
	case schema.BuiltinOperatorHARD_SWISH:
		return graph.HardSwish
	case schema.BuiltinOperatorCONV_3D_TRANSPOSE:
		return graph.TransposeConv3D
	}
	if classOf(op) == recurrent {
		return graph.Recurrent
	}
	return graph.Kind(strings.ToLower(op.String()))
}

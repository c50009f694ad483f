package tflite

import (
	"strconv"

	"latlab/sampler/tflite/internal/schema"
)

// OperatorName is the schema's name of a builtin operator: "CONV_2D" of 3. A code that this
// schema does not know yet is "BUILTIN_" and its number.
func OperatorName(code int) string {
	if name, ok := schema.EnumNamesBuiltinOperator[schema.BuiltinOperator(code)]; ok {
		return name
	}
	return "BUILTIN_" + strconv.Itoa(code)
}

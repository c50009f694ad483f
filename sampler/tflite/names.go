package tflite

import (
	"strconv"

	"latlab/sampler/tflite/internal/schema"
)

// OperatorName is the schema's name of a builtin operator: "CONV_2D" for 3. For a code that is newer than
// the schema it is "BUILTIN_" and the number.
func OperatorName(code int) string {
	if name, ok := schema.EnumNamesBuiltinOperator[schema.BuiltinOperator(code)]; ok {
		return name
	}
	return "BUILTIN_" + strconv.Itoa(code)
}

package tflite_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"latlab/internal/testenv"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/internal/schema"
)

// TestOperatorNames compares with LiteRT's own list. From 207 on it and TensorFlow's differ.
func TestOperatorNames(t *testing.T) {
	const program = "from ai_edge_litert.schema_py_generated import BuiltinOperator as B\n" +
		"for k, v in vars(B).items():\n" +
		"    if isinstance(v, int): print(v, k)\n"
	out, err := exec.Command(testenv.Python(t), "-c", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		var code int
		var name string
		if _, err := fmt.Sscan(line, &code, &name); err != nil {
			t.Fatal(err)
		}
		if code >= 207 {
			continue
		}
		seen++
		if got := tflite.OperatorName(code); got != name {
			t.Errorf("operator %d is %s, want %s", code, got, name)
		}
	}
	if seen != len(schema.EnumNamesBuiltinOperator) {
		t.Errorf("LiteRT names %d operators, the schema %d", seen, len(schema.EnumNamesBuiltinOperator))
	}
}

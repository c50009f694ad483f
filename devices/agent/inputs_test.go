package agent_test

import (
	"os"
	"path/filepath"
	"testing"

	"latlab/devices/agent"
	"latlab/devices/agent/wire"
	"latlab/sampler/tflite/tflitetest"
)

func saved(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEveryInputIsWritten shows the inputs of every type that the runtime can show. glibc fills
// new memory with this byte, so that an input which nobody writes is not zero by luck.
func TestEveryInputIsWritten(t *testing.T) {
	t.Setenv("MALLOC_PERTURB_", "90")
	for _, delegate := range []string{wire.XNNPACK, wire.None} {
		d := openReal(t, agent.Options{Delegate: agent.Delegate{Name: delegate}})
		for _, c := range []struct {
			element string
			scale   float32
			random  bool
		}{
			{"float32", 0, true},
			{"int8", 0, true},
			{"uint8", 0, true},
			{"int16", 0.5, true},
			{"int16", 0, false},
			{"uint16", 0, false},
			{"int32", 0, false},
			{"uint32", 0, false},
			{"int64", 0, false},
			{"bool", 0, false},
			{"float16", 0, false},
			{"float64", 0, false},
			{"complex64", 0, false},
			{"bfloat16", 0, false},
			{"int4", 0, false},
			{"uint4", 0, false},
			{"int2", 0, false},
		} {
			t.Run(delegate+" "+c.element, func(t *testing.T) {
				got, _, err := d.Outputs(t.Context(), saved(t, "shown.tflite", tflitetest.Shown(c.element, c.scale)), nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range got[0].Values {
					if (v != 0) != c.random {
						t.Errorf("the input is %v, random: %v", got[0].Values, c.random)
						break
					}
				}
			})
		}
	}
}

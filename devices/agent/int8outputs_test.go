package agent_test

import (
	"os"
	"testing"

	"latlab/devices/agent"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

// TestInt8OutputsAgreeWithPlainEvaluation runs the small networks in int8, with int8 and
// with uint8 inputs. The plain evaluator gives the same bits as the reference kernels; XNNPACK
// rounds differently, so differences add up: at most 5 steps were seen, also in LiteRT 2.3.0.
func TestInt8OutputsAgreeWithPlainEvaluation(t *testing.T) {
	d := openReal(t, agent.Options{})
	cases, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for _, in := range []model.Input{"", model.UInt8} {
			t.Run(c.Name+string(in), func(t *testing.T) {
				path := written(t, c.Graph, model.Form{Format: model.TFLite, Precision: model.Int8, Input: in})
				compareInt8(t, d, path, raw(tflitetest.Input(c.Graph, 1), in))
			})
		}
	}
}

// raw quantizes a network's input by the scale that the writer gives it.
func raw(xs []float32, in model.Input) []int64 {
	rs := make([]int64, len(xs))
	for i, x := range xs {
		rs[i] = int64(min(max(int(128*x), -128), 127))
		if in == model.UInt8 {
			rs[i] += 128
		}
	}
	return rs
}

func compareInt8(t *testing.T, d *agent.Device, path string, in []int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bytes := make([]byte, len(in))
	for i, x := range in {
		bytes[i] = byte(x)
	}
	want, err := tflitetest.EvaluateInt8(data, [][]byte{bytes})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := d.RawOutputs(t.Context(), path, [][]int64{in})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d outputs, want %d", len(got), len(want))
	}
	for k, o := range got {
		if len(o.Raw) != len(want[k]) {
			t.Fatalf("output %s has %d elements, want %d", o.Name, len(o.Raw), len(want[k]))
		}
		for i, w := range want[k] {
			if apart := o.Raw[i] - int64(int8(w)); apart < -6 || apart > 6 {
				t.Fatalf("output %s: element %d is %d, want %d within 6", o.Name, i, o.Raw[i], int8(w))
			}
		}
	}
}

package tflite_test

import (
	"bytes"
	"testing"

	"latlab/sampler/graph"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/tflitetest"
)

var (
	int8Options  = tflite.Options{Precision: "int8"}
	uint8Options = tflite.Options{Precision: "int8", UInt8Input: true}
)

func int8Bytes(t testing.TB, g *graph.Graph, o tflite.Options) []byte {
	t.Helper()
	data, err := tflite.Bytes(g, o)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// rawInput is the network's input as a model with the options takes it.
func rawInput(g *graph.Graph, o tflite.Options) []byte {
	var raw []byte
	for _, x := range tflitetest.Input(g, 1) {
		q := int8(min(max(int(128*x), -128), 127))
		b := byte(q)
		if o.UInt8Input {
			b += 128
		}
		raw = append(raw, b)
	}
	return raw
}

// TestInt8BitExact runs every small network in the reference kernels of TensorFlow Lite for
// Microcontrollers: the plain evaluator has the same outputs to the last bit.
func TestInt8BitExact(t *testing.T) {
	var jobs []job
	var want [][][]byte
	for _, c := range cases(t) {
		for _, o := range []tflite.Options{int8Options, uint8Options} {
			data, in := int8Bytes(t, c.Graph, o), [][]byte{rawInput(c.Graph, o)}
			outs, err := tflitetest.EvaluateInt8(data, in)
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			want = append(want, outs)
			jobs = append(jobs, job{name: c.Name, data: data, Inputs: in, Outputs: len(outs), Runtime: micro})
		}
	}
	for i, a := range interpret(t, jobs) {
		if len(a.Outputs) != len(want[i]) {
			t.Fatalf("%s: %d outputs, want %d", jobs[i].name, len(a.Outputs), len(want[i]))
		}
		for k, out := range a.Outputs {
			if d := different(out, want[i][k]); d != 0 {
				t.Errorf("%s: output %d: %d of %d bytes differ", jobs[i].name, k, d, len(out))
			}
		}
	}
}

// different counts the bytes that are not the same; all where lengths differ.
func different(got, want []byte) int {
	if len(got) != len(want) {
		return max(len(got), len(want))
	}
	if bytes.Equal(got, want) {
		return 0
	}
	n := 0
	for i := range got {
		if got[i] != want[i] {
			n++
		}
	}
	return n
}

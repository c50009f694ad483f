package precision_test

import (
	"testing"

	"latlab/sampler/precision"
)

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		activations, weights string
		bits                 int64
		want                 string
	}{
		{"float32", "float32", 32, "float32"},
		{"float32", "float16", 16, "float16"},
		{"float32", "bfloat16", 16, "float16"},
		{"float32", "int8", 8, "dynamic_range"},
		{"float32", "int4", 4, "dynamic_range"},
		{"float32", "int16", 16, "float32"},
		{"float32", "string", 0, "float32"},
		{"float16", "float16", 16, "float16"},
		{"float16", "int8", 8, "float16"},
		{"int8", "int8", 8, "int8"},
		{"uint8", "uint8", 8, "uint8"},
		{"int16", "int8", 8, "int16x8"},
		{"int16", "int16", 16, "int16"},
	} {
		if got := precision.Of(tc.activations, tc.weights, tc.bits); got != tc.want {
			t.Errorf("%s activations, %s weights: %s, want %s", tc.activations, tc.weights, got, tc.want)
		}
	}
}

package tool

import (
	"fmt"
	"strings"
	"testing"
)

func TestWarning(t *testing.T) {
	for line, want := range map[string]string{
		"[11/25/2026-16:00:00] [W] text": "text",
		"[W] text":                       "text",
		"WARNING: text":                  "text",
		"Warning: text":                  "text",
		"warn: text":                     "text",
		"  [WARNING] text":               "text",
		"    12.3ms [WARNING] text":      "text",
		"\x1b[33mWARNING: text\x1b[0m":   "text",
		"W0000 00:00:1732550400.123456    4242 cpu_info.cc:71] text":     "text",
		"2026-11-25 16:00:00.123 [W:onnxruntime:, graph.cc:4285 f] text": "text",
		"/usr/lib/python3/site.py:12: UserWarning: text":                 "text",
		"[11/25/2026-16:00:00] [I] WARNING: text":                        "",
		"Warnings are fatal: text":                                       "",
		"no warning: text":                                               "",
		"WARNING: ":                                                      "",
	} {
		if got, ok := Warning(line); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", line, got, ok)
		}
	}
}

func TestChoseShape(t *testing.T) {
	for text, want := range map[string]bool{
		"Dynamic dimensions required for input: x, but no shapes were provided. Automatically overriding shape to: 1x3x1x1": true,
		"input x has no shape, assuming 1x3x1x1":                                         true,
		"Batch size not given, defaulting to 1":                                          true,
		"GPU compute time is unstable, with coefficient of variance = 12.3891%.":         false,
		"Weights w has been transposed, which matters if they are overridden":            false,
		"CUDA lazy loading is not enabled. Enabling it can reduce memory usage":          false,
		"Your ONNX model has been generated with INT64 weights. Attempting to cast down": false,
		"Tensor # 0 is named x but flags call it y":                                      false,
	} {
		if ChoseShape(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// TestWarningsOfARun: each text once, from both streams, and a limited number of them.
func TestWarningsOfARun(t *testing.T) {
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "[W] number %d\nno warning\n[W] number %d\n", i, i)
	}
	w := Output{Stdout: "WARNING: first\n" + many.String(), Stderr: "[W] input x has no shape, assuming 1x1\n"}.Warnings("p")
	if len(w.Texts) != maxWarnings || w.Texts[0] != "p: first" || w.Texts[1] != "p: number 0" || w.Texts[2] != "p: number 1" {
		t.Errorf("%q", w.Texts)
	}
	if len(w.Doubts) != 1 || w.Doubts[0].Code != ReasonShape {
		t.Errorf("%v", w.Doubts)
	}
}

package edgetpu

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Reports of versions 2, 15 and 16.
const (
	v2 = `Edge TPU Compiler version 2.0.267685300

Model compiled successfully in 231 ms.

Input model: blur.tflite
Input size: 3.03KiB
Output model: blur_edgetpu.tflite
Output size: 296.85KiB
On-chip memory available for caching model parameters: 1.73MiB
On-chip memory used for caching model parameters: 10.00KiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 3
Operation log: blur_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will instead run on the CPU, which is slower.
Number of operations that will run on Edge TPU: 1
Number of operations that will run on CPU: 2

Operator                       Count      Status

DEPTHWISE_CONV_2D              1          Mapped to Edge TPU
DEQUANTIZE                     1          Operation is working on an unsupported data type
QUANTIZE                       1          Operation is otherwise supported, but not mapped due to some unspecified limitation
`
	v15 = `Edge TPU Compiler version 15.0.340273435

Model compiled successfully in 8222 ms.

Input model: facenet.tflite
Input size: 22.71MiB
Output model: facenet_edgetpu.tflite
Output size: 22.43MiB
On-chip memory used for caching model parameters: 7.04MiB
On-chip memory remaining for caching model parameters: 1.25KiB
Off-chip memory used for streaming uncached model parameters: 15.06MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 156
Operation log: facenet_edgetpu.log

Operator                       Count      Status

ADD                            21         Mapped to Edge TPU
FULLY_CONNECTED                1          Mapped to Edge TPU
CONV_2D                        132        Mapped to Edge TPU
CONV_2D                        2          More than one subgraph is not supported
Compilation child process completed within timeout period.
Compilation succeeded! 
`
)

func TestParseReport(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want report
	}{
		"2": {v2, report{millis: 231, onChip: 10240, remaining: 1814036 - 10240, offChip: 0, subgraphs: 1, total: 3, rows: []row{
			{"DEPTHWISE_CONV_2D", 1, mapped},
			{"DEQUANTIZE", 1, "Operation is working on an unsupported data type"},
			{"QUANTIZE", 1, "Operation is otherwise supported, but not mapped due to some unspecified limitation"}}}},
		"15": {v15, report{millis: 8222, onChip: 7381975, remaining: 1280, offChip: 15791555, subgraphs: 1, total: 156, rows: []row{
			{"ADD", 21, mapped}, {"FULLY_CONNECTED", 1, mapped}, {"CONV_2D", 132, mapped}, {"CONV_2D", 2, "More than one subgraph is not supported"}}}},
	} {
		for _, text := range []string{tt.text, strings.ReplaceAll(tt.text, "\n", "\r\n")} {
			got, err := parseReport(text)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(&tt.want, got, cmp.AllowUnexported(report{}, row{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestParseReportRefuses(t *testing.T) {
	swap := func(old, new string) string {
		if !strings.Contains(v15, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(v15, old, new, 1)
	}
	before := func(mark string) string {
		text, _, found := strings.Cut(v15, mark)
		if !found {
			t.Fatalf("no %q", mark)
		}
		return text
	}
	for name, text := range map[string]string{
		"nothing":                  "",
		"no table":                 before("Operator "),
		"an empty table":           before("ADD "),
		"two models":               v15 + v15,
		"a row is missing":         swap("ADD                            21         Mapped to Edge TPU\n", ""),
		"none of an operator":      swap("ADD                            21 ", "ADD                            0  "),
		"no time":                  swap("Model compiled successfully in 8222 ms.", ""),
		"no memory":                swap("Off-chip memory used", "Memory used"),
		"another unit":             swap("15.06MiB", "15.06MB"),
		"negative":                 swap("15.06MiB", "-15.06MiB"),
		"a word":                   swap("7.04MiB", "much"),
		"too large":                swap("7.04MiB", "99999999999999999999GiB"),
		"no subgraph":              swap("subgraphs: 1", "subgraphs: 0"),
		"another total":            swap("operations: 156", "operations: 157"),
		"another number on TPU":    strings.Replace(v2, "on Edge TPU: 1", "on Edge TPU: 2", 1),
		"another number on CPU":    strings.Replace(v2, "on CPU: 2", "on CPU: 1", 1),
		"mapped, and no subgraphs": strings.Replace(v2, "subgraphs: 1", "subgraphs: 0", 1),
	} {
		if r, err := parseReport(text); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func FuzzParseReport(f *testing.F) {
	f.Add(v2)
	f.Add(v15)
	f.Add("Internal compiler error. Aborting! ")
	f.Add("Invalid model: m.tflite\nModel not quantized\n")
	f.Fuzz(func(t *testing.T, text string) {
		if complaint(text) == nil {
			t.Error("no complaint")
		}
		r, err := parseReport(text)
		if err != nil {
			return
		}
		if on := r.onTPU(); on < 0 || on > r.total || r.onChip < 0 || r.offChip < 0 || r.remaining < 0 || len(r.why()) > maxRows {
			t.Errorf("%+v", r)
		}
	})
}

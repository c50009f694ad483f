package onnx_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"

	"latlab/sampler/onnx"
)

// msg makes a message of fields: a number is a varint, a string and bytes are themselves.
func msg(fields ...any) []byte {
	var m []byte
	for i := 0; i < len(fields); i += 2 {
		n := protowire.Number(fields[i].(int))
		switch v := fields[i+1].(type) {
		case int:
			m = protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), uint64(int64(v)))
		case string:
			m = protowire.AppendString(protowire.AppendTag(m, n, protowire.BytesType), v)
		case []byte:
			m = protowire.AppendBytes(protowire.AppendTag(m, n, protowire.BytesType), v)
		}
	}
	return m
}

// A small model by hand: the field numbers are those of onnx.proto.
var (
	opset  = msg(2, 17)
	relu   = msg(1, "x", 2, "y", 4, "Relu")
	output = msg(1, "y")
)

func fixed32(n protowire.Number, v uint32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, n, protowire.Fixed32Type), v)
}

func model(graph []byte) []byte { return msg(1, 8, 2, "somebody", 8, opset, 7, graph) }

func withInitializer(tensor []byte) []byte { return model(msg(1, relu, 5, tensor, 12, output)) }

func TestCheckAccepts(t *testing.T) {
	for _, tc := range []struct {
		name string
		data []byte
		want onnx.Info
	}{
		{"no weights", model(msg(1, relu, 12, output)), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"float16", withInitializer(msg(1, 3, 2, 10, 8, "w", 9, "123456")), onnx.Info{Precision: "float16", Opset: 17, Producer: "somebody"}},
		{"packed dims", withInitializer(msg(1, []byte{2, 2}, 2, 1, 9, "0123456789abcdef")), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"int4", withInitializer(msg(1, 3, 2, 22, 9, "ab")), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"values elsewhere than raw_data", withInitializer(msg(1, 1, 2, 1, 4, "abcd")), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"floats one a field", withInitializer(slices.Concat(msg(1, 2, 2, 1), fixed32(4, 1), fixed32(4, 2))), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"packed varints", withInitializer(msg(1, 3, 2, 7, 7, []byte{1, 0x80, 1, 0xff, 0xff, 3})), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"complex", withInitializer(msg(1, 1, 2, 14, 4, "realimag")), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"text", withInitializer(msg(1, 2, 2, 8, 6, "one", 6, "two")), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"int4, two a value", withInitializer(msg(1, 3, 2, 22, 5, []byte{1, 2})), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"no elements", withInitializer(msg(1, 0, 2, 1)), onnx.Info{Precision: "float32", Opset: 17, Producer: "somebody"}},
		{"quantized", model(msg(1, relu, 1, msg(4, "QLinearConv"), 12, output)), onnx.Info{Precision: "int8", Opset: 17, Producer: "somebody"}},
		{"other operators too", slices.Concat(msg(1, 8, 8, msg(1, "com.microsoft", 2, 1), 8, opset), msg(7, msg(1, relu, 12, output))), onnx.Info{Precision: "float32", Opset: 17}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !onnx.Detect(tc.data) {
				t.Error("it does not look like a model")
			}
			tc.want.Activations = tc.want.Precision
			got, err := onnx.Check(tc.data)
			if d := cmp.Diff(tc.want, got, cmpopts.IgnoreUnexported(onnx.Input{})); err != nil || d != "" {
				t.Errorf("%v (-want +got)\n%s", err, d)
			}
		})
	}
}

func TestCheckErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "it is empty"},
		{"text", []byte("#!/bin/sh\necho no model\n"), "truncated or damaged"},
		{"IR version alone", msg(1, 8), "it has 0 graphs"},
		{"no IR version", msg(8, opset, 7, msg(1, relu, 12, output)), "no IR version"},
		{"no operators", msg(1, 8, 7, msg(1, relu, 12, output)), "imports no operators"},
		{"two graphs", slices.Concat(model(msg(1, relu, 12, output)), msg(7, msg(1, relu, 12, output))), "it has 2 graphs"},
		{"no nodes", model(msg(12, output)), "has no nodes"},
		{"no outputs", model(msg(1, relu)), "has no outputs"},
		{"node without operator", model(msg(1, relu, 1, msg(1, "x"), 12, output)), "node 1: it has no operator"},
		{"weights in another file", withInitializer(msg(1, 1, 2, 1, 8, "w", 14, 1)), `initializer "w": it lies in another file`},
		{"too few values", withInitializer(msg(1, 2, 2, 1, 8, "w", 9, "abcd")), `initializer "w": 4 bytes for 2 elements`},
		{"no values", withInitializer(msg(1, 2, 2, 1, 8, "w")), `initializer "w": 0 values for 2 elements`},
		{"too few values of their own type", withInitializer(msg(1, 2, 2, 1, 8, "w", 4, "abcd")), `initializer "w": 1 values for 2 elements`},
		{"int4 without values", withInitializer(msg(1, 2, 2, 22, 8, "w")), `initializer "w": 0 values for 2 elements`},
		{"a long name of several lines", withInitializer(msg(1, 2, 2, 1, 8, strings.Repeat("w\n", 1e6))), `w?w?... (1999920 more bytes)": 0 values`},
		{"dims that overflow", withInitializer(msg(1, 1<<30, 1, 1<<30, 1, 1<<30, 2, 1, 8, "w")), "more than a file can hold"},
		{"negative dim", withInitializer(msg(1, -1, 2, 1, 8, "w")), "a dimension of -1"},
		{"no data type", withInitializer(msg(1, 1, 8, "w")), "data type 0"},
		{"unknown data type", withInitializer(msg(1, 1, 2, 999, 8, "w")), "data type 999"},
		{"damaged node", model(msg(1, []byte{0xff}, 12, output)), "node 0: truncated or damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := onnx.Check(tc.data)
			if !errors.Is(err, onnx.ErrNotONNX) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tc.want)
			}
		})
	}
}

// TestCheckRefusesTruncation cuts our own models at every length: the graph is their last
// field, so no cut is harmless.
func TestCheckRefusesTruncation(t *testing.T) {
	for _, p := range precisions {
		data := mustBytes(t, cases(t)[0].Graph, p)
		for n := range data {
			if _, err := onnx.Check(data[:n:n]); !errors.Is(err, onnx.ErrNotONNX) {
				t.Fatalf("%s: cut at %d of %d: %v", p, n, len(data), err)
			}
		}
	}
}

func TestDetectRefusesOtherFormats(t *testing.T) {
	for _, data := range []string{"", "\x1c\x00\x00\x00TFL3", "PK\x03\x04", "hello", "\x89PNG"} {
		if onnx.Detect([]byte(data)) {
			t.Errorf("%q looks like ONNX", data)
		}
	}
}

// FuzzCheck asks for no panic, of Read neither, for one kind of error, and for a precision that is one. Its
// models are small: the fuzzer spends minutes on making a larger one smaller.
func FuzzCheck(f *testing.F) {
	f.Add(model(msg(1, relu, 1, msg(4, "QLinearConv"), 12, output)))
	f.Add(withInitializer(msg(1, []byte{2, 2}, 2, 1, 9, "0123456789abcdef")))
	f.Add(withInitializer(msg(1, -1, 2, 22, 14, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := onnx.Check(data)
		if _, bad := onnx.Read(data); bad != nil && !errors.Is(bad, onnx.ErrNotONNX) {
			t.Fatalf("error of another kind: %v", bad)
		}
		if err != nil {
			if !errors.Is(err, onnx.ErrNotONNX) || info.Precision != "" || info.Inputs != nil {
				t.Fatalf("%+v, error of another kind: %v", info, err)
			}
			return
		}
		if !slices.Contains([]string{"float32", "int8", "float16", "bfloat16", "float64", "dynamic_range", "int16", "int16x8"}, info.Precision) {
			t.Fatalf("precision %q", info.Precision)
		}
		if !slices.Contains([]string{"float32", "int8", "float16", "bfloat16", "float64", "int16"}, info.Activations) {
			t.Fatalf("activations %q", info.Activations)
		}
	})
}

// valueNames lists what the graph's inputs, initializers and nodes define.
func valueNames(t *testing.T, data []byte) []string {
	t.Helper()
	graphs := submessages(t, data, 7)
	var names []string
	for _, tensor := range submessages(t, graphs[0], 5) {
		names = append(names, string(submessages(t, tensor, 8)[0]))
	}
	for _, input := range submessages(t, graphs[0], 11) {
		names = append(names, string(submessages(t, input, 1)[0]))
	}
	for _, node := range submessages(t, graphs[0], 1) {
		names = append(names, string(submessages(t, node, 2)[0]))
	}
	return names
}

func submessages(t *testing.T, data []byte, number protowire.Number) [][]byte {
	t.Helper()
	var subs [][]byte
	for len(data) > 0 {
		n, kind, tag := protowire.ConsumeTag(data)
		size := protowire.ConsumeFieldValue(n, kind, data[tag:])
		if tag < 0 || size < 0 {
			t.Fatal("no message")
		}
		if n == number && kind == protowire.BytesType {
			sub, _ := protowire.ConsumeBytes(data[tag:])
			subs = append(subs, sub)
		}
		data = data[tag+size:]
	}
	return subs
}

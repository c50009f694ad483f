package onnx_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler/onnx"
)

// body is the graph of an If, Loop or Scan: inputs, ops that are separated by semicolons, and outputs.
func body(inputs, ops, outputs string, initializers ...[]byte) []byte {
	var nodes parts
	for text := range strings.SplitSeq(ops, "; ") {
		if text != "" {
			nodes = append(nodes, op(text))
		}
	}
	return bodyOf(inputs, nodes, outputs, initializers...)
}

func bodyOf(inputs string, nodes parts, outputs string, initializers ...[]byte) []byte {
	var g []byte
	for _, n := range nodes {
		g = append(g, msg(1, n)...)
	}
	for _, t := range initializers {
		g = append(g, msg(5, t)...)
	}
	for _, name := range strings.Fields(inputs) {
		g = append(g, msg(11, msg(1, name))...)
	}
	for _, name := range strings.Fields(outputs) {
		g = append(g, msg(12, msg(1, name))...)
	}
	return g
}

func with(name string, g []byte) []byte { return msg(1, name, 6, g, 20, 5) }

// TestDecided: only values decide; sizes, and values that the file has, do not.
func TestDecided(t *testing.T) {
	image, count := in("image", f32, 1, 3, 8, 8), in("count", i64)
	plain := with("body", body("i c v", "Relu v -> w", "c w"))
	branch := func(then, other []byte) []byte {
		return msg(5, with("then_branch", then), 5, with("else_branch", other))
	}
	if_ := func(text string, then, other []byte) []byte { return append(op(text), branch(then, other)...) }
	runs := func(op, input string) onnx.Decision {
		return onnx.Decision{Op: op, Input: input, What: "the number of runs"}
	}
	size := func(op, input string) onnx.Decision { return onnx.Decision{Op: op, Input: input, What: "the size"} }
	chosen := func(input string) onnx.Decision { return onnx.Decision{Op: "If", Input: input, What: "the branch"} }
	type want = []onnx.Decision
	for name, tt := range map[string]struct {
		nodes parts
		want  want
	}{
		"loop of a count":           {parts{op("Loop count cond image -> y", plain)}, want{runs("Loop", "count")}},
		"loop of a constant":        {parts{op("Loop fixed cond image -> y", plain)}, nil},
		"loop until a value":        {parts{op("Cast image -> until"), op("Loop fixed until image -> y", plain)}, want{runs("Loop", "image")}},
		"loop of a count's table":   {parts{op("Cast count -> n"), op("Gather fixed n -> m"), op("Loop m cond image -> y", plain)}, want{runs("Loop", "count")}},
		"loop of a size":            {parts{op("Shape image -> s"), op("Gather s fixed -> n"), op("Cast n -> m"), op("Loop m cond image -> y", plain)}, nil},
		"loop of a chosen size":     {parts{op("Shape image -> s"), op("Gather s count -> n"), op("Loop n cond image -> y", plain)}, want{runs("Loop", "count")}},
		"loop of an index":          {parts{op("Loop fixed cond image -> y", with("body", body("i c v", "Range fixed i fixed -> r", "c r")))}, nil},
		"loop until it finds":       {parts{op("Loop fixed cond image -> y", with("body", body("i c v", "Relu v -> w; Less w fixed -> d", "d w")))}, want{runs("Loop", "image")}},
		"loop until a name outside": {parts{op("Loop fixed cond image -> y", with("body", body("i c v", "Less count fixed -> d", "d v")))}, want{runs("Loop", "count")}},
		"condition after two runs": {
			parts{op("Loop fixed cond fixed fixed image -> a b d", with("body", body("i c u v w", "Greater u fixed -> d", "d v w w")))},
			want{runs("Loop", "image")},
		},
		"size in a body": {
			parts{op("Loop fixed cond count -> y", with("body", body("i c v", "Range fixed v fixed -> r", "c v r")))},
			want{size("Range", "count")},
		},
		"size in a body, by a name outside": {
			parts{op("Cast count -> n"), op("Loop fixed cond image -> y", with("body", body("i c v", "Reshape v n -> r", "c r")))},
			want{size("Reshape", "count")},
		},
		"a body's own name": {
			parts{op("Loop fixed cond image -> y", with("body", body("i c v", "Reshape v count -> r", "c r", tensor("count", i64, 1))))},
			nil,
		},
		"size by a loop's result": {
			parts{op("Loop count cond fixed -> n", with("body", body("i c v", "Add v fixed -> w", "c w"))), op("Reshape image n -> y")},
			want{runs("Loop", "count"), size("Reshape", "count")},
		},
		"constant through a loop with an image": {
			parts{op("Loop fixed cond image fixed -> v n", with("body", body("i c v n", "Relu v -> w", "c w n"))), op("Reshape image n -> y")},
			nil,
		},
		"loop in a loop": {
			parts{op("Loop fixed cond image -> y", with("body", bodyOf("i c v", parts{op("Loop count c v -> w", plain)}, "c w")))},
			want{runs("Loop", "count")},
		},
		"loop in a loop, by a value of the outer one": {
			parts{op("Loop fixed cond fixed count -> y", with("body", bodyOf("i c u v", parts{op("Loop u c v -> w",
				with("body", body("j d x", "Range fixed u fixed -> z", "d x")))}, "c v w")))},
			want{runs("Loop", "count"), size("Range", "count")},
		},
		"branch":             {parts{op("Greater count fixed -> b"), if_("If b -> y", body("", "Relu image -> t", "t"), body("", "Neg image -> e", "e"))}, want{chosen("count")}},
		"branch of a size":   {parts{op("Size image -> n"), op("Greater n fixed -> b"), if_("If b -> y", body("", "Relu image -> t", "t"), body("", "", "image"))}, nil},
		"size in a branch":   {parts{if_("If cond -> y", body("", "Relu image -> t", "t"), body("", "Expand image count -> e", "e"))}, want{size("Expand", "count")}},
		"size by a branch":   {parts{if_("If cond -> n", body("", "", "fixed"), body("", "", "count")), op("Tile image n -> y")}, want{size("Tile", "count")}},
		"size by the branch": {parts{if_("If count -> n", body("", "", "fixed"), body("", "", "fixed")), op("Tile image n -> y")}, want{chosen("count"), size("Tile", "count")}},
		"branch in a body": {
			parts{op("Loop fixed cond image -> y", with("body", bodyOf("i c v", parts{if_("If count -> w", body("", "Relu v -> t", "t"), body("", "", "v"))}, "c w")))},
			want{chosen("count")},
		},
		"scan":              {parts{op("Scan fixed image -> a b", with("body", body("s x", "Add s x -> t; Reshape x fixed -> z", "t z")), msg(1, "num_scan_inputs", 3, 1))}, nil},
		"size in a scan":    {parts{op("Scan fixed count -> a b", with("body", body("s x", "Range fixed x fixed -> z", "s z")), msg(1, "num_scan_inputs", 3, 1))}, want{size("Range", "count")}},
		"state of a scan":   {parts{op("Scan fixed count -> a b", with("body", body("s x", "Range fixed s fixed -> z", "x z")), msg(1, "num_scan_inputs", 3, 1))}, want{size("Range", "count")}},
		"slices of a scan":  {parts{op("Scan fixed fixed count -> a b", with("body", body("s x u", "Range fixed x fixed -> z", "s u")), msg(1, "num_scan_inputs", 3, 2))}, nil},
		"lengths of a scan": {parts{op("Scan count fixed image -> a", with("body", body("s x", "Add s x -> t", "t")), msg(1, "num_scan_inputs", 3, 1))}, want{runs("Scan", "count")}},

		"range":                 {parts{op("Range fixed count fixed -> y")}, want{size("Range", "count")}},
		"found in an image":     {parts{op("NonZero image -> y")}, want{size("NonZero", "image")}},
		"reshape by a value":    {parts{op("Concat count fixed -> s"), op("Reshape image s -> y")}, want{size("Reshape", "count")}},
		"reshape by a size":     {parts{op("Shape image -> s"), op("Gather s fixed -> n"), op("Reshape image n -> y")}, nil},
		"reshape by a constant": {parts{op("Reshape image fixed -> y")}, nil},
		"constant node":         {parts{op("Constant -> c"), op("Reshape image c -> y")}, nil},
		"gather by a value":     {parts{op("Gather image count -> y")}, nil},
		"mean by a value":       {parts{op("ReduceMean image count -> y")}, want{size("ReduceMean", "count")}},
		"convolution":           {parts{op("Conv image fixed -> y")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := onnx.Read(model(graphOf(tt.nodes, parts{tensor("fixed", i64, 1), tensor("cond", u8, 1)}, image, count)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, n.Decided()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDecidedByTheLastOfManyInputs: a language model's past values come before the input that chooses a branch.
func TestDecidedByTheLastOfManyInputs(t *testing.T) {
	var inputs parts
	for i := range 40 {
		inputs = append(inputs, in(fmt.Sprint("past", i), f32, 1))
	}
	inputs = append(inputs, in("use_cache", u8))
	n, err := onnx.Read(model(graphOf(parts{op("If use_cache -> y")}, nil, inputs...)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]onnx.Decision{{Op: "If", Input: "use_cache", What: "the branch"}}, n.Decided()); diff != "" {
		t.Error(diff)
	}
}

// TestDecidedEnds follows loops in loops, where a value moves one place a run: without a limit 11 runs in 11 runs,
// 15 times over.
func TestDecidedEnds(t *testing.T) {
	constants := strings.Repeat(" fixed", 10)
	moved := "c v1 v2 v3 v4 v5 v6 v7 v8 v9 image"
	g := body("i c v0 v1 v2 v3 v4 v5 v6 v7 v8 v9", "Relu v0 -> x", moved)
	for range 14 {
		g = bodyOf("i c v0 v1 v2 v3 v4 v5 v6 v7 v8 v9", parts{op("Loop fixed c"+constants+" -> x", with("body", g))}, moved)
	}
	n, err := onnx.Read(model(graphOf(parts{op("Loop fixed cond"+constants+" -> y", with("body", g))},
		parts{tensor("fixed", i64, 1), tensor("cond", u8, 1)}, in("image", f32, 1))))
	if err != nil {
		t.Fatal(err)
	}
	n.Decided()
}

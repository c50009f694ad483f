package model

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"latlab/sampler/onnx"
	"latlab/sampler/tflite/tflitetest"
)

// proto makes a protocol buffer: a number is a varint, text and bytes are themselves.
func proto(fields ...any) []byte {
	var m []byte
	for i := 0; i < len(fields); i += 2 {
		n := protowire.Number(fields[i].(int))
		switch v := fields[i+1].(type) {
		case int:
			m = protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), uint64(v))
		case string:
			m = protowire.AppendString(protowire.AppendTag(m, n, protowire.BytesType), v)
		case []byte:
			m = protowire.AppendBytes(protowire.AppendTag(m, n, protowire.BytesType), v)
		}
	}
	return m
}

// onnxWith is an ONNX file with inputs of the form "x N 3 H W"; "x any" has no rank, and "x/7 4" is of type 7, not float32.
func onnxWith(inputs ...string) []byte {
	graph := proto(1, proto(1, "x", 2, "y", 4, "Relu"), 12, proto(1, "y"))
	for _, in := range inputs {
		words := strings.Fields(in)
		var dims []byte
		for _, w := range words[1:] {
			n := 0
			if _, err := fmt.Sscan(w, &n); err == nil {
				dims = append(dims, proto(1, proto(1, n))...)
			} else {
				dims = append(dims, proto(1, proto(2, w))...)
			}
		}
		name, number, typed := strings.Cut(words[0], "/")
		kind := 1
		if typed {
			kind, _ = strconv.Atoi(number)
		}
		tensor := proto(1, kind, 2, dims)
		if len(words) == 2 && words[1] == "any" {
			tensor = proto(1, kind)
		}
		graph = append(graph, proto(11, proto(1, name, 2, proto(1, tensor)))...)
	}
	return proto(1, 8, 8, proto(2, 17), 7, graph)
}

func file(t *testing.T, data []byte, shapes ...string) (*Model, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.model")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	call, err := ParseCall("", shapes, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return FromFile(path, call)
}

func TestShapes(t *testing.T) {
	sized := tflitetest.Sized
	for name, tc := range map[string]struct {
		data   []byte
		shapes string // separated by spaces
		want   string // what is executed, with "*" if a tool has to be told; or an error
	}{
		"fixed":                        {onnxWith("x 1 3 8 8"), "", "1x3x8x8"},
		"the same given":               {onnxWith("x 1 3 8 8"), "x=1x3x8x8", "1x3x8x8"},
		"batch":                        {onnxWith("x N 3 8 8"), "", "1x3x8x8*"},
		"a batch of 0":                 {onnxWith("x 0 3 8 8"), "", "1x3x8x8*"},
		"a batch of rank 2":            {onnxWith("x batch_size 10"), "", "1x10*"},
		"given batch":                  {onnxWith("x N 3 8 8"), "x=4x3x8x8", "4x3x8x8*"},
		"size":                         {onnxWith("x 1 3 H W"), "", "open x=1x3xNxN"},
		"size and batch":               {onnxWith("x N 3 H W"), "", "open x=1x3xNxN"},
		"given size":                   {onnxWith("x N 3 H W"), "x=1x3x8x9", "1x3x8x9*"},
		"the only extent is no batch":  {onnxWith("x N"), "", "open x=N"},
		"a sequence is no batch":       {onnxWith("x seq_len 64"), "", "open x=Nx64"},
		"tokens":                       {onnxWith("x batch sequence"), "", "open x=1xN"},
		"a batch of sequences":         {onnxWith("x batch_of_seqs 64"), "", "1x64*"},
		"no rank":                      {onnxWith("x any"), "", "open x=SHAPE"},
		"a rank given":                 {onnxWith("x any"), "x=2x3", "2x3*"},
		"rank 0":                       {onnxWith("x"), "", ""},
		"two inputs, one given":        {onnxWith("x N H", "m N 7"), "x=1x5", "1x5* 1x7*"},
		"a batch of 8 beside one of 1": {onnxWith("x N 5", "m N 7"), "x=8x5", "open m=Nx7"},
		"both batches":                 {onnxWith("x N 5", "m N 7"), "x=8x5 m=8x7", "8x5* 8x7*"},
		"unknown name":                 {onnxWith("image N 5"), "imgae=1x5", `has no input "imgae"; did you mean "image"?; its inputs are image`},
		"fixed extent":                 {onnxWith("x N 5"), "x=1x6", "extent 2 is fixed in the file: x  float32 [N, 5]"},
		"another rank":                 {onnxWith("x N 5"), "x=1x5x1", "3 extents are given, the input has 2"},
		"two of one name":              {onnxWith("x N 5", "x N 5"), "x=1x5", `has 2 inputs named "x"`},
		"no inputs":                    {onnxWith(), "x=1", "has no inputs"},

		"tflite":                    {sized([]int{1, 8, 8, 3}, nil), "", "1x8x8x3"},
		"tflite, batch":             {sized([]int{1, 8, 8, 3}, []int{-1, 8, 8, 3}), "", "1x8x8x3"},
		"tflite, given batch":       {sized([]int{1, 8, 8, 3}, []int{-1, 8, 8, 3}), "in=4x8x8x3", "4x8x8x3*"},
		"tflite, size":              {sized([]int{1, 1, 1, 3}, []int{1, -1, -1, 3}), "", "open in=1xNxNx3"},
		"tflite, an example":        {sized([]int{1, 8, 8, 3}, []int{1, -1, -1, 3}), "", "1x8x8x3"},
		"tflite, given size":        {sized([]int{1, 1, 1, 3}, []int{1, -1, -1, 3}), "in=1x8x9x3", "1x8x9x3*"},
		"tflite, the example given": {sized([]int{1, 8, 8, 3}, []int{1, -1, -1, 3}), "in=1x8x8x3", "1x8x8x3"},
		"tflite, samples":           {sized([]int{1}, []int{-1}), "", "open in=N"},
		"tflite, fixed":             {sized([]int{1, 8, 8, 3}, nil), "in=1x9x9x3", "extent 2 is fixed in the file"},
		"tflite, unknown":           {sized([]int{1, 8, 8, 3}, nil), "on=1x8x8x3", `did you mean "in"?`},
	} {
		m, err := file(t, tc.data, strings.Fields(tc.shapes)...)
		if err != nil {
			if !strings.Contains(err.Error(), tc.want) || tc.want == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want %q", name, err, tc.want)
			}
			continue
		}
		var got []string
		for _, p := range m.Ports {
			s := extents(p.Shape)
			if p.Set {
				s += "*"
			}
			got = append(got, s)
		}
		text := strings.Join(got, " ")
		if p := m.OpenPort(); p != nil {
			text = "open " + p.Example()
		}
		if text != tc.want {
			t.Errorf("%s: %s, want %s", name, text, tc.want)
		}
	}
}

// TestShapeIdentity: the shape is part of the identity, also if it is that of the file.
func TestShapeIdentity(t *testing.T) {
	ids := map[string]bool{}
	for _, shapes := range [][]string{nil, {"x=1x3x8x8"}, {"x=2x3x8x8"}} {
		m, err := file(t, onnxWith("x N 3 8 8"), shapes...)
		if err != nil {
			t.Fatal(err)
		}
		ids[m.Identity] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d identities of 3", len(ids))
	}
}

// TestResizedGraph: MACs and shapes are those of the given size.
func TestResizedGraph(t *testing.T) {
	m, err := file(t, tflitetest.Sized([]int{1, 1, 1, 3}, []int{1, -1, -1, 3}), "in=1x8x9x3")
	if err != nil {
		t.Fatal(err)
	}
	want := [4]int{1, 8, 9, 3}
	if m.Graph == nil || m.Graph.In(m.Graph.Ops[0]) != want || m.Graph.Out(m.Graph.Ops[0]) != want {
		t.Errorf("graph %+v", m.Graph)
	}
	if got := m.SetShapes(); len(got) != 1 || !slices.Equal(got[0], want[:]) || !slices.Equal(m.Network.Inputs[0].Given, want[:]) {
		t.Errorf("shapes %v, input %+v", got, m.Network.Inputs[0])
	}
}

// TestFixed: a fixed copy has the given shape, and is the file itself if nothing is open.
func TestFixed(t *testing.T) {
	for _, shapes := range [][]string{nil, {"x=1x3x8x9"}} {
		data := onnxWith("x 1 3 8 9", "m 7")
		if shapes != nil {
			data = onnxWith("x N 3 H W", "m 7")
		}
		m, err := file(t, data, shapes...)
		if err != nil {
			t.Fatal(err)
		}
		f, err := m.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		path, err := m.Fixed(f, t.TempDir())
		if err != nil || (path == f.Path) != (shapes == nil) {
			t.Fatalf("%s, %v", path, err)
		}
		if data, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		info, err := onnx.Check(data)
		if got := fmt.Sprint(info.Inputs); err != nil || got != "[float32 [1, 3, 8, 9] float32 [7]]" {
			t.Errorf("%s, %v", got, err)
		}
	}
}

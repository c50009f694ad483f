package onnx_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/onnx"
	"latlab/sampler/tflite/tflitetest"
)

var update = flag.Bool("update", false, "rewrite testdata/sums.json")

var precisions = []string{"float32", "int8"}

func cases(t testing.TB) []tflitetest.Case {
	t.Helper()
	cs, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func mustBytes(t testing.TB, g *graph.Graph, precision string) []byte {
	t.Helper()
	data, err := writeBytes(g, onnx.Options{Precision: precision})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeBytes(g *graph.Graph, o onnx.Options) ([]byte, error) {
	var b bytes.Buffer
	_, err := onnx.Write(&b, g, o)
	return b.Bytes(), err
}

// sums is what testdata/sums.json pins: every case's sha256 by precision.
type sums struct {
	Revision string                       `json:"revision"`
	SHA256   map[string]map[string]string `json:"sha256"`
}

// TestSameBytesEverywhere pins the bytes. A change here needs a new WriterRevision, or where
// values changed a new weights.Revision.
func TestSameBytesEverywhere(t *testing.T) {
	got := sums{Revision: onnx.WriterRevision, SHA256: map[string]map[string]string{}}
	for _, p := range precisions {
		got.SHA256[p] = map[string]string{}
		for _, c := range cases(t) {
			got.SHA256[p][c.Name] = fmt.Sprintf("%x", sha256.Sum256(mustBytes(t, c.Graph, p)))
		}
	}
	path := filepath.Join("testdata", "sums.json")
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want sums
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("models (-want +got), go test -update after a new WriterRevision:\n%s", d)
	}
}

// TestSampledNetworksAreWritten writes random points of every built-in space: whole by our
// own check, as long as Size said, with the sum that Write returned, with the opset of
// their precision.
func TestSampledNetworksAreWritten(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		g := drawGraph(t, r)
		opts := onnx.Options{Precision: rapid.SampledFrom(precisions).Draw(r, "precision")}
		var buf bytes.Buffer
		got, err := onnx.Write(&buf, g, opts)
		if err != nil {
			r.Fatal(err)
		}
		want := onnx.Result{Bytes: int64(buf.Len()), SHA256: fmt.Sprintf("%x", sha256.Sum256(buf.Bytes()))}
		if d := cmp.Diff(want, got); d != "" {
			r.Errorf("result (-bytes +said):\n%s", d)
		}
		if size, err := onnx.Size(g, opts); err != nil || size != want.Bytes {
			r.Errorf("Size is %d, %v, want %d", size, err, want.Bytes)
		}
		info, err := onnx.Check(buf.Bytes())
		if err != nil {
			r.Fatal(err)
		}
		wantInfo := onnx.Info{Precision: opts.Precision, Opset: map[string]int64{"float32": 11, "int8": 14}[opts.Precision], Producer: "latlab"}
		wantInfo.Activations = opts.Precision
		if len(info.Inputs) != len(g.Inputs) {
			r.Errorf("inputs %v", info.Inputs)
		}
		info.Inputs = nil
		if d := cmp.Diff(wantInfo, info); d != "" {
			r.Errorf("info (-want +got):\n%s", d)
		}
	})
}

// drawGraph is a point of a built-in space, a quarter as wide: a sixteenth of the weights.
func drawGraph(t *testing.T, r *rapid.T) *graph.Graph {
	s, err := sampler.Builtin(rapid.SampledFrom(sampler.BuiltinNames()).Draw(r, "space"))
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range s.Stages {
		for i := range stage.Widths {
			stage.Widths[i] = max(stage.Widths[i]/4, 2)
		}
	}
	archs, err := sampler.Sample(s, 1, rapid.Uint64().Draw(r, "seed"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Lower(s, archs[0])
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestNamesOfOtherGraphs: in a graph that was read, tensor names may be missing or repeated. ONNX requires
// distinct names; TestPython's checker refuses repeated ones.
func TestNamesOfOtherGraphs(t *testing.T) {
	g := cases(t)[0].Graph
	for i := range g.Tensors {
		g.Tensors[i].Name = []string{"", "x", "x/scale", "x#2"}[i%4]
	}
	for _, p := range precisions {
		seen := map[string]bool{}
		for _, name := range valueNames(t, mustBytes(t, g, p)) {
			if name == "" || seen[name] {
				t.Errorf("%s: value %q", p, name)
			}
			seen[name] = true
		}
		if len(seen) < len(g.Tensors) {
			t.Errorf("%s: %d values", p, len(seen))
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(g *graph.Graph)
		want  string
	}{
		{"unknown kind", func(g *graph.Graph) { g.Ops[0].Kind = "softmax" }, `"softmax"`},
		{"later input", func(g *graph.Graph) { g.Ops[0].Inputs[0] = len(g.Tensors) - 1 }, "no earlier op computes input"},
		{"shape", func(g *graph.Graph) { g.Tensors[1].Shape[1]++ }, "output shape"},
		{"2 GiB", func(g *graph.Graph) {
			g.Tensors[0].Shape[3], g.Tensors[1].Shape[3] = 1<<16, 1<<16
			g.Ops, g.Outputs = g.Ops[:1], []int{1}
		}, "ends at 2 GiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := cases(t)[0].Graph
			tc.spoil(g)
			_, err := onnx.Write(io.Discard, g, onnx.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tc.want)
			}
		})
	}
	if _, err := onnx.Size(cases(t)[0].Graph, onnx.Options{Precision: "int4"}); err == nil || !strings.Contains(err.Error(), `precision "int4"`) {
		t.Errorf("precision int4: %v", err)
	}
}

// full is a writer that runs out of room.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWritePassesErrorsOn(t *testing.T) {
	g := cases(t)[0].Graph
	size := len(mustBytes(t, g, "float32"))
	for _, left := range []int{0, size / 2, size - 1} {
		if _, err := onnx.Write(&full{left}, g, onnx.Options{}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("room for %d of %d: %v", left, size, err)
		}
	}
}

// BenchmarkWrite writes random networks of a built-in space, weights and sha256 included.
// Bytes are those of the float32 models for both precisions, so that MB/s compare.
func BenchmarkWrite(b *testing.B) {
	var graphs []*graph.Graph
	var total int64
	for seed := range uint64(4) {
		g := sampled(b, "mobiledet_edgetpu_tucker", seed)
		size, err := onnx.Size(g, onnx.Options{})
		if err != nil {
			b.Fatal(err)
		}
		graphs, total = append(graphs, g), total+size
	}
	for _, p := range precisions {
		b.Run(p, func(b *testing.B) {
			b.SetBytes(total)
			for b.Loop() {
				for _, g := range graphs {
					if _, err := onnx.Write(io.Discard, g, onnx.Options{Precision: p}); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

package tflite_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/internal/schema"
	"latlab/sampler/tflite/tflitetest"
)

var pinnedSums = map[string]string{
	"ibn-e4-se-k5-s2-h-swish": "5ca9192ccd490adc303427cff06cdf269d3b396802e1d6c639f3a3980b708eb1",
	"tucker-k3-s1-relu6":      "6b29d9730a211a28278e694f410062797cdb83c76877f1cc4fe5181c0dd3d3d1",
	"head-ssdlite-relu6":      "e3d25d807dcec9e2b720ab2b9641631351980af8ae1309800564c0c8866975b5",
	"head-classifier-h-swish": "f2a1e3749526e8c08c7a5aba1e74f3ba17fe404d3d8f6902eb6ad4a2aa33639f",
}

// TestEvaluates runs every case through the plain evaluator: finite, alive, repeatable.
// That a runtime agrees is devices/agent's test.
func TestEvaluates(t *testing.T) {
	all := cases(t)
	if !testing.Short() {
		deep, err := tflitetest.DeepCases()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, deep...)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			data, err := tflitetest.Bytes(c.Graph, tflite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			outs, err := tflitetest.Evaluate(data, [][]float32{tflitetest.Input(c.Graph, 1)})
			if err != nil {
				t.Fatal(err)
			}
			for i, out := range outs {
				want := c.Graph.Tensors[c.Graph.Outputs[i]].Elements()
				if int64(len(out)) != want {
					t.Errorf("output %d has %d elements, want %d", i, len(out), want)
				}
				if rms := rootMeanSquare(out); !(rms > 0.05 && rms < 20) {
					t.Errorf("output %d: root mean square %g", i, rms)
				}
			}
		})
	}
}

func cases(t testing.TB) []tflitetest.Case {
	t.Helper()
	cs, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func rootMeanSquare(xs []float32) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum / float64(len(xs)))
}

// TestSameBytesEverywhere pins the bytes. A change here needs a new WriterRevision, or where
// values changed a new weights.Revision.
func TestSameBytesEverywhere(t *testing.T) {
	if tflite.WriterRevision != "1" {
		t.Fatal("the sums below are those of revision 1: write down the new ones")
	}
	got := map[string]string{}
	for _, c := range cases(t) {
		if _, pinned := pinnedSums[c.Name]; pinned {
			got[c.Name] = fmt.Sprintf("%x", sha256.Sum256(mustBytes(t, c)))
		}
	}
	if d := cmp.Diff(pinnedSums, got); d != "" {
		t.Errorf("sha256 of models (-want +got):\n%s", d)
	}
}

func TestWriteBytesAndSizeAgree(t *testing.T) {
	for _, c := range cases(t) {
		var buf bytes.Buffer
		got, err := tflite.Write(&buf, c.Graph, tflite.Options{Precision: "float32"})
		if err != nil {
			t.Fatal(err)
		}
		want := tflite.Result{Bytes: int64(buf.Len()), SHA256: fmt.Sprintf("%x", sha256.Sum256(buf.Bytes()))}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: result (-bytes +said):\n%s", c.Name, d)
		}
		if size, err := tflite.Size(c.Graph, tflite.Options{}); err != nil || size != want.Bytes {
			t.Errorf("%s: Size is %d, %v, want %d", c.Name, size, err, want.Bytes)
		}
		if !bytes.Equal(buf.Bytes(), mustBytes(t, c)) {
			t.Errorf("%s: Write and Bytes differ", c.Name)
		}
	}
}

// TestLayout reads models back: alignment, the empty buffer 0, low versions, metadata.
func TestLayout(t *testing.T) {
	for _, c := range cases(t) {
		data := mustBytes(t, c)
		m := schema.GetRootAsModel(data, 0)
		for i := range m.BuffersLength() {
			var b schema.Buffer
			m.Buffers(&b, i)
			p := b.DataBytes()
			if i == 0 {
				if len(p) != 0 {
					t.Errorf("%s: buffer 0 has %d bytes", c.Name, len(p))
				}
				continue
			}
			if at := int(uintptr(unsafe.Pointer(&p[0])) - uintptr(unsafe.Pointer(&data[0]))); at%16 != 0 {
				t.Errorf("%s: buffer %d begins at %d", c.Name, i, at)
			}
		}
		for i := range m.OperatorCodesLength() {
			var code schema.OperatorCode
			m.OperatorCodes(&code, i)
			if code.Version() != 1 || int32(code.DeprecatedBuiltinCode()) != int32(code.BuiltinCode()) {
				t.Errorf("%s: operator code %s: version %d, old code %d", c.Name, code.BuiltinCode(), code.Version(), code.DeprecatedBuiltinCode())
			}
		}
		checkMetadata(t, c, m)
	}
}

func checkMetadata(t *testing.T, c tflitetest.Case, m *schema.Model) {
	t.Helper()
	var e schema.Metadata
	var b schema.Buffer
	m.Metadata(&e, 0)
	m.Buffers(&b, int(e.Buffer()))
	var got map[string]string
	if err := json.Unmarshal(b.DataBytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"tool": "latlab " + tflite.WriterRelease, "writer": tflite.WriterRevision, "name": c.Graph.Name, "space": c.Graph.Space, "indices": c.Graph.Indices,
	}
	if d := cmp.Diff(want, got); d != "" || string(e.Name()) != tflite.MetadataName {
		t.Errorf("%s: metadata %q (-want +got):\n%s", c.Name, e.Name(), d)
	}
}

// TestWeights checks every weight of a model: none zero, none denormal, mean near zero, no
// buffer like another.
func TestWeights(t *testing.T) {
	for _, c := range cases(t) {
		m := schema.GetRootAsModel(mustBytes(t, c), 0)
		first := map[string]int{}
		for i := 1; i < m.BuffersLength()-1; i++ {
			var b schema.Buffer
			m.Buffers(&b, i)
			p := b.DataBytes()
			if other, seen := first[string(p[:8])]; seen {
				t.Errorf("%s: buffers %d and %d begin alike", c.Name, i, other)
			}
			first[string(p[:8])] = i
			checkWeights(t, c.Name, p)
		}
	}
}

func checkWeights(t *testing.T, name string, p []byte) {
	t.Helper()
	n := len(p) / 4
	sum, square := 0.0, 0.0
	for i := range n {
		x := float64(math.Float32frombits(binary.LittleEndian.Uint32(p[4*i:])))
		if a := math.Abs(x); !(a > 1e-7 && a < 10) {
			t.Fatalf("%s: weight %g", name, x)
		}
		sum, square = sum+x, square+x*x
	}
	// Six standard errors of the mean of n draws.
	if limit := 6 * math.Sqrt(square) / float64(n); math.Abs(sum/float64(n)) > limit {
		t.Errorf("%s: mean %g of %d weights", name, sum/float64(n), n)
	}
}

// TestWriteRefuses: graph's own tests cover the other invalid networks.
func TestWriteRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(g *graph.Graph)
		want  string
	}{
		{"no network", func(g *graph.Graph) { g.Ops[0].Kind = "softmax" }, `op stem/conv: op kind "softmax" does not occur in any space`},
		{"2 GiB", func(g *graph.Graph) {
			g.Tensors[0].Shape[3], g.Tensors[1].Shape[3] = 1<<16, 1<<16
			g.Ops, g.Outputs = g.Ops[:1], []int{1}
		}, "ends at 2 GiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := cases(t)[0].Graph
			tc.spoil(g)
			want := "tflite: cannot write " + g.Name + ": "
			_, err := tflite.Write(io.Discard, g, tflite.Options{})
			if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s...%s", err, want, tc.want)
			}
		})
	}
	if _, err := tflitetest.Bytes(cases(t)[0].Graph, tflite.Options{Precision: "int4"}); err == nil {
		t.Error("precision int4 was written")
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
	c := cases(t)[0]
	size, err := tflite.Size(c.Graph, tflite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range []int{0, int(size) / 2, int(size) - 1} {
		if _, err := tflite.Write(&full{left}, c.Graph, tflite.Options{}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("room for %d of %d: %v", left, size, err)
		}
	}
}

// BenchmarkWrite writes random networks of a built-in space, weights and sha256 included.
// The rate is that of the float32 file's bytes, in int8 too.
func BenchmarkWrite(b *testing.B) {
	for _, o := range []tflite.Options{{Precision: "float32"}, {Precision: "int8"}} {
		b.Run(o.Precision, func(b *testing.B) { benchmarkWrite(b, o) })
	}
}

func benchmarkWrite(b *testing.B, o tflite.Options) {
	s, err := sampler.Builtin("mobiledet_edgetpu_tucker")
	if err != nil {
		b.Fatal(err)
	}
	archs, err := sampler.Sample(s, 4, 1)
	if err != nil {
		b.Fatal(err)
	}
	var graphs []*graph.Graph
	var total int64
	for _, a := range archs {
		g, err := graph.Lower(s, a)
		if err != nil {
			b.Fatal(err)
		}
		size, err := tflite.Size(g, tflite.Options{})
		if err != nil {
			b.Fatal(err)
		}
		graphs, total = append(graphs, g), total+size
	}
	b.SetBytes(total)
	for b.Loop() {
		for _, g := range graphs {
			if _, err := tflite.Write(io.Discard, g, o); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkTables times what a network takes apart from its weights.
func BenchmarkTables(b *testing.B) {
	g := cases(b)[len(cases(b))-1].Graph
	for b.Loop() {
		if _, err := tflite.Size(g, tflite.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

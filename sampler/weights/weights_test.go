package weights_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/weights"
)

// network is a point of a built-in space on a small input.
func network(t testing.TB, space string, size int) *graph.Graph {
	t.Helper()
	s, err := sampler.Builtin(space)
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	s.Input.Height, s.Input.Width = size, size
	g, err := graph.Lower(s, archs[0])
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func quantized(t testing.TB, g *graph.Graph) (*weights.Set, *weights.Quantized) {
	t.Helper()
	s, err := weights.New(g)
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Quantize()
}

// floats are a buffer's values.
func floats(f weights.Floats) []float32 {
	raw, xs := make([]byte, 4*f.N), make([]float32, f.N)
	f.Fill(raw)
	for i := range xs {
		xs[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return xs
}

// int8Op is an op's values in int8.
type int8Op struct {
	Weights []int8
	Scales  []float32
	Bias    []int32
}

func int8Of(q *weights.Quantized, op int) int8Op {
	w := q.Weights(op)
	raw := make([]byte, w.N)
	w.Fill(raw)
	o := int8Op{Scales: q.Scales(op), Bias: q.Bias(op)}
	for _, b := range raw {
		o.Weights = append(o.Weights, int8(b))
	}
	return o
}

// TestInt8IsFloatRounded: every weight is within half a step of the float32 one, and every
// channel reaches 127.
func TestInt8IsFloatRounded(t *testing.T) {
	for _, space := range []string{"mobiledet_cpu_ibn", "mobiledet_edgetpu_tucker"} {
		g := network(t, space, 64)
		s, q := quantized(t, g)
		for i, op := range g.Ops {
			if !op.HasWeights() {
				continue
			}
			w, b := floats(s.Weights(i)), floats(s.Bias(i))
			o := int8Of(q, i)
			out := g.Out(op)[3]
			if len(o.Weights) != len(w) || len(o.Scales) != out || len(o.Bias) != out || len(b) != out {
				t.Fatalf("%s: %d weights of %d, %d scales, %d biases", op.Name, len(o.Weights), len(w), len(o.Scales), len(o.Bias))
			}
			largest := make([]int, out)
			for k, x := range w {
				c := k / (len(w) / out)
				if op.Kind == graph.DepthwiseConv {
					c = k % out
				}
				largest[c] = max(largest[c], int(o.Weights[k]), -int(o.Weights[k]))
				scale := float64(o.Scales[c])
				if d := math.Abs(float64(x) - scale*float64(o.Weights[k])); d > 0.50001*scale {
					t.Fatalf("%s: weight %d is %g, in int8 %d * %g", op.Name, k, x, o.Weights[k], scale)
				}
			}
			for c, l := range largest {
				if l != 127 {
					t.Errorf("%s: channel %d reaches %d, want 127", op.Name, c, l)
				}
			}
			in := float64(q.Tensors[op.Inputs[0]].Scale)
			for c, x := range b {
				one := in * float64(o.Scales[c])
				if d := math.Abs(float64(x) - one*float64(o.Bias[c])); d > 0.50001*one {
					t.Errorf("%s: bias %d is %g, in int8 %d * %g", op.Name, c, x, o.Bias[c], one)
				}
			}
		}
	}
}

// TestFillInPieces draws a buffer in calls of several sizes.
func TestFillInPieces(t *testing.T) {
	g := network(t, "mobiledet_cpu_ibn", 32)
	_, q := quantized(t, g)
	for i, op := range g.Ops {
		if !op.HasWeights() {
			continue
		}
		w := q.Weights(i)
		got := make([]byte, w.N)
		for at, piece := int64(0), int64(4); at < w.N; at, piece = at+piece, piece*5%1008 {
			piece = min(piece, w.N-at)
			w.Fill(got[at : at+piece])
		}
		want := make([]byte, w.N)
		q.Weights(i).Fill(want)
		if !bytes.Equal(want, got) {
			t.Fatalf("%s: drawn in pieces it is not what it is drawn at once", op.Name)
		}
	}
}

// TestSpecification is what TFLite's quantization specification demands of ops.
func TestSpecification(t *testing.T) {
	g := network(t, "mobiledet_cpu_ibn", 64)
	_, q := quantized(t, g)
	for _, op := range g.Ops {
		out := q.Tensors[op.Output]
		if !(out.Scale > 0) || out.Zero < -128 || out.Zero > 127 {
			t.Errorf("%s: output %+v", op.Name, out)
		}
		switch {
		case op.Kind == graph.AveragePool && out != q.Tensors[op.Inputs[0]]:
			t.Errorf("%s: output %+v, input %+v", op.Name, out, q.Tensors[op.Inputs[0]])
		case op.Kind == graph.Logistic && out != weights.Affine{Scale: 1.0 / 256, Zero: -128}:
			t.Errorf("%s: output %+v", op.Name, out)
		case op.Activation == graph.ReLU6 && (out.Zero != -128 || out.Scale > 6.0/255):
			t.Errorf("%s: output %+v after relu6", op.Name, out)
		}
	}
}

// pinned are the sums of revision "" by space, of a small network's float32 and int8 values.
var pinned = map[string][2]string{
	"mobiledet_cpu_ibn": {
		"5a902446f4c48dae28b65f5586fbb8d134325b3f98a55855619d457c81eebea3",
		"a6be965e0879ee947255e210443a37c49abdf564ff91b06a88072e9f7125b34d",
	},
	"mobiledet_edgetpu_tucker": {
		"c53f13d46d845d9a4b5990484d448793ff09ca355a60311a8c98333d1ac97879",
		"26354d8f7644b825f556e11213a082d59fb3194abb764e697ba0ffa94f2db278",
	},
}

// TestSameValuesEverywhere pins the values, whatever format they go into. A change here
// needs a new Revision, unless no release had the old values.
func TestSameValuesEverywhere(t *testing.T) {
	if weights.Revision != "" {
		t.Fatal("the sums are those of the first revision: write down the new ones")
	}
	for _, space := range []string{"mobiledet_cpu_ibn", "mobiledet_edgetpu_tucker"} {
		g := network(t, space, 64)
		s, q := quantized(t, g)
		float, integer := sha256.New(), sha256.New()
		for i, op := range g.Ops {
			if !op.HasWeights() {
				continue
			}
			w, b := floats(s.Weights(i)), floats(s.Bias(i))
			put(t, float, w, b)
			o := int8Of(q, i)
			put(t, integer, o.Weights, o.Scales, o.Bias)
		}
		for _, a := range q.Tensors {
			put(t, integer, a.Scale, a.Zero)
		}
		got := [2]string{fmt.Sprintf("%x", float.Sum(nil)), fmt.Sprintf("%x", integer.Sum(nil))}
		if d := cmp.Diff(pinned[space], got); d != "" {
			t.Errorf("%s: float32 and int8 (-want +got)\n%s", space, d)
		}
	}
}

func put(t testing.TB, w io.Writer, values ...any) {
	t.Helper()
	for _, v := range values {
		if err := binary.Write(w, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNewRefuses: graph's own tests have the rest of what Check refuses.
func TestNewRefuses(t *testing.T) {
	g := network(t, "mobiledet_cpu_ibn", 32)
	g.Ops[0].Inputs[0] = len(g.Tensors) - 1
	if _, err := weights.New(g); err == nil || err.Error() != g.Check().Error() {
		t.Errorf("got %v, want %v", err, g.Check())
	}
}

func BenchmarkQuantize(b *testing.B) {
	g := network(b, "mobiledet_edgetpu_tucker", 320)
	s, err := weights.New(g)
	if err != nil {
		b.Fatal(err)
	}
	var n int64
	for _, op := range g.Ops {
		n += 4 * g.Weights(op)
	}
	b.SetBytes(n) // as float32
	for b.Loop() {
		s.Quantize()
	}
}

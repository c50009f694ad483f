package tflite_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/fixtures/fixturetest"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/internal/schema"
	"latlab/sampler/tflite/reader"
	"latlab/sampler/tflite/tflitetest"
)

var (
	int8Options  = tflite.Options{Precision: "int8"}
	uint8Options = tflite.Options{Precision: "int8", UInt8Input: true}
)

func int8Bytes(t testing.TB, g *graph.Graph, o tflite.Options) []byte {
	t.Helper()
	data, err := tflitetest.Bytes(g, o)
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

// TestInt8BitExact runs every small network in two sets of reference kernels, those of
// TensorFlow Lite for Microcontrollers and of LiteRT: the plain evaluator has the same
// outputs to the last bit.
func TestInt8BitExact(t *testing.T) {
	var jobs []job
	for _, c := range cases(t) {
		for _, o := range []tflite.Options{int8Options, uint8Options} {
			for _, runtime := range []string{micro, reference} {
				jobs = append(jobs, job{
					name: c.Name, data: int8Bytes(t, c.Graph, o), Runtime: runtime,
					Inputs: [][]byte{rawInput(c.Graph, o)}, Outputs: len(c.Graph.Outputs),
				})
			}
		}
	}
	for i, a := range interpret(t, jobs) {
		want, err := tflitetest.EvaluateInt8(jobs[i].data, jobs[i].Inputs)
		if err != nil {
			t.Fatalf("%s: %v", jobs[i].name, err)
		}
		if steps := stepsApart(t, a.Outputs, want); steps != 0 {
			t.Errorf("%s in %s: %d steps apart", jobs[i].name, jobs[i].Runtime, steps)
		}
	}
}

// floatDistance is how far an int8 model's outputs are from those of the float32 model of the
// same network: the root mean square of the difference over that of the float32 output.
func floatDistance(t *testing.T, g *graph.Graph) float64 {
	t.Helper()
	data, raw := int8Bytes(t, g, int8Options), rawInput(g, int8Options)
	inputs, outputs := tflitetest.Quantization(data)
	real := make([]float32, len(raw))
	for i, b := range raw {
		real[i] = float32(inputs[0].Real(b, false))
	}
	want, err := tflitetest.Evaluate(int8Bytes(t, g, tflite.Options{}), [][]float32{real})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tflitetest.EvaluateInt8(data, [][]byte{raw})
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for k := range want {
		off := make([]float32, len(want[k]))
		for i, w := range want[k] {
			off[i] = float32(outputs[k].Real(got[k][i], false)) - w
		}
		worst = max(worst, rootMeanSquare(off)/rootMeanSquare(want[k]))
	}
	return worst
}

// TestInt8NearFloat32 bounds the error of quantization. What is large is what clips: the
// network's input is noise, and h-swish squares what is small, so some positions are far
// louder than the rest. Half of the networks are within 0.032 of the output.
func TestInt8NearFloat32(t *testing.T) {
	for _, c := range cases(t) {
		bound := 0.12
		if strings.HasSuffix(c.Name, "h-swish") {
			bound = 0.25
		}
		if d := floatDistance(t, c.Graph); !(d > 0 && d <= bound) {
			t.Errorf("%s: the difference to float32 is %.3f of the output, want at most %.2f", c.Name, d, bound)
		}
	}
}

// TestInt8XNNPACK runs the small networks in LiteRT as a device does. XNNPACK rounds differently, up to one step in
// every op.
func TestInt8XNNPACK(t *testing.T) {
	const bound = 6 // steps; 5 is the largest seen, behind twenty ops
	var jobs []job
	for _, c := range cases(t) {
		for _, o := range []tflite.Options{int8Options, uint8Options} {
			jobs = append(jobs, job{name: c.Name, data: int8Bytes(t, c.Graph, o), Inputs: [][]byte{rawInput(c.Graph, o)}, Runtime: litert})
		}
	}
	for i, a := range interpret(t, jobs) {
		want, err := tflitetest.EvaluateInt8(jobs[i].data, jobs[i].Inputs)
		if err != nil {
			t.Fatal(err)
		}
		if steps := stepsApart(t, a.Outputs, want); steps > bound {
			t.Errorf("%s: %d steps apart, want at most %d", jobs[i].name, steps, bound)
		}
	}
}

func stepsApart(t *testing.T, got, want [][]byte) int {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d outputs, want %d", len(got), len(want))
	}
	worst := 0
	for k := range want {
		if len(got[k]) != len(want[k]) {
			t.Fatalf("output %d has %d bytes, want %d", k, len(got[k]), len(want[k]))
		}
		for i, w := range want[k] {
			d := int(int8(got[k][i])) - int(int8(w))
			worst = max(worst, d, -d)
		}
	}
	return worst
}

// TestInt8Ranges looks at every tensor of the released MobileDets at 320x320: none is constant
// or saturated. A pool has to take its input's range, whose values it averages.
func TestInt8Ranges(t *testing.T) {
	const (
		leastUsed     = 0.18 // of the 256 values; 0.20 is the least seen, in a gate of eight values
		leastByPool   = 1.0 / 16
		mostClipped   = 0.03  // of a tensor's values; 0.024 is the most seen, seven of 288
		mostByAverage = 0.003 // 0.0014 is the most seen
	)
	var jobs []job
	for _, name := range []string{"mobiledet_cpu", "mobiledet_edgetpu", "mobiledet_dsp", "mobiledet_gpu"} {
		jobs = append(jobs, job{name: name, data: int8Bytes(t, fixturetest.Graph(t, name), int8Options), Ranges: 2})
	}
	for i, a := range interpret(t, jobs) {
		clipped := 0.0
		for _, s := range a.Ranges {
			least := leastUsed
			if s.Op == "AVERAGE_POOL_2D" {
				least = leastByPool
			}
			if s.Used < least || s.Clipped > mostClipped {
				t.Errorf("%s: %s %s uses %.2f of its values and clips %.4f, want at least %.2f and at most %.2f",
					jobs[i].name, s.Op, s.Name, s.Used, s.Clipped, least, mostClipped)
			}
			clipped += s.Clipped / float64(len(a.Ranges))
		}
		if len(a.Ranges) < 90 || clipped > mostByAverage {
			t.Errorf("%s: %d tensors clip %.4f on average, want at most %.4f", jobs[i].name, len(a.Ranges), clipped, mostByAverage)
		}
	}
}

var update = flag.Bool("update", false, "rewrite testdata/int8.json")

// TestInt8SameBytesEverywhere pins the bytes of all small networks. A change here needs a
// new WriterRevision, unless no release had the old bytes.
func TestInt8SameBytesEverywhere(t *testing.T) {
	got := map[string]string{}
	for _, c := range cases(t) {
		got[c.Name] = fmt.Sprintf("%x", sha256.Sum256(int8Bytes(t, c.Graph, int8Options)))
		got[c.Name+"-uint8"] = fmt.Sprintf("%x", sha256.Sum256(int8Bytes(t, c.Graph, uint8Options)))
	}
	const path = "testdata/int8.json"
	if *update {
		data, err := json.MarshalIndent(got, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sha256 of models (-want +got), -update rewrites them:\n%s", d)
	}
}

func TestInt8WriteBytesAndSizeAgree(t *testing.T) {
	for _, c := range cases(t) {
		for _, o := range []tflite.Options{int8Options, uint8Options} {
			data := int8Bytes(t, c.Graph, o)
			if err := tflite.Check(data); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
			var buf bytes.Buffer
			got, err := tflite.Write(&buf, c.Graph, o)
			want := tflite.Result{Bytes: int64(len(data)), SHA256: fmt.Sprintf("%x", sha256.Sum256(data))}
			if d := cmp.Diff(want, got); d != "" || err != nil || !bytes.Equal(buf.Bytes(), data) {
				t.Errorf("%s: %v (-bytes +said):\n%s", c.Name, err, d)
			}
			n, err := reader.Read(data)
			if err != nil || n.Precision != "int8" || !n.MACsComplete || n.Graph.TotalMACs() != c.Graph.TotalMACs() {
				t.Errorf("%s: read back: %v, %+v", c.Name, err, n)
			}
			if size, err := tflite.Size(c.Graph, o); err != nil || size != want.Bytes {
				t.Errorf("%s: Size is %d, %v, want %d", c.Name, size, err, want.Bytes)
			}
		}
	}
	if _, err := tflite.Size(cases(t)[0].Graph, tflite.Options{UInt8Input: true}); err == nil {
		t.Error("a float32 model with uint8 inputs was written")
	}
}

// TestInt8Versions: the versions are the lowest with int8, for accelerators' compilers.
func TestInt8Versions(t *testing.T) {
	want := map[string]int32{
		"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "AVERAGE_POOL_2D": 2,
		"ADD": 2, "MUL": 2, "LOGISTIC": 2, "HARD_SWISH": 1, "QUANTIZE": 1,
	}
	got := map[string]int32{}
	for _, c := range cases(t) {
		m := schema.GetRootAsModel(int8Bytes(t, c.Graph, uint8Options), 0)
		for i := range m.OperatorCodesLength() {
			var code schema.OperatorCode
			m.OperatorCodes(&code, i)
			got[code.BuiltinCode().String()] = code.Version()
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("versions (-want +got):\n%s", d)
	}
}

// randomNetwork draws a small network of any layers, shapes and head.
func randomNetwork(t *rapid.T) *graph.Graph {
	ratio := rapid.SampledFrom([]float64{0.25, 0.5, 0.75})
	choice := func(label string) sampler.Choice {
		c := sampler.Choice{
			Name: "drawn", Kernel: rapid.IntRange(1, 7).Draw(t, label+" kernel"),
			Type:      rapid.SampledFrom([]sampler.LayerType{sampler.Conv, sampler.IBN, sampler.Fused, sampler.Tucker}).Draw(t, label),
			Expansion: rapid.IntRange(2, 6).Draw(t, label+" expansion"),
			InRatio:   ratio.Draw(t, label+" in"), OutRatio: ratio.Draw(t, label+" out"),
		}
		if c.Type == sampler.IBN || c.Type == sampler.Fused {
			c.SE = rapid.SampledFrom([]float64{0, 0.25, 1}).Draw(t, label+" squeeze-and-excite")
		}
		return c
	}
	extent := rapid.IntRange(1, 13)
	s := &sampler.Space{
		Name: "random", Activation: rapid.SampledFrom([]sampler.Activation{sampler.ReLU6, sampler.HSwish}).Draw(t, "activation"),
		Input: sampler.Input{Height: extent.Draw(t, "height"), Width: extent.Draw(t, "width"), Channels: rapid.IntRange(1, 4).Draw(t, "channels")},
		Head:  sampler.Head{Type: rapid.SampledFrom([]sampler.HeadType{sampler.NoHead, sampler.Classifier}).Draw(t, "head"), Classes: 3},
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "stages") {
		name := fmt.Sprintf("stage%d", i+1)
		s.Stages = append(s.Stages, sampler.Stage{
			Name: name, Widths: []int{rapid.IntRange(1, 17).Draw(t, name+" width")},
			Layers: []sampler.Layer{
				{Stride: rapid.IntRange(1, 3).Draw(t, name+" stride"), Choices: []sampler.Choice{choice(name)}},
				{Stride: 1, Residual: true, Choices: []sampler.Choice{choice(name + " residual")}},
			},
		})
	}
	g, err := graph.Lower(s, sampler.Arch{Space: s.Name, Indices: make([]int, len(s.Decisions()))})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// writeRandom writes a random network: Check accepts it, and the plain evaluator, which
// refuses what kernels would misread, runs it.
func writeRandom(t *rapid.T) {
	g := randomNetwork(t)
	o := tflite.Options{Precision: "int8", UInt8Input: rapid.Bool().Draw(t, "uint8")}
	data, err := tflitetest.Bytes(g, o)
	if err == nil {
		err = tflite.Check(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	outs, err := tflitetest.EvaluateInt8(data, [][]byte{rawInput(g, o)})
	if err != nil {
		t.Fatal(err)
	}
	for i, out := range outs {
		if want := g.Tensors[g.Outputs[i]].Elements(); int64(len(out)) != want {
			t.Fatalf("output %d has %d elements, want %d", i, len(out), want)
		}
	}
}

func TestInt8RandomNetworks(t *testing.T) { rapid.Check(t, writeRandom) }

func FuzzInt8(f *testing.F) { f.Fuzz(rapid.MakeFuzz(writeRandom)) }

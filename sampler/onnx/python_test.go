package onnx_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/fixtures/fixturetest"
	"latlab/internal/testenv"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/onnx"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/tflitetest"
)

// pythonCase is what compare.py does with a network; files are named below.
type pythonCase struct {
	Name          string `json:"name"`
	Float32       string `json:"float32"`
	Int8          string `json:"int8"`
	Float32TFLite string `json:"float32_tflite"`
	Int8TFLite    string `json:"int8_tflite"`
	Qualcomm      bool   `json:"qualcomm"`

	graph *graph.Graph
	small bool // few enough layers for rounding not to add up
}

// structure is what onnx.checker and shape inference say of a model that passed both.
type structure struct {
	IR       int               `json:"ir"`
	Opset    map[string]int    `json:"opset"`
	Ops      map[string]int    `json:"ops"`
	Inputs   [][]int           `json:"inputs"` // element type, then shape
	Outputs  [][]int           `json:"outputs"`
	Metadata map[string]string `json:"metadata"`

	Distance   *float64       `json:"distance"` // from the .tflite, largest of all outputs
	Largest    float64        `json:"largest"`  // magnitude of an output
	OpSteps    map[string]int `json:"op_steps"` // most steps of an op on the .tflite's own tensors, by kind
	Steps      map[int]int    `json:"steps"`    // outputs of the network by steps away, ops in float between quantizations
	FusedSteps map[int]int    `json:"fused_steps"`
	FusedOps   map[string]int `json:"fused_ops"`
	Values     int            `json:"values"` // different ones in the output that has fewest
}

type pythonResult struct {
	Name     string     `json:"name"`
	Error    string     `json:"error"`
	Float32  *structure `json:"float32"`
	Int8     *structure `json:"int8"`
	Qualcomm *struct {
		Missing int   `json:"missing"`
		Cycles  int64 `json:"cycles"`
	} `json:"qualcomm"`
}

// TestPython checks the models with other readers of ONNX: onnx.checker; onnxruntime, which must compute the
// same as LiteRT from latlab's .tflite; and Qualcomm's compiler, which must map every op and know its cost.
func TestPython(t *testing.T) {
	cases := pythonCases(t)
	results := runPython(t, cases)
	if len(results) != len(cases) {
		t.Fatalf("%d results of %d cases", len(results), len(cases))
	}
	for i, c := range cases {
		t.Run(c.Name, func(t *testing.T) { checkCase(t, c, results[i]) })
	}
}

func checkCase(t *testing.T, c pythonCase, r pythonResult) {
	t.Helper()
	if r.Name != c.Name || r.Error != "" {
		t.Fatalf("%s: %s", r.Name, r.Error)
	}
	if c.Float32 != "" {
		checkStructure(t, c.graph, r.Float32, form{ir: 6, opset: 11, element: 1, ops: tensorRT72})
	}
	if c.Float32TFLite != "" {
		checkDistance(t, c, r.Float32)
	}
	if c.Int8 != "" {
		checkStructure(t, c.graph, r.Int8, form{ir: 7, opset: 14, element: 2, ops: quantizedOps})
	}
	if c.Int8TFLite != "" {
		checkSteps(t, c, r.Int8)
	}
	if c.Qualcomm && (r.Qualcomm.Missing != 0 || r.Qualcomm.Cycles <= 0) {
		t.Errorf("Qualcomm's compiler: %+v", *r.Qualcomm)
	}
}

// checkDistance wants float32 outputs within 1e-3 of the .tflite's; those of a whole
// network, whose outputs reach 25, within 1e-3 of the largest. A hundred layers amplify the
// order of a sum: for MobileDet-CPU LiteRT's own kernels and XNNPACK are 0.0034 apart, and
// the ONNX model lies between them, 0.0007 from the former and 0.0028 from the latter.
func checkDistance(t *testing.T, c pythonCase, got *structure) {
	t.Helper()
	limit := 1e-3
	if !c.small {
		limit *= max(got.Largest, 1)
	}
	if !(*got.Distance < limit && got.Largest > 0.1) {
		t.Errorf("float32 outputs, up to %g, are %g from the .tflite's", got.Largest, *got.Distance)
	}
}

// form is what a precision's models must be made of.
type form struct {
	ir, opset, element int
	ops                []string
}

var (
	// tensorRT72 is what we use of the table of TensorRT 7.2: onnx-tensorrt, docs/operators.md.
	tensorRT72   = []string{"Add", "Clip", "Conv", "GlobalAveragePool", "HardSigmoid", "Mul", "Sigmoid"}
	quantizedOps = []string{"Add", "Conv", "DequantizeLinear", "GlobalAveragePool", "HardSwish", "Mul", "QuantizeLinear", "Sigmoid"}
)

func checkStructure(t *testing.T, g *graph.Graph, got *structure, f form) {
	t.Helper()
	if got.IR != f.ir || !cmp.Equal(got.Opset, map[string]int{"": f.opset}) {
		t.Errorf("IR %d, opset %v", got.IR, got.Opset)
	}
	for _, op := range slices.Sorted(maps.Keys(got.Ops)) {
		if !slices.Contains(f.ops, op) {
			t.Errorf("operator %s is none of %v", op, f.ops)
		}
	}
	values := func(indices []int) [][]int {
		var vs [][]int
		for _, i := range indices {
			s := g.Tensors[i].Shape
			vs = append(vs, []int{f.element, s[0], s[3], s[1], s[2]})
		}
		return vs
	}
	if d := cmp.Diff(values(g.Inputs), got.Inputs); d != "" {
		t.Errorf("inputs (-want +got):\n%s", d)
	}
	if d := cmp.Diff(values(g.Outputs), got.Outputs); d != "" {
		t.Errorf("outputs (-want +got):\n%s", d)
	}
	want := map[string]string{"tool": "latlab " + onnx.WriterRelease, "writer": onnx.WriterRevision, "name": g.Name}
	if g.Space != "" {
		want["space"], want["indices"] = g.Space, g.Indices
	}
	if d := cmp.Diff(want, got.Metadata); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
}

// checkSteps wants every op within one step of the .tflite's reference kernel, given the
// same inputs: TFLite multiplies by a rounded 32-bit factor where QuantizeLinear divides.
// Through a network such steps add up, so its outputs are wanted within two steps but for
// one in twenty (the worst has one in 36), and for one in six behind gates that h-swish
// feeds (the worst, of eleven convolutions and two gates, has one in seven): a gate that
// is a step off moves a whole channel.
func checkSteps(t *testing.T, c pythonCase, got *structure) {
	t.Helper()
	limit := 20
	if strings.Contains(c.Name, "-se-") && strings.HasSuffix(c.Name, "h-swish") {
		limit = 6
	}
	for op, n := range got.OpSteps {
		if n > 1 {
			t.Errorf("%s is %d steps from the .tflite's", op, n)
		}
	}
	if len(got.OpSteps) == 0 {
		t.Error("no op was compared")
	}
	for _, steps := range []map[int]int{got.Steps, got.FusedSteps} {
		all, far := 0, 0
		for s, n := range steps {
			all += n
			if s > 2 {
				far += n
			}
		}
		if all == 0 || limit*far > all || slices.Max(slices.Collect(maps.Keys(steps))) > 8 {
			t.Errorf("outputs by their steps from the .tflite's: %v, fused %v", got.Steps, got.FusedSteps)
		}
	}
	if got.Values < 10 {
		t.Errorf("an output has but %d different values", got.Values)
	}
	if got.FusedOps["Conv"] != 0 || got.FusedOps["QLinearConv"] == 0 {
		t.Errorf("onnxruntime left convolutions in float: %v", got.FusedOps)
	}
}

// pythonCases are all small networks, whole MobileDets, and random points of spaces.
func pythonCases(t *testing.T) []pythonCase {
	t.Helper()
	small, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	var cs []pythonCase
	for _, c := range small {
		cs = append(cs, pythonCase{
			Name: c.Name, graph: c.Graph, small: true,
			Float32: "a", Int8: "a", Float32TFLite: "a", Int8TFLite: "a", Qualcomm: forQualcomm(c.Name),
		})
	}
	whole := []string{"mobiledet_dsp", "mobiledet_cpu"}
	for _, name := range whole {
		g := fixturetest.Graph(t, name)
		cs = append(cs, pythonCase{Name: name, graph: g, Float32: "a", Int8: "a", Float32TFLite: "a", Qualcomm: true})
	}
	for _, name := range []string{"mobiledet_cpu_tucker", "mobiledet_edgetpu_tucker", "mobiledet_gpu_fused"} {
		cs = append(cs, pythonCase{Name: name, graph: sampled(t, name, 1), Float32: "a", Int8: "a"})
	}
	return cs
}

// forQualcomm picks of the small networks both kernels and both strides of every block, and
// every head: its compiler takes longer than all the rest.
func forQualcomm(name string) bool {
	return strings.Contains(name, "-k3-s2-") || strings.Contains(name, "-k5-s1-") || strings.HasPrefix(name, "head-")
}

func sampled(t testing.TB, space string, seed uint64) *graph.Graph {
	t.Helper()
	s, err := sampler.Builtin(space)
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, 1, seed)
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Lower(s, archs[0])
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// runPython writes every file that a case names and runs the script over all of them.
func runPython(t *testing.T, cases []pythonCase) []pythonResult {
	t.Helper()
	dir := t.TempDir()
	for i := range cases {
		c := &cases[i]
		for _, f := range []struct {
			file   *string
			suffix string
			write  func() ([]byte, error)
		}{
			{&c.Float32, "float32.onnx", func() ([]byte, error) { return writeBytes(c.graph, onnx.Options{}) }},
			{&c.Int8, "int8.onnx", func() ([]byte, error) { return writeBytes(c.graph, onnx.Options{Precision: "int8"}) }},
			{&c.Float32TFLite, "float32.tflite", func() ([]byte, error) { return tflitetest.Bytes(c.graph, tflite.Options{}) }},
			{&c.Int8TFLite, "int8.tflite", func() ([]byte, error) { return tflitetest.Bytes(c.graph, tflite.Options{Precision: "int8"}) }},
		} {
			if *f.file == "" {
				continue
			}
			data, err := f.write()
			if err != nil {
				t.Fatal(err)
			}
			*f.file = c.Name + "-" + f.suffix
			mustWrite(t, filepath.Join(dir, *f.file), data)
		}
	}
	text, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(dir, "cases.json"), text)
	script, err := filepath.Abs(filepath.Join("testdata", "compare.py"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), script, dir)
	cmd.Dir = t.TempDir() // Qualcomm's compiler leaves files where it runs
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return readResults(t, filepath.Join(dir, "results.jsonl"))
}

func readResults(t *testing.T, path string) []pythonResult {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rs []pythonResult
	for d := json.NewDecoder(bytes.NewReader(data)); d.More(); {
		var r pythonResult
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

func mustWrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

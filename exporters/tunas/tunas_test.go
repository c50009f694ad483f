package tunas

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/exporters"
	"latlab/internal/testenv"
	"latlab/regress"
	"latlab/sampler"
)

// narrow has positions of one entry (the stem, stage2's second layer), a skip without a
// residual and a squeeze-and-excite ratio that TuNAS cannot say.
const narrow = `
name: narrow.test-1
input: {height: 32, width: 32, channels: 3}
activation: h-swish
choices:
  - {name: conv_k3, type: conv, kernel: 3}
  - {name: ibn_k3_e1, type: ibn, kernel: 3, expansion: 1}
  - {name: ibn_k5_e4, type: ibn, kernel: 5, expansion: 4, se: 0.5}
  - {name: fused_k3_e4, type: fused, kernel: 3, expansion: 4, se: 0.25}
  - {name: tucker, type: tucker, kernel: 3, in_ratio: 0.25, out_ratio: 0.75}
  - {name: skip, type: skip}
stages:
  - name: stem
    widths: [16]
    layers:
      - {stride: 2, choices: [conv_k3]}
  - name: stage1
    widths: [16]
    layers:
      - {stride: 1, choices: [ibn_k3_e1]}
      - {stride: 1, choices: [tucker, fused_k3_e4, skip]}
  - name: stage2
    widths: [8, 24, 32]
    layers:
      - {stride: 2, choices: [ibn_k5_e4, tucker]}
      - {stride: 1, residual: true, choices: [ibn_k5_e4, skip]}
  - name: stage3
    widths: [40]
    layers:
      - {stride: 1, choices: [fused_k3_e4]}
head:
  type: none
`

// fixed has one network: TuNAS then has the one feature that is always 1.
const fixed = `
name: fixed
input: {height: 32, width: 32, channels: 3}
activation: relu6
choices:
  - {name: conv_k3, type: conv, kernel: 3}
stages:
  - name: stem
    widths: [16]
    layers:
      - {stride: 2, choices: [conv_k3]}
head:
  type: none
`

func space(t *testing.T, nameOrYAML string) *sampler.Space {
	t.Helper()
	load := func() (*sampler.Space, error) { return sampler.Builtin(nameOrYAML) }
	if strings.Contains(nameOrYAML, "\n") {
		load = func() (*sampler.Space, error) { return sampler.Load([]byte(nameOrYAML), "test.yaml") }
	}
	s, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// randomModel has weights as a fit gives them: milliseconds, some negative, unreachable 0.
func randomModel(s *sampler.Space, seed uint64) *regress.CostModel {
	r := rand.New(rand.NewPCG(seed, 0))
	m := &regress.CostModel{
		SchemaVersion: regress.SchemaVersion, Space: s.Name, Unit: regress.Unit, Bias: 0.02 * r.Float64(),
		Device: "phone", Kind: "measured", Precision: "int8", Estimator: "median", Method: "ops", DataHash: "00",
	}
	for _, p := range s.Positions() {
		t := regress.TablePosition{Name: p.Name, Weights: make([]float64, p.Slots()), Seen: make([]int, p.Slots())}
		for e := range t.Weights {
			if p.Reachable(e) {
				t.Weights[e] = 0.005 * (r.Float64() - 0.2)
			}
		}
		m.Table = append(m.Table, t)
	}
	return m
}

// TuNAS's own steps, written again in Python, must predict from the export what the cost
// model predicts.
func TestTuNASReadsExport(t *testing.T) {
	python := testenv.Program(t, "python3", "python3")
	for _, tc := range []struct {
		space string
		n     int
	}{
		{"mobiledet_edgetpu_tucker", 120},
		{"mobiledet_cpu_ibn", 120},
		{"mobiledet_gpu_fused", 60},
		{"proxylessnas_search", 60},
		{"proxylessnas_enlarged_search", 30},
		{"mobilenet_v3_like_search", 15},
		{narrow, 36},
		{fixed, 1},
	} {
		s := space(t, tc.space)
		t.Run(s.Name, func(t *testing.T) {
			m := randomModel(s, 1)
			dir := filepath.Join(t.TempDir(), "out")
			if err := Write(dir, m, s); err != nil {
				t.Fatal(err)
			}
			archs, err := sampler.Sample(s, tc.n, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range readTuNAS(t, python, dir, s.Name, archs) {
				want := 1000 * m.Predict(s, archs[i])
				if math.Abs(got-want) > 3e-6*math.Abs(want)+1e-5 {
					t.Errorf("%s: TuNAS reads %v ms, the cost model says %v ms", archs[i], got, want)
				}
			}
		})
	}
}

func readTuNAS(t *testing.T, python, dir, ssd string, archs []sampler.Arch) []float64 {
	t.Helper()
	var in, out, errs bytes.Buffer
	for _, a := range archs {
		in.WriteString(a.String() + "\n")
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "read_tunas.py"), dir, ssd)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	lines := strings.Fields(out.String())
	if len(lines) != len(archs) {
		t.Fatalf("%d costs for %d networks", len(lines), len(archs))
	}
	costs := make([]float64, len(lines))
	for i, l := range lines {
		var err error
		if costs[i], err = strconv.ParseFloat(l, 64); err != nil {
			t.Fatal(err)
		}
	}
	return costs
}

// TuNAS's own spaces have its indices, its features and its structure, so that it needs no change to read an export.
func TestTuNASOwnSpaces(t *testing.T) {
	python := testenv.Program(t, "python3", "python3")
	type row struct {
		Space                   string
		Decisions, Coefficients int
	}
	want := []row{{"proxylessnas_search", 73, 144}, {"proxylessnas_enlarged_search", 73, 5983}, {"mobilenet_v3_like_search", 86, 29068}}
	var got []row
	for _, r := range want {
		s := space(t, r.Space)
		k, err := newKernel(randomModel(s, 1), s)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row{s.Name, len(s.Decisions()), len(k.weights)})
		spec, err := Spec(s)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "tunas_spaces.py"), r.Space).Output()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(theirs), string(spec)); diff != "" {
			t.Errorf("%s: TuNAS's structure (-) and the space's (+):\n%s", r.Space, diff)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKernel(t *testing.T) {
	s := space(t, narrow)
	m := randomModel(s, 2)
	k, err := newKernel(m, s)
	if err != nil {
		t.Fatal(err)
	}
	// stage1/layer2: 3; stage2: 3 x 2 and 3 x 3 x 2; stage3: 3. The others have one entry.
	if want := 3 + 6 + 18 + 3; len(k.weights) != want {
		t.Errorf("%d coefficients, want %d", len(k.weights), want)
	}
	if diff := cmp.Diff([]string{"stem", "stage1/layer1"}, k.dropped); diff != "" {
		t.Errorf("positions in the bias (-want +got):\n%s", diff)
	}
	want := float32(1000 * (m.Bias + m.Table[0].Weights[0] + m.Table[1].Weights[0]))
	if k.bias != want {
		t.Errorf("bias %v ms, want %v", k.bias, want)
	}
	if big, err := newKernel(randomModel(space(t, "mobiledet_edgetpu_tucker"), 1), space(t, "mobiledet_edgetpu_tucker")); err != nil || len(big.weights) != 12342 {
		t.Errorf("mobiledet_edgetpu_tucker has %d coefficients (%v), want all 12,342 slots", len(big.weights), err)
	}
}

// The bias of TuNAS's own proxylessnas_search: one big-endian float32, 8 characters.
func TestEncodeBytes(t *testing.T) {
	if got, want := encodeBytes([]float32{92.13599395751953}), "QrhFoQ==\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	long := encodeBytes(make([]float32, 144))
	lines := strings.Split(strings.TrimSuffix(long, "\n"), "\n")
	raw, err := base64.StdEncoding.DecodeString(strings.Join(lines, ""))
	if err != nil || len(raw) != 4*144 || len(lines[0]) != 76 || len(lines) != 11 {
		t.Errorf("%d bytes in %d lines (%v), want 576 in 11 lines of 76 characters", len(raw), len(lines), err)
	}
}

// A space's name may have characters that a Python name may not.
func TestModule(t *testing.T) {
	got := string(moduleText("narrow.test-1", kernel{weights: []float32{0}, bias: 1}))
	for _, want := range []string{
		"SERIALIZATION_DTYPE = '>f4'\n",
		"_NARROW_TEST_1_KERNEL = b\"\"\"\nAAAAAA==\n\"\"\"\n",
		"_NARROW_TEST_1_BIAS = b\"\"\"\nP4AAAA==\n\"\"\"\n",
		"'narrow.test-1': _NARROW_TEST_1_KERNEL,",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("module lacks %q:\n%s", want, got)
		}
	}
}

func TestManifest(t *testing.T) {
	s := space(t, narrow)
	m := randomModel(s, 3)
	dir := t.TempDir()
	if err := Write(dir, m, s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	var got Manifest
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := Manifest{
		SchemaVersion: 1, SSD: s.Name, Unit: "milliseconds", Device: "phone", Kind: "measured", Precision: "int8",
		Estimator: "median", Method: "ops", DataHash: "00", Decisions: 10, Coefficients: 30,
		BiasMS: got.BiasMS, InBias: []string{"stem", "stage1/layer1"}, Gauge: "as fitted",
		Warnings: []string{"TuNAS has one squeeze-and-excite ratio, 0.25; the space also has 0.5"},
		SHA256:   map[string]string{},
	}
	for _, name := range []string{DataFile, SpecFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want.SHA256[name] = sum(data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	s := space(t, narrow)
	for _, tc := range []struct {
		name   string
		change func(m *regress.CostModel)
		want   string
	}{
		{"another space", func(m *regress.CostModel) { m.Space = "other" }, "the cost model is for space other, not for narrow.test-1"},
		{"a short table", func(m *regress.CostModel) { m.Table = m.Table[1:] }, "table has 5 positions, space narrow.test-1 has 6"},
		{"beyond float32", func(m *regress.CostModel) { m.Table[3].Weights[1] = 1e38 }, "range of float32"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := randomModel(s, 4)
			tc.change(m)
			dir := filepath.Join(t.TempDir(), "out")
			err := Write(dir, m, s)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Error("a refused export left a directory")
			}
		})
	}
}

// The notes say what the manifest does not.
func TestNotes(t *testing.T) {
	s := space(t, narrow)
	dir := t.TempDir()
	if err := Write(dir, randomModel(s, 3), s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, NotesFile))
	if err != nil {
		t.Fatal(err)
	}
	var notes exporters.Notes
	if err := json.Unmarshal(text, &notes); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range notes.Lost {
		got = append(got, l.What)
	}
	want := []string{"origin", "precision", "intervals, verdicts", "networks seen", "network input, head", "layers"}
	if diff := cmp.Diff(want, got); diff != "" || notes.Format != "tunas" {
		t.Errorf("lost by %q (-want +got):\n%s", notes.Format, diff)
	}
	if why := notes.Lost[len(got)-1].Why; !strings.Contains(why, "TuckerConvSpec") {
		t.Errorf("layers: %s", why)
	}
}

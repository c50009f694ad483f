package lut

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"latlab/exporters/exporttest"
	"latlab/internal/testenv"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
)

func spaces(t testing.TB) []*sampler.Space {
	return []*sampler.Space{
		exporttest.Space(t, filepath.Join("testdata", "proxyless.yaml")),
		exporttest.Space(t, filepath.Join("testdata", "hard.yaml")),
		exporttest.Space(t, filepath.Join("..", "..", "sampler", "testdata", "tiny.yaml")),
		exporttest.Space(t, "mobiledet_cpu_tucker"),
		exporttest.Space(t, "mobiledet_gpu_ibn"),
	}
}

// randomModel is a table without any structure: no two entries agree, skips cost something.
func randomModel(s *sampler.Space, seed uint64) *regress.CostModel {
	r := rand.New(rand.NewPCG(seed, 0))
	m := &regress.CostModel{
		SchemaVersion: regress.SchemaVersion, Space: s.Name, Unit: regress.Unit, Device: "phone\n\x01: x", Kind: "simulated",
		Precision: "int8", Method: "indicator", Estimator: "median", Bias: r.NormFloat64() / 10,
	}
	for _, p := range s.Positions() {
		t := regress.TablePosition{Name: p.Name, Weights: make([]float64, p.Slots()), Seen: make([]int, p.Slots())}
		for e := range t.Weights {
			if p.Reachable(e) {
				t.Weights[e], t.Seen[e] = r.NormFloat64()/100, e%3
			}
		}
		m.Table = append(m.Table, t)
	}
	return m
}

// fitted is a cost model of method ops of latencies that are made up of ops.
func fitted(t testing.TB, s *sampler.Space) *regress.CostModel {
	t.Helper()
	return exporttest.Fit(t, s, regress.Ops, func(g *graph.Graph) float64 {
		return 1e-3 + 1e-10*float64(g.TotalMACs()) + 2e-5*float64(len(g.Ops))
	})
}

type entry struct {
	Count *int     `yaml:"count"`
	Mean  float64  `yaml:"mean"`
	Std   *float64 `yaml:"std"`
	Var   *float64 `yaml:"var"`
}

func read(t testing.TB, file string) map[string]entry {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]entry{}
	if err := yaml.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	return table
}

// reader adds a network's keys up as the two projects' readers do, layer after layer from
// the network's own shapes; it knows nothing of tables and positions but their names.
type reader struct {
	dialect Dialect
	space   *sampler.Space
	table   map[string]entry
	asked   map[string]bool
	own     int // keys that only a patched query() finds
}

func (r *reader) query(key, own string) (float64, error) {
	e, ok := r.table[key]
	if !ok {
		key += own
		r.own++
		if e, ok = r.table[key]; !ok {
			return 0, fmt.Errorf("KeyError: %s", key)
		}
	}
	r.asked[key] = true
	return e.Mean, nil
}

func (r *reader) latency(a sampler.Arch) (float64, error) {
	sum, size, in, next, first := r.table["Base"].Mean, r.space.Input.Height, 3, 0, true
	for _, st := range r.space.Stages {
		out := st.Widths[a.Indices[next+len(st.Layers)]]
		for li, l := range st.Layers {
			c := l.Choices[a.Indices[next+li]]
			position := st.Name
			if len(st.Layers) > 1 {
				position = fmt.Sprintf("%s/layer%d", st.Name, li+1)
			}
			outSize := (size-1)/l.Stride + 1
			x, err := r.query(r.layerKey(first, l, c, [4]int{size, in, outSize, out}), "-layer:"+position+"-choice:"+c.Name)
			if err != nil && c.Type != sampler.Skip {
				return 0, err
			}
			sum += x
			size, in, first = outSize, out, false
		}
		next += len(st.Layers) + 1
	}
	if r.space.Head.Type != sampler.Classifier {
		return sum, nil
	}
	keys := []string{fmt.Sprintf("Logits-input:%dx%dx%d-output:%d", size, size, in, r.space.Head.Classes)}
	if r.dialect == OFA {
		keys = []string{
			fmt.Sprintf("AvgPool2D-input:%dx%dx%d-output:1x1x%d", size, size, in, in),
			fmt.Sprintf("Logits-input:1x1x%d-output:%d", in, r.space.Head.Classes),
		}
	}
	for _, k := range keys {
		x, err := r.query(k, "")
		if err != nil {
			return 0, err
		}
		sum += x
	}
	return sum, nil
}

func (r *reader) layerKey(first bool, l sampler.Layer, c sampler.Choice, at [4]int) string {
	size, in, outSize, out := at[0], at[1], at[2], at[3]
	shapes := fmt.Sprintf("input:%dx%dx%d-output:%dx%dx%d", size, size, in, outSize, outSize, out)
	flag := map[bool]int{true: 1}
	tail := fmt.Sprintf("kernel:%d-stride:%d-idskip:%d", c.Kernel, l.Stride, flag[l.Residual])
	expand := c.Expansion
	if r.dialect == OFA {
		tail += fmt.Sprintf("-se:%d-hs:%d", flag[c.SE > 0], flag[r.space.Activation == sampler.HSwish])
		expand *= in
	}
	switch c.Type {
	case sampler.Conv:
		if first {
			return "Conv-" + shapes
		}
		return "Conv_1-" + shapes
	case sampler.Skip:
		return "skip-" + shapes
	case sampler.IBN:
		return fmt.Sprintf("expanded_conv-%s-expand:%d-%s", shapes, expand, tail)
	case sampler.Fused:
		return fmt.Sprintf("fused_conv-%s-expand:%d-%s", shapes, expand, tail)
	}
	if r.dialect == OFA {
		return fmt.Sprintf("tucker_conv-%s-rank:%dx%d-%s", shapes, eighths(in, c.InRatio), eighths(out, c.OutRatio), tail)
	}
	return fmt.Sprintf("tucker_conv-%s-ratio:%vx%v-%s", shapes, c.InRatio, c.OutRatio, tail)
}

// eighths rounds as MobileDets do: half up, to multiples of 8, at least 8.
func eighths(n int, ratio float64) int { return max(8, int(math.Floor(float64(n)*ratio/8+0.5))*8) }

// The means of a network's keys and Base are what the model predicts, in milliseconds, for
// tables without any structure and for fitted ones, in both dialects.
func TestSumIsPrediction(t *testing.T) {
	t.Parallel()
	for _, s := range spaces(t) {
		for _, m := range []*regress.CostModel{randomModel(s, 1), fitted(t, s)} {
			for _, d := range Dialects() {
				t.Run(fmt.Sprintf("%s/%s/%s", s.Name, m.Method, d), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					if _, err := Write(dir, m, s, d); err != nil {
						t.Fatal(err)
					}
					r := &reader{dialect: d, space: s, table: read(t, filepath.Join(dir, d.file(s))), asked: map[string]bool{}}
					rapid.Check(t, func(t *rapid.T) {
						a := sampler.Arch{Space: s.Name}
						for _, dec := range s.Decisions() {
							a.Indices = append(a.Indices, rapid.IntRange(0, len(dec.Names)-1).Draw(t, dec.Name))
						}
						got, err := r.latency(a)
						if err != nil {
							t.Fatalf("%s: %v", a, err)
						}
						if want := 1000 * m.Predict(s, a); math.Abs(got-want) > 1e-9*(1+math.Abs(want)) {
							t.Fatalf("%s: keys add up to %v ms, the model predicts %v ms", a, got, want)
						}
					})
				})
			}
		}
	}
}

// Readers ask for nothing where a layer is skipped: a space whose layers have one skip each
// has no key for it.
func TestSkipsHaveNoKeys(t *testing.T) {
	t.Parallel()
	s := exporttest.Space(t, "mobiledet_cpu_tucker")
	dir := t.TempDir()
	if _, err := Write(dir, randomModel(s, 1), s, OFA); err != nil {
		t.Fatal(err)
	}
	for k := range read(t, filepath.Join(dir, "320_lookup_table.yaml")) {
		if strings.HasPrefix(k, "skip") {
			t.Errorf("key %s", k)
		}
	}
}

// A fit of ops gives layers of one shape one value: readers find every key as it is.
func TestFittedOpsNeedNoKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := exporttest.Space(t, "mobiledet_cpu_tucker")
	dir := t.TempDir()
	if _, err := Write(dir, fitted(t, s), s, OFA); err != nil {
		t.Fatal(err)
	}
	table := read(t, filepath.Join(dir, "320_lookup_table.yaml"))
	for k, e := range table {
		if strings.Contains(k, "-layer:") {
			t.Errorf("key %s", k)
		}
		if e.Std != nil || e.Var != nil {
			t.Errorf("key %s has a spread that nobody computed", k)
		}
	}
	_, reachable := s.Slots()
	if n := len(table); n > reachable || n < 1000 {
		t.Errorf("%d keys of %d reachable entries", n, reachable)
	}
}

// The keys of the published tables, as the facts of both projects list them.
func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	s := exporttest.Space(t, filepath.Join("testdata", "proxyless.yaml"))
	for d, want := range map[Dialect][]string{
		ProxylessNAS: {
			"Conv-input:224x224x3-output:112x112x32",
			"expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0",
			"expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:3-stride:2-idskip:0",
			"expanded_conv-input:112x112x16-output:56x56x24-expand:6-kernel:7-stride:2-idskip:0",
			"expanded_conv-input:56x56x24-output:56x56x24-expand:3-kernel:3-stride:1-idskip:1",
			"Conv_1-input:7x7x320-output:7x7x1280",
			"Logits-input:7x7x1280-output:1000",
			"Base",
		},
		OFA: {
			"Conv-input:224x224x3-output:112x112x32",
			"expanded_conv-input:112x112x32-output:112x112x16-expand:32-kernel:3-stride:1-idskip:0-se:0-hs:0",
			"expanded_conv-input:112x112x16-output:56x56x24-expand:48-kernel:3-stride:2-idskip:0-se:0-hs:0",
			"Conv_1-input:7x7x320-output:7x7x1280",
			"AvgPool2D-input:7x7x1280-output:1x1x1280",
			"Logits-input:1x1x1280-output:1000",
		},
	} {
		dir := t.TempDir()
		if _, err := Write(dir, fitted(t, s), s, d); err != nil {
			t.Fatal(err)
		}
		table := read(t, filepath.Join(dir, d.file(s)))
		for _, k := range want {
			if _, ok := table[k]; !ok {
				t.Errorf("%s lacks %s", d, k)
			}
		}
		if e := table["Logits-input:7x7x1280-output:1000"]; d == ProxylessNAS && e.Mean <= 0 {
			t.Errorf("the classifier costs %v ms, want its price", e.Mean)
		}
	}
}

// The real PyYAML reads names as text, means as floats and nothing else, without a loader
// of its own.
func TestPyYAML(t *testing.T) {
	t.Parallel()
	python := testenv.Python(t)
	s := exporttest.Space(t, filepath.Join("..", "..", "sampler", "testdata", "tiny.yaml"))
	m := randomModel(s, 2)
	m.Bias, m.Table[0].Weights[0] = 5e18, 1e-9 // 5e+21 and 1e-06 ms: text to YAML 1.1
	for _, d := range Dialects() {
		dir := t.TempDir()
		if _, err := Write(dir, m, s, d); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, d.file(s))
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "read_lut.py"), file, d.spread())
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, errs.String())
		}
		got := map[string]float64{}
		for line := range strings.Lines(out.String()) {
			var pair [2]any
			if err := json.Unmarshal([]byte(line), &pair); err != nil {
				t.Fatal(err)
			}
			got[pair[0].(string)] = pair[1].(float64)
		}
		want := map[string]float64{}
		for k, e := range read(t, file) {
			want[k] = e.Mean
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: means (-Go +PyYAML):\n%s", d, diff)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{0: "0.0", 5: "5.0", 2e-9: "2.0e-09", 5e21: "5.0e+21", 1.5e-7: "1.5e-07", -0.25: "-0.25"} {
		if got := number(x); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	tiny := exporttest.Space(t, filepath.Join("..", "..", "sampler", "testdata", "tiny.yaml"))
	proxyless := exporttest.Space(t, filepath.Join("testdata", "proxyless.yaml"))
	for _, tc := range []struct {
		name string
		m    *regress.CostModel
		s    *sampler.Space
		d    Dialect
		want []string
	}{
		{"without structure", randomModel(tiny, 1), tiny, OFA, []string{"intercept", "std", "intervals, figures", "gauge",
			"layers fused, tucker", "position", "detection head", "PyYAML 6 and later", "resolution", "missing keys"}},
		{"another dialect", randomModel(tiny, 1), tiny, ProxylessNAS, []string{"intercept", "var", "intervals, figures", "gauge",
			"layers fused, tucker", "position", "activation, squeeze-and-excite", "detection head", "PyYAML 6 and later", "missing keys", "path"}},
		{"of ops, with a classifier", fitted(t, proxyless), proxyless, ProxylessNAS, []string{"intercept", "var", "intervals, figures", "gauge",
			"classifier", "PyYAML 6 and later", "missing keys", "path"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, until := t.TempDir(), time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)
			tc.m.MeasuredUntil = &until
			notes, err := Write(dir, tc.m, tc.s, tc.d)
			if err != nil {
				t.Fatal(err)
			}
			file := exporttest.Notes(t, filepath.Join(dir, NotesFile), notes, tc.want)
			if c := file.Cost; c == nil || c.Kind != tc.m.Kind || c.BiasSeconds != tc.m.Bias || c.MeasuredUntil == nil || !c.MeasuredUntil.Equal(until) {
				t.Errorf("notes are of %+v", file.Cost)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := exporttest.Space(t, filepath.Join("testdata", "proxyless.yaml"))
	for _, tc := range []struct {
		name    string
		change  func(m *regress.CostModel)
		dialect Dialect
		want    string
	}{
		{"another space", func(m *regress.CostModel) { m.Space = "other" }, OFA, "the cost model is for space other"},
		{"a dialect that nobody reads", func(*regress.CostModel) {}, "tfnas", `"tfnas"; there are ofa and proxylessnas`},
		{"beyond milliseconds", func(m *regress.CostModel) { m.Bias = math.MaxFloat64 }, OFA, "too large"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := randomModel(s, 4)
			tc.change(m)
			dir := filepath.Join(t.TempDir(), "out")
			if _, err := Write(dir, m, s, tc.dialect); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Error("a refused export left a directory")
			}
		})
	}
}

// Every reachable entry is somewhere in the table, and no key that no network asks for.
func TestNothingIsLeftOut(t *testing.T) {
	t.Parallel()
	s := exporttest.Space(t, filepath.Join("testdata", "proxyless.yaml"))
	dir := t.TempDir()
	if _, err := Write(dir, randomModel(s, 3), s, ProxylessNAS); err != nil {
		t.Fatal(err)
	}
	r := &reader{dialect: ProxylessNAS, space: s, table: read(t, filepath.Join(dir, "lookup_table.yaml")), asked: map[string]bool{"Base": true}}
	archs, err := sampler.SampleCoverage(s, 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range archs {
		if _, err := r.latency(a); err != nil {
			t.Fatal(err)
		}
	}
	var never []string
	for k := range r.table {
		if !r.asked[k] {
			never = append(never, k)
		}
	}
	if slices.Sort(never); len(never) > 0 || r.own == 0 {
		t.Errorf("no network asks for %v; %d keys of their own", never, r.own)
	}
}

package nnmeter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/bench/profile"
	"latlab/devices"
	"latlab/exporters/exporttest"
	"latlab/internal/testenv"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
)

func tinySpace(t testing.TB) *sampler.Space {
	return exporttest.Space(t, filepath.Join("..", "..", "sampler", "testdata", "tiny.yaml"))
}

// seconds of an op on a made-up device.
func seconds(o graph.PaidOp) float64 {
	return 2e-5 + 1e-10*float64(o.MACs) + 1e-9*float64(o.OutputElements)
}

// fitted is a cost model of networks on the made-up device.
func fitted(t testing.TB, s *sampler.Space, method regress.Method) *regress.CostModel {
	t.Helper()
	return exporttest.Fit(t, s, method, func(g *graph.Graph) float64 {
		y := 1e-3
		for _, o := range g.Ops {
			y += seconds(g.PaidOp(o))
		}
		return y
	})
}

// readPair has the pair read as nn-Meter does, by Python.
func readPair(t testing.TB, dir string) map[string]float64 {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), filepath.Join("testdata", "read_nnmeter.py"),
		filepath.Join(dir, KernelsFile), filepath.Join(dir, ResultsFile))
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	labels := map[string]float64{}
	for line := range strings.Lines(out.String()) {
		var row [3]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint(row[0], row[1])
		if _, twice := labels[key]; twice {
			t.Errorf("%s comes twice", key)
		}
		labels[key] = row[2].(float64)
	}
	return labels
}

// keyOf is a kernel as readPair names it: written down again from the op.
func keyOf(o graph.PaidOp) string {
	spatial := []int{o.In[1], o.In[3], o.Out[3], o.Kernel[0], o.Stride[0]}
	switch o.Kind {
	case graph.Conv2D:
		return fmt.Sprint("conv-bn-relu", spatial)
	case graph.DepthwiseConv:
		return fmt.Sprint("dwconv-bn-relu", spatial)
	case graph.FullyConnected:
		return fmt.Sprint("fc", []int{o.In[3], o.Out[3]})
	case graph.Add:
		return fmt.Sprint("add", []int{o.In[1], o.In[3], o.In[3]})
	case graph.HardSwish:
		return fmt.Sprint("hswish", []int{o.In[1], o.In[3]})
	case graph.AveragePool:
		return fmt.Sprint("global-avgpool", []int{o.In[1], o.In[3]})
	}
	return string(o.Kind)
}

// A network's kernels and the intercept are what the model predicts: nothing is left out of
// networks of these spaces, and nothing counted twice.
func TestPricesAreThePrediction(t *testing.T) {
	t.Parallel()
	for _, s := range []*sampler.Space{exporttest.Space(t, "mobiledet_cpu_tucker"), exporttest.Space(t, "mobiledet_gpu_ibn"), tinySpace(t)} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			m := fitted(t, s, regress.Ops)
			k, err := Priced(m, s)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if _, err := k.Write(dir); err != nil {
				t.Fatal(err)
			}
			labels := readPair(t, dir)
			rapid.Check(t, func(t *rapid.T) {
				a := sampler.Arch{Space: s.Name}
				for _, d := range s.Decisions() {
					a.Indices = append(a.Indices, rapid.IntRange(0, len(d.Names)-1).Draw(t, d.Name))
				}
				g, err := graph.Lower(s, a)
				if err != nil {
					t.Fatal(err)
				}
				sum := 1000 * m.Features["intercept"]
				for _, o := range g.Ops {
					p := g.PaidOp(o)
					key := keyOf(p)
					if strings.Contains(o.Name, "/se/") {
						if !strings.HasSuffix(o.Name, "/se/squeeze") {
							continue
						}
						key = fmt.Sprint("se", []int{p.In[1], p.In[3]})
					}
					x, ok := labels[key]
					if !ok {
						t.Fatalf("%s has no kernel %s", o.Name, key)
					}
					sum += x
				}
				if want := 1000 * m.Predict(s, a); math.Abs(sum-want) > 1e-9*want {
					t.Fatalf("kernels add up to %v ms, the model predicts %v ms", sum, want)
				}
			})
		})
	}
}

// sampled is a network of a space.
func sampled(t testing.TB, s *sampler.Space, seed uint64) *graph.Graph {
	t.Helper()
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

// table is a per-layer table with a row of its own for an activation, as Vela's, and one of
// overhead.
func table(t testing.TB, g *graph.Graph) Table {
	t.Helper()
	x := Table{Device: "npu", Kind: "estimated"}
	for i, r := range g.Rows(nil, 1) {
		x.Ops = append(x.Ops, profile.Op{Node: i, Row: r})
	}
	for _, o := range g.Ops {
		x.Layers = append(x.Layers,
			devices.Layer{Name: o.Name, Op: "Conv2D", Seconds: seconds(g.PaidOp(o)) - 1e-5},
			devices.Layer{Name: o.Name, Op: "Relu6", Seconds: 1e-5})
	}
	x.Layers = append(x.Layers, devices.Layer{Name: "invoke", Op: "overhead", Seconds: 1})
	return x
}

func TestTimed(t *testing.T) {
	t.Parallel()
	s := tinySpace(t)
	graphs := []*graph.Graph{sampled(t, s, 1), sampled(t, s, 2), sampled(t, s, 3)}
	tables := []Table{table(t, graphs[0]), table(t, graphs[1]), table(t, graphs[2])}
	k, err := Timed(tables)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := k.Write(dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{}
	for _, g := range graphs {
		for _, o := range g.Ops {
			if !strings.Contains(o.Name, "/se/") {
				p := g.PaidOp(o)
				want[keyOf(p)] = 1000 * seconds(p)
			}
		}
	}
	for key, got := range readPair(t, dir) {
		if strings.HasPrefix(key, "se[") {
			continue
		}
		if math.Abs(got-want[key]) > 1e-9 {
			t.Errorf("%s takes %v ms, want %v", key, got, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("kernels that are not there: %v", want)
	}
}

// TestTimedByNodes: rows belong to the ops of their nodes, whatever they are called.
func TestTimedByNodes(t *testing.T) {
	t.Parallel()
	op := func(node int, kind graph.Kind, name string, in, out [4]int) profile.Op {
		return profile.Op{Node: node, Row: graph.Row{Name: name, Kind: kind, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Input: in, Output: out}}
	}
	wide, narrow := [4]int{1, 8, 8, 32}, [4]int{1, 1, 1, 32}
	ops := []profile.Op{ // behind the QUANTIZE of the input
		op(1, graph.Conv2D, "a", wide, wide),
		op(2, graph.HardSwish, "b", wide, wide),
		op(3, graph.AveragePool, "c/se/squeeze", wide, narrow),
		op(4, graph.Conv2D, "c/se/reduce", narrow, [4]int{1, 1, 1, 8}),
		op(5, graph.Mul, "c/se/gate", wide, wide),
		op(6, graph.Add, "d", wide, wide),
	}
	row := func(name string, seconds float64, nodes ...int) devices.Layer {
		return devices.Layer{Name: name, Seconds: seconds, Nodes: nodes}
	}
	for _, tc := range []struct {
		name   string
		layers []devices.Layer
		want   map[string]string
		left   map[string]int
	}{
		{"names of other ops", []devices.Layer{row("d", 1), row("b", 0.001, 1), row("a", 0.002, 2), row("", 0.004, 6)},
			map[string]string{conv: "1 +- nan", hswish: "2 +- nan", add: "4 +- nan"}, map[string]int{"ops without a row of their own": 1}},
		{"several rows of an op", []devices.Layer{row("kernel", 0.001, 1), row("copy", 0.002, 1)},
			map[string]string{conv: "3 +- nan"}, map[string]int{"ops without a row of their own": 3}},
		{"one row of a kernel's ops", []devices.Layer{row("fused", 0.003, 3, 4), row("gate", 0.001, 5)},
			map[string]string{se: "4 +- nan"}, map[string]int{"ops without a row of their own": 3}},
		{"a row of two kernels", []devices.Layer{row("a", 0.001, 1, 2), row("a", 0.001, 1), row("d", 0.001, 6)},
			map[string]string{add: "1 +- nan"}, map[string]int{"ops without a row of their own": 3}},
		{"an unknown node", []devices.Layer{row("a", 0.001, 0, 1), row("d", 0.001, 6)},
			map[string]string{add: "1 +- nan"}, map[string]int{"ops without a row of their own": 3}},
		{"names alone", []devices.Layer{row("a", 0.001), row("a", 0.001), row("input", 1)},
			map[string]string{conv: "2 +- nan"}, map[string]int{"ops without a row of their own": 3}},
	} {
		k, err := Timed([]Table{{Device: "d", Kind: "k", Ops: ops, Layers: tc.layers}})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, x := range k.sorted() {
			got[x.kind] = x.latency()
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		if diff := cmp.Diff(tc.left, k.left); diff != "" {
			t.Errorf("%s, left out (-want +got):\n%s", tc.name, diff)
		}
	}
}

// Occurrences of a kernel have a mean and a scatter; an op without a row has neither.
func TestTimedOccurrences(t *testing.T) {
	t.Parallel()
	x := table(t, sampled(t, exporttest.Space(t, "mobiledet_gpu_ibn"), 1))
	first := x.Ops[0].Name
	x.Layers = slices.DeleteFunc(x.Layers, func(l devices.Layer) bool { return l.Name == first })
	twice := x
	twice.Layers = slices.Clone(x.Layers)
	for i := range twice.Layers {
		twice.Layers[i].Seconds *= 3
	}
	k, err := Timed([]Table{x, twice})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"ops without a row of their own": 2}, k.left); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	one := &kernel{shape{}, []float64{0.002}}
	two := &kernel{shape{}, []float64{0.001, 0.003}}
	if got := one.latency(); got != "2 +- nan" {
		t.Errorf("one occurrence: %q", got)
	}
	if got := two.latency(); !strings.HasPrefix(got, "2 +- 1.41421356") {
		t.Errorf("two occurrences: %q", got)
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	s := tinySpace(t)
	m := fitted(t, s, regress.Ops)
	for name := range m.Features {
		if strings.HasSuffix(name, "/add") { // an addition costs nothing
			m.Features[name] = 0
		}
	}
	priced, err := Priced(m, s)
	if err != nil {
		t.Fatal(err)
	}
	timed, err := Timed([]Table{table(t, sampled(t, s, 1))})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		k    *Kernels
		want []string
	}{
		{priced, []string{"measurement", "intercept", "std", "kernels of 0 ms or of 200 ms and more", "activations", "model"}},
		{timed, []string{"device, kind", "other rows", "std", "activations", "model"}},
	} {
		dir := t.TempDir()
		notes, err := tc.k.Write(dir)
		if err != nil {
			t.Fatal(err)
		}
		exporttest.Notes(t, filepath.Join(dir, NotesFile), notes, tc.want)
	}
	if why := priced.notes().Lost[3].Why; !strings.Contains(why, "add (") {
		t.Errorf("what nn-Meter skips: %s", why)
	}
}

// Shapes that nn-Meter's config cannot say are named, not bent.
func TestShapeOf(t *testing.T) {
	t.Parallel()
	op := func(kind graph.Kind, name string, in, out [4]int) graph.PaidOp {
		return graph.PaidOp{Op: graph.Op{Kind: kind, Name: name, Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}}, In: in, Out: out}
	}
	wide := op(graph.Conv2D, "a", [4]int{1, 8, 16, 4}, [4]int{1, 8, 16, 4})
	tall := op(graph.Conv2D, "a", [4]int{1, 8, 8, 4}, [4]int{1, 8, 8, 4})
	tall.Kernel = [2]int{1, 3}
	grouped := op(graph.Conv2D, "a", [4]int{1, 8, 8, 4}, [4]int{1, 8, 8, 4})
	grouped.Groups = 2
	squeeze := op(graph.AveragePool, "a/se/squeeze", [4]int{1, 8, 8, 64}, [4]int{1, 1, 1, 64})
	for _, tc := range []struct {
		ops  []graph.PaidOp
		want string
	}{
		{[]graph.PaidOp{wide}, "maps that are not square"},
		{[]graph.PaidOp{tall}, "kernels or strides that are not square"},
		{[]graph.PaidOp{op(graph.MaxPool, "a", [4]int{1, 8, 8, 4}, [4]int{1, 4, 4, 4})}, "ops of kind max_pool"},
		{[]graph.PaidOp{op(graph.AveragePool, "a", [4]int{1, 8, 8, 4}, [4]int{1, 4, 4, 4})}, "pools that are not global"},
		{[]graph.PaidOp{grouped}, "kernels with dilation or groups"},
		{[]graph.PaidOp{squeeze, op(graph.Conv2D, "a/se/reduce", [4]int{1, 1, 1, 64}, [4]int{1, 1, 1, 32})}, "squeeze-and-excite of another ratio than 0.25"},
		{[]graph.PaidOp{squeeze, op(graph.Conv2D, "a/se/reduce", [4]int{1, 1, 1, 64}, [4]int{1, 1, 1, 16})}, ""},
	} {
		if _, why := shapeOf(tc.ops); why != tc.want {
			t.Errorf("%s: %q, want %q", tc.ops[0].Name, why, tc.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := tinySpace(t)
	for _, method := range []regress.Method{regress.Indicator, regress.MACs} {
		if _, err := Priced(fitted(t, s, method), s); err == nil || !strings.Contains(err.Error(), "fit with --method ops") {
			t.Errorf("%s: error %v", method, err)
		}
	}
	one, other := table(t, sampled(t, s, 1)), table(t, sampled(t, s, 2))
	other.Kind = "measured"
	if _, err := Timed([]Table{one, other}); err == nil || !strings.Contains(err.Error(), "cannot be mixed") {
		t.Errorf("two kinds: error %v", err)
	}
	one.Layers = []devices.Layer{{Name: "Subgraph", Seconds: 1}}
	if _, err := Timed([]Table{one}); err == nil || !strings.Contains(err.Error(), "belongs to an op") {
		t.Errorf("no names: error %v", err)
	}
	if _, err := Timed(nil); err == nil {
		t.Error("kernels of nothing")
	}
	dir := filepath.Join(t.TempDir(), "out")
	if _, err := newKernels().Write(dir); err == nil {
		t.Error("an empty pair was written")
	}
	endless := newKernels()
	endless.add(shape{kind: add}, math.Inf(1))
	if _, err := endless.Write(dir); err == nil || !strings.Contains(err.Error(), "is not valid") {
		t.Errorf("an infinite latency: error %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("a refused export left a directory")
	}
}

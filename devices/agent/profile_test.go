package agent_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/agent/agenttest"
	"latlab/devices/agent/wire"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/fixtures/fixturetest"
	"latlab/internal/testenv"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

func profileOf(t testing.TB, d *agent.Device, m *model.Model) *devices.Profile {
	t.Helper()
	p, err := d.Profile(t.Context(), m, devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if p.Runs < 3 || p.Runs > 5 || p.WholeSeconds == nil || p.ModelSHA256 == "" || p.Runtime == "" || p.Started.IsZero() || p.Before.Time.IsZero() || p.After.Time.IsZero() {
		t.Errorf("profile is %+v", p)
	}
	return p
}

// without are the warnings but those of a busy machine, and of networks of a few microseconds.
func without(warnings []string) (list []string) {
	for _, w := range warnings {
		if !strings.Contains(w, "something else ran") && !strings.Contains(w, "whole microseconds") {
			list = append(list, w)
		}
	}
	return list
}

// TestProfileOfFixtures: each op of the graph is one row with its name and kind, whoever ran it, and with several threads.
func TestProfileOfFixtures(t *testing.T) {
	for _, c := range []struct {
		name, delegate string
		precision      model.Precision
		threads        int
		cpu            []string // kinds that the runtime runs itself
	}{
		{"mobiledet_cpu", wire.XNNPACK, model.Float32, 1, nil},
		{"mobiledet_cpu", wire.XNNPACK, model.Int8, 1, []string{"HARD_SWISH", "AVERAGE_POOL_2D"}},
		{"mobilenet_v2_ssdlite", wire.XNNPACK, model.Float32, 2, nil},
		{"mobilenet_v2_ssdlite", wire.None, model.Int8, 1, []string{"CONV_2D", "DEPTHWISE_CONV_2D", "ADD"}},
	} {
		t.Run(c.name+" "+c.delegate+" "+string(c.precision), func(t *testing.T) {
			g := fixturetest.Graph(t, c.name)
			m, err := model.New(g, model.Form{Format: model.TFLite, Precision: c.precision}, model.NewCache(t.TempDir(), 1<<30))
			if err != nil {
				t.Fatal(err)
			}
			p := profileOf(t, openReal(t, agent.Options{Threads: c.threads, Delegate: agent.Delegate{Name: c.delegate}}), m)
			if w := without(p.Warnings); p.PlainSeconds == nil || len(w) > 0 {
				t.Errorf("plain %v, warnings %q", p.PlainSeconds, w)
			}
			var nodes []int
			for _, l := range p.Layers {
				if len(l.Nodes) != 1 {
					if l.Op != "overhead" {
						t.Errorf("row %+v stands for no operator", l)
					}
					continue
				}
				op := g.Ops[l.Nodes[0]]
				nodes = append(nodes, l.Nodes[0])
				where := c.delegate
				if slices.Contains(c.cpu, l.Op) {
					where = "CPU"
				}
				if l.Name != op.Name || l.Where != where || l.Kernel == "" || l.MACs != 0 {
					t.Errorf("row %+v, want %s on %s", l, op.Name, where)
				}
			}
			slices.Sort(nodes)
			if want := len(g.Ops); len(nodes) != want || nodes[0] != 0 || nodes[want-1] != want-1 || len(slices.Compact(nodes)) != want {
				t.Errorf("%d rows for %d ops: %v", len(nodes), want, nodes)
			}
			if total := p.Total(); !(total > 0 && total < 1.5**p.WholeSeconds) {
				t.Errorf("rows sum to %v s, an inference takes %v s", total, *p.WholeSeconds)
			}
		})
	}
}

// ops are the rows without the overheads.
func ops(p *devices.Profile) []devices.Layer {
	return slices.DeleteFunc(slices.Clone(p.Layers), func(l devices.Layer) bool { return l.Op == "overhead" })
}

var timeless = cmpopts.IgnoreFields(devices.Layer{}, "Seconds")

func loop(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "sampler", "tflite", "reader", "testdata", name+".tflite"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestProfileOfLoops: the operators of a loop's subgraphs have one row each, and no place in the execution order.
func TestProfileOfLoops(t *testing.T) {
	want := []devices.Layer{
		{Name: "o0", Op: "WHILE", Kernel: "WHILE", Where: "CPU", Nodes: []int{0}},
		{Name: "go", Op: "LESS", Kernel: "LESS", Where: "CPU"},
		{Name: "next", Op: "ADD", Kernel: "ADD", Where: "CPU"},
		{Name: "pos", Op: "GREATER", Kernel: "GREATER", Where: "CPU"},
		{Name: "xx", Op: "IF", Kernel: "IF", Where: "CPU"},
		{Name: "r", Op: "MUL", Kernel: "Square (NC)", Where: "xnnpack"}, // by itself
		{Name: "r", Op: "ADD", Kernel: "Add (ND)", Where: "xnnpack"},
	}
	d := openReal(t, agent.Options{})
	p := profileOf(t, d, called(t, loop(t, "while_if"), "", []string{"x=-1"}, nil))
	if diff := cmp.Diff(want, ops(p), timeless); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := without(p.Warnings); len(w) != 1 || w[0] != "5 operators run several times an inference: their rows are the sums" {
		t.Errorf("warnings %q", w)
	}
	// Five operators a run of the loop: more than there is room for at first.
	many := profileOf(t, d, called(t, loop(t, "small_loop"), "", []string{"n=3000"}, nil))
	names := map[string]float64{}
	for _, l := range many.Layers {
		names[l.Name] += l.Seconds
	}
	if names["while/add"] < 20*names["MatMul2"] || names["while/add"] == 0 {
		t.Errorf("3000 runs of while/add take %v s, one of MatMul2 %v s", names["while/add"], names["MatMul2"])
	}
}

func TestProfileOfASignature(t *testing.T) {
	p := profileOf(t, openReal(t, agent.Options{}), called(t, tflitetest.TwoSignatures(), "eightfold", []string{"v=2"}, nil))
	want := []devices.Layer{
		{Name: "v2", Op: "ADD", Kernel: "Add (ND)", Where: "xnnpack", Nodes: []int{0}},
		{Name: "v4", Op: "ADD", Kernel: "Add (ND)", Where: "xnnpack", Nodes: []int{1}},
		{Name: "w", Op: "ADD", Kernel: "Add (ND)", Where: "xnnpack", Nodes: []int{2}},
	}
	if diff := cmp.Diff(want, ops(p), timeless); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p.ResolutionSeconds != 1e-6 || !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "whole microseconds") }) {
		t.Errorf("three additions of four numbers in steps of %v s, warnings %q", p.ResolutionSeconds, p.Warnings)
	}
}

// TestProfileOfAnExternalDelegate: its kernels are rows that stand for all nodes that they replaced, and no
// second copy of the model is loaded.
func TestProfileOfAnExternalDelegate(t *testing.T) {
	g := convolutions(t)
	d := openExternal(t, agenttest.Plugin(t), nil)
	p := profileOf(t, d, modelOf(t, g))
	var nodes []int
	several := false
	for _, l := range ops(p) {
		nodes = append(nodes, l.Nodes...)
		several = several || len(l.Nodes) > 1 && l.Where == "convolver"
	}
	slices.Sort(nodes)
	if len(slices.Compact(nodes)) != len(g.Ops) || !several {
		t.Errorf("nodes %v of %d in %+v", nodes, len(g.Ops), ops(p))
	}
	if w := without(p.Warnings); p.PlainSeconds != nil || len(w) != 1 || !strings.Contains(w[0], "what observing costs is unknown: an accelerator") {
		t.Errorf("plain %v, warnings %q", p.PlainSeconds, w)
	}
}

// TestProfileWithoutTheSymbol: a library of the user's may lack the experimental function.
func TestProfileWithoutTheSymbol(t *testing.T) {
	path := testenv.Agent(t)
	dir := t.TempDir()
	for _, name := range []string{"latlab-agent", "libtensorflowlite_c.so"} {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			t.Fatal(err)
		}
		if name != "latlab-agent" {
			data = bytes.ReplaceAll(data, []byte("TfLiteInterpreterOptionsSetTelemetryProfiler\x00"), []byte("TfLiteInterpreterOptionsSetTelemetryProfileX\x00"))
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d, err := agent.Open(t.Context(), machine.Here("cpu"), agent.Options{Name: "cpu", Path: filepath.Join(dir, "latlab-agent")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Profile(t.Context(), tinyModel(t), devicetest.Plan())
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultUser || e.Reason != devices.ReasonUnsupported || !strings.Contains(e.Error(), "lacks TfLiteInterpreterOptionsSetTelemetryProfiler") {
		t.Errorf("Profile returned %v", err)
	}
	if _, err := d.Run(t.Context(), tinyModel(t), devicetest.Plan()); err != nil {
		t.Errorf("it cannot time either: %v", err)
	}
}

// TestProfileEnds: a profile that takes too long, or that nobody wants any more, leaves no process.
func TestProfileEnds(t *testing.T) {
	d := openReal(t, agent.Options{})
	long := devices.Plan{MinRuns: 1000, MinSeconds: 1e6, Timeout: time.Second, WarmUpSeconds: 600}
	_, err := d.Profile(t.Context(), tinyModel(t), long)
	var e *devices.Error
	if !errors.As(err, &e) || e.Reason != devices.ReasonHung {
		t.Errorf("Profile returned %v, want %s", err, devices.ReasonHung)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	long.Timeout = time.Minute
	if _, err = d.Profile(ctx, tinyModel(t), long); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Profile returned %v, want the context's error", err)
	}
	if n := running(t, testenv.Agent(t)); n > 0 {
		t.Errorf("%d agents are left", n)
	}
	profileOf(t, d, tinyModel(t))
}

// TestProfileElsewhere: the agent for 64-bit ARM, in an emulator, on a machine with nothing installed.
func TestProfileElsewhere(t *testing.T) {
	tr, mo, o := emulated(t)
	d := board(t, tr, mo, o)
	defer d.Close()
	m := tinyModel(t)
	if p := profileOf(t, d, m); len(ops(p)) != len(m.Graph.Ops) || len(without(p.Warnings)) > 1 {
		t.Errorf("%d rows for %d ops, warnings %q", len(ops(p)), len(m.Graph.Ops), p.Warnings)
	}
}

// TestImpossibleProfilesAreGarbage: an agent is another program.
func TestImpossibleProfilesAreGarbage(t *testing.T) {
	m := tinyModel(t)
	for mode, text := range map[string]string{
		"well behaved": "", "rows far above the whole": "its rows sum to 5 s, and an inference takes 0.002 s", "a row of 1e300 s": "takes 1e+300 s",
		"a negative row": "row 0 is", "a row of NaN": "NaN", "no rows": "no operator has a time", "a row within itself": "row 0 is",
		"kernels of nodes that are not there": "", "an impossible plain inference": "takes -1 s", "a plain inference of an hour": "its times sum to",
		"no profile": `no answer to "profile"`, "steps of no number": "outside",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Setenv(fakeEnv, "well behaved")
			d, err := agent.Open(t.Context(), machine.Here("cpu"), agent.Options{Name: "cpu", Path: self(t)})
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv(fakeEnv, mode)
			p, err := d.Profile(t.Context(), m, devicetest.Plan())
			var e *devices.Error
			switch {
			case text == "" && err != nil:
				t.Errorf("Profile returned %v", err)
			case text != "" && (!errors.As(err, &e) || p != nil || e.Fault != devices.FaultDevice || e.Reason != devices.ReasonGarbage || !strings.Contains(e.Error(), text)):
				t.Errorf("Profile returned %v, %v; want garbage and %q", p, err, text)
			}
		})
	}
}

// BenchmarkProfile measures what observing costs: the ratio of observed and plain inferences, which are interleaved,
// what an operator costs, and the share of the rows of operators in the observed ones.
func BenchmarkProfile(b *testing.B) {
	for _, c := range []struct {
		name      string
		graph     *graph.Graph
		precision model.Precision
	}{
		{"tiny", tinyModel(b).Graph, model.Float32},
		{"mobiledet_cpu", fixturetest.Graph(b, "mobiledet_cpu"), model.Float32},
		{"mobiledet_cpu", fixturetest.Graph(b, "mobiledet_cpu"), model.Int8},
	} {
		b.Run(c.name+"-"+string(c.precision), func(b *testing.B) {
			m, err := model.New(c.graph, model.Form{Format: model.TFLite, Precision: c.precision}, model.NewCache(b.TempDir(), 1<<30))
			if err != nil {
				b.Fatal(err)
			}
			d := openReal(b, agent.Options{})
			var ratios, operators, shares []float64
			for b.Loop() {
				p, err := d.Profile(b.Context(), m, devices.Plan{WarmUpRuns: 3, MinRuns: 200, MaxRuns: 200, Timeout: 10 * time.Minute})
				if err != nil {
					b.Fatal(err)
				}
				ratios = append(ratios, *p.WholeSeconds / *p.PlainSeconds)
				operators = append(operators, 1e6*(*p.WholeSeconds-*p.PlainSeconds)/float64(len(c.graph.Ops)))
				sum := 0.0
				for _, l := range ops(p) {
					sum += l.Seconds
				}
				shares = append(shares, sum / *p.WholeSeconds)
			}
			b.ReportMetric(tool.Median(ratios), "observed/plain")
			b.ReportMetric(tool.Median(operators), "us/op")
			b.ReportMetric(tool.Median(shares), "ops/observed")
		})
	}
}

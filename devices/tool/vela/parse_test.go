package vela

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/fixtures/fixturetest"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// recorded is the output of Vela 5.2.0 for the model "partial" of testdata/models.py.
func recorded(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "partial", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func recordedOptions() Options {
	return Options{Accelerator: "ethos-u65-512", SystemConfig: "Ethos_U65_Client_Server", MemoryMode: "Dedicated_Sram"}
}

// parse parses three texts as one run's.
func parse(summaryText, layerText, console string) (*report, error) {
	s, err := parseSummary(summaryText)
	if err != nil {
		return nil, err
	}
	rows, err := parseLayers(layerText)
	if err != nil {
		return nil, err
	}
	ops, err := parseConsole(console)
	if err != nil {
		return nil, err
	}
	r := &report{summary: s, rows: rows, console: ops}
	return r, r.check(recordedOptions())
}

func TestRecordedRun(t *testing.T) {
	r, err := parse(recorded(t, "summary.csv"), recorded(t, "per-layer.csv"), recorded(t, "console.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var b devices.Block
	if err := r.fill(&b, "estimate", tool.Output{}); err != nil {
		t.Fatal(err)
	}
	want := devices.Delegation{Name: "ethos-u", Nodes: 2, Delegated: 1, Partitions: 1, Why: []string{"FLOOR x1: Unsupported opType"}}
	if diff := cmp.Diff(want, b.Delegation); diff != "" {
		t.Errorf("delegation (-want +got):\n%s", diff)
	}
	if b.Summary.Mean != 4.736e-06 || b.Counters["sram_used_bytes"] != 2544 || b.Counters["dram_total_bytes"] != 18544 {
		t.Errorf("%v s, counters %v", b.Summary.Mean, b.Counters)
	}
	if _, there := b.Counters["on_chip_flash_total_bytes"]; there {
		t.Error("memory that the system does not have is counted")
	}
}

// TestChangedTexts: every change that a reader could misunderstand is refused.
func TestChangedTexts(t *testing.T) {
	for _, tt := range []struct{ file, from, to, says string }{
		{"summary.csv", "inference_time", "inference_time_ms", `column "inference_time" is missing`},
		{"summary.csv", "nn_macs,", "nn_macs,nn_extra,", "wrong number of fields"},
		{"summary.csv", "experiment,network", "network,experiment", "another order"},
		{"summary.csv", "4.736e-06", "", `inference_time is ""`},
		{"summary.csv", "4.736e-06", "-4.736e-06", "inference_time is"},
		{"summary.csv", "4.736e-06", "inf", "inference_time is"},
		{"summary.csv", "4.736e-06", "nan", "inference_time is"},
		{"summary.csv", "4.736e-06", "4.736e-03", "4736 cycles at 1e+09 Hz are not"},
		{"summary.csv", "4.736e-06", "0", "are not"},
		{"summary.csv", ",1000000000.0,", ",1.0,", "core_clock is 1 Hz"},
		{"summary.csv", "Ethos_U65_512", "Ethos_U65_256", `accelerator_configuration "Ethos_U65_256"`},
		{"summary.csv", "Dedicated_Sram", "Shared_Sram", `memory_mode "Shared_Sram"`},
		{"summary.csv", "default,model", "default,other", `network "other"`},
		{"summary.csv", "\ndefault", "\n\n\ndefault", ""},
		{"per-layer.csv", "Op Cycles", "Cycles", `column "Op Cycles" is missing`},
		{"per-layer.csv", "Name\n", "Name,Extra\n", `column "Extra" is not known`},
		{"per-layer.csv", "NPU,2544", "DSP,2544", `column Target is "DSP"`},
		{"per-layer.csv", "4736,100.0", "many,100.0", `column Op Cycles is "many"`},
		{"per-layer.csv", "921600", "-1", `column MAC Count is "-1"`},
		{"per-layer.csv", ",mid\n", "\n", "15 of 16 columns"},
		{"per-layer.csv", "Passthrough,CPU", "Passthrough,NPU", "0 operators on the CPU and 2 on the NPU, its summary says 1 and 1"},
		{"console.txt", "CPU operators = 1", "CPU operators: 1", "does not say how many"},
		{"console.txt", "NPU operators = 1 (50.0%)", "NPU operators = 1 (50.0%)\nNPU operators = 2 (50.0%)", "says twice"},
	} {
		texts := map[string]string{}
		for _, f := range []string{"summary.csv", "per-layer.csv", "console.txt"} {
			texts[f] = strings.ReplaceAll(recorded(t, f), "\r\n", "\n")
		}
		changed := strings.Replace(texts[tt.file], tt.from, tt.to, 1)
		if changed == texts[tt.file] {
			t.Fatalf("%s has no %q", tt.file, tt.from)
		}
		texts[tt.file] = changed
		_, err := parse(texts["summary.csv"], texts["per-layer.csv"], texts["console.txt"])
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s, %q to %q: %v", tt.file, tt.from, tt.to, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s, %q to %q: error is %v, want %q", tt.file, tt.from, tt.to, err, tt.says)
		}
	}
}

func TestReasonsAreGrouped(t *testing.T) {
	got := reasons([]refusal{
		{"CONV_2D", "Tensor has type Float32 (in)"}, {"CONV_2D", "Tensor has type Float32 (mid (a))"},
		{"FLOOR", "Unsupported opType"}, {"CONV_2D", "Tensor has type Float32 (x)"},
	})
	if diff := cmp.Diff([]string{"CONV_2D x2: Tensor has type Float32", "CONV_2D x1: Tensor has type Float32 (mid)", "FLOOR x1: Unsupported opType"}, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// FuzzReport: whatever the files hold, the result is an error or a block with a valid time and
// delegation.
func FuzzReport(f *testing.F) {
	s, l, c := recorded(f, "summary.csv"), recorded(f, "per-layer.csv"), recorded(f, "console.txt")
	f.Add(s, l, c)
	f.Add(strings.Replace(s, "4.736e-06", "nan", 1), l, c)
	f.Add(s, l+"Conv2D,Conv2D,NPU,1,1,1e308,1,1,1,1,1,1,1,1,1,\n", c)
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, s, l, c string) {
		r, err := parse(s, l, c)
		if err != nil {
			return
		}
		var b devices.Block
		if r.fill(&b, "estimate", tool.Output{Stderr: c}) != nil {
			return
		}
		if d := b.Delegation; !(b.Summary.Mean > 0) || d.Delegated < 1 || d.Delegated > d.Nodes || d.Partitions < 1 {
			t.Errorf("%v s, %+v", b.Summary.Mean, d)
		}
		if (b.Delegation.Delegated < b.Delegation.Nodes) != (len(b.Doubts) > 0) {
			t.Errorf("delegation is %+v, doubts are %+v", b.Delegation, b.Doubts)
		}
		for _, x := range b.Counters {
			if !(x > 0) {
				t.Errorf("counters are %v", b.Counters)
			}
		}
	})
}

// TestNodes: a row names the operator whose output has its name, and no other.
func TestNodes(t *testing.T) {
	g := fixturetest.Graph(t, "mobiledet_edgetpu")
	for input, first := range map[model.Input]int{"": 0, model.UInt8: 1} {
		m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Int8, Input: input}, nil)
		if err != nil {
			t.Fatal(err)
		}
		nodes := nodesByOutput(m)
		for i, op := range g.Ops {
			if diff := cmp.Diff([]int{first + i}, nodes[op.Name]); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", op.Name, diff)
			}
		}
		if len(nodes) != len(g.Ops) {
			t.Errorf("%d names of %d ops", len(nodes), len(g.Ops))
		}
	}
	var twice graph.Graph
	twice.Tensors = []graph.Tensor{{Name: "x"}, {Name: "y"}, {Name: "y"}, {Name: ""}}
	twice.Ops = []graph.Op{{Output: 1}, {Output: 2}, {Output: 3}}
	if got := nodesByOutput(&model.Model{Graph: &twice}); len(got) > 0 {
		t.Errorf("a name that two outputs have, and an empty one, mean %v", got)
	}
}

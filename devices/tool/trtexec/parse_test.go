package trtexec

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"latlab/devices/tool"
)

const head = "[11/25/2026-16:00:00] [I] "

// lines are of TensorRT 8.4, 8.5 and 10 (v8), and of 7 (v7).
var (
	v8 = `&&&& RUNNING TensorRT.trtexec [TensorRT v8401] # trtexec --loadEngine=a
` + head + `Engine loaded in 0.0158 sec.
` + head + `[TRT] [MemUsageChange] Init cuDNN: CPU +0, GPU +10, now: CPU 1485, GPU 804 (MiB)
` + head + `Warmup completed 15 queries over 200 ms
` + head + `Timing trace has 240 queries over 3.02161 s
` + head + `=== Trace details ===
` + head + `Trace averages of 10 runs:
` + head + `Average on 10 runs - GPU latency: 11.6003 ms - Host latency: 11.7851 ms (enqueue 6.83557 ms)
` + head + `=== Performance summary ===
` + head + `Throughput: 80.1 qps
` + head + `Latency: min = 12.3 ms, max = 13.5 ms, mean = 12.5 ms, median = 12.4 ms, percentile(90%) = 13 ms, percentile(95%) = 13.1 ms, percentile(99%) = 13.2 ms
` + head + `Enqueue Time: min = 0.3 ms, max = 0.5 ms, mean = 0.4 ms, median = 0.4 ms, percentile(99%) = 0.4 ms
` + head + `H2D Latency: min = 0.2 ms, max = 0.2 ms, mean = 0.2 ms, median = 0.2 ms, percentile(99%) = 0.2 ms
` + head + `GPU Compute Time: min = 12 ms, max = 13 ms, mean = 12.1 ms, median = 12.05 ms, percentile(99%) = 12.9 ms
` + head + `D2H Latency: min = 0.1 ms, max = 0.1 ms, mean = 0.1 ms, median = 0.1 ms, percentile(99%) = 0.1 ms
` + head + `Total Host Walltime: 3.02161 s
` + head + `Total GPU Compute Time: 2.9 s
` + head + `
&&&& PASSED TensorRT.trtexec [TensorRT v8401] # trtexec --loadEngine=a
`
	v8warnings = `[11/25/2026-16:00:00] [W] [TRT] CUDA lazy loading is not enabled.
[11/25/2026-16:00:00] [W] * GPU compute time is unstable, with coefficient of variance = 12.3891%.
[11/25/2026-16:00:00] [W]   If not already in use, locking GPU clock frequency or adding --useSpinWait may improve the stability.
`
	v7 = `&&&& RUNNING TensorRT.trtexec # ./trtexec --loadEngine=a
` + head + `Starting inference threads
` + head + `Warmup completed 0 queries over 200 ms
` + head + `Timing trace has 0 queries over 3.01861 s
` + head + `Average on 10 runs - GPU latency: 11.6003 ms - Host latency: 11.7851 ms (end to end 11.8375 ms, enqueue 6.83557 ms)
` + head + `Host Latency
` + head + `min: 12.3 ms (end to end 108.17 ms)
` + head + `max: 13.5 ms (end to end 110.732 ms)
` + head + `mean: 12.5 ms (end to end 109.226 ms)
` + head + `median: 12.4 ms (end to end 109.241 ms)
` + head + `percentile: 13.2 ms at 99% (end to end 110.732 ms at 99%)
` + head + `throughput: 0 qps
` + head + `walltime: 3.16903 s
` + head + `Enqueue Time
` + head + `min: 0.3 ms
` + head + `max: 0.5 ms
` + head + `median: 0.4 ms
` + head + `GPU Compute
` + head + `min: 12 ms
` + head + `max: 13 ms
` + head + `mean: 12.1 ms
` + head + `median: 12.05 ms
` + head + `percentile: 12.9 ms at 99%
` + head + `total compute time: 3.1 s
&&&& PASSED TensorRT.trtexec # ./trtexec --loadEngine=a
`
	dla = head + `[TRT] ---------- Layers Running on DLA ----------
` + head + `[TRT] [DlaLayer] {ForeignNode[conv1...conv9]}
` + head + `[TRT] ---------- Layers Running on GPU ----------
` + head + `[TRT] [GpuLayer] CONVOLUTION: conv10
&&&& PASSED TensorRT.trtexec [TensorRT v100300] [b26] # trtexec --onnx=a
`
)

// chosen is the warning of NVIDIA/TensorRT issue 2208.
const chosen = "Dynamic dimensions required for input: x, but no shapes were provided. Automatically overriding shape to: 1x3x1x1"

func TestParseLog(t *testing.T) {
	compute, latency := stats{12, 13, 12.1, 12.05}, stats{12.3, 13.5, 12.5, 12.4}
	for name, tt := range map[string]struct {
		stdout, stderr string
		want           report
	}{
		"8": {v8, v8warnings, report{passed: true, timed: true, warmed: 15, timings: 240, compute: compute, latency: latency, load: 0.0158,
			warnings: []string{"TensorRT: CUDA lazy loading is not enabled.", "trtexec: GPU compute time is unstable, with coefficient of variance = 12.3891%."}}},
		"7":   {v7, "", report{passed: true, timed: true, warmed: -1, timings: -1, compute: compute, latency: latency}},
		"DLA": {dla, "", report{passed: true, warmed: -1, timings: -1, dlaLayers: []string{"{ForeignNode[conv1...conv9]}"}, gpuLayers: []string{"CONVOLUTION: conv10"}}},
		"a chosen shape": {strings.Replace(dla, "[TRT] ------", "[TRT] ----", 1), "[11/25/2026-16:00:00] [W] " + chosen + "\nWarning: other\n[W] [TRT] third\n[11/25/2026-16:00:00] [W] " + chosen + "\n",
			report{passed: true, warmed: -1, timings: -1, dlaLayers: []string{"{ForeignNode[conv1...conv9]}"}, gpuLayers: []string{"CONVOLUTION: conv10"},
				warnings: []string{"trtexec: " + chosen, "trtexec: other", "trtexec: [TRT] third"}, chosen: []string{"trtexec: " + chosen}}},
		"nothing": {"", "", report{warmed: -1, timings: -1}},
		"CRLF":    {strings.ReplaceAll(v7, "\n", "\r\n"), "", report{passed: true, timed: true, warmed: -1, timings: -1, compute: compute, latency: latency}},
	} {
		got, err := parseLog(tt.stdout, tt.stderr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, got, cmp.AllowUnexported(report{}, stats{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseLogRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no mean":         strings.Replace(v8, "mean = 12.1 ms, ", "", 1),
		"a mean of words": strings.Replace(v8, "mean = 12.1 ms", "mean = nan ms", 1),
		"twice":           v8 + v8,
		"half a summary":  strings.Replace(v8, "GPU Compute Time: min", "GPU Time: min", 1),
		"both":            v8 + "&&&& FAILED TensorRT.trtexec [TensorRT v8401] # x\n",
		"no median of 7":  strings.Replace(v7, head+"median: 12.05 ms\n", "", 1),
		"twice in 7":      strings.Replace(v7, head+"min: 12 ms\n", head+"min: 12 ms\n"+head+"min: 11 ms\n", 1),
		"too many":        strings.Replace(v8, "has 240 queries", "has 99999999999 queries", 1),
	} {
		if r, err := parseLog(text, ""); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

const oneRow = `{ "startEnqMs" : 0.05, "endEnqMs" : 0.17, "startH2dMs" : 0.05, "endH2dMs" : 0.31, "startComputeMs" : 0.31, "endComputeMs" : 12.31,
"startD2hMs" : 12.31, "endD2hMs" : 12.44, "h2dMs" : 0.26, "computeMs" : 12, "d2hMs" : 0.13, "latencyMs" : 12.39, "endToEndMs" : 12.39 }`

func TestParseTimes(t *testing.T) {
	later := strings.NewReplacer(`"startComputeMs" : 0.31, "endComputeMs" : 12.31`, `"startComputeMs" : 20.31, "endComputeMs" : 32.31`).Replace(oneRow)
	rows, err := parseTimes([]byte("[\n  " + oneRow + "\n, " + later + "\n]\n"))
	if err != nil || len(rows) != 2 || computeOf(rows[1]) != 12 || latencyOf(rows[0]) != 12.39 {
		t.Fatalf("%v, %v", rows, err)
	}
	for name, text := range map[string]string{
		"nothing":        "",
		"no list":        oneRow,
		"open":           "[" + oneRow,
		"more":           "[" + oneRow + "] x",
		"zero":           "[" + strings.Replace(oneRow, `"endComputeMs" : 12.31`, `"endComputeMs" : 0.31`, 1) + "]",
		"zero compute":   "[" + strings.NewReplacer(`"computeMs" : 12`, `"computeMs" : 0`, `"endComputeMs" : 12.31`, `"endComputeMs" : 0.31`).Replace(oneRow) + "]",
		"negative":       "[" + strings.Replace(oneRow, `"h2dMs" : 0.26`, `"h2dMs" : -0.26`, 1) + "]",
		"missing":        "[" + strings.Replace(oneRow, `"d2hMs" : 0.13, `, "", 1) + "]",
		"inf":            "[" + strings.Replace(oneRow, `"computeMs" : 12`, `"computeMs" : inf`, 1) + "]",
		"another time":   "[" + strings.Replace(oneRow, `"computeMs" : 12`, `"computeMs" : 12.1`, 1) + "]",
		"another sum":    "[" + strings.Replace(oneRow, `"latencyMs" : 12.39`, `"latencyMs" : 12.4`, 1) + "]",
		"back in time":   "[" + later + "," + oneRow + "]",
		"text":           "[" + strings.Replace(oneRow, `"computeMs" : 12`, `"computeMs" : "12"`, 1) + "]",
		"null":           "[null]",
		"a list of list": "[[]]",
	} {
		if rows, err := parseTimes([]byte(text)); err == nil {
			t.Errorf("%s: %v", name, rows)
		}
	}
}

func TestSplit(t *testing.T) {
	rows := func(starts ...float64) []row {
		var rs []row
		for _, s := range starts {
			rs = append(rs, row{StartComputeMs: new(s)})
		}
		return rs
	}
	for name, tt := range map[string]struct {
		rows            []row
		warmed, timings int
		warm            int // -1: refused
	}{
		"exported with warm-up":    {rows(10, 90, 110, 130), 2, 2, 2},
		"exported without":         {rows(110, 130), 2, 2, 0},
		"numbers not printed":      {rows(10, 90, 110, 130), -1, -1, 2},
		"rounded over the edge":    {rows(10, 100, 110), 2, 1, 2},
		"fewer than printed":       {rows(110), 2, 2, -1},
		"more than printed":        {rows(110, 120, 130), 1, 1, -1},
		"warm-up only":             {rows(10, 20), -1, -1, -1},
		"neither all nor the rest": {rows(90, 110, 130), 2, 2, -1},
		"none":                     {nil, 0, 1, -1},
	} {
		warm, timed, err := split(tt.rows, &report{warmed: tt.warmed, timings: tt.timings}, 100)
		if (err != nil) != (tt.warm < 0) || err == nil && (len(warm) != tt.warm || len(warm)+len(timed) != len(tt.rows)) {
			t.Errorf("%s: %d of warm-up, %d timed, %v", name, len(warm), len(timed), err)
		}
	}
}

func TestParseLayers(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want layers
		err  bool
	}{
		"detailed": {`{"Layers": [{"Name":"a","LayerType":"CaskConvolution","Weights":{"Type":"Half","Count":3}},{"Name":"r","LayerType":"Reformat"},{"Name":"b","LayerType":"Convolution","Weights":{"Type":"Float","Count":1}}],"Bindings":["x"]}`,
			layers{count: 3, weighted: map[string]int{"float16": 1, "float32": 1}, named: map[string]details{"a": {op: "CaskConvolution"}, "r": {op: "Reformat"}, "b": {op: "Convolution"}}}, false},
		"fused": {`{"Layers": [{"Name":"a","LayerType":"kgen","TacticName":"sm80_a","Metadata":"[ONNX Layer: /b/Conv]\u001f[ONNX Layer: /b/Clip]\u001e[ONNX Layer: c]"}]}`,
			layers{count: 1, weighted: map[string]int{}, named: map[string]details{"a": {"kgen", "sm80_a", []string{"/b/Conv", "/b/Clip", "c"}}}}, false},
		"other forms": {`{"Layers": [{"Name":"a","LayerType":7,"TacticName":{},"Metadata":["b"]}]}`, layers{count: 1, weighted: map[string]int{}, named: map[string]details{"a": {}}}, false},
		"names only":  {`{"Layers": ["a","b"],"Bindings":["x"]}`, layers{count: 2, weighted: map[string]int{}, named: map[string]details{}}, false},
		"unknown":     {`{"Layers": [{"Name":"a","Weights":{"Type":"BFloat16"}}]}`, layers{count: 1, weighted: map[string]int{"other": 1}, named: map[string]details{"a": {}}}, false},
		"empty":       {`{"Layers": []}`, layers{}, true},
		"numbers":     {`{"Layers": [1]}`, layers{}, true},
		"torn":        {`{"Layers": [{"Name`, layers{}, true},
	} {
		var got layers
		err := got.parse([]byte(tt.text))
		if (err != nil) != tt.err {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(layers{}, details{})); err == nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Profiles of TensorRT 7 and 8.4.
const (
	profile7 = "[\n  { \"count\" : 12 }\n, { \"name\" : \"a + a/relu6\", \"timeMs\" : 24.6, \"averageMs\" : 2.05, \"percentage\" : 50 }\n, { \"name\" : \"b\", \"timeMs\" : 24.6, \"averageMs\" : 2.05, \"percentage\" : 50 }\n]\n"
	profile8 = "[\n  { \"count\" : 12 }\n, { \"name\" : \"a + a/relu6\", \"timeMs\" : 24.6, \"averageMs\" : 2.05, \"medianMs\" : 2, \"percentage\" : 50 }\n, { \"name\" : \"b\", \"timeMs\" : 24.6, \"averageMs\" : 2.05, \"medianMs\" : 1.5, \"percentage\" : 50 }\n]\n"
)

func TestParseProfile(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(profile8, old, new, 1) }
	for name, tt := range map[string]struct {
		text string
		want []layerTime
	}{
		"7":                    {profile7, []layerTime{{"a + a/relu6", 2.05e-3}, {"b", 2.05e-3}}},
		"8.4":                  {profile8, []layerTime{{"a + a/relu6", 2e-3}, {"b", 1.5e-3}}},
		"a median is missing":  {swap(`"medianMs" : 2, `, ""), []layerTime{{"a + a/relu6", 2.05e-3}, {"b", 2.05e-3}}},
		"torn":                 {profile8[:100], nil},
		"no count":             {swap(`{ "count" : 12 }`, `{}`), nil},
		"no runs":              {swap(`"count" : 12`, `"count" : 0`), nil},
		"no layers":            {`[{"count": 12}]`, nil},
		"no name":              {swap(`"name" : "b"`, `"nom" : "b"`), nil},
		"no time":              {swap(`"averageMs" : 2.05`, `"averageUs" : 2.05`), nil},
		"negative":             {swap(`"medianMs" : 2`, `"medianMs" : -2`), nil},
		"nothing took time":    {`[{"count": 1}, {"name": "a", "averageMs": 0, "medianMs": 0}]`, nil},
		"a name with a quote":  {swap(`"b"`, `"b""`), nil},
		"not a number":         {swap(`"percentage" : 50`, `"percentage" : -nan`), nil},
		"overflow":             {swap(`"medianMs" : 2`, `"medianMs" : 1e999`), nil},
		"something behind it":  {profile8 + "[]", nil},
		"another kind of list": {`[1, 2]`, nil},
	} {
		got, runs, err := parseProfile([]byte(tt.text))
		if (err != nil) != (tt.want == nil) || err == nil && runs != 12 {
			t.Errorf("%s: %d runs, %v", name, runs, err)
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(layerTime{}), cmpopts.EquateApprox(1e-9, 0)); err == nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add([]byte(profile7))
	f.Add([]byte(profile8))
	f.Fuzz(func(t *testing.T, data []byte) {
		times, runs, err := parseProfile(data)
		if err != nil {
			return
		}
		sum := 0.0
		for _, r := range (layers{}).rows(times, Options{DLACore: new(0)}, tool.Nodes{"a": 0, "b": 1}) {
			if r.Op == "" || !(r.Seconds >= 0) || r.Where != "GPU" {
				t.Errorf("%+v", r)
			}
			sum += r.Seconds
		}
		if runs < 1 || len(times) == 0 || !(sum >= 0) || math.IsInf(sum, 0) {
			t.Errorf("%d runs, %d layers of %v s", runs, len(times), sum)
		}
	})
}

// TestNodesOfLayers: a layer stands for operators if each part of its name, or of its metadata, is a node's.
func TestNodesOfLayers(t *testing.T) {
	nodes := tool.Nodes{"a": 0, "a/relu6": 0, "b/gate": 1, "b": 1, "c (x)": 2, "d, e": 3}
	table := layers{onDLA: []string{"{ForeignNode[a...b]}"}, named: map[string]details{"__myl_1": {"kgen", "k", []string{"b/gate", "b"}}, "c": {op: "Reformat", nodes: []string{"unknown"}}}}
	for name, want := range map[string][]int{
		"a": {0}, "a + a/relu6": {0}, "a + a/relu6 + b": {0, 1}, "PWN(PWN(b/gate), b)": {1}, "a || b": {0, 1}, "c (x)": {2}, "__myl_1": {1},
		"c": nil, "d, e": nil, "{ForeignNode[a...b]}": nil, "Reformatting CopyNode for Input Tensor 0 to a": nil, "a + unknown": nil, "PWN(c (x))": nil,
	} {
		got := table.rows([]layerTime{{name, 1}}, Options{DLACore: new(0)}, nodes)[0]
		if diff := cmp.Diff(want, got.Nodes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if (got.Where == "DLA") != strings.HasPrefix(name, "{") {
			t.Errorf("%s runs on %s", name, got.Where)
		}
	}
}

func TestParseHelp(t *testing.T) {
	help := "&&&& RUNNING TensorRT.trtexec [TensorRT v100600] [b26] # trtexec --help\n=== Model Options ===\n  --onnx=<file>               ONNX model\n"
	for _, f := range []string{"--saveEngine=<file>", "--loadEngine=<file>", "--exportTimes=<file>", "--iterations=N", "--duration=N", "--warmUp=N", "--avgRuns=N"} {
		help += "  " + f + "    text --fp16 that only mentions a flag\n"
	}
	p, err := parseHelp(help)
	if err != nil || p.version != 100600 || p.runtime() != "tensorrt 10.6.0" || p.has("--fp16") || !p.has("--onnx") {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := parseHelp("usage: ls"); err == nil {
		t.Error("ls is trtexec")
	}
}

// TestStatsAgree: figures printed with six digits agree with the exported values that they come from,
// and a value that is off by a thousandth does not.
func TestStatsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(0.01, 5000), 1, 200).Draw(t, "ms")
		s := statsOf(xs)
		six := func(x float64) float64 {
			e := math.Pow(10, 5-math.Floor(math.Log10(x)))
			return math.Round(x*e) / e
		}
		printed := stats{six(s.min), six(s.max), six(s.mean), six(s.median)}
		if err := s.agrees(printed, len(xs)); err != nil {
			t.Fatal(err)
		}
		printed.median *= 1.001
		if s.agrees(printed, len(xs)) == nil {
			t.Fatal("a median that is off by a thousandth agrees")
		}
	})
}

func FuzzParseLog(f *testing.F) {
	for _, s := range []string{v8, v7, dla, v8warnings} {
		f.Add(s, "")
		f.Add("", s)
	}
	f.Fuzz(func(t *testing.T, stdout, stderr string) {
		r, err := parseLog(stdout, stderr)
		if err != nil {
			return
		}
		if r.timed && (r.compute.min < 0 || math.IsNaN(r.compute.mean) || math.IsInf(r.latency.max, 0)) {
			t.Errorf("%+v", r)
		}
		if len(r.warnings) > maxWarnings || len(r.dlaLayers)+len(r.gpuLayers) > 2*maxNamed {
			t.Error("unbounded")
		}
		_ = lastError(stdout + stderr)
	})
}

func FuzzParseTimes(f *testing.F) {
	f.Add([]byte("[" + oneRow + "]"))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := parseTimes(data)
		if err != nil {
			return
		}
		for _, r := range rows {
			if x := computeOf(r); !(x > 0) || math.IsInf(x, 0) {
				t.Errorf("compute time %v", x)
			}
		}
	})
}

func FuzzParseLayers(f *testing.F) {
	f.Add([]byte(`{"Layers": [{"Name":"a","Weights":{"Type":"Half"}}, "b"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var l layers
		if l.parse(data) == nil && l.count == 0 {
			t.Error("a table without layers")
		}
	})
}

func FuzzParseHelp(f *testing.F) {
	f.Add(v8)
	f.Fuzz(func(t *testing.T, text string) {
		p, _ := parseHelp(text)
		_ = p.runtime() + ""
	})
}

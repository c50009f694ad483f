package benchmarkmodel

import (
	"os"
	"strings"
	"testing"
)

func testFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// usageOf is --help with these flags.
func usageOf(flags ...string) string {
	var b strings.Builder
	b.WriteString("usage: benchmark_model <flags>\nFlags:\n")
	for _, f := range flags {
		b.WriteString("\t--" + f + "=x\tstring\toptional\tas use_npu does, or dispatch_library_path\n")
	}
	return b.String()
}

func TestOtherUsage(t *testing.T) {
	lite := strings.Fields(testFile(t, "flags-litert2"))
	without := func(name string) []string {
		var kept []string
		for _, f := range lite {
			if f != name {
				kept = append(kept, f)
			}
		}
		return kept
	}
	const liteRT = "LiteRT 2's benchmark_model"
	for name, tt := range map[string]struct{ help, want string }{
		"litert, names alone":         {strings.Join(lite, " "), liteRT},
		"litert, its help":            {usageOf(lite...), liteRT},
		"litert from 2.1.5 on":        {usageOf(append(without("allow_fp16"), "gpu-precision")...), liteRT},
		"litert without an npu":       {usageOf(append(without("use_npu"), "enable_perfetto")...), liteRT},
		"tflite":                      {usageOf("graph", "num_runs", "use_xnnpack", "use_nnapi", "external_delegate_path", "input_layer"), ""},
		"tflite of 2019":              {usageOf("graph", "num_runs", "use_nnapi", "input_layer"), ""},
		"tflite that learns of npus":  {usageOf("graph", "num_runs", "use_xnnpack", "use_npu"), ""},
		"several options in one run":  {usageOf("graph", "num_runs", "use_xnnpack", "perf_options_list"), "TFLite's benchmark_model_performance_options"},
		"of frozen graphs":            {usageOf("graph", "max_num_runs", "show_run_order"), "TensorFlow's benchmark_model for frozen graphs"},
		"a program that says nothing": {"", ""},
		"a different program":         {"hello\n", ""},
	} {
		got := ""
		if p := otherUsage(tt.help); p != nil {
			got = p.name
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// The output of LiteRT 2's program is never a measurement, and is named, however much of it there is.
func TestOtherOutput(t *testing.T) {
	log := testFile(t, "litert2-gpu")
	begin, _, _ := strings.Cut(log, "========== BENCHMARK")
	_, end, _ := strings.Cut(log, "[benchmark_litert_model.h:90]")
	for name, tt := range map[string][2]string{
		"as recorded":                {log, ""},
		"on the other stream":        {"", log},
		"of 2.0":                     {strings.ReplaceAll(log, "[benchmark_litert_model", "[litert/tools/benchmark_litert_model"), ""},
		"without its end":            {begin, ""},
		"without its start":          {"INFO: [x.h:90]" + end, ""},
		"the figures on one stream":  {"INFO: STARTING!\n" + begin, "INFO: [benchmark_litert_model.h:102] No inference runs were performed.\n"},
		"in logcat":                  {"11-30 10:00:00.000  1234  1234 I litert  : " + strings.ReplaceAll(strings.TrimSpace(log), "\n", "\n11-30 10:00:00.000  1234  1234 I litert  : "), ""},
		"behind a run that is whole": {today0, "INFO: [benchmark_litert_model.h:94] Model initialization: 523.12 ms\n"},
	} {
		r, err := Parse(tt[0], tt[1])
		if err == nil || !strings.Contains(err.Error(), "this is LiteRT 2's benchmark_model, which latlab does not support") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	for _, line := range []string{"Graph: [/x/[benchmark_litert_model.cc:1] Loading]", "Loaded model [benchmark_litert_model.cc:1]"} {
		if _, err := Parse(today0+line+"\n", ""); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

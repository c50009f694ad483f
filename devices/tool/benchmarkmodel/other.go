package benchmarkmodel

import (
	"fmt"
	"regexp"
	"slices"
)

// otherProgram is a program that is also called benchmark_model, or is built beside it, and that
// latlab does not support.
type otherProgram struct {
	name string
	any  []string // flags that only it has
	none []string // flags that TFLite's benchmark_model has and it lacks
}

// The flags are those of LiteRT, litert/tools/benchmark_litert_model.cc (v2.0 to v2.2) and
// tflite/tools/benchmark/benchmark_performance_options.cc, and of tensorflow,
// tensorflow/tools/benchmark/benchmark_model.cc.
var otherPrograms = []otherProgram{
	{"LiteRT 2's benchmark_model", []string{"dispatch_library_path", "compiler_plugin_library_path", "use_npu", "gpu-precision"},
		[]string{"use_xnnpack", "use_nnapi", "external_delegate_path", "input_layer"}},
	{"TFLite's benchmark_model_performance_options", []string{"perf_options_list"}, nil},
	{"TensorFlow's benchmark_model for frozen graphs", []string{"max_num_runs", "show_run_order"}, []string{"num_runs"}},
}

// flagName finds the names in a list of flags that is not in the form of TFLite's --help.
var flagName = regexp.MustCompile(`[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*`)

// otherUsage returns the program that has printed this --help, nil if it is none of the list.
func otherUsage(help string) *otherProgram {
	flags := usageFlags(help)
	if len(flags) == 0 {
		for _, w := range flagName.FindAllString(help, maxFlags) {
			flags[w] = true
		}
	}
	has := func(name string) bool { return flags[name] }
	for i := range otherPrograms {
		if p := &otherPrograms[i]; slices.ContainsFunc(p.any, has) && !slices.ContainsFunc(p.none, has) {
			return p
		}
	}
	return nil
}

// liteRTLine is a line that only LiteRT 2's benchmark_model prints: its loggers name the source file, and
// its figures, in milliseconds, follow a banner. The lines before them are those of TFLite's.
var liteRTLine = regexp.MustCompile(`^(\[\S*benchmark_litert_model\.(cc|h):\d+\]|=+ BENCHMARK RESULTS =+$)`)

// otherOutput returns the program that has printed these lines, nil if it is none of the list.
func otherOutput(all []line) *otherProgram {
	if slices.ContainsFunc(all, func(l line) bool { return liteRTLine.MatchString(l.text) }) {
		return &otherPrograms[0]
	}
	return nil
}

// Error is a line for people.
func (p *otherProgram) Error() string {
	return fmt.Sprintf("this is %s, which latlab does not support: its flags and output are not those of TFLite's benchmark_model, which it supports", p.name)
}

const otherAdvice = "give TFLite's benchmark_model as binary; where it comes from is in docs/devices.md"

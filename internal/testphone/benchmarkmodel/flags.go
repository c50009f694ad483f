package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// flag is a flag of a build.
type flag struct{ name, typ, def string }

// Flags of the real program with their defaults: LiteRT, tflite/tools/benchmark/benchmark_model.cc,
// benchmark_tflite_model.cc, tflite/tools/delegates.
var commonFlags = []flag{
	{"num_runs", "int32", "50"}, {"min_secs", "float", "1"}, {"max_secs", "float", "150"}, {"run_delay", "float", "-1"}, {"run_frequency", "float", "-1"},
	{"num_threads", "int32", "-1"}, {"use_caching", "bool", "false"}, {"benchmark_name", "string", ""}, {"output_prefix", "string", ""},
	{"warmup_runs", "int32", "1"}, {"warmup_min_secs", "float", "0.5"}, {"verbose", "bool", "false"}, {"dry_run", "bool", "false"},
	{"report_peak_memory_footprint", "bool", "false"}, {"memory_footprint_check_interval_ms", "int32", "50"}, {"gpu_invoke_loop_times", "int32", "1"},
	{"graph", "string", ""}, {"input_layer", "string", ""}, {"input_layer_shape", "string", ""}, {"input_layer_value_range", "string", ""},
	{"input_layer_value_files", "string", ""}, {"allow_fp16", "bool", "false"}, {"require_full_delegation", "bool", "false"},
	{"enable_op_profiling", "bool", "false"}, {"op_profiling_output_mode", "string", "stdout"}, {"op_profiling_output_file", "string", ""},
	{"max_profiling_buffer_entries", "int32", "1024"}, {"allow_dynamic_profiling_buffer_increase", "bool", "false"}, {"profiling_output_csv_file", "string", ""},
	{"print_preinvoke_state", "bool", "false"}, {"print_postinvoke_state", "bool", "false"}, {"release_dynamic_tensors", "bool", "false"},
	{"optimize_memory_for_large_tensors", "int32", "0"}, {"disable_delegate_clustering", "bool", "false"}, {"enable_builtin_cast_constant_cache", "bool", "false"},
	{"output_filepath", "string", ""}, {"output_proto_filepath", "string", ""}, {"signature_to_run_for", "string", ""}, {"list_signatures", "bool", "false"},
	{"help", "bool", "false"}, {"max_delegated_partitions", "int32", "0"}, {"min_nodes_per_partition", "int32", "0"},
	{"delegate_serialize_dir", "string", ""}, {"delegate_serialize_token", "string", ""},
}

var delegateFlags = map[string][]flag{
	"xnnpack": {{"use_xnnpack", "bool", "false"}, {"xnnpack_force_fp16", "bool", "false"}, {"xnnpack_runtime_flags", "int32", "0"}},
	"gpu": {{"use_gpu", "bool", "false"}, {"gpu_precision_loss_allowed", "bool", "true"}, {"gpu_experimental_enable_quant", "bool", "true"},
		{"gpu_inference_for_sustained_speed", "bool", "false"}, {"gpu_backend", "string", ""}},
	"nnapi": {{"use_nnapi", "bool", "false"}, {"nnapi_execution_preference", "string", ""}, {"nnapi_execution_priority", "string", ""},
		{"nnapi_accelerator_name", "string", ""}, {"disable_nnapi_cpu", "bool", "true"}, {"nnapi_allow_fp16", "bool", "false"},
		{"nnapi_allow_dynamic_dimensions", "bool", "false"}, {"nnapi_use_burst_mode", "bool", "false"}, {"nnapi_support_library_path", "string", ""}},
	"hexagon":  {{"use_hexagon", "bool", "false"}, {"hexagon_lib_path", "string", "/data/local/tmp"}, {"hexagon_profiling", "bool", "false"}},
	"external": {{"external_delegate_path", "string", ""}, {"external_delegate_options", "string", ""}},
	"stable":   {{"stable_delegate_settings_file", "string", ""}},
}

type flags map[string]string

func (f flags) text(name string) string { return f[name] }
func (f flags) is(name string) bool     { return f[name] == "true" || f[name] == "1" }

func (f flags) number(name string) float64 {
	v, _ := strconv.ParseFloat(f[name], 64)
	return v
}

func (c *config) known() []flag {
	all := slices.Clone(commonFlags)
	if c.ResultFile {
		all = append(all, flag{"result_file_path", "string", ""})
	}
	for _, d := range c.Delegates {
		all = append(all, delegateFlags[d]...)
	}
	return all
}

func (t flag) ok(value string) bool {
	switch t.typ {
	case "bool":
		return slices.Contains([]string{"true", "false", "0", "1"}, value)
	case "int32":
		_, err := strconv.ParseInt(value, 10, 32)
		return err == nil
	case "float":
		_, err := strconv.ParseFloat(value, 32)
		return err == nil
	}
	return true
}

// parse takes only --name=value. Like the real program it warns of unknown flags and ignores them,
// and fails on a value of the wrong type.
func (p *program) parse(argv []string) error {
	p.flags = flags{}
	left := slices.Clone(argv[1:])
	good := true
	for _, k := range p.c.known() {
		p.flags[k.name] = k.def
		for i, a := range left {
			value, found := strings.CutPrefix(a, "--"+k.name+"=")
			if !found {
				continue
			}
			if !k.ok(value) {
				p.error("Failed to parse flag '%s' against argv '%s'", k.name, a)
				good = false
			}
			p.flags[k.name] = value
			left = slices.Delete(left, i, i+1)
			break
		}
	}
	if !good || p.flags.is("help") || len(left) > 0 && left[0] == "--help" {
		p.error("%s", p.usage(argv[0]))
		return errFailed
	}
	if len(left) > 0 {
		p.warn("Unconsumed cmdline flags: %s", strings.Join(left, " "))
	}
	return nil
}

func (p *program) usage(self string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s <flags>\nFlags:\n", self)
	for _, k := range p.c.known() {
		fmt.Fprintf(&b, "\t%-45s\t%s\toptional\tsee the documentation\n", "--"+k.name+"="+k.def, k.typ)
	}
	return b.String()
}

func (p *program) logParams() {
	p.info("Log parameter values verbosely: [0]")
	p.info("Min num runs: [%s]", p.flags["num_runs"])
	p.info("Num threads: [%s]", p.flags["num_threads"])
	p.info("Graph: [%s]", p.flags["graph"])
	p.info("Signature to run: []")
}

package benchmarkmodel

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"latlab/internal/text"
)

// flagType is the type of a flag's value.
type flagType string

const (
	boolFlag flagType = "true or false"
	intFlag  flagType = "a whole number"
	textFlag flagType = "text"
)

// flagRule is a flag that Options.Flags may contain.
type flagRule struct {
	typ flagType
	of  []string // delegates that it is for; empty = any
	one []string // allowed values; empty = any of the type
}

func forDelegate(t flagType, of string, one ...string) flagRule {
	return flagRule{t, []string{of}, one}
}

// flagRules are all flags that a user may set: the delegates' own, those that determine a model's
// input, and those that change how the runtime works. All are in the device's fingerprint.
//
// Source: LiteRT, tflite/tools/benchmark/benchmark_tflite_model.cc and
// tflite/tools/delegates/*_provider.cc.
var flagRules = map[string]flagRule{
	"gpu_precision_loss_allowed":        forDelegate(boolFlag, GPU),
	"gpu_experimental_enable_quant":     forDelegate(boolFlag, GPU),
	"gpu_inference_for_sustained_speed": forDelegate(boolFlag, GPU),
	"gpu_backend":                       forDelegate(textFlag, GPU, "cl", "gl"),
	"nnapi_accelerator_name":            forDelegate(textFlag, NNAPI),
	"nnapi_execution_preference":        forDelegate(textFlag, NNAPI, "fast_single_answer", "sustained_speed", "low_power", "undefined"),
	"nnapi_execution_priority":          forDelegate(textFlag, NNAPI, "default", "low", "medium", "high"),
	"disable_nnapi_cpu":                 forDelegate(boolFlag, NNAPI, "true"),
	"nnapi_allow_fp16":                  forDelegate(boolFlag, NNAPI),
	"nnapi_allow_dynamic_dimensions":    forDelegate(boolFlag, NNAPI),
	"nnapi_use_burst_mode":              forDelegate(boolFlag, NNAPI),
	"nnapi_support_library_path":        forDelegate(textFlag, NNAPI),
	"hexagon_lib_path":                  forDelegate(textFlag, Hexagon),
	"hexagon_profiling":                 forDelegate(boolFlag, Hexagon),
	"xnnpack_force_fp16":                forDelegate(boolFlag, XNNPACK),
	"xnnpack_runtime_flags":             forDelegate(intFlag, XNNPACK),
	"external_delegate_options":         forDelegate(textFlag, External),
	"max_delegated_partitions":          {typ: intFlag},
	"min_nodes_per_partition":           {typ: intFlag},
	"delegate_serialize_dir":            {typ: textFlag},

	"input_layer":                        {typ: textFlag},
	"input_layer_shape":                  {typ: textFlag},
	"input_layer_value_range":            {typ: textFlag},
	"input_layer_value_files":            {typ: textFlag},
	"signature_to_run_for":               {typ: textFlag},
	"allow_fp16":                         {typ: boolFlag},
	"require_full_delegation":            {typ: boolFlag},
	"use_caching":                        {typ: boolFlag},
	"release_dynamic_tensors":            {typ: boolFlag},
	"optimize_memory_for_large_tensors":  {typ: intFlag},
	"disable_delegate_clustering":        {typ: boolFlag},
	"enable_builtin_cast_constant_cache": {typ: boolFlag},
	"report_peak_memory_footprint":       {typ: boolFlag},
	"memory_footprint_check_interval_ms": {typ: intFlag},
}

// refusedFlags would silently change what is measured; each has the reason or what sets it instead.
var refusedFlags = map[string]string{
	"graph": "latlab gives the model", "num_runs": planned, "min_secs": planned, "max_secs": planned, "warmup_runs": planned, "warmup_min_secs": planned,
	"run_delay": paused, "run_frequency": paused,
	"num_threads":           "set the device's field threads",
	"gpu_invoke_loop_times": "the tool would print a part of each latency", "dry_run": "nothing would be run",
	"enable_op_profiling": profiled, "op_profiling_output_mode": profiled, "op_profiling_output_file": profiled, "profiling_output_csv_file": profiled,
	"max_profiling_buffer_entries": profiled, "allow_dynamic_profiling_buffer_increase": profiled,
	"use_gpu": delegated, "use_nnapi": delegated, "use_hexagon": delegated, "use_xnnpack": delegated, "external_delegate_path": delegated,
	"stable_delegate_settings_file": delegated, "stable_delegate_loader_settings": delegated,
	"use_coreml": coreML, "coreml_version": coreML,
	"result_file_path": "latlab reads it", "verbose": "the output is latlab's to read", "help": "it runs nothing", "list_signatures": "it runs nothing",
	"print_preinvoke_state": noise, "print_postinvoke_state": noise, "output_prefix": noise, "benchmark_name": noise,
	"output_filepath": outputs, "output_proto_filepath": outputs, "export_model_runtime_info": outputs, "model_runtime_info_output_file": outputs,
	"delegate_serialize_token":       "it must differ between models: latlab makes it where delegate_serialize_dir is given",
	"xnnpack_weight_cache_file_path": "one file of packed weights would be read for every model",
	"first_delegate_node_index":      "it is for builds that debug a delegate", "last_delegate_node_index": "it is for builds that debug a delegate",
}

const (
	planned   = "the protocol says how often and how long"
	paused    = "a pause of the protocol is between blocks; one between runs lets the clock fall"
	profiled  = "timers around every op slow a network down; `latlab time --layers` profiles"
	delegated = "set the device's field delegate"
	coreML    = "Core ML is on Apple's systems, which latlab cannot reach"
	noise     = "it would only print more"
	outputs   = "it writes files to the device that are never removed"
)

// checkFlags refuses flags that are unknown, of a different delegate, or of the wrong type.
func checkFlags(k *kind, flags map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if err := checkFlag(k, name, flags[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkFlag(k *kind, name, value string) error {
	if why := refusedFlags[name]; why != "" {
		return fmt.Errorf("flag %s is not for the user to give: %s", name, why)
	}
	rule, known := flagRules[name]
	switch {
	case !known:
		return fmt.Errorf("no flag is named %q%s", text.Clip(name), text.DidYouMean(name, slices.Sorted(maps.Keys(flagRules))))
	case len(rule.of) > 0 && !slices.Contains(rule.of, k.name):
		return fmt.Errorf("flag %s is of delegate %s, and this device's is %s", name, rule.of[0], k.name)
	case len(rule.one) > 0 && !slices.Contains(rule.one, value):
		return fmt.Errorf("flag %s is one of %s, not %q", name, strings.Join(rule.one, ", "), text.Clip(value))
	}
	if err := rule.typ.check(value); err != nil {
		return fmt.Errorf("flag %s: %w", name, err)
	}
	if name == "nnapi_accelerator_name" && strings.HasPrefix(value, "nnapi-reference") {
		return fmt.Errorf("flag %s: %s is NNAPI's reference on the CPU, whose time would pass for an accelerator's", name, value)
	}
	return nil
}

func (t flagType) check(value string) error {
	ok := value != "" && !strings.Contains(value, "\x00")
	switch t {
	case boolFlag:
		ok = value == "true" || value == "false"
	case intFlag:
		_, err := strconv.ParseInt(value, 10, 32)
		ok = err == nil
	}
	if !ok {
		return fmt.Errorf("%q is not %s", text.Clip(value), t)
	}
	return nil
}

// externalOptions joins options of a delegate's library in the form that the tool parses: pairs
// separated by ";" (its help says commas), key and value by ":". The tool would silently drop a pair
// with a second ":".
//
// Source: LiteRT, tflite/tools/delegates/external_delegate_provider.cc.
func externalOptions(options map[string]string) (string, error) {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(options)) {
		v := options[k]
		if k == "" || v == "" || strings.ContainsAny(k+v, ":;\x00") {
			return "", fmt.Errorf("option %q: %q of the external delegate: neither may be empty or hold a colon or semicolon, which benchmark_model divides them by", k, v)
		}
		pairs = append(pairs, k+":"+v)
	}
	return strings.Join(pairs, ";"), nil
}

// usage is the content of --help: flags by name.
type usage map[string]bool

var errNoUsage = errors.New("it does not print benchmark_model's flags")

// maxFlags bounds the flags that are read; a build has about a hundred.
const maxFlags = 1000

// usageFlags reads the output of --help, a line for each flag,
// "\t--num_runs=50\tint32\toptional\t...".
//
// Source: tensorflow, tensorflow/lite/tools/command_line_flags.cc, Flags::Usage.
func usageFlags(output string) usage {
	u := usage{}
	for _, l := range lines(output) {
		name, rest, found := strings.Cut(strings.TrimPrefix(l.text, "--"), "=")
		if !found || !strings.HasPrefix(l.text, "--") || !strings.Contains(rest, "\t") || len(u) > maxFlags {
			continue
		}
		u[name] = true
	}
	return u
}

// parseUsage is usageFlags of what must be benchmark_model.
func parseUsage(output string) (usage, error) {
	u := usageFlags(output)
	if !u["graph"] || !u["num_runs"] {
		return nil, errNoUsage
	}
	return u, nil
}

// missing is the first flag that this build does not have.
func (u usage) missing(args []string) string {
	for _, a := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if !u[name] {
			return name
		}
	}
	return ""
}

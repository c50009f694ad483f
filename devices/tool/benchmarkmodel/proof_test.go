package benchmarkmodel

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/devices"
)

// lineOf is a run with additional lines.
func runWith(t *testing.T, more ...string) *Result {
	t.Helper()
	r, err := Parse(today0+strings.Join(more, "\n")+"\n", "")
	if err != nil {
		t.Fatalf("%q: %v", more, err)
	}
	return r
}

// today0 is a run without lines about delegates.
var today0 = func() string {
	var kept []string
	for l := range strings.Lines(today) {
		if !strings.Contains(l, "XNNPACK delegate") {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "")
}()

const nodesOfModel = 164

func TestProve(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kind  string
		lines []string
		want  devices.Delegation
	}{
		{"xnnpack, whole, counted", XNNPACK, []string{
			"VERBOSE: Replacing 164 out of 164 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions for the whole graph.",
			"INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate."},
			devices.Delegation{Name: "x", Nodes: 164, Delegated: 164, Partitions: 1}},
		{"xnnpack, whole, not counted", XNNPACK, []string{
			"INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate."},
			devices.Delegation{Name: "x", Nodes: nodesOfModel, Delegated: nodesOfModel, Partitions: 1}},
		{"xnnpack, part", XNNPACK, []string{
			"VERBOSE: Replacing 150 out of 164 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 7 partitions for subgraph 0 (main).",
			"INFO: Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the delegate w/ 4 delegate kernels."},
			devices.Delegation{Name: "x", Nodes: 164, Delegated: 150, Partitions: 4, Why: []string{"benchmark_model does not say why 14 nodes were left to the CPU"}}},
		{"xnnpack, nothing", XNNPACK, []string{
			"INFO: Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate."},
			devices.Delegation{Name: "x", Nodes: nodesOfModel, Why: []string{"benchmark_model does not say why 164 nodes were left to the CPU"}}},
		{"gpu, part, not counted", GPU, []string{
			"INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 3 delegate kernels."},
			devices.Delegation{Name: "x", Nodes: nodesOfModel, Delegated: 3, Partitions: 3, Why: []string{"this build tells the number of delegate kernels and not of nodes: at least one node was left to the CPU"}}},
		{"gpu, the rest to xnnpack", GPU, []string{
			"INFO: GPU delegate created.",
			"VERBOSE: Replacing 60 out of 64 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 2 partitions for the whole graph.",
			"INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 1 delegate kernels.",
			"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
			"VERBOSE: Replacing 4 out of 5 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 partitions for the whole graph."},
			devices.Delegation{Name: "x", Nodes: 64, Delegated: 60, Partitions: 1, Why: []string{"benchmark_model does not say why 4 nodes were left to the CPU"}}},
		{"gpu, older, does not say of how many", GPU, []string{
			"INFO: Replacing 67 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.",
			"Applied GPU delegate, and the model graph will be completely executed w/ the delegate."},
			devices.Delegation{Name: "x", Nodes: 67, Delegated: 67, Partitions: 1}},
		{"qnn, by its own report", External, []string{
			"INFO: EXTERNAL delegate created.", "INFO: [Qnn Delegate] QNN delegate: 30 nodes delegated out of 31 nodes with 2 partitions."},
			devices.Delegation{Name: "x", Nodes: 31, Delegated: 30, Partitions: 2, Why: []string{"benchmark_model does not say why 1 nodes were left to the CPU"}}},
		{"ethos-u, by its own report", External, []string{
			"EXTERNAL delegate created.", "INFO: EthosuDelegate: 1 nodes delegated out of 1 nodes with 1 partitions."},
			devices.Delegation{Name: "x", Nodes: 1, Delegated: 1, Partitions: 1}},
		{"a texas instruments library", External, []string{"Number of subgraphs:1 , 11 nodes delegated out of 12 nodes"},
			devices.Delegation{Name: "x", Nodes: 12, Delegated: 11, Partitions: 1, Why: []string{"benchmark_model does not say why 1 nodes were left to the CPU"}}},
		{"several subgraphs", External, []string{
			"VERBOSE: Replacing 10 out of 10 node(s) with delegate (V) node, yielding 1 partitions for subgraph 0 (main).",
			"VERBOSE: Replacing 5 out of 6 node(s) with delegate (V) node, yielding 2 partitions for subgraph 1 (body)."},
			devices.Delegation{Name: "x", Nodes: 16, Delegated: 15, Partitions: 3, Why: []string{"benchmark_model does not say why 1 nodes were left to the CPU"}}},
		{"stable", Stable, []string{
			"INFO: STABLE_DELEGATE delegate created.",
			"INFO: Explicitly applied STABLE_DELEGATE delegate, and the model graph will be completely executed by the delegate."},
			devices.Delegation{Name: "x", Nodes: nodesOfModel, Delegated: nodesOfModel, Partitions: 1}},
		{"gpu, the build of 2021", GPU, []string{
			"ERROR: Following operations are not supported by GPU delegate:", "CONV_3D: Operation is not supported.", "CUSTOM TFLite_Detection_PostProcess: ",
			"262 operations will run on the GPU, and the remaining 120 operations will run on the CPU.", "INFO: Created 1 GPU delegate kernels.",
			"Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 1 delegate kernels."},
			devices.Delegation{Name: "x", Nodes: 382, Delegated: 262, Partitions: 1, Why: []string{
				"CONV_3D: Operation is not supported.", "CUSTOM TFLite_Detection_PostProcess: not supported by the GPU delegate"}}},
		{"gpu, the build of 2019", GPU, []string{
			"ERROR: Next operations are not supported by GPU delegate:", "SPLIT_V: Operation is not supported.", "First 65 operations will run on the GPU, and the remaining 3 on the CPU.",
			"Applied GPU delegate, and the model graph will be partially executed w/ the delegate."},
			devices.Delegation{Name: "x", Nodes: 68, Delegated: 65, Partitions: 1, Why: []string{"SPLIT_V: Operation is not supported."}}},
		{"gpu, both sources, the delegate has the total", GPU, []string{
			"INFO: Replacing 67 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 partitions.",
			"ERROR: Following operations are not supported by GPU delegate:", "CAST: Not supported.", "67 operations will run on the GPU, and the remaining 33 operations will run on the CPU."},
			devices.Delegation{Name: "x", Nodes: 100, Delegated: 67, Partitions: 3, Why: []string{"CAST: Not supported."}}},
		{"gpu, the runtime's line is about what was done", GPU, []string{
			"ERROR: Following operations are not supported by GPU delegate:", "CAST: Not supported.", "67 operations will run on the GPU, and the remaining 33 operations will run on the CPU.",
			"VERBOSE: Replacing 60 out of 100 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 2 partitions for subgraph 0 (main)."},
			devices.Delegation{Name: "x", Nodes: 100, Delegated: 60, Partitions: 2, Why: []string{"CAST: Not supported."}}},
		{"gpu, two subgraphs", GPU, []string{
			"ERROR: Following operations are not supported by GPU delegate:", "WHILE: ", "5 operations will run on the GPU, and the remaining 1 operations will run on the CPU.",
			"ERROR: Following operations are not supported by GPU delegate:", "LESS: ", "No operations will run on the GPU, and all 2 operations will run on the CPU."},
			devices.Delegation{Name: "x", Nodes: 8, Delegated: 5, Partitions: 1, Why: []string{"WHILE: not supported by the GPU delegate", "LESS: not supported by the GPU delegate"}}},
		{"gpu, on apple's systems", GPU, []string{
			"INFO: Replacing 31 out of 33 node(s) with delegate (TfLiteMetalDelegate) node, yielding 2 partitions for the whole graph."},
			devices.Delegation{Name: "x", Nodes: 33, Delegated: 31, Partitions: 2, Why: []string{"benchmark_model does not say why 2 nodes were left to the CPU"}}},
		{"a line without partitions", External, []string{"VERBOSE: Replacing 517 out of 518 node(s) with delegate (TfLiteQnnDelegate) node"},
			devices.Delegation{Name: "x", Nodes: 518, Delegated: 517, Partitions: 1, Why: []string{"benchmark_model does not say why 1 nodes were left to the CPU"}}},
		{"hexagon of 2019", Hexagon, []string{"INFO: Created TensorFlow Lite delegate for Hexagon.", "INFO: Hexagon delegate: 71 nodes delegated out of 72 nodes."},
			devices.Delegation{Name: "x", Nodes: 72, Delegated: 71, Partitions: 1, Why: []string{"benchmark_model does not say why 1 nodes were left to the CPU"}}},
		{"hexagon of 2021", Hexagon, []string{"INFO: Hexagon delegate: 31 nodes delegated out of 31 nodes with 1 partitions."},
			devices.Delegation{Name: "x", Nodes: 31, Delegated: 31, Partitions: 1}},
		{"core ml", External, []string{"INFO: CoreML delegate: 29 nodes delegated out of 31 nodes, with 2 partitions."},
			devices.Delegation{Name: "x", Nodes: 31, Delegated: 29, Partitions: 2, Why: []string{"benchmark_model does not say why 2 nodes were left to the CPU"}}},
		{"nnapi, part", NNAPI, []string{
			"VERBOSE: Replacing 5 out of 64 node(s) with delegate (TfLiteNnapiDelegate) node, yielding 5 partitions for the whole graph.",
			"Explicitly applied NNAPI delegate, and the model graph will be partially executed by the delegate w/ 2 delegate kernels.",
			"VERBOSE: Replacing 59 out of 61 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 5 partitions for the whole graph."},
			devices.Delegation{Name: "x", Nodes: 64, Delegated: 5, Partitions: 2, Why: []string{"benchmark_model does not say why 59 nodes were left to the CPU"}}},
		{"xnnpack, by its own report", XNNPACK, []string{"INFO: TfLiteXNNPackDelegate delegate: 150 nodes delegated out of 164 nodes with 7 partitions."},
			devices.Delegation{Name: "x", Nodes: 164, Delegated: 150, Partitions: 7, Why: []string{"benchmark_model does not say why 14 nodes were left to the CPU"}}},
		{"none", None, nil, devices.Delegation{}},
	} {
		p := runWith(t, tt.lines...).Proof
		got, not := p.prove(kindOf(tt.kind), "x", nodesOfModel)
		if not != nil {
			t.Errorf("%s: %v", tt.name, not.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// Runs that prove nothing, or that contradict the delegation: none of these is a measurement.
func TestProveNot(t *testing.T) {
	whole := func(provider string) string {
		return "INFO: Explicitly applied " + provider + " delegate, and the model graph will be completely executed by the delegate."
	}
	for _, tt := range []struct {
		name   string
		kind   string
		lines  []string
		reason string
	}{
		{"nothing at all", GPU, nil, devices.ReasonFallBack},
		{"created only", GPU, []string{"INFO: GPU delegate created."}, devices.ReasonFallBack},
		{"another's", GPU, []string{whole("XNNPACK")}, devices.ReasonFallBack},
		{"another's nodes", External, []string{"VERBOSE: Replacing 4 out of 4 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions for the whole graph."}, devices.ReasonFallBack},
		{"another subgraph's nodes", NNAPI, []string{"VERBOSE: Replacing 31 out of 31 node(s) with delegate (TfLiteNnapiDelegate) node, yielding 1 partitions for subgraph 0.", "Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate."}, devices.ReasonFallBack},
		{"whole, by another", External, []string{"VERBOSE: Replacing 4 out of 4 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions for the whole graph.", whole("EXTERNAL")}, devices.ReasonFallBack},
		{"xnnpack by itself", XNNPACK, []string{"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."}, devices.ReasonFallBack},
		{"nnapi with floats", NNAPI, []string{"NNAPI delegate created.", "Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate."}, devices.ReasonFallBack},
		{"an older wording", External, []string{"Though EXTERNAL delegate is explicitly applied, the model will not be executed by the delegate."}, devices.ReasonFallBack},
		{"qnn took none", External, []string{"EXTERNAL delegate created.", "INFO: TfLiteQnnDelegate delegate: 0 nodes delegated out of 31 nodes with 0 partitions."}, devices.ReasonFallBack},
		{"gpu took none by its own count", GPU, []string{
			"ERROR: Following operations are not supported by GPU delegate:", "ADD: OP is supported, but tensor type/shape isn't compatible.",
			"No operations will run on the GPU, and all 65 operations will run on the CPU.", "INFO: Created 0 GPU delegate kernels."}, devices.ReasonFallBack},
		{"gpu took none, the kernels are xnnpack's", GPU, []string{
			"No operations will run on the GPU, and all 65 operations will run on the CPU.",
			"Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 3 delegate kernels."}, devices.ReasonFallBack},
		{"gpu of 2019 took none", GPU, []string{"First 0 operations will run on the GPU, and the remaining 81 on the CPU."}, devices.ReasonFallBack},
		{"gpu without a driver", GPU, []string{
			"ERROR: Following operations are not supported by GPU delegate:", "RFFT2D: Operation is not supported.",
			"31 operations will run on the GPU, and the remaining 16 operations will run on the CPU.", "INFO: Created 0 GPU delegate kernels."}, devices.ReasonFallBack},
		{"another's count", NNAPI, []string{"31 operations will run on the GPU, and the remaining 16 operations will run on the CPU."}, devices.ReasonFallBack},
		{"ynnpack's nodes", External, []string{"VERBOSE: Replacing 4 out of 4 node(s) with delegate (TfLiteYNNPackDelegate) node, yielding 1 partitions for subgraph 0 (main)."}, devices.ReasonFallBack},
		{"hexagon's warning", Hexagon, []string{"WARN: Could not create Hexagon delegate: platform may not support delegate or required libraries are missing"}, devices.ReasonFallBack},
		{"hexagon's libraries", Hexagon, []string{"Failed to fetch Hexagon NN version. This might be because you're using incompatible versions of libhexagon_interface and libhexagon_nn_skel.", whole("Hexagon")}, devices.ReasonFallBack},
		{"gpu", GPU, []string{"WARN: GPU acceleration is unsupported on this platform."}, devices.ReasonFallBack},
		{"nnapi", NNAPI, []string{"WARN: NNAPI acceleration is unsupported on this platform."}, devices.ReasonFallBack},
		{"nnapi's library", NNAPI, []string{"WARN: Couldn't load NNAPI support library from path: x"}, devices.ReasonFallBack},
		{"nnapi fails and goes on", NNAPI, []string{whole("NNAPI"), "ERROR: NN API returned error ANEURALNETWORKS_OP_FAILED at line 3779 while completing NNAPI compilation."}, devices.ReasonDelegate},
		{"taken back", External, []string{whole("EXTERNAL"), "ERROR: Restored original execution plan after delegate application failure."}, devices.ReasonFallBack},
		{"immutable", XNNPACK, []string{"ERROR: ModifyGraphWithDelegate is disallowed when graph is immutable."}, devices.ReasonFallBack},
		{"no settings", Stable, []string{"ERROR: Invalid TFLiteSettings for the stable delegate."}, devices.ReasonFallBack},
		{"no stable library", Stable, []string{"ERROR: Failed to load stable ABI delegate from stable ABI delegate binary (x)."}, devices.ReasonFallBack},
	} {
		for _, kept := range []bool{false, true} {
			lines := tt.lines
			if kept { // between a vendor's other lines
				lines = append([]string{"[apusys][info]apusysSession: Seesion(0xaaaaf982a750)", "type 54 str SoftmaxAxis0"}, lines...)
			}
			p := runWith(t, lines...).Proof
			d, not := p.prove(kindOf(tt.kind), "x", nodesOfModel)
			if not == nil {
				t.Errorf("%s: %+v", tt.name, d)
				continue
			}
			if not.kind.reason != tt.reason || not.kind.advice == "" && tt.kind != XNNPACK {
				t.Errorf("%s: reason %q, advice %q: %v", tt.name, not.kind.reason, not.kind.advice, not.err)
			}
		}
	}
}

// A log of a build of 2021 whose GPU delegate took a part: the printed counts are used, and what it leaves
// to the CPU is no error.
func TestPrintedOperations(t *testing.T) {
	log, err := os.ReadFile("testdata/fp16yolo")
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "11-30 10:00:00.000  1234  1234 E tflite  : "} { // as printed, and in logcat
		r, err := Parse(prefix+strings.ReplaceAll(strings.TrimSuffix(string(log), "\n"), "\n", "\n"+prefix), "")
		if err != nil {
			t.Fatal(err)
		}
		d, not := r.Proof.prove(kindOf(GPU), "x", 0)
		if not != nil || d.Delegated != 262 || d.Nodes != 382 || d.Partitions != 1 || !slices.Equal(d.Why, []string{"DEQUANTIZE: not supported by the GPU delegate"}) {
			t.Errorf("%+v, %v", d, not)
		}
		for _, e := range r.Errors {
			if prefix == "" || strings.Contains(e, "operations") || strings.Contains(e, "DEQUANTIZE") {
				t.Errorf("error %q", e)
			}
		}
	}
}

// Every form in which the GPU delegate has printed its counts gives them back.
func TestOperationsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gpu, cpu := rapid.IntRange(1, 5000).Draw(t, "gpu"), rapid.IntRange(1, 5000).Draw(t, "cpu")
		form := rapid.SampledFrom([]string{
			"First %d operations will run on the GPU, and the remaining %d on the CPU.",
			"%d operations will run on the GPU, and the remaining %d operations will run on the CPU.",
			"%d operations will run on the GPU, and the remaining %d will run on the CPU",
		}).Draw(t, "form")
		r, err := Parse(today0, fmt.Sprintf("ERROR: Following operations are not supported by GPU delegate:\nCAST: x: y\n"+form+"\n", gpu, cpu))
		if err != nil {
			t.Fatal(err)
		}
		if d, not := r.Proof.prove(kindOf(GPU), "x", 0); not != nil || d.Delegated != gpu || d.Nodes != gpu+cpu || len(r.Errors) > 0 {
			t.Fatalf("%+v, %v, %q", d, not, r.Errors)
		}
	})
	for _, line := range []string{
		"5 operations will run on the GPU, and 3 will not.", "-1 operations will run on the GPU, and the remaining 3 on the CPU.",
		"99999999999 operations will run on the GPU, and the remaining 3 operations will run on the CPU.",
	} {
		if r, err := Parse(today0, line+"\n"); err == nil {
			t.Errorf("%q is read: %+v", line, r.Proof)
		}
	}
}

func TestEnding(t *testing.T) {
	for _, tt := range []struct {
		output, reason string
		fault          devices.Fault
	}{
		{"INFO: STARTING!\nERROR: Failed to load model /x\nERROR: Benchmarking failed.\n", devices.ReasonRejected, devices.FaultModel},
		{"ERROR: Could not open '/x'.\nERROR: Failed to load model /x\n", "file-missing", devices.FaultDevice},
		{"ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'.\nERROR: Registration failed.\nERROR: Failed to initialize the interpreter\n", devices.ReasonRejected, devices.FaultModel},
		{"ERROR: NN API returned error ANEURALNETWORKS_OP_FAILED at line 3779 while completing NNAPI compilation.\nFailed to apply NNAPI delegate.\nBenchmarking failed.\n", devices.ReasonDelegate, devices.FaultDevice},
		{"ERROR: Failed to apply EXTERNAL delegate.\n", devices.ReasonDelegate, devices.FaultDevice},
		{"ERROR: Disallowed CPU fallback detected.\n", devices.ReasonFallBack, devices.FaultDevice},
		{"CANNOT LINK EXECUTABLE \"./benchmark_model\": library \"libQnnHtp.so\" not found\n", devices.ReasonMissing, devices.FaultUser},
		{"Failed to parse flag 'num_runs' against argv '--num_runs=x'\n", "usage", devices.FaultUser},
	} {
		k, text := ending(tt.output)
		if k == nil || k.reason != tt.reason || k.fault != tt.fault || text == "" {
			t.Errorf("%q: %+v, %q", tt.output, k, text)
		}
	}
	if k, _ := ending("INFO: STARTING!\nBenchmarking failed.\n"); k != nil {
		t.Errorf("%+v", k)
	}
}

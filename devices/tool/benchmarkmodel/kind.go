package benchmarkmodel

import (
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// The delegates.
const (
	None     = "none"    // the runtime's own kernels
	XNNPACK  = "xnnpack" // on the CPU, the default
	GPU      = "gpu"
	NNAPI    = "nnapi"
	Hexagon  = "hexagon"
	External = "external" // a library with tflite_plugin_create_delegate: QNN, EdgeTPU, Arm NN
	Stable   = "stable"   // a library with the stable ABI, named by a settings file
)

// Delegates lists the values of Options.Delegate, the default first.
func Delegates() []string { return []string{XNNPACK, None, GPU, NNAPI, Hexagon, External, Stable} }

// kind describes a delegate.
type kind struct {
	name        string
	provider    string // its name in the tool's lines
	flag        string // flag that selects it, with =true; empty if a path does
	accelerator bool
	precisions  []model.Precision // the default first
	nodes       []string          // parts of its names in the runtime's lines; empty = all but those of the CPU
	advice      string            // for a run in which it took nothing
}

const (
	f32 = model.Float32
	i8  = model.Int8
	i16 = model.Precision("int16") // 16-bit activations, in a user's own file
)

var kinds = []kind{
	{name: None, precisions: []model.Precision{f32, i8, i16}},
	{name: XNNPACK, provider: "XNNPACK", flag: "use_xnnpack", precisions: []model.Precision{f32, i8, i16}, nodes: []string{"xnnpack"},
		advice: "this build may lack XNNPACK: take a build of 2021 or newer, or delegate none"},
	{name: GPU, provider: "GPU", flag: "use_gpu", accelerator: true, precisions: []model.Precision{f32, i8}, nodes: []string{"gpu", "metal", "litert_cl", "litert_opengl", "litert_vulkan"},
		advice: "does this build have the GPU delegate, and the device OpenCL?"},
	{name: NNAPI, provider: "NNAPI", flag: "use_nnapi", accelerator: true, precisions: []model.Precision{i8, f32}, nodes: []string{"nnapi"},
		advice: "nnapi_accelerator_name picks an accelerator, the tool prints those there are; many take int8 only"},
	{name: Hexagon, provider: "Hexagon", flag: "use_hexagon", accelerator: true, precisions: []model.Precision{i8}, nodes: []string{"hexagon"},
		advice: "push libhexagon_interface.so and libhexagon_nn_skel*.so as libraries"},
	{name: External, provider: "EXTERNAL", accelerator: true, precisions: []model.Precision{i8, f32},
		advice: "does the library load there (its own libraries beside it, right processor), and does it take this precision?"},
	{name: Stable, provider: "STABLE_DELEGATE", accelerator: true, precisions: []model.Precision{i8, f32},
		advice: "does the settings file name the library as the device sees it?"},
}

func kindOf(name string) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

// owns reports whether the nodes of a delegate of this name belong to the kind. The runtime applies
// XNNPACK (in 2026 also YNNPACK) to nodes that an accelerator did not take, and Flex to TensorFlow's own ops: those run on
// the CPU.
func (k *kind) owns(delegate string) bool {
	d := strings.ToLower(delegate)
	part := func(p string) bool { return strings.Contains(d, p) }
	if len(k.nodes) > 0 {
		return slices.ContainsFunc(k.nodes, part)
	}
	return !slices.ContainsFunc([]string{"xnnpack", "ynnpack", "flex"}, part)
}

// failureKind is the meaning of a line of the tool, the runtime or a delegate.
type failureKind struct {
	has    string // part of the line
	fault  devices.Fault
	reason string
	advice string
}

// The most specific lines come first. They are from LiteRT's tflite/tools/delegates/*_provider.cc,
// tflite/tools/benchmark/benchmark_tflite_model.cc, tflite/core/subgraph.cc and
// tflite/delegates/nnapi/nnapi_delegate.cc.
var failureKinds = []failureKind{
	{"Could not create Hexagon delegate", devices.FaultDevice, devices.ReasonFallBack,
		"push libhexagon_interface.so and libhexagon_nn_skel*.so of one release as libraries; the delegate takes SoCs of 2020 and older"},
	{"Failed to fetch Hexagon NN version", devices.FaultDevice, devices.ReasonFallBack,
		"libhexagon_interface.so and libhexagon_nn_skel*.so are not of one release, or ADSP_LIBRARY_PATH does not lead to the latter"},
	{"GPU acceleration is unsupported on this platform", devices.FaultDevice, devices.ReasonFallBack,
		"this build has no GPU delegate, or the device no OpenCL and OpenGL ES 3.1"},
	{"NNAPI acceleration is unsupported on this platform", devices.FaultDevice, devices.ReasonFallBack,
		"NNAPI is on Android 8.1 and newer, and deprecated from 15 on"},
	{"Couldn't load NNAPI support library", devices.FaultDevice, devices.ReasonFallBack, "is nnapi_support_library_path right, and of the device's processor?"},
	{"Invalid TFLiteSettings for the stable delegate", devices.FaultUser, devices.ReasonFallBack, "the settings file names no stable_delegate_loader_settings.delegate_path"},
	{"Failed to load stable ABI delegate", devices.FaultDevice, devices.ReasonFallBack, "is delegate_path of the settings file right, as the device sees it?"},
	{"Disallowed CPU fallback detected", devices.FaultDevice, devices.ReasonFallBack, "the delegate does not take every op of this model; leave require_full_delegation out to learn how many it takes"},
	{"ModifyGraphWithDelegate is disallowed when graph is immutable", devices.FaultDevice, devices.ReasonFallBack, "this build applies a different delegate first"},
	{"Restored original execution plan after delegate application failure", devices.FaultDevice, devices.ReasonFallBack, "the delegate refused this model; what it printed before says why"},
	{"NN API returned error", devices.FaultDevice, devices.ReasonDelegate, "the vendor's driver failed; try a different nnapi_accelerator_name, or the vendor's own delegate"},
	{"is not a valid nnapi execution", devices.FaultUser, "usage", ""},
}

func failureOf(text string) *failureKind {
	for i := range failureKinds {
		if strings.Contains(text, failureKinds[i].has) {
			return &failureKinds[i]
		}
	}
	return nil
}

// endings are lines that explain an exit code other than 0.
var endings = []failureKind{
	{"Failed to parse flag", devices.FaultUser, "usage", "a flag's value is not of the type that this build wants"},
	{"Failed to apply ", devices.FaultDevice, devices.ReasonDelegate, "the delegate failed on this model; what it printed before says why"},
	{"Could not open ", devices.FaultDevice, "file-missing", "the model's file went away from the device"},
	{"Failed to initialize model loader", devices.FaultDevice, "file-missing", "the model's file went away from the device"},
	{"Signature not specified or incorrect", devices.FaultModel, devices.ReasonRejected, "the model has several signatures: signature_to_run_for says which"},
	{"Failed to load model", devices.FaultModel, devices.ReasonRejected, ""},
	{"Failed to initialize the interpreter", devices.FaultModel, devices.ReasonRejected, ""},
	{"Failed to allocate tensors", devices.FaultModel, devices.ReasonRejected, ""},
	{"failed to prepare", devices.FaultModel, devices.ReasonRejected, ""},
	{"failed to invoke", devices.FaultModel, devices.ReasonRejected, ""},
	{"CANNOT LINK EXECUTABLE", devices.FaultUser, devices.ReasonMissing, "a library that the program needs is not on the device: name it among libraries"},
	{"error while loading shared libraries", devices.FaultUser, devices.ReasonMissing, "a library that the program needs is not on the device: name it among libraries"},
}

// ending finds the reason of an exit in the output, in the list's order.
func ending(output string) (kind *failureKind, said string) {
	all := lines(output)
	for _, list := range [][]failureKind{failureKinds, endings} {
		for i := range list {
			for _, l := range all {
				if strings.Contains(l.text, list[i].has) {
					return &list[i], text.ClipTo(l.text, 300)
				}
			}
		}
	}
	return nil, ""
}

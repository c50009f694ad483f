package benchmarkmodel

import (
	"strings"

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
	nodes       string            // part of its name in the runtime's lines; empty = all but XNNPACK's and Flex's
	advice      string            // for a run in which it took nothing
}

const (
	f32 = model.Float32
	i8  = model.Int8
	i16 = model.Precision("int16") // 16-bit activations, in a user's own file
)

var kinds = []kind{
	{name: None, precisions: []model.Precision{f32, i8, i16}},
	{name: XNNPACK, provider: "XNNPACK", flag: "use_xnnpack", precisions: []model.Precision{f32, i8, i16}, nodes: "xnnpack",
		advice: "this build may lack XNNPACK: take a build of 2021 or newer, or delegate none"},
	{name: GPU, provider: "GPU", flag: "use_gpu", accelerator: true, precisions: []model.Precision{f32, i8}, nodes: "gpu",
		advice: "does this build have the GPU delegate, and the device OpenCL?"},
	{name: NNAPI, provider: "NNAPI", flag: "use_nnapi", accelerator: true, precisions: []model.Precision{i8, f32}, nodes: "nnapi",
		advice: "nnapi_accelerator_name picks an accelerator, the tool prints those there are; many take int8 only"},
	{name: Hexagon, provider: "Hexagon", flag: "use_hexagon", accelerator: true, precisions: []model.Precision{i8}, nodes: "hexagon",
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
// XNNPACK to nodes that an accelerator did not take, and Flex to TensorFlow's own ops: those run on
// the CPU.
func (k *kind) owns(delegate string) bool {
	d := strings.ToLower(delegate)
	if k.nodes != "" {
		return strings.Contains(d, k.nodes)
	}
	return !strings.Contains(d, "xnnpack") && !strings.Contains(d, "flex")
}

package trtexec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

// Precision is the type that an engine computes in.
type Precision string

// The precisions. Float16 and Int8 allow the type; TensorRT still decides layer by layer. The block
// records what it decided.
const (
	Float32 Precision = "float32" // without TensorFloat32 (--noTF32)
	Float16 Precision = "float16" // --fp16
	Int8    Precision = "int8"    // --int8, calibrated on random input
)

// Options describe a Jetson's TensorRT.
type Options struct {
	Name      string    // of the device; default "trtexec"
	Path      string    // of trtexec on the machine; empty = DefaultPath
	Precision Precision // default Float16
	CPUs      []int     // affinity of the process that enqueues; empty = none
	// DLACore is the deep learning accelerator to run the network on; nil for the GPU.
	DLACore *int
	// GPUFallback lets the GPU run the layers that the DLA does not take. A network with such a layer
	// is only partly delegated. Without GPUFallback, TensorRT refuses it.
	GPUFallback bool
	// Flags are additional flags of trtexec, without their dashes: useDLACore and allowGPUFallback, which
	// set the two options above, and those that Flags() lists. Others would silently change what is timed.
	Flags map[string]string
	// Mixed accepts engines in which layers with weights are computed in a different type than
	// requested: their share is then a warning, not a doubt.
	Mixed bool
	// Latency includes the copies to and from the GPU in the samples.
	Latency bool
	// EngineBudget is how many bytes of engines are kept on the machine; 0 = DefaultEngineBudget. The
	// least recently used are removed first.
	EngineBudget int64
}

// DefaultPath is where JetPack installs trtexec.
const DefaultPath = "/usr/src/tensorrt/bin/trtexec"

// DefaultEngineBudget holds the engines of a batch of 50 networks of 20 MB.
const DefaultEngineBudget = 2 << 30

// buildTimeout of Prepare is several times what a Jetson Nano needs for a detector.
const buildTimeout = 30 * time.Minute

func (o Options) complete() (Options, error) {
	o.Name = cmp.Or(o.Name, "trtexec")
	o.Path = cmp.Or(o.Path, DefaultPath)
	o.Precision = cmp.Or(o.Precision, Float16)
	o.EngineBudget = cmp.Or(o.EngineBudget, DefaultEngineBudget)
	o, err := o.takeFlags()
	switch {
	case err != nil:
		return o, err
	case o.Precision != Float32 && o.Precision != Float16 && o.Precision != Int8:
		return o, o.userError(fmt.Errorf("TensorRT does not compute in %q", o.Precision), "float32, float16 or int8")
	case o.DLACore != nil && *o.DLACore < 0:
		return o, o.userError(fmt.Errorf("there is no DLA core %d", *o.DLACore), "a Xavier has 0 and 1")
	case o.DLACore != nil && o.Precision == Float32:
		return o, o.userError(errors.New("a DLA computes in float16 and int8 only"), "")
	case o.DLACore == nil && o.GPUFallback:
		return o, o.userError(errors.New("a fall-back to the GPU needs a DLA core to fall back from"), "")
	case o.EngineBudget < 0:
		return o, o.userError(errors.New("a limit is negative"), "")
	}
	return o, nil
}

// buildOnly and timeOnly are further allowed flags, each for one of the two runs; device is for both.
var (
	buildOnly = []string{"workspace", "memPoolSize", "builderOptimizationLevel", "minTiming", "avgTiming", "sparsity", "tacticSources"}
	timeOnly  = []string{"useCudaGraph"}
	ofBoth    = []string{"device"}
)

// Flags are the names that Options.Flags may contain, sorted.
func Flags() []string {
	return slices.Sorted(slices.Values(slices.Concat(buildOnly, timeOnly, ofBoth, []string{"useDLACore", "allowGPUFallback"})))
}

// flagValue is the form of a flag's value: numbers, words, "workspace:1024", "+CUBLAS,-CUDNN".
var flagValue = regexp.MustCompile(`^[A-Za-z0-9:,._+-]{0,100}$`)

func (o Options) takeFlags() (Options, error) {
	for _, name := range slices.Sorted(maps.Keys(o.Flags)) {
		value := o.Flags[name]
		switch {
		case !slices.Contains(Flags(), name):
			return o, o.userError(fmt.Errorf("trtexec's flag %q is not one that latlab knows to leave the time alone", name), "there is "+strings.Join(Flags(), ", "))
		case !flagValue.MatchString(value):
			return o, o.userError(fmt.Errorf("trtexec's flag %s cannot be %q", name, value), "")
		case name == "useDLACore":
			core, err := strconv.ParseUint(value, 10, 8)
			if err != nil {
				return o, o.userError(fmt.Errorf("trtexec's flag useDLACore is a number, not %q", value), "a Xavier has 0 and 1")
			}
			o.DLACore = new(int(core))
		case name == "allowGPUFallback":
			o.GPUFallback = true
		}
	}
	return o, nil
}

func (o Options) given(names []string) []string {
	var flags []string
	for _, name := range names {
		value, there := o.Flags[name]
		switch {
		case there && (value == "" || value == "true"):
			flags = append(flags, "--"+name)
		case there:
			flags = append(flags, "--"+name+"="+value)
		}
	}
	return flags
}

func (o Options) userError(err error, advice string) error {
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "options", Err: err, Advice: advice}
}

// delegate is the name in a block's delegation. The simulated Jetsons use it too.
func (o Options) delegate() string {
	if o.DLACore != nil {
		return "tensorrt-dla"
	}
	return "tensorrt"
}

func (o Options) times() string {
	if o.Latency {
		return "latency"
	}
	return "gpu-compute"
}

// buildFlags are the flags that determine the engine.
func (o Options) buildFlags(p program) []string {
	var flags []string
	switch o.Precision {
	case Float16:
		flags = append(flags, "--fp16")
	case Int8:
		flags = append(flags, "--int8")
	case Float32:
		if p.has("--noTF32") { // GPUs that TensorRT 7.0 knows have no TF32
			flags = append(flags, "--noTF32")
		}
	}
	if o.GPUFallback {
		flags = append(flags, "--allowGPUFallback")
	}
	flags = append(append(flags, o.unitFlags()...), o.given(buildOnly)...)
	if _, given := o.Flags["workspace"]; !given && p.has("--workspace") && !p.has("--memPoolSize") {
		// The default was 16 MiB up to 8.3, too little for most tactics; later versions use all that
		// the GPU has.
		flags = append(flags, "--workspace=1024")
	}
	if p.version == 0 && p.has("--explicitBatch") {
		flags = append(flags, "--explicitBatch") // 7.0 does not detect that ONNX needs it
	}
	if p.hasLayerTable() {
		flags = append(flags, "--profilingVerbosity=detailed")
	}
	return flags
}

// unitFlags select the unit that runs the engine, both in building and in loading.
func (o Options) unitFlags() []string {
	flags := o.given(ofBoth)
	if o.DLACore != nil {
		flags = append(flags, "--useDLACore="+strconv.Itoa(*o.DLACore))
	}
	return flags
}

// Tool is trtexec for the inventory.
func Tool() tool.Tool {
	return tool.Tool{
		Name: "trtexec", New: func() tool.Setup { return &setup{} },
		Precisions: []model.Precision{model.Precision(Float16), model.Precision(Float32), model.Precision(Int8)},
	}
}

type setup struct {
	binary        string
	flags         map[string]string
	mixed, copies bool
}

func (s *setup) Fields() []tool.Field {
	return []tool.Field{
		tool.Binary(&s.binary),
		tool.Texts("flags", "more flags of the tool, of those that are known not to change the latency", &s.flags),
		tool.Switch("mixed", "engines of which layers are computed in another type than asked for are a warning, not INVALID", &s.mixed),
		tool.Switch("copies", "samples have the copies to and from the GPU in them", &s.copies),
	}
}

func (s *setup) Check(o strictyaml.Object, d tool.Device) {
	s.binary = d.LocalPath(s.binary)
	switch {
	case d.Transport == "adb":
		o.Fail("tool", "trtexec runs on boards and PCs (ssh, local), not on Android")
	case s.binary != "" && !d.Local() && !strings.HasPrefix(s.binary, tool.OnDevice):
		o.Fail("binary", "TensorRT is of the board's own installation: %s/PATH, not a file of this host", tool.OnDevice)
	}
}

func (s *setup) options(d tool.Device) Options {
	return Options{
		Name: d.Name, Path: strings.TrimPrefix(s.binary, tool.OnDevice), Precision: Precision(d.Precision), CPUs: d.CPUs,
		Flags: s.flags, Mixed: s.mixed, Latency: s.copies, EngineBudget: d.Budget,
	}
}

func (s *setup) Describe(d tool.Device) (devices.Info, error) { return Describe(s.options(d)) }

func (s *setup) Open(ctx context.Context, m *machine.Machine, d tool.Device) (devices.Device, error) {
	return tool.Opened(Open(ctx, m, s.options(d)))
}

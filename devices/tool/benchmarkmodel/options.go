package benchmarkmodel

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// File is one of the user's files: on this host, from where it is copied to the machine, or on the
// machine already. Exactly one of the two is set.
type File struct {
	Host   string // path on this host
	Device string // absolute path on the machine
}

// Options describe the device.
type Options struct {
	Name   string
	Binary File
	// Libraries are files of this host that are copied beside the program, where the loader finds
	// them: libhexagon_interface.so, libhexagon_nn_skel*.so, libQnn*.so.
	Libraries []string

	Delegate string // one of Delegates(); default XNNPACK
	// Library is the library of the delegate External; LibraryOptions are its options.
	Library        File
	LibraryOptions map[string]string
	// Settings is the settings file of the delegate Stable (TFLiteSettings in JSON). Its delegate_path
	// may be the bare name of one of Libraries.
	Settings File
	// Flags are further flags without dashes, "gpu_backend": "cl". Only some are allowed (flags.go).
	Flags map[string]string

	Threads int   // default 1
	CPUs    []int // affinity; empty = none
	// Env is added to the program's environment, "NAME=value". LD_LIBRARY_PATH and ADSP_LIBRARY_PATH
	// already include the folder of Libraries.
	Env []string
	// Precisions that an external or stable delegate takes, the default first, if they are not int8
	// and float32.
	Precisions []model.Precision
	// Counter is a file of the machine's driver that counts inferences: /sys/.../inference_count. If
	// it is set, it must grow by the number of a block's runs.
	Counter string
	// Harmless are parts of lines of level ERROR that the user knows to be harmless. Other such lines
	// make a block on an accelerator doubtful.
	Harmless []string
	// Identity is what else distinguishes this device: its model, build, serial number.
	Identity  map[string]string
	Transport string // Info.Transport: "adb", "ssh"; empty = this machine
}

// Check checks the options without contacting a machine.
func Check(o Options) error {
	_, err := prepared(o)
	return err
}

// prepared fills in defaults, and refuses invalid options.
func prepared(o Options) (Options, error) {
	if o.Delegate == "" {
		o.Delegate = XNNPACK
	}
	if o.Threads == 0 {
		o.Threads = 1
	}
	o.CPUs = slices.Sorted(slices.Values(o.CPUs))
	k := kindOf(o.Delegate)
	if k == nil {
		return o, o.usage(noDelegate(o.Delegate))
	}
	if err := errors.Join(o.check(k), checkFlags(k, o.Flags)); err != nil {
		return o, o.usage(err)
	}
	return o, nil
}

func noDelegate(name string) error {
	if name == "coreml" {
		return errors.New("delegate coreml: " + coreML)
	}
	return fmt.Errorf("no delegate is named %q; there are %s", text.ClipTo(name, 40), strings.Join(Delegates(), ", "))
}

func (o Options) usage(err error) error {
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "usage", Err: err}
}

func (o Options) check(k *kind) error {
	switch {
	case !o.Binary.one():
		return errors.New("binary: a path of benchmark_model, here or on the device")
	case (o.Delegate == External) != o.Library.one():
		return errors.New("delegate external needs a library, and no other has one")
	case (o.Delegate == Stable) != o.Settings.one():
		return errors.New("delegate stable needs a settings file, and no other has one")
	case len(o.LibraryOptions) > 0 && (o.Delegate != External || o.Flags["external_delegate_options"] != ""):
		return errors.New("library options are of delegate external, and given once")
	case len(o.Precisions) > 0 && k.name != External && k.name != Stable:
		return fmt.Errorf("precisions of delegate %s are known", k.name)
	case o.Threads < 1 || o.Threads > 1024:
		return fmt.Errorf("%d threads", o.Threads)
	case len(o.CPUs) > 0 && o.Threads > len(o.CPUs) && !k.accelerator:
		return fmt.Errorf("%d threads on %d CPUs: use at most one thread per CPU", o.Threads, len(o.CPUs))
	case len(o.CPUs) > 0 && (o.CPUs[0] < 0 || o.CPUs[len(o.CPUs)-1] > 1023):
		return fmt.Errorf("CPUs %v", o.CPUs)
	}
	_, err := externalOptions(o.LibraryOptions)
	return err
}

func (f File) one() bool { return (f.Host == "") != (f.Device == "") }

// base is the file's base name.
func (f File) base() string {
	if f.Host != "" {
		return filepath.Base(f.Host)
	}
	return path.Base(f.Device)
}

// Describe returns what is known of the device before its machine is contacted: all of Info but the
// fingerprint of its files.
func Describe(o Options) (devices.Info, error) {
	o, err := prepared(o)
	if err != nil {
		return devices.Info{}, err
	}
	k := kindOf(o.Delegate)
	i := devices.Info{
		Name: o.Name, Kind: devices.Measured, Harness: program, Formats: []model.Format{model.TFLite},
		Precisions: slices.Clone(k.precisions), Delegate: o.label(), Threads: o.Threads, CPUs: o.CPUs,
		Accelerator: k.accelerator, Compute: o.compute(), Transport: o.Transport,
	}
	if len(o.Precisions) > 0 {
		i.Precisions = slices.Clone(o.Precisions)
	}
	return i, nil
}

// label is the delegate's name in messages and in delegations; for an external one, its library's
// name.
func (o Options) label() string {
	switch o.Delegate {
	case None:
		return ""
	case External:
		name, _, _ := strings.Cut(strings.TrimPrefix(o.Library.base(), "lib"), ".so")
		return name
	}
	return o.Delegate
}

// compute: the GPU delegate computes in float16 by default, also for quantized models, which it
// converts back to real numbers.
//
// Source: LiteRT, tflite/delegates/gpu/README.md and gpu_delegate_provider.cc.
func (o Options) compute() map[model.Precision]string {
	half := o.Flags["allow_fp16"] == "true"
	switch {
	case o.Delegate == GPU && o.Flags["gpu_precision_loss_allowed"] != "false":
		return map[model.Precision]string{f32: "float16", i8: "float16"}
	case o.Delegate == GPU:
		return map[model.Precision]string{i8: "float32"}
	case half, o.Flags["xnnpack_force_fp16"] == "true", o.Flags["nnapi_allow_fp16"] == "true":
		return map[model.Precision]string{f32: "float16"}
	}
	return nil
}

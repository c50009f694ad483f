package benchmarkmodel

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
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
	Harmless  []string
	Transport string // Info.Transport: "adb", "ssh"; empty = this machine
}

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
		Calls:      []model.CallOption{model.GivenSignature, model.GivenShape, model.GivenValue, model.GivenFile},
		Precisions: slices.Clone(k.precisions), Delegate: o.label(), Threads: o.Threads, CPUs: o.CPUs,
		Accelerator: k.accelerator, Compute: o.compute(), Transport: o.Transport, NoSamples: true,
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

// Tool is benchmark_model for the inventory.
func Tool() tool.Tool {
	return tool.Tool{
		Name: program, Threads: true, Precisions: []model.Precision{f32, i8}, New: func() tool.Setup { return &setup{} },
		Delegates: []tool.Delegate{
			{Name: XNNPACK}, {Name: None}, {Name: GPU}, {Name: NNAPI}, {Name: Hexagon, Precisions: []model.Precision{i8}},
			{Name: External, Library: true}, {Name: Stable, Library: true},
		},
	}
}

type setup struct {
	o      Options // those that are fields of the inventory
	binary string
	plugin tool.Plugin
	env    map[string]string
}

func (s *setup) Fields() []tool.Field {
	return append(s.plugin.Fields(),
		tool.Binary(&s.binary),
		tool.Texts("flags", "more flags of the tool, of those that are known not to change the latency", &s.o.Flags),
		tool.Texts("env", "environment variables of the tool", &s.env),
		tool.Field{Name: "counter", Form: "path", Means: "a file of the driver on the device that counts inferences: a block whose runs it did not count is no measurement",
			Read: func(v strictyaml.Value) {
				if s.o.Counter = v.Word(); !path.IsAbs(s.o.Counter) {
					v.Fail("must be absolute, not %q", text.Clip(s.o.Counter))
				}
			}},
		tool.Words("harmless", "parts of the vendor's ERROR lines that are known to mean nothing; others make a block doubtful", &s.o.Harmless))
}

func (s *setup) Check(o strictyaml.Object, d tool.Device) {
	if s.binary == "" {
		o.Fail("binary", "is missing: where is %s?", program)
	}
	s.binary = d.LocalPath(s.binary)
	s.plugin.Check(o, d)
	// The tool takes them as NAME:VALUE;NAME:VALUE (external_delegate_provider.cc).
	for name, value := range s.plugin.Options {
		if strings.ContainsAny(value, ":;") {
			o.Get("delegate_options").At(name).Fail("benchmark_model takes no ':' and no ';' in an option: %q", text.Clip(value))
		}
	}
}

func (s *setup) options(d tool.Device) Options {
	o := s.o
	o.Name, o.Threads, o.CPUs, o.Transport = d.Name, d.Threads, d.CPUs, d.Transport
	o.Binary, o.Delegate, o.Libraries, o.LibraryOptions = fileOf(s.binary), d.Delegate.Name, s.plugin.Libraries, s.plugin.Options
	for name, value := range s.env {
		o.Env = append(o.Env, name+"="+value)
	}
	slices.Sort(o.Env)
	switch {
	case d.Delegate.Name == Stable:
		o.Settings = fileOf(s.plugin.Library)
	case d.Delegate.Library:
		// The tool has a flag only for an external library: an Edge TPU's is loaded like any other.
		o.Delegate, o.Library, o.Precisions = External, fileOf(s.plugin.Library), d.Delegate.Precisions
	}
	return o
}

func fileOf(p string) File {
	if there, ok := strings.CutPrefix(p, tool.OnDevice); ok {
		return File{Device: there}
	}
	return File{Host: p}
}

func (s *setup) Describe(d tool.Device) (devices.Info, error) { return Describe(s.options(d)) }

func (s *setup) Open(ctx context.Context, m *machine.Machine, d tool.Device) (devices.Device, error) {
	return tool.Opened(Open(ctx, m, s.options(d)))
}

// Package benchmarkmodel is the Device made of TFLite's benchmark_model on a machine: the
// user's own build, with the delegates that it has and the libraries that belong to them. It
// is for what the agent cannot load, a phone's vendor libraries above all.
//
// What the tool prints becomes a Block whose figures are a Summary: it gives no samples.
// Who executed the graph is proven from its lines in every block (proof.go); a run of which
// the CPU had what an accelerator was asked for is an error. The package refuses to guess
// what a line means (parse.go), and flags that would change what is measured behind
// latlab's back (flags.go). What a plan cannot be told is in plan.go.
//
// Its neighbours: devices/tool runs the program, devices/machine brings models and files
// there, devices/agent is latlab's own program, which gives samples.
package benchmarkmodel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// program is the tool's name for people, and that of its folder on the machine.
const program = "benchmark_model"

// File is a file of the user's: on this host, from where it is brought to the machine, or on
// the machine already. Exactly one is told.
type File struct {
	Host   string // path here
	Device string // path there, absolute
}

// Options describe the device.
type Options struct {
	Name   string
	Binary File
	// Libraries are files of this host that are brought beside the program and found by the
	// loader there: libhexagon_interface.so, libhexagon_nn_skel*.so, libQnn*.so.
	Libraries []string

	Delegate string // one of Delegates(); XNNPACK unless told
	// Library is External's. LibraryOptions are given to it.
	Library        File
	LibraryOptions map[string]string
	// Settings is Stable's file (TFLiteSettings in JSON). Its delegate_path may be the bare
	// name of one of Libraries.
	Settings File
	// Flags are further flags without dashes, "gpu_backend": "cl". Not all are taken.
	Flags map[string]string

	Threads int   // 1 unless told
	CPUs    []int // affinity; none unless told
	// Env is added to the program's environment, "NAME=value". LD_LIBRARY_PATH and
	// ADSP_LIBRARY_PATH lead to Libraries already.
	Env []string
	// Precisions that an external or stable delegate takes, the default first, where they
	// are not int8 and float32.
	Precisions []model.Precision
	// Counter is a file of the driver's, there, that counts inferences: /sys/.../inference_count.
	// Where it is told, it must have grown by the runs of a block.
	Counter string
	// Harmless are parts of lines of level ERROR that this user knows to mean nothing.
	// Others, of a run on an accelerator, make its block doubtful.
	Harmless []string
	// Identity is what else tells this device from others: its model, build, serial number.
	Identity  map[string]string
	Transport string // Info.Transport: "adb", "ssh"; empty = this machine
}

// Device times models with benchmark_model.
type Device struct {
	o       Options
	kind    *kind
	m       *machine.Machine
	info    devices.Info
	program string   // path there
	args    []string // the same for every run
	env     []string
	usage   usage
	runtime string
	temp    *machine.Temp // of result files; made at the first run
	runs    int
}

var (
	_ devices.Device  = (*Device)(nil)
	_ devices.Layerer = (*Device)(nil)
)

// helpTimeout is generous: on a busy phone a program may take seconds to start.
const helpTimeout = 30 * time.Second

// Check says what is wrong with options before a machine is asked for anything.
func Check(o Options) error {
	_, err := prepared(o)
	return err
}

// prepared fills in defaults, and refuses what cannot be.
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
	return fmt.Errorf("no delegate is named %q; there are %s", clip(name, 40), strings.Join(Delegates(), ", "))
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
		return fmt.Errorf("%d threads on %d CPUs would wait for each other", o.Threads, len(o.CPUs))
	case len(o.CPUs) > 0 && (o.CPUs[0] < 0 || o.CPUs[len(o.CPUs)-1] > 1023):
		return fmt.Errorf("CPUs %v", o.CPUs)
	}
	_, err := externalOptions(o.LibraryOptions)
	return err
}

func (f File) one() bool { return (f.Host == "") != (f.Device == "") }

// base is the file's name.
func (f File) base() string {
	if f.Host != "" {
		return filepath.Base(f.Host)
	}
	return path.Base(f.Device)
}

// Describe is what is known of the device before its machine is asked: all but the
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

// label is the delegate's name to people, and in proofs: an external one's is its library's.
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

// compute: the GPU delegate computes in float16 unless it is told not to, quantized models
// too, which it turns back into real numbers.
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

// Open brings the program there, asks it for its flags, and refuses what this build lacks.
func Open(ctx context.Context, m *machine.Machine, o Options) (*Device, error) {
	o, err := prepared(o)
	if err != nil {
		return nil, err
	}
	info, err := Describe(o)
	if err != nil {
		return nil, err
	}
	d := &Device{o: o, kind: kindOf(o.Delegate), m: m, info: info}
	for _, step := range []func(context.Context) error{d.install, d.askUsage, d.identify} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Device) op() string { return "open device " + d.o.Name }

// hostFiles are files that are brought, by their name there.
func (d *Device) hostFiles() (map[string]string, error) {
	files := map[string]string{}
	list := slices.Clone(d.o.Libraries)
	for _, f := range []File{d.o.Library, d.o.Settings} {
		if f.Host != "" {
			list = append(list, f.Host)
		}
	}
	for _, file := range list {
		name := filepath.Base(file)
		if old := files[name]; old != "" && old != file || name == program {
			return nil, d.o.usage(fmt.Errorf("two files would be named %s there", name))
		}
		files[name] = file
	}
	if d.o.Binary.Host != "" {
		files[program] = d.o.Binary.Host
	}
	for name, file := range files {
		if st, err := os.Stat(file); err != nil || !st.Mode().IsRegular() {
			return nil, d.missing(fmt.Errorf("%s: %s is no file of this host: %w", name, file, errors.Join(err, os.ErrInvalid)))
		}
	}
	return files, nil
}

func (d *Device) missing(err error) error {
	return &devices.Error{Fault: devices.FaultUser, Op: d.op(), Reason: devices.ReasonMissing, Err: err}
}

// install makes paths of there of all files, and the arguments that every run has.
func (d *Device) install(ctx context.Context) error {
	files, err := d.hostFiles()
	if err != nil {
		return err
	}
	there := func(f File) string { return f.Device }
	dir := ""
	switch {
	case d.m.Local():
		there = func(f File) string {
			if f.Host != "" {
				return absolute(f.Host)
			}
			return f.Device
		}
		dir = d.localDir()
	case len(files) > 0:
		if dir, err = d.m.Install(ctx, machine.Program{Name: program, Files: files}); err != nil {
			return err
		}
		there = func(f File) string {
			if f.Host == "" {
				return f.Device
			}
			return path.Join(dir, f.base())
		}
	}
	d.program = there(d.o.Binary)
	if d.o.Binary.Host != "" && !d.m.Local() {
		d.program = path.Join(dir, program)
	}
	d.args, d.env = d.fixedArgs(there), d.environment(dir)
	return nil
}

func absolute(p string) string {
	if a, err := filepath.Abs(p); err == nil {
		return a
	}
	return p
}

// localDir is where this machine's libraries are: the folder of the first.
func (d *Device) localDir() string {
	for _, l := range append(slices.Clone(d.o.Libraries), d.o.Library.Host) {
		if l != "" {
			return filepath.Dir(absolute(l))
		}
	}
	return ""
}

// environment leads the loader, and the DSP's, to the libraries.
//
// Source: tensorflow, issue 49247 (what Hexagon's delegate needs on phones).
func (d *Device) environment(dir string) []string {
	var env []string
	if dir != "" && (len(d.o.Libraries) > 0 || d.o.Library.Host != "") {
		env = append(env, "LD_LIBRARY_PATH="+dir, "ADSP_LIBRARY_PATH="+dir+";/system/lib/rfsa/adsp;/system/vendor/lib/rfsa/adsp;/vendor/lib/rfsa/adsp;/dsp")
	}
	return append(env, d.o.Env...)
}

// fixedArgs are those of delegate and user. use_xnnpack=false is told where no delegate is
// wanted, or the runtime would apply XNNPACK by itself; to an accelerator it is not, so
// that what it leaves runs as in an app.
func (d *Device) fixedArgs(there func(File) string) []string {
	args := []string{"--num_threads=" + strconv.Itoa(d.o.Threads)}
	switch d.o.Delegate {
	case None:
		args = append(args, "--use_xnnpack=false")
	case External:
		args = append(args, "--external_delegate_path="+there(d.o.Library))
		if list, _ := externalOptions(d.o.LibraryOptions); list != "" {
			args = append(args, "--external_delegate_options="+list)
		}
	case Stable:
		args = append(args, "--stable_delegate_settings_file="+there(d.o.Settings))
	default:
		args = append(args, "--"+d.kind.flag+"=true")
	}
	if d.o.Delegate == Hexagon && d.o.Flags["hexagon_lib_path"] == "" && len(d.o.Libraries) > 0 {
		// The folder of the DSP's own libraries; the default is everybody's /data/local/tmp.
		args = append(args, "--hexagon_lib_path="+path.Dir(there(File{Host: d.o.Libraries[0]})))
	}
	if d.o.Delegate == NNAPI && d.o.Flags["disable_nnapi_cpu"] == "" {
		// NNAPI's reference on the CPU takes all that it is given, and would pass for an accelerator.
		args = append(args, "--disable_nnapi_cpu=true")
	}
	for _, name := range slices.Sorted(maps.Keys(d.o.Flags)) {
		args = append(args, "--"+name+"="+d.o.Flags[name])
	}
	return args
}

// askUsage runs --help, which ends with an exit code other than 0 by design.
func (d *Device) askUsage(ctx context.Context) error {
	out, err := tool.Do(ctx, d.m, tool.Run{Op: d.op(), Program: program, Timeout: helpTimeout,
		Command: transport.Command{Path: d.program, Args: []string{"--help"}, Env: d.env}})
	if err != nil {
		return usersFault(err)
	}
	if d.usage, err = parseUsage(out.Stdout + "\n" + out.Stderr); err != nil {
		if k, text := ending(out.Stdout + "\n" + out.Stderr); k != nil {
			err = errors.New(text)
		}
		return &devices.Error{Fault: devices.FaultUser, Op: d.op(), Reason: devices.ReasonMissing, Output: tool.Tail(out.Stdout + out.Stderr),
			Err: fmt.Errorf("%s is not TFLite's benchmark_model: %w", d.program, err), Advice: "where it comes from is in docs/devices.md"}
	}
	if d.o.Delegate == Stable && !d.usage["stable_delegate_settings_file"] && d.usage["stable_delegate_loader_settings"] {
		for i := range d.args { // the flag's older name
			d.args[i] = strings.Replace(d.args[i], "--stable_delegate_settings_file=", "--stable_delegate_loader_settings=", 1)
		}
	}
	if d.o.Delegate == None && !d.usage["use_xnnpack"] {
		// A build from before XNNPACK has nothing to turn off.
		d.args = slices.DeleteFunc(d.args, func(a string) bool { return a == "--use_xnnpack=false" })
	}
	if name := d.usage.missing(append(planArgs(devices.Plan{}), d.args...)); name != "" {
		return &devices.Error{Fault: devices.FaultUser, Op: d.op(), Reason: devices.ReasonMissing,
			Err:    fmt.Errorf("this build of benchmark_model has no flag %s: it would ignore it and run on the CPU all the same", name),
			Advice: "it was built without that delegate, or is older than the flag: take another build"}
	}
	return nil
}

// usersFault: a program that cannot even print its flags is not the model's fault.
func usersFault(err error) error {
	var e *devices.Error
	if errors.As(err, &e) && e.Fault == devices.FaultModel {
		e.Fault, e.Advice = devices.FaultUser, "is it built for this device's processor and system?"
	}
	return err
}

// identify makes the fingerprint: hashes of the program and of libraries, the flags.
func (d *Device) identify(ctx context.Context) error {
	f := map[string]string{"flags": strings.Join(d.flagsForPeople(), " ")}
	for _, e := range d.o.Env {
		f["env"] = strings.TrimSpace(f["env"] + " " + e)
	}
	files := map[string]File{program: d.o.Binary}
	for _, l := range d.o.Libraries {
		files[filepath.Base(l)] = File{Host: l}
	}
	for _, x := range []File{d.o.Library, d.o.Settings} {
		if x.one() {
			files[x.base()] = x
		}
	}
	for name, file := range files {
		sum, err := d.hash(ctx, file)
		if err != nil {
			return err
		}
		f[name+"_sha256"] = sum
	}
	d.runtime = program + " " + f[program+"_sha256"][:12]
	maps.Copy(f, d.o.Identity)
	d.info.Fingerprint = f
	return nil
}

// flagsForPeople leaves out folders, which change nothing.
func (d *Device) flagsForPeople() []string {
	var flags []string
	for _, a := range d.args {
		name, value, _ := strings.Cut(a, "=")
		if strings.HasSuffix(name, "_path") || strings.HasSuffix(name, "_settings_file") || strings.HasSuffix(name, "_settings") {
			a = name + "=" + path.Base(value)
		}
		flags = append(flags, strings.TrimPrefix(a, "--"))
	}
	return flags
}

// maxHashLine is what sha256sum may print of a file with a long name.
const maxHashLine = 16 << 10

func (d *Device) hash(ctx context.Context, f File) (string, error) {
	if f.Host != "" {
		return hashHere(f.Host)
	}
	out, err := transport.Shell(ctx, d.m.Transport(), maxHashLine, `sha256sum < "$1"`, f.Device)
	if err == nil {
		out = strings.TrimSpace(out)
		if sum, _, _ := strings.Cut(out, " "); len(sum) == hex.EncodedLen(sha256.Size) {
			if _, err := hex.DecodeString(sum); err == nil {
				return sum, nil
			}
		}
		err = fmt.Errorf("sha256sum printed %q", clip(out, 100))
	}
	var known *devices.Error
	if errors.As(err, &known) || ctx.Err() != nil {
		return "", err
	}
	return "", d.missing(fmt.Errorf("%s on the device: %w", f.Device, err))
}

func hashHere(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Info describes the device.
func (d *Device) Info() devices.Info { return d.info }

// Close removes what the tool wrote and gives the machine up.
func (d *Device) Close() error {
	if d.temp != nil {
		d.temp.Close()
	}
	return d.m.Close()
}

package benchmarkmodel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	"latlab/internal/text"
)

// hostFiles are the files to copy, by their name on the machine.
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

// install copies all files, sets their paths on the machine, and sets the arguments that every run
// has.
func (d *Device) install(ctx context.Context) error {
	files, err := d.hostFiles()
	if err != nil {
		return err
	}
	dir := d.localDir()
	if !d.m.Local() && len(files) > 0 {
		if dir, err = d.m.Install(ctx, machine.Program{Name: program, Files: files}); err != nil {
			return err
		}
	}
	there := func(f File) string {
		switch {
		case f.Host == "":
			return f.Device
		case d.m.Local():
			return absolute(f.Host)
		}
		return path.Join(dir, f.base())
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

// localDir is the folder of this machine's libraries: the folder of the first.
func (d *Device) localDir() string {
	if !d.m.Local() {
		return ""
	}
	for _, l := range append(slices.Clone(d.o.Libraries), d.o.Library.Host) {
		if l != "" {
			return filepath.Dir(absolute(l))
		}
	}
	return ""
}

// environment leads the loader, and the DSP's loader, to the libraries.
//
// Source: tensorflow, issue 49247 (what Hexagon's delegate needs on phones).
func (d *Device) environment(dir string) []string {
	var env []string
	if dir != "" && (len(d.o.Libraries) > 0 || d.o.Library.Host != "") {
		env = append(env, "LD_LIBRARY_PATH="+dir, "ADSP_LIBRARY_PATH="+dir+";/system/lib/rfsa/adsp;/system/vendor/lib/rfsa/adsp;/vendor/lib/rfsa/adsp;/dsp")
	}
	return append(env, d.o.Env...)
}

// fixedArgs are the arguments of the delegate and the user. use_xnnpack=false is passed if no delegate
// is wanted, because the runtime would otherwise apply XNNPACK by itself. It is not passed for an
// accelerator, so that the nodes that it does not take run as they do in an app.
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
		// The folder of the DSP's own libraries; the default is the shared /data/local/tmp.
		args = append(args, "--hexagon_lib_path="+path.Dir(there(File{Host: d.o.Libraries[0]})))
	}
	if d.o.Delegate == NNAPI && d.o.Flags["disable_nnapi_cpu"] == "" {
		// NNAPI's CPU reference takes every node and would pass for an accelerator.
		args = append(args, "--disable_nnapi_cpu=true")
	}
	for _, name := range slices.Sorted(maps.Keys(d.o.Flags)) {
		args = append(args, "--"+name+"="+d.o.Flags[name])
	}
	return args
}

// helpTimeout is generous: on a busy phone a program may take seconds to start.
const helpTimeout = 30 * time.Second

// askUsage runs --help, which always ends with an exit code other than 0.
func (d *Device) askUsage(ctx context.Context) error {
	out, err := tool.Do(ctx, d.m, tool.Run{Op: d.op(), Program: program, Timeout: helpTimeout,
		Command: transport.Command{Path: d.program, Args: []string{"--help"}, Env: d.env}})
	if err != nil {
		return usersFault(err)
	}
	help := out.Stdout + "\n" + out.Stderr
	if other := otherUsage(help); other != nil {
		return &devices.Error{Fault: devices.FaultUser, Op: d.op(), Reason: devices.ReasonMissing,
			Err: fmt.Errorf("%s: %w", d.program, other), Advice: otherAdvice}
	}
	if d.usage, err = parseUsage(help); err != nil {
		if k, text := ending(help); k != nil {
			err = errors.New(text)
		}
		return &devices.Error{Fault: devices.FaultUser, Op: d.op(), Reason: devices.ReasonMissing, Output: out.Text(),
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
			Advice: "it was built without that delegate, or is older than the flag: use a different build"}
	}
	return nil
}

// usersFault: if a program cannot print its flags, that is not the model's fault.
func usersFault(err error) error {
	var e *devices.Error
	if errors.As(err, &e) && e.Fault == devices.FaultModel {
		e.Fault, e.Advice = devices.FaultUser, "is it built for this device's processor and system?"
	}
	return err
}

// identify makes the fingerprint: hashes of the program and of libraries, and the flags.
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
	d.info.Fingerprint = f
	return nil
}

// flagsForPeople leaves out folders, which do not affect the measurement.
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

// maxHashLine is the longest line of sha256sum for a file with a long name.
const maxHashLine = 16 << 10

func (d *Device) hash(ctx context.Context, f File) (string, error) {
	if f.Host != "" {
		return tool.SHA256(f.Host)
	}
	out, err := transport.Shell(ctx, d.m.Transport(), maxHashLine, `sha256sum < "$1"`, f.Device)
	if err == nil {
		out = strings.TrimSpace(out)
		sum, _, _ := strings.Cut(out, " ")
		if b, err := hex.DecodeString(sum); err == nil && len(b) == sha256.Size {
			return sum, nil
		}
		err = fmt.Errorf("sha256sum printed %q", text.ClipTo(out, 100))
	}
	var known *devices.Error
	if errors.As(err, &known) || ctx.Err() != nil {
		return "", err
	}
	return "", d.missing(fmt.Errorf("%s on the device: %w", f.Device, err))
}

package benchmarkmodel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"latlab/devices"
	"latlab/devices/machine"
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

package benchmarkmodel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// helpTimeout is generous: on a busy phone a program may take seconds to start.
const helpTimeout = 30 * time.Second

// askUsage runs --help, which always ends with an exit code other than 0.
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
		if sum, _, _ := strings.Cut(out, " "); len(sum) == hex.EncodedLen(sha256.Size) {
			if _, err := hex.DecodeString(sum); err == nil {
				return sum, nil
			}
		}
		err = fmt.Errorf("sha256sum printed %q", text.ClipTo(out, 100))
	}
	var known *devices.Error
	if errors.As(err, &known) || ctx.Err() != nil {
		return "", err
	}
	return "", d.missing(fmt.Errorf("%s on the device: %w", f.Device, err))
}

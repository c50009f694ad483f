package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
)

const (
	program     = "latlab-agent"
	library     = "libtensorflowlite_c.so"
	arm64Bundle = "agent-arm64"
	// loaderPattern is the dynamic loader's name in every C library of Linux that is meant
	// here; a folder that has one brings its own.
	loaderPattern = "ld-linux-*.so.*"
)

// Bundle reads a folder that travels as one: the agent and its runtime, and where they are to
// run on any Linux the loader and C library that they were built with (`make agent-arm64`).
// Folders in it, licences among them, stay where they are.
func Bundle(dir string) (machine.Program, error) {
	p := machine.Program{Name: "agent", Files: map[string]string{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return p, err
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			p.Files[e.Name()] = filepath.Join(dir, e.Name())
		}
	}
	for _, name := range []string{program, library} {
		if p.Files[name] == "" {
			return p, fmt.Errorf("%s has no %s: %w", dir, name, fs.ErrNotExist)
		}
	}
	return p, nil
}

// loader is the name of the bundle's own loader, "" where it has none.
func loader(p machine.Program) string {
	for name := range p.Files {
		if ok, _ := path.Match(loaderPattern, name); ok {
			return name
		}
	}
	return ""
}

// install brings the agent to the machine, unless it is there already, and says how it is
// started.
func install(ctx context.Context, m *machine.Machine, o Options) (transport.Command, error) {
	if m.Local() {
		return transport.Command{Path: o.Path}, nil
	}
	op := "install the agent on " + o.Name
	p, err := programFor(ctx, m, o, op)
	if err != nil {
		return transport.Command{}, err
	}
	dir, err := m.Install(ctx, p)
	if err != nil {
		if ctx.Err() != nil {
			return transport.Command{}, ctx.Err()
		}
		return transport.Command{}, transportError(ctx, err, &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: "install"})
	}
	if l := loader(p); l != "" {
		return transport.Command{Path: path.Join(dir, l), Args: []string{"--library-path", dir, path.Join(dir, program)}}, nil
	}
	return transport.Command{Path: path.Join(dir, program)}, nil
}

// programFor is the agent for the machine's processor.
func programFor(ctx context.Context, m *machine.Machine, o Options, op string) (machine.Program, error) {
	arch, err := archOf(ctx, m, o, op)
	if err != nil {
		return machine.Program{}, err
	}
	var p machine.Program
	advice := "`make build` builds it"
	switch arch {
	case "arm64":
		advice = "`make agent-arm64` builds it"
		p, err = Bundle(filepath.Join(o.Bundles, arm64Bundle))
	case runtime.GOARCH:
		p, err = nativeProgram(o)
	default:
		err = fmt.Errorf("this host has one for %s", runtime.GOARCH)
		advice = "use a host of the device's kind"
	}
	if err != nil {
		return p, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonMissing,
			Err: fmt.Errorf("the agent for %s is not here: %w", arch, err), Advice: advice}
	}
	return p, nil
}

// nativeProgram is this machine's agent with its runtime. It uses the C library that it
// finds there, which on x86-64 is new enough wherever models are timed.
func nativeProgram(o Options) (machine.Program, error) {
	p := machine.Program{Name: "agent", Files: map[string]string{
		program: o.Path, library: filepath.Join(filepath.Dir(o.Path), library),
	}}
	for _, file := range p.Files {
		if _, err := os.Stat(file); err != nil {
			return p, err
		}
	}
	return p, nil
}

// archOf asks the machine's kernel.
func archOf(ctx context.Context, m *machine.Machine, o Options, op string) (string, error) {
	if o.Arch != "" {
		return o.Arch, nil
	}
	out, err := transport.Shell(ctx, m.Transport(), 4096, "uname -m")
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", transportError(ctx, err, &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: "arch"})
	}
	return goArch(strings.TrimSpace(out), op)
}

// goArch translates uname's word. armv8l is what a 64-bit ARM kernel tells a 32-bit program,
// such as the shell of a phone whose system is of 32 bits: the agent, which needs nothing
// of that system, runs there.
func goArch(machine, op string) (string, error) {
	e := &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
		Err: fmt.Errorf("latlab has no agent for the processor %.40q", machine)}
	switch {
	case machine == "aarch64" || machine == "arm64" || machine == "armv8l":
		return "arm64", nil
	case machine == "x86_64":
		return "amd64", nil
	case strings.HasPrefix(machine, "arm"):
		e.Err = errors.New("latlab has no agent for 32-bit ARM (" + clip(machine, 40) + ")")
		e.Advice = "a 64-bit system on the board, or a benchmark_model of its own: tool: benchmark_model"
	default:
		e.Advice = "a benchmark_model of its own can be used: tool: benchmark_model"
	}
	return "", e
}

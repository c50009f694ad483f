package agent

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
)

const (
	program     = "latlab-agent"
	library     = "libtensorflowlite_c.so"
	arm64Bundle = "agent-arm64"
	// loaderPattern matches the dynamic loader of every supported C library on Linux. A folder that
	// contains a loader also contains its C library.
	loaderPattern = "ld-linux-*.so.*"
)

// Bundle lists the files of a folder that is copied to a machine: the agent and its runtime and,
// to run on any Linux, the loader and C library that they were built with (`make agent-arm64`).
// Its subfolders, such as licences, are not copied.
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

// loader returns the name of the bundle's own loader; "" if it has none.
func loader(p machine.Program) string {
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		if ok, _ := path.Match(loaderPattern, name); ok {
			return name
		}
	}
	return ""
}

// install copies the agent to the machine, unless it is there already, and returns how to start
// it. arch is the machine's architecture.
func install(ctx context.Context, m *machine.Machine, o Options, arch string) (transport.Command, error) {
	if m.Local() {
		return here(o)
	}
	op := "install the agent on " + o.Name
	p, err := programFor(o, arch, op)
	if err != nil {
		return transport.Command{}, err
	}
	dir, err := m.Install(ctx, p)
	if err != nil {
		return transport.Command{}, err
	}
	return command(p, dir, o.Delegate.Library, op)
}

// here returns how to start this machine's agent. An agent with a loader beside it, as in the
// archive for arm64 (`make dist`), is started by that loader: the C library beside it works with
// no other, and this machine's may be older or missing.
func here(o Options) (transport.Command, error) {
	plain := transport.Command{Path: o.Path}
	file, err := filepath.EvalSymlinks(o.Path)
	if err != nil {
		return plain, nil // starting it reports what is wrong
	}
	dir := filepath.Dir(file)
	p, err := Bundle(dir)
	if err != nil || loader(p) == "" || p.Files[program] != file {
		return plain, nil
	}
	return command(p, dir, o.Delegate.Library, "start the agent of "+o.Name)
}

// command returns the command line of an installed agent. The library path includes the folder of
// the delegate's library, as libQnnHtp.so is beside libQnnTFLiteDelegate.so; the agent's folder
// comes first.
func command(p machine.Program, dir, delegate, op string) (transport.Command, error) {
	folders := []string{dir}
	if delegate != "" {
		folders = append(folders, path.Dir(delegate))
	}
	for _, f := range folders {
		if strings.ContainsAny(f, ":;$") {
			return transport.Command{}, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: machine.ReasonFolder,
				Err: fmt.Errorf("libraries in %q cannot be found: colons, semicolons and dollar signs have a special meaning for the loader", f)}
		}
	}
	if l := loader(p); l != "" {
		return transport.Command{Path: path.Join(dir, l), Args: []string{"--library-path", strings.Join(folders, ":"), path.Join(dir, program)}}, nil
	}
	c := transport.Command{Path: path.Join(dir, program)}
	if delegate != "" {
		c.Env = []string{"LD_LIBRARY_PATH=" + path.Dir(delegate)}
	}
	return c, nil
}

// programFor returns the agent for the machine's processor. An unknown processor is assumed to be
// 64-bit ARM, as phones and boards are; the kernel of any other refuses the program.
func programFor(o Options, arch, op string) (p machine.Program, err error) {
	advice := "`make build` builds it"
	switch arch = cmp.Or(arch, "arm64"); arch {
	case "arm64":
		advice = "`make agent-arm64` builds it"
		p, err = Bundle(filepath.Join(o.Bundles, arm64Bundle))
	case "amd64":
		p, err = nativeProgram(o)
	default:
		return p, refuse(arch, op)
	}
	if err != nil {
		return p, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonMissing,
			Err: fmt.Errorf("the agent for %s is missing: %w", arch, err), Advice: advice}
	}
	return p, nil
}

// nativeProgram returns this machine's agent with its runtime. It uses the C library of the
// target, which on x86-64 is new enough wherever models are timed.
func nativeProgram(o Options) (machine.Program, error) {
	if runtime.GOARCH != "amd64" {
		return machine.Program{}, fmt.Errorf("the agent of this host is for %s: use a host of x86-64", runtime.GOARCH)
	}
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

// refuse reports what to do about a processor without an agent. arch is in Go's notation where
// that is known.
func refuse(arch, op string) error {
	e := &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
		Err:    fmt.Errorf("latlab has no agent for the processor %.40q", arch),
		Advice: "a benchmark_model built for it can be used: tool: benchmark_model"}
	if strings.HasPrefix(arch, "arm") {
		e.Err = fmt.Errorf("latlab has no agent for 32-bit ARM (%.40s)", arch)
		e.Advice = "a 64-bit system on the board, or a benchmark_model built for it: tool: benchmark_model"
	}
	return e
}

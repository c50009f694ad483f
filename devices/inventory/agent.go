package inventory

import (
	"context"
	"maps"
	"path"
	"path/filepath"
	"strings"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/machine"
)

// agentTiming is latlab-agent with XNNPACK, the runtime's own kernels or a delegate's library.
func (l *Lab) agentTiming(e *entry) timing {
	return timing{
		describe: func() (devices.Info, error) { return agent.Describe(l.agentOptions(e, e.delegateLibrary)), nil },
		open: func(ctx context.Context, m *machine.Machine) (devices.Device, error) {
			library, err := bringLibrary(ctx, m, e)
			if err != nil {
				return nil, err
			}
			d, err := agent.Open(ctx, m, l.agentOptions(e, library))
			if err != nil {
				return nil, err
			}
			return d, nil
		},
	}
}

func (l *Lab) agentOptions(e *entry, library string) agent.Options {
	o := agent.Options{
		Name: e.name, Path: l.o.AgentPath, Threads: e.threads, CPUs: e.cpus, Arch: e.arch, Bundles: l.bundles(),
		Delegate: agent.Delegate{Name: e.delegate, Library: library, Options: e.delegateOptions, OnCPU: e.delegateOnCPU},
	}
	if e.delegateName != "" {
		o.Delegate.Name = e.delegateName
	}
	return o
}

// bundleName is the folder of the agent for other machines, beside latlab.
const bundleName = "agent-arm64"

// bundles is the folder that the bundle is in. The user may name either.
func (l *Lab) bundles() string {
	dir := filepath.Clean(l.o.AgentBundle)
	switch {
	case l.o.AgentBundle == "":
		return filepath.Dir(l.o.AgentPath)
	case filepath.Base(dir) == bundleName:
		return filepath.Dir(dir)
	}
	return dir
}

// bringLibrary brings a delegate's library, with what it needs beside it, to the machine and
// returns its path there.
func bringLibrary(ctx context.Context, m *machine.Machine, e *entry) (string, error) {
	there, own := strings.CutPrefix(e.delegateLibrary, onDevice)
	if own || e.delegateLibrary == "" || m.Local() {
		return there, nil
	}
	files := beside(e.libraries)
	maps.Copy(files, beside([]string{e.delegateLibrary}))
	dir, err := m.Install(ctx, machine.Program{Name: "delegate", Files: files})
	if err != nil {
		return "", err
	}
	return path.Join(dir, filepath.Base(e.delegateLibrary)), nil
}

// beside are files that are put into one folder.
func beside(paths []string) map[string]string {
	files := map[string]string{}
	for _, p := range paths {
		files[filepath.Base(p)] = p
	}
	return files
}

package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"latlab/devices/agent/wire"
	"latlab/devices/machine"
	"latlab/devices/state"
)

// fingerprint returns what a latency depends on besides the model. It leaves out the kernel's
// version: an update in the middle of a long sweep would prevent resuming it, and its effect on
// user-space arithmetic is far below the noise.
func (d *Device) fingerprint(id state.Identity) map[string]string {
	f := map[string]string{}
	maps.Copy(f, id.Fingerprint)
	if d.launch.m.Local() {
		d.identifyHere(f)
	} else {
		// An emulator's architecture is not that of its kernel.
		f["arch"] = d.hello.Arch
	}
	f["runtime"], f["library_sha256"] = d.hello.Runtime, d.hello.Library
	f["delegate"] = cmp.Or(d.opts.Delegate.Name, wire.XNNPACK)
	if d.opts.Delegate.external() {
		f["delegate_sha256"] = d.library
		for k, v := range d.opts.Delegate.Options {
			f["delegate_option_"+k] = v
		}
	}
	return f
}

// identify identifies another machine. This machine is identified in a different way, which stored
// sweeps of the local CPU depend on.
func identify(ctx context.Context, m *machine.Machine) (state.Identity, error) {
	if m.Local() {
		return state.Identity{}, nil
	}
	return state.Identify(ctx, m.Transport())
}

// identifyHere adds this machine's processor.
func (d *Device) identifyHere(f map[string]string) {
	f["arch"] = runtime.GOARCH
	fs, err := procfs.NewFS(filepath.Join(d.opts.Root, "proc"))
	if err != nil {
		return
	}
	if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
		c := cpus[0]
		f["cpu"] = strings.TrimSpace(fmt.Sprintf("%s family %s model %s stepping %s", c.ModelName, c.CPUFamily, c.Model, c.Stepping))
		f["cpus"] = strconv.Itoa(len(cpus))
	}
}

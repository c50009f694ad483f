package agent

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"latlab/devices/agent/wire"
)

// fingerprint is what a latency depends on besides the model. The kernel's version is
// not in it: an update in the middle of a long sweep would forbid to go on, and its
// effect on user-space arithmetic is far below the noise.
func (d *Device) fingerprint(_ context.Context) map[string]string {
	f := map[string]string{
		"runtime": d.hello.Runtime, "library_sha256": d.hello.Library, "arch": d.hello.Arch,
		"delegate": cmp.Or(d.opts.Delegate.Name, wire.XNNPACK),
	}
	d.opts.Delegate.fingerprint(f, d.library)
	if d.launch.m.Local() {
		d.identifyHere(f)
	}
	return f
}

// identifyHere names this machine's processor.
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

package inventory

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/tool"
	"latlab/devices/transport"
)

// describeEntry describes a device without contacting it.
func (l *Lab) describeEntry(e *entry) (devices.Info, error) {
	if err := e.filesThere(); err != nil {
		return devices.Info{}, err
	}
	return l.describeTool(e)
}

// describeTool is describeEntry without checking the files of this host.
func (l *Lab) describeTool(e *entry) (devices.Info, error) {
	info, err := e.setup.Describe(l.device(e))
	if err != nil {
		return devices.Info{}, e.located(err)
	}
	info.Name, info.Transport = e.Name, e.Transport
	if e.Precision != "" {
		info.Precisions = defaultFirst(info.Precisions, e.Precision)
	}
	return info, nil
}

// device is the part of an entry that tools need.
func (l *Lab) device(e *entry) tool.Device {
	d := e.Device
	d.Host = tool.Host{Agent: l.o.AgentPath, Bundles: l.bundles(), Python: l.o.Python}
	return d
}

// bundleName is the folder of the agent for other machines, beside latlab.
const bundleName = "agent-arm64"

// bundles is the parent folder of the bundle. The user may name either.
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

// openEntry connects to the machine and opens the device. On failure everything is closed again.
func (l *Lab) openEntry(ctx context.Context, e *entry) (devices.Device, error) {
	info, err := l.describeEntry(e)
	if err != nil {
		return nil, err
	}
	t, err := l.dialTo(ctx, e)
	if err != nil {
		return nil, err
	}
	m, err := l.openMachine(ctx, t, e)
	if err != nil {
		return nil, firstOf(err, t.Close())
	}
	if info.Fingerprint, err = e.identify(ctx, t); err != nil {
		return nil, firstOf(err, m.Close(), t.Close())
	}
	d, err := e.setup.Open(ctx, m, l.device(e))
	if err != nil {
		return nil, firstOf(e.located(err), m.Close(), t.Close())
	}
	return own(d, info, m, t), nil
}

// firstOf returns the first error, joined with cleanup errors that add information: if a phone
// disappeared, every step reports the same.
func firstOf(first error, others ...error) error {
	var e *devices.Error
	if errors.As(first, &e) {
		return first
	}
	return errors.Join(append([]error{first}, others...)...)
}

// identify reads what latencies on a remote machine depend on. For this machine the tool reads it.
func (e *entry) identify(ctx context.Context, t transport.Transport) (map[string]string, error) {
	if e.Local() {
		return nil, nil
	}
	id, err := state.Identify(ctx, t)
	if err != nil {
		return nil, err
	}
	f := maps.Clone(id.Fingerprint)
	if f == nil {
		f = map[string]string{}
	}
	// Two phones of one type are two devices. The address is not part of a phone's identity.
	if serial, ok := e.place.(phone); ok && usbSerial.MatchString(string(serial)) {
		f["serial"] = withoutConflict(string(serial))
	}
	return f, nil
}

// dialTo connects to the machine of a device.
func (l *Lab) dialTo(ctx context.Context, e *entry) (transport.Transport, error) {
	if l.dial != nil {
		return l.dial(ctx, e)
	}
	return e.place.dial(ctx, l)
}

func (l *Lab) openMachine(ctx context.Context, t transport.Transport, e *entry) (*machine.Machine, error) {
	o := l.machineOptions(e)
	if e.Local() && o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, &devices.Error{Fault: devices.FaultLab, Op: "open device " + e.Name, Reason: machine.ReasonFolder, Err: err}
		}
	}
	return machine.Open(ctx, t, o)
}

func (l *Lab) machineOptions(e *entry) machine.Options {
	o := machine.Options{
		Name: e.Name, Dir: e.dir, Budget: e.Budget, CoolDown: e.coolDown, Settings: e.settings, Wrap: e.wrap,
		LockDir: l.lockDir(), LockKey: e.place.lockKey(e),
	}
	if o.Dir == "" {
		o.Dir = e.place.folder(l, e)
	}
	return o
}

// lockDir is a folder of the user's own. Users of one host who share a phone must coordinate.
func (l *Lab) lockDir() string {
	if l.o.LockDir != "" {
		return l.o.LockDir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "latlab", "locks")
}

// owner is a device that also closes its machine and its transport.
type owner struct {
	devices.Device
	info  devices.Info
	close func() error
}

// own makes a device the owner of its machine and transport. The device's optional interfaces,
// which bench asks for, stay visible.
func own(d devices.Device, described devices.Info, m *machine.Machine, t transport.Transport) devices.Device {
	info := d.Info()
	info.Transport, info.Precisions = described.Transport, described.Precisions
	// The tool's own entries win; the machine's identity is added to them.
	info.Fingerprint = maps.Clone(info.Fingerprint)
	for k, v := range described.Fingerprint {
		if _, said := info.Fingerprint[k]; !said {
			info.Fingerprint[k] = v
		}
	}
	o := owner{Device: d, info: info, close: sync.OnceValue(func() error {
		return errors.Join(d.Close(), m.Close(), t.Close())
	})}
	p, prepares := d.(devices.Preparer)
	l, profiles := d.(devices.Profiler)
	switch {
	case prepares && profiles:
		return struct {
			owner
			devices.Preparer
			devices.Profiler
		}{o, p, l}
	case prepares:
		return struct {
			owner
			devices.Preparer
		}{o, p}
	case profiles:
		return struct {
			owner
			devices.Profiler
		}{o, l}
	}
	return o
}

// Info is the device's own, with the name and default precision of the file.
func (o owner) Info() devices.Info { return o.info }

// Close closes the device, its machine and its transport.
func (o owner) Close() error { return o.close() }

// Clean removes all files that latlab put on a device and restores settings that a crashed latlab
// left changed. It returns what was done, a line each. A device in use is refused; an unknown name
// is an *UnknownError.
func (l *Lab) Clean(ctx context.Context, name string) (done []string, err error) {
	f, err := l.familyOf(name)
	if err != nil {
		return nil, err
	}
	if err := f.known(name); err != nil {
		return nil, err
	}
	if f.entry == nil {
		return []string{"nothing to clean: latlab puts no files there: " + name + " is " + f.what}, nil
	}
	e, err := f.entry(name)
	if err != nil {
		return nil, err
	}
	t, err := l.dialTo(ctx, e)
	if err != nil {
		return nil, err
	}
	done, err = machine.Clean(ctx, t, l.machineOptions(e))
	if cerr := t.Close(); err == nil {
		err = cerr
	}
	for i, line := range done {
		done[i] = oneLine(line)
	}
	return done, err
}

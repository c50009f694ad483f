package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// timing is a tool on a machine, of which a Device is made.
type timing struct {
	describe func() (devices.Info, error)
	open     func(ctx context.Context, m *machine.Machine) (devices.Device, error)
}

func (l *Lab) toolOf(e *entry) timing {
	var t timing
	switch e.tool {
	case toolAgent:
		t = l.agentTiming(e)
	case toolBenchmark:
		t = l.benchmarkTiming(e)
	case toolTrtexec:
		return l.trtexecTiming(e)
	default:
		return l.qnnRunTiming(e)
	}
	if e.delegate == delegateEdgeTPU {
		return l.compiled(t, e)
	}
	return t
}

// openEntry opens the machine and makes the device. What was opened is closed again where
// that fails.
func (l *Lab) openEntry(ctx context.Context, e *entry) (devices.Device, error) {
	info, err := l.describeEntry(e)
	if err != nil {
		return nil, err
	}
	t, err := l.dial(ctx, e)
	if err != nil {
		return nil, err
	}
	m, err := l.openMachine(ctx, t, e)
	if err != nil {
		return nil, joined(err, t.Close())
	}
	if info.Fingerprint, err = e.identify(ctx, t); err != nil {
		return nil, joined(err, m.Close(), t.Close())
	}
	d, err := l.toolOf(e).open(ctx, m)
	if err != nil {
		return nil, joined(e.located(err), m.Close(), t.Close())
	}
	return own(d, info, m, t), nil
}

// joined is the first error, with those of giving up what was opened where they say more: of
// a phone that went away every step says the same.
func joined(first error, others ...error) error {
	var e *devices.Error
	if errors.As(first, &e) {
		return first
	}
	return errors.Join(append([]error{first}, others...)...)
}

// identify is what a latency depends on of a machine elsewhere. Of this one the tool says it.
func (e *entry) identify(ctx context.Context, t transport.Transport) (map[string]string, error) {
	if e.local {
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
	// Two phones of one type are two devices. An address is not the phone's own.
	if usbSerial.MatchString(e.adb) {
		f["serial"] = e.adb
	}
	return f, nil
}

// dial reaches the machine that a device is.
func (l *Lab) dial(ctx context.Context, e *entry) (transport.Transport, error) {
	if l.reach != nil {
		return l.reach(ctx, e)
	}
	switch {
	case e.local:
		return transport.Local{}, nil
	case e.ssh.host != "":
		return e.ssh.open(ctx)
	}
	return l.openPhone(ctx, e.adb)
}

func (l *Lab) openMachine(ctx context.Context, t transport.Transport, e *entry) (*machine.Machine, error) {
	o := l.machineOptions(e)
	if e.local && o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, &devices.Error{Fault: devices.FaultLab, Op: "open device " + e.name, Reason: machine.ReasonFolder, Err: err}
		}
	}
	return machine.Open(ctx, t, o)
}

func (l *Lab) machineOptions(e *entry) machine.Options {
	return machine.Options{
		Name: e.name, Dir: l.folder(e), Budget: e.budget, CoolDown: e.coolDown, Settings: e.settings, Wrap: e.wrap,
		LockDir: l.lockDir(), LockKey: e.lockKey(),
	}
}

// folder is latlab's own on the device. On this machine there is nothing to put into one but
// the note of what is to be set back.
func (l *Lab) folder(e *entry) string {
	switch {
	case e.dir != "":
		return e.dir
	case e.adb != "":
		// The one folder that Android's shell may both write and start programs in.
		return "/data/local/tmp/latlab"
	case e.ssh.host != "":
		return "~/.cache/latlab"
	case e.settings != state.Settings{}:
		return filepath.Join(filepath.Dir(l.lockDir()), "settings")
	}
	return ""
}

// lockKey is the same for all names of one machine: two sweeps would disturb each other on
// two delegates of one phone as well. Of this machine it is the device's name: what is
// plugged into it can be timed at once, and is not told apart.
func (e *entry) lockKey() string {
	switch {
	case e.adb != "":
		return "adb:" + e.adb
	case e.ssh.host != "":
		return fmt.Sprintf("ssh:%s:%d", e.ssh.host, e.ssh.port)
	}
	if e.settings != (state.Settings{}) {
		return "local" // they share the note of what is to be set back
	}
	return "local:" + e.name
}

// lockDir is a folder of the user's own: whoever shares a phone with another user of this
// host has to agree with them.
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

// defaultFirst puts the precision that the file wants in front.
func defaultFirst(have []model.Precision, want model.Precision) []model.Precision {
	i := slices.Index(have, want)
	if i < 0 {
		return have
	}
	return slices.Concat([]model.Precision{want}, have[:i], have[i+1:])
}

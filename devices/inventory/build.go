package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// timing is a tool on a machine, of which a Device is made.
type timing struct {
	describe func() (devices.Info, error)
	open     func(ctx context.Context, m *machine.Machine) (devices.Device, error)
}

func (l *Lab) toolOf(e *entry) timing {
	if e.tool == toolAgent {
		return l.agentTiming(e)
	}
	err := e.fault("tool", fmt.Errorf("this latlab has no %s yet", e.tool))
	return timing{
		describe: func() (devices.Info, error) { return devices.Info{}, err },
		open:     func(context.Context, *machine.Machine) (devices.Device, error) { return nil, err },
	}
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
	m, err := machine.Open(ctx, t, l.machineOptions(e))
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	d, err := l.toolOf(e).open(ctx, m)
	if err != nil {
		return nil, errors.Join(err, m.Close(), t.Close())
	}
	return own(d, info, m, t), nil
}

// dial reaches the machine that a device is.
func (l *Lab) dial(_ context.Context, e *entry) (transport.Transport, error) {
	if e.local {
		return transport.Local{}, nil
	}
	return nil, e.fault(e.transport(), errors.New("this latlab has no such transport yet"))
}

func (l *Lab) machineOptions(e *entry) machine.Options {
	return machine.Options{
		Name: e.name, Dir: e.folder(), Budget: e.budget, CoolDown: e.coolDown, Settings: e.settings, Wrap: e.wrap,
		LockDir: l.lockDir(), LockKey: e.lockKey(),
	}
}

// folder is latlab's own on the device.
func (e *entry) folder() string {
	switch {
	case e.dir != "":
		return e.dir
	case e.adb != "":
		// The one folder that Android's shell may both write and start programs in.
		return "/data/local/tmp/latlab"
	case e.ssh.host != "":
		return "~/.cache/latlab"
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

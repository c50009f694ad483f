// Package machine holds what all machines that models are timed on have in common, whether
// this host, a phone on a cable or a board in the rack: a private folder, models that are
// staged there once under a disk budget, programs that are installed once and verified by
// hash, settings that are restored, a gate that waits until the machine is cool, its state
// before and after each block, and a lock against a second latlab.
//
// It does not know which program does the timing (devices/agent, devices/tool) or how the
// machine is reached (devices/transport). It refuses a folder that belongs to somebody else,
// that is a link, or that holds files without latlab's marker. In its folder it changes only
// models, programs, temporary files and its journal of settings.
//
// The folder on the machine:
//
//	.latlab              the marker: without it nothing is ever removed
//	models/              staged models, IDENTITY.tflite; removed when the machine is closed
//	programs/NAME-HASH/  installed programs; they stay until they are replaced or cleaned
//	tmp/                 what tools write; removed when the machine is closed
//	settings.json        the settings that latlab changed and has to restore (devices/state)
package machine

import (
	"context"
	"errors"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
)

// DefaultBudget is the default limit in bytes for models on a device: what a batch of 50 networks takes, so that none is
// transferred twice.
const DefaultBudget = 4 << 30

// Options configure a machine.
type Options struct {
	Name string // of the device, for errors
	// Dir is latlab's private folder on the machine, absolute or "~/..." for its home folder.
	// A remote machine needs one.
	Dir    string
	Root   string // of /proc and /sys on the machine, for tests; default "/"
	Budget int64  // limit in bytes for staged models; default DefaultBudget
	// CoolDown is the gate before every block.
	CoolDown CoolDown
	// Settings are made when the machine is opened and restored when it is closed.
	Settings state.Settings
	// Wrap is a program with its arguments that starts every timed program: "taskset f0",
	// "qemu-aarch64-static".
	Wrap []string
	// LockDir is a folder of this host for lock files, so that two sweeps do not time on one
	// device; "" = no lock.
	LockDir string
	// LockKey identifies the phone or board whatever its name: its serial number or address.
	// The default is Name.
	LockKey string
}

// Machine is a machine in use.
type Machine struct {
	t     transport.Transport
	o     Options
	local bool
	lock  *lock
	busy  atomic.Bool

	// turn is held while files on the machine change. Two pushes at once would share one
	// connection and gain nothing, and both would have to keep to one budget.
	turn   chan struct{}
	closed bool // under turn
	// sums reports whether the machine can hash; if not, files are read back.
	sums      bool
	cache     *cache
	installed map[string]bool // folders verified since Open, under turn
	left      atomic.Bool     // models or temporary files were put there
	traffic   traffic
	constants constants

	closing  sync.Once
	closeErr error
}

// Open takes the machine into use. It first cleans up the settings and files that a crashed
// latlab left. A machine that a different process uses is a *devices.Error (ReasonBusy).
func Open(ctx context.Context, t transport.Transport, o Options) (*Machine, error) {
	m := with(t, o)
	var err error
	if m.lock, err = acquireLock(o.LockDir, m.o.LockKey, m.o.Name); err != nil {
		return nil, err
	}
	if err := m.begin(ctx); err != nil {
		m.lock.release()
		return nil, err
	}
	return m, nil
}

func with(t transport.Transport, o Options) *Machine {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	if o.LockKey == "" {
		o.LockKey = o.Name
	}
	_, local := t.(interface{ IsLocal() })
	return &Machine{t: t, o: o, local: local, turn: make(chan struct{}, 1), cache: newCache(o.Budget), installed: map[string]bool{}}
}

func (m *Machine) begin(ctx context.Context) error {
	if !m.Local() {
		if err := m.openFolder(ctx); err != nil {
			return err
		}
	}
	return m.applySettings(ctx)
}

// Local reports whether the machine is this host. Then nothing is staged or installed.
func (m *Machine) Local() bool { return m.local }

// Transport returns the transport, for operations that Machine does not offer.
func (m *Machine) Transport() transport.Transport { return m.t }

// Dir is latlab's private folder on the machine, absolute; "" on this host.
func (m *Machine) Dir() string { return m.o.Dir }

func (m *Machine) path(elem ...string) string {
	return path.Join(append([]string{m.o.Dir}, elem...)...)
}

// Start starts a timed program, with Options.Wrap in front.
func (m *Machine) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	return m.t.Start(ctx, m.Wrapped(c))
}

// Wrapped returns the command as Start starts it. It is for callers that put a command of the
// machine itself in front: taskset, for example, belongs to the machine, and an emulator in
// Wrap could not run it.
func (m *Machine) Wrapped(c transport.Command) transport.Command {
	if w := m.o.Wrap; len(w) > 0 {
		c.Args = slices.Concat(w[1:], []string{c.Path}, c.Args)
		c.Path = w[0]
	}
	return c
}

// State reads the machine's condition now. What cannot be read is nil, as is a sensor that was seen
// to be constant; an unreachable machine is an error.
func (m *Machine) State(ctx context.Context) (devices.State, error) {
	s, err := m.state(ctx)
	m.constants.leaveOut(&s)
	return s, err
}

func (m *Machine) state(ctx context.Context) (devices.State, error) {
	// The check uses the transport, not Local, because On makes a Machine that stands for this
	// host but has a transport of its own.
	if _, here := m.t.(interface{ IsLocal() }); here {
		return state.Read(m.o.Root), nil
	}
	return state.Over(ctx, m.t, state.OverOptions{Root: m.o.Root})
}

// closeTimeout limits Close, which has no context: the sweep's may have ended long before.
const closeTimeout = 20 * time.Second

// Close restores settings, removes staged models and temporary files and releases the machine.
// It does not close the transport, which belongs to the caller. If the machine is offline, the
// error lists what remains there until the next Open.
func (m *Machine) Close() error {
	m.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		m.closeErr = m.end(ctx)
		m.lock.release()
	})
	return m.closeErr
}

func (m *Machine) end(ctx context.Context) error {
	// Settings come first and without waiting for turn: a push that hangs must not delay them.
	restored := m.restoreSettings(ctx)
	if err := m.take(ctx); err != nil {
		return errors.Join(restored, m.fail("close device "+m.o.Name, devices.ReasonHung, errors.New("a push is still running")))
	}
	defer m.give()
	m.closed = true
	err := errors.Join(restored, m.leave(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		return m.fail("close device "+m.o.Name, devices.ReasonHung, err)
	}
	return err
}

// take waits until this caller may change files on the machine.
func (m *Machine) take(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Machine) give() { <-m.turn }

// begins is take, and fails if the machine is closed.
func (m *Machine) begins(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.take(ctx); err != nil {
		return err
	}
	if m.closed {
		m.give()
		return &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "closed", Err: errors.New("device " + m.o.Name + " was closed")}
	}
	return nil
}

// Here is this host as it is: it needs no staging, installing or settings.
func Here(name string) *Machine { return On(transport.Local{}, name) }

// On is Here with a given transport that stands for this host.
func On(t transport.Transport, name string) *Machine {
	m := with(t, Options{Name: name})
	m.local = true
	return m
}

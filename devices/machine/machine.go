// Package machine is what every machine that models are timed on has in common, be it this
// one, a phone on a cable or a board in the rack: a private folder, models that are staged
// there once under a disk budget, programs that are installed once and verified by hash,
// settings that are restored, a gate that waits until it is cool, its state before and after
// each block, and a lock against a second latlab.
//
// It refuses to know which program times (devices/agent, devices/tool) and over what wire it
// is reached (devices/transport). It refuses a folder that is not its own: one that belongs
// to somebody else, that is a link, or that holds files without latlab's marker. What is
// there besides models, programs and temporary files it never touches.
//
// The folder on the machine:
//
//	.latlab              the marker: without it nothing is ever removed
//	models/              staged models, IDENTITY.tflite; gone when the machine is closed
//	programs/NAME-HASH/  installed programs; they stay until they are replaced or cleaned
//	tmp/                 what tools write; gone when the machine is closed
//	settings.json        what latlab changed and has to change back (devices/state)
package machine

import (
	"context"
	"errors"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
)

// DefaultBudget is the bytes of models that a device keeps where nothing else was asked for.
const DefaultBudget = 1 << 30

// Options are what a machine is told.
type Options struct {
	Name string // of the device, for errors
	// Dir is latlab's private folder there, absolute, or "~/..." in the home there; needed
	// where the transport is not of this machine.
	Dir    string
	Root   string // of /proc and /sys there, for tests; "/" unless told
	Budget int64  // bytes of staged models; DefaultBudget unless told
	// CoolDown is waited for before every block.
	CoolDown CoolDown
	// Settings are made when the machine is opened and taken back when it is closed.
	Settings state.Settings
	// Wrap is a program, with its arguments, that every timed program is started by:
	// "taskset f0", "qemu-aarch64-static".
	Wrap []string
	// LockDir is a folder of this host where a machine in use is locked, so that two sweeps
	// do not time on one device; "" = no lock.
	LockDir string
	// LockKey is what is locked: the same for all names of one phone or board, its serial
	// number or address. Name unless told.
	LockKey string
}

// Machine is a machine in use.
type Machine struct {
	t     transport.Transport
	o     Options
	local bool
	lock  *lock
	busy  atomic.Bool

	// turn holds the right to change files on the machine: one at a time. Two pushes at once
	// would share one wire and gain nothing, and one budget would have to be kept by both.
	turn   chan struct{}
	closed bool // under turn
	// sums says that the machine can hash; where it cannot, files are read back.
	sums      bool
	cache     *cache
	installed map[string]bool // folders verified since Open, under turn
	left      atomic.Bool     // models or temporary files were put there
	traffic   traffic

	closing  sync.Once
	closeErr error
}

// Open takes the machine into use. What a latlab that crashed left there, settings and files,
// is put right first. A machine that another process uses is a *devices.Error (ReasonBusy).
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

// Local reports whether the machine is this one: nothing is staged or installed then.
func (m *Machine) Local() bool { return m.local }

// Transport is for what only a transport does.
func (m *Machine) Transport() transport.Transport { return m.t }

// Dir is latlab's private folder there, absolute, "" on this machine.
func (m *Machine) Dir() string { return m.o.Dir }

func (m *Machine) path(elem ...string) string {
	return path.Join(append([]string{m.o.Dir}, elem...)...)
}

// Start starts a program that times, behind Options.Wrap.
func (m *Machine) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	return m.t.Start(ctx, m.Wrapped(c))
}

// State is the machine's condition now. What cannot be read is nil; a machine that cannot be
// reached is an error.
func (m *Machine) State(ctx context.Context) (devices.State, error) {
	// By the transport, not by Local: On stands for this machine through another's eyes.
	if _, here := m.t.(interface{ IsLocal() }); here {
		return state.Read(m.o.Root), nil
	}
	return state.Over(ctx, m.t, state.OverOptions{Root: m.o.Root})
}

// closeTimeout bounds Close, which has no context: the sweep's may have ended long before.
const closeTimeout = 20 * time.Second

// Close takes settings back, removes staged models and temporary files and gives the machine
// up. The transport stays open: whoever opened it closes it. A machine that is away is an
// error that says what remains there until the next Open.
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
	// Settings first, and without waiting: a push that does not end must not keep them.
	restored := m.restoreSettings(ctx)
	if err := m.take(ctx); err != nil {
		return errors.Join(restored, m.fail("close device "+m.o.Name, devices.ReasonHung, errors.New("a push is still going on")))
	}
	defer m.give()
	m.closed = true
	err := errors.Join(restored, m.leave(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		return m.fail("close device "+m.o.Name, devices.ReasonHung, err)
	}
	return err
}

// take waits for the right to change files on the machine.
func (m *Machine) take(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Machine) give() { <-m.turn }

// begins is take for what only an open machine does.
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

// Here is this machine, as it is: nothing to stage, to install or to set.
func Here(name string) *Machine { return On(transport.Local{}, name) }

// On is Here through a transport that stands for this machine.
func On(t transport.Transport, name string) *Machine {
	m := with(t, Options{Name: name})
	m.local = true
	return m
}

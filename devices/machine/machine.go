// Package machine is what every machine that models are timed on has in common, be it this
// one, a phone on a cable or a board in the rack: a private folder, models that are staged
// there once under a disk budget, programs that are installed once and verified by hash,
// settings that are restored, a gate that waits until it is cool, its state before and after
// each block.
//
// It refuses to know which program times (devices/agent, devices/tool) and over what wire it
// is reached (devices/transport).
package machine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// DefaultBudget is the bytes of models that a device keeps where nothing else was asked for.
const DefaultBudget = 1 << 30

// Options are what a machine is told.
type Options struct {
	Name   string // of the device, for errors
	Dir    string // latlab's private folder there, absolute; needed where Transport is not Local
	Root   string // of /proc and /sys on this machine, for tests; "/" unless told
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
}

// CoolDown is a gate: a block begins when the hottest sensor is below a temperature, or when
// it was waited for long enough; the block then has a warning.
type CoolDown struct {
	BelowC float64       // degrees Celsius; 0 = no gate
	Limit  time.Duration // the longest wait
}

// Machine is a machine in use.
type Machine struct {
	t    transport.Transport
	o    Options
	busy atomic.Bool
}

// Open takes the machine into use. What a latlab that crashed left there, settings and files,
// is put right first.
func Open(_ context.Context, t transport.Transport, o Options) (*Machine, error) {
	if o.Root == "" {
		o.Root = "/"
	}
	return &Machine{t: t, o: o}, nil
}

// Local reports whether the machine is this one: nothing is staged or installed then.
func (m *Machine) Local() bool { _, ok := m.t.(interface{ IsLocal() }); return ok }

// Transport is for what only a transport does.
func (m *Machine) Transport() transport.Transport { return m.t }

// Dir is latlab's private folder there, "" on this machine.
func (m *Machine) Dir() string { return m.o.Dir }

// Start starts a program that times, behind Options.Wrap.
func (m *Machine) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	return m.t.Start(ctx, m.Wrapped(c))
}

// Staged is a model's bytes where the machine's programs can read them.
type Staged struct {
	Path   string // there
	SHA256 string // hex, of the bytes
	close  func()
}

// Close allows the file to be removed.
func (s *Staged) Close() { s.close() }

// Stage brings a model's bytes to the machine, unless they are there already. Models that
// were used longest ago are removed when the budget is spent, and all of them on Close.
func (m *Machine) Stage(ctx context.Context, op string, mdl *model.Model) (*Staged, error) {
	f, err := mdl.Open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, devices.ModelBytes(op, err)
	}
	if !m.Local() {
		f.Close()
		return nil, errors.ErrUnsupported // HELPER: remote staging
	}
	return &Staged{Path: f.Path, SHA256: f.SHA256, close: f.Close}, nil
}

// Program is files that belong together and are installed as one: a tool with its libraries,
// the agent's bundle.
type Program struct {
	Name  string            // of its folder: "agent", "benchmark_model"
	Files map[string]string // name there -> path of the file on this host; modes are kept
}

// Install brings a program to the machine, unless it is there already with the same hashes,
// and returns its folder. An older one of the same name is removed.
func (m *Machine) Install(_ context.Context, p Program) (dir string, err error) {
	return path.Join(m.o.Dir, p.Name), errors.ErrUnsupported // HELPER
}

// Block is one block: it waits until the machine is cool, reads its state, runs f, which
// fills in what the tool said, and reads the state again. One more at the same time is
// refused (devices.ReasonBusy).
func (m *Machine) Block(ctx context.Context, op string, f func(*devices.Block) error) (*devices.Block, error) {
	if !m.busy.CompareAndSwap(false, true) {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err: fmt.Errorf("device %s times another model: two at once would both be slow", m.o.Name)}
	}
	defer m.busy.Store(false)
	b := &devices.Block{Started: time.Now(), Before: m.State(ctx)}
	if err := f(b); err != nil {
		return nil, err
	}
	b.After = m.State(ctx)
	b.Elapsed = time.Since(b.Started).Seconds()
	return b, nil
}

// State is the machine's condition now. What cannot be read is nil.
func (m *Machine) State(_ context.Context) devices.State { return state.Read(m.o.Root) }

// Close takes settings back, removes staged models and gives the machine up. The transport
// stays open: whoever opened it closes it.
func (m *Machine) Close() error { return nil }

// Clean removes all that latlab ever put on the machine and takes settings back. It returns
// what was done, a line each.
func Clean(_ context.Context, _ transport.Transport, _ Options) ([]string, error) {
	return nil, errors.ErrUnsupported // HELPER
}

// Here is this machine, as it is: nothing to stage, to install or to set.
func Here(name string) *Machine { return On(transport.Local{}, name) }

// On is Here through a transport that stands for this machine.
func On(t transport.Transport, name string) *Machine {
	return &Machine{t: t, o: Options{Name: name, Root: "/"}}
}

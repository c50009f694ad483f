package trtexec_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/tool/trtexec"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testboard/trtfake"
	"latlab/sampler/model"
)

// cable is a connection that can be interrupted: once armed, the next call finds the board offline and
// the call after it finds it online again.
type cable struct {
	transport.Transport
	server *sshtest.Server
	armed  atomic.Bool
}

func (c *cable) Start(ctx context.Context, cmd transport.Command) (transport.Process, error) {
	if c.armed.CompareAndSwap(true, false) {
		c.server.Refuse(true)
		c.server.Cut()
		defer c.server.Refuse(false)
	}
	return c.Transport.Start(ctx, cmd)
}

// overSSH is a board behind a real sshd, with our client; latlab's folder is in the test's folder.
func overSSH(t testing.TB, s *sshtest.Server, dir string) (*trtexec.Device, *cable) {
	t.Helper()
	return overSSHWith(t, s, dir, trtexec.Options{})
}

func overSSHWith(t testing.TB, s *sshtest.Server, dir string, o trtexec.Options) (*trtexec.Device, *cable) {
	t.Helper()
	tr, err := ssh.Open(t.Context(), ssh.Options{Host: s.Host, Port: s.Port, User: s.User, IdentityFiles: []string{s.Key},
		KnownHosts: []string{s.KnownHosts}, Config: "none", Agent: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &cable{Transport: tr, server: s}
	m, err := machine.Open(t.Context(), c, machine.Options{Name: "jetson", Dir: filepath.Join(s.Dir, "latlab-board")})
	if err != nil {
		t.Fatal(err)
	}
	o.Name, o.Path = "jetson", filepath.Join(dir, "trtexec")
	d, err := trtexec.Open(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

// TestConformanceOverSSH: the conformance tests behind a real sshd.
func TestConformanceOverSSH(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: every block is a dozen sessions of sshd")
	}
	c := knowing(t)
	s := sshtest.Start(t, sshtest.Options{})
	// The block's deadline in the check of a hang, a third of a second, may pass before trtexec is
	// started over ssh. A fault that was not used up then must not affect the next Run.
	faulty := func(fault string) func(testing.TB) (devices.Device, *model.Model) {
		return func(t testing.TB) (devices.Device, *model.Model) {
			dir := board(t, c)
			d, _ := overSSH(t, s, dir)
			if err := d.Prepare(t.Context(), good(t)); err != nil {
				t.Fatal(err)
			}
			trtfake.Next(t, dir, fault)
			return first{d, dir}, good(t)
		}
	}
	devicetest.Run(t, devicetest.Suite{
		Open: func(t testing.TB) devices.Device {
			d, _ := overSSH(t, s, board(t, c))
			return d
		},
		Good: good, Bad: unknown,
		Crash: faulty(trtfake.Crash), Hang: faulty(trtfake.Hang),
		Offline: func(t testing.TB) (devices.Device, *model.Model) {
			d, cable := overSSH(t, s, board(t, c))
			cable.armed.Store(true)
			return d, good(t)
		},
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			some := c
			some.Left = 2
			d, _ := overSSHWith(t, s, board(t, some), trtexec.Options{DLACore: new(0), GPUFallback: true})
			return d, good(t)
		},
		Processes: func() int { return running(t) },
		State:     func() string { return left(t, filepath.Join(s.Dir, "latlab-board")) },
	})
}

// first is a device whose fault is cleared when its first Run ends.
type first struct {
	devices.Device
	dir string
}

func (f first) Run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	defer trtfake.Forget(f.dir)
	return f.Device.Run(ctx, m, p)
}

// left are the models and temporary files in latlab's folder on the board.
func left(t testing.TB, dir string) string {
	t.Helper()
	var found []string
	for _, sub := range []string{"models", "tmp"} {
		inside, err := filepath.Glob(filepath.Join(dir, sub, "*"))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, inside...)
	}
	return strings.Join(found, "\n")
}

// TestPulledCable: a connection that breaks in the middle of a block is the device's fault, and no
// process keeps running there.
func TestPulledCable(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	dir := board(t, quiet())
	d, _ := overSSH(t, s, dir)
	defer closes(t, d)
	m := good(t)
	if err := d.Prepare(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	trtfake.Next(t, dir, trtfake.Hang)
	failed := make(chan error, 1)
	go func() {
		_, err := d.Run(t.Context(), m, devicetest.Plan())
		failed <- err
	}()
	// A program that is killed before it takes the fault leaves it to the next run.
	eventually(t, func() bool { return running(t) == 1 && trtfake.Taken(dir) })
	s.Cut()
	var e *devices.Error
	if err := <-failed; !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != devices.ReasonOffline {
		t.Errorf("error is %v", err)
	}
	eventually(t, func() bool { return running(t) == 0 })
	if b, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil || len(b.Samples) == 0 {
		t.Errorf("the run after it: %v", err)
	}
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}

package agent_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/agent/agenttest"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/devices/transport/adb"
	"latlab/devices/transport/adb/adbtest"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

// reach connects to a machine by a real client: this machine, or a root folder of it.
type reach struct {
	name string
	open func(t testing.TB, root string) (transport.Transport, func(away bool))
}

func reaches() []reach { return []reach{{"ssh", overSSH}, {"adb", overADB}} }

// overADB reaches a phone through the real adb server.
func overADB(t testing.TB, root string) (transport.Transport, func(bool)) {
	t.Helper()
	server := adbtest.Server(t)
	phone := adbtest.Phone(t, server, adbtest.Options{Root: root, Shell: []string{"/bin/sh"}})
	tr, err := adb.Open(t.Context(), adb.Options{Serial: phone.Serial(), Server: adb.Server{Addr: server.Addr, Binary: server.Binary}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr, func(away bool) {
		if away {
			phone.Offline()
			return
		}
		if err := errors.Join(phone.Back(), server.Connect(phone.Serial())); err != nil {
			t.Error(err)
		}
	}
}

// overSSH reaches a real sshd. While it is away, it accepts no connections and closes existing ones.
func overSSH(t testing.TB, root string) (transport.Transport, func(bool)) {
	t.Helper()
	s := sshtest.Start(t, sshtest.Options{Root: root})
	tr, err := ssh.Open(t.Context(), ssh.Options{
		Host: s.Host, User: s.User, Port: s.Port, IdentityFiles: []string{s.Key}, KnownHosts: []string{s.KnownHosts}, Config: "none", Agent: "none",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr, func(away bool) {
		s.Refuse(away)
		if away {
			s.Cut()
		}
	}
}

// TestConformanceOverRealClients runs the whole suite on this machine's agent, reached by real
// clients.
func TestConformanceOverRealClients(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundred processes behind sshd and adbd: half a minute")
	}
	for _, r := range reaches() {
		t.Run(r.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			tr, away := r.open(t, "")
			conformance(t, tr, away)
		})
	}
}

func conformance(t *testing.T, tr transport.Transport, away func(bool)) {
	dir := filepath.Join(t.TempDir(), "latlab")
	open := func(t testing.TB) *agent.Device { return board(t, tr, machine.Options{Dir: dir}, agent.Options{}) }
	misbehaving := func(t testing.TB, mode string) (devices.Device, *model.Model) {
		flag := filepath.Join(t.TempDir(), "misbehaved")
		d := board(t, tr, machine.Options{Dir: dir, Wrap: []string{"env", fakeEnv + "=" + mode, onceEnv + "=" + flag}},
			agent.Options{Path: bundleOf(t, self(t))})
		return d, tinyModel(t)
	}
	devicetest.Run(t, devicetest.Suite{
		Open:  func(t testing.TB) devices.Device { return open(t) },
		Good:  tinyModel,
		Bad:   rejectedModel,
		Crash: func(t testing.TB) (devices.Device, *model.Model) { return misbehaving(t, "segfault") },
		Hang:  func(t testing.TB) (devices.Device, *model.Model) { return misbehaving(t, "hang") },
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			return open(t), partlyDelegated(t)
		},
		Offline: func(t testing.TB) (devices.Device, *model.Model) {
			return &returning{Device: open(t), away: away}, tinyModel(t)
		},
		Processes: func() int { return runningBelow(t, dir) },
		State: func() string {
			models, err := filepath.Glob(filepath.Join(dir, "models", "*"))
			if err != nil {
				t.Fatal(err)
			}
			return affinity(t) + leftovers(t) + strings.Join(models, "\n")
		},
	})
	if _, err := machine.Clean(t.Context(), tr, machine.Options{Name: "board", Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Clean: %v", err)
	}
}

// returning is a device that is offline at its next Run and back at the one after it.
type returning struct {
	devices.Device
	away func(bool)
	been bool
}

func (r *returning) Run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	if !r.been {
		r.been = true
		r.away(true)
		defer r.away(false)
	}
	return r.Device.Run(ctx, m, p)
}

// TestNothingInstalledOverRealClients times on an emulated 64-bit ARM that is reached by a
// real client, in a root folder with a shell, the emulator and the files that latlab copied.
func TestNothingInstalledOverRealClients(t *testing.T) {
	if testing.Short() {
		t.Skip("an agent in the emulator behind sshd and adbd: ten seconds")
	}
	for _, r := range reaches() {
		t.Run(r.name, func(t *testing.T) {
			e, mo, o := emulated(t)
			agenttest.MountProc(t, e.root)
			tr, _ := r.open(t, e.root)
			d := board(t, tr, mo, o)
			for _, m := range []*model.Model{tinyModel(t), tinyInt8(t)} {
				b, err := d.Run(t.Context(), m, devicetest.Plan())
				if err != nil {
					t.Fatal(err)
				}
				if p := b.Delegation; p.Name != "xnnpack" || p.Nodes == 0 || p.Delegated == 0 || len(b.Samples) < 3 || !(b.CPUSamples[0] > 0) {
					t.Errorf("block is %+v", b)
				}
				if m.Precision == model.Float32 {
					checkVerdict(t, devices.Info{Kind: devices.Measured, Delegate: "xnnpack", Accelerator: true}, b, verdict.Valid, "")
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := machine.Clean(t.Context(), tr, machine.Options{Name: "board", Dir: mo.Dir}); err != nil {
				t.Fatal(err)
			}
			if left, err := os.ReadDir(filepath.Join(e.root, "data")); err != nil || len(left) != 0 {
				t.Errorf("after Clean: %v, %v", left, err)
			}
		})
	}
}

// BenchmarkPush measures how long copying the bundle takes.
func BenchmarkPush(b *testing.B) {
	p, err := agent.Bundle(filepath.Join(testenv.Bundles(b), "agent-arm64"))
	if err != nil {
		b.Fatal(err)
	}
	var size int64
	for _, f := range p.Files {
		st, err := os.Stat(f)
		if err != nil {
			b.Fatal(err)
		}
		size += st.Size()
	}
	for _, r := range reaches() {
		b.Run(r.name, func(b *testing.B) {
			tr, _ := r.open(b, "")
			b.SetBytes(size)
			for b.Loop() {
				mo := machine.Options{Name: "board", Dir: filepath.Join(b.TempDir(), "latlab")}
				m, err := machine.Open(b.Context(), tr, mo)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := m.Install(b.Context(), p); err != nil {
					b.Fatal(err)
				}
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
				if _, err := machine.Clean(b.Context(), tr, mo); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

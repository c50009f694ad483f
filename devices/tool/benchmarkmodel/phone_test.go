package benchmarkmodel_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/tool/benchmarkmodel"
	"latlab/devices/transport"
	"latlab/devices/transport/adb"
	"latlab/devices/transport/adb/adbtest"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testphone"
	"latlab/sampler/model"
)

// phoneDir is latlab's folder on the phone.
const phoneDir = testphone.Tmp + "/latlab"

// wire is a kind of connection to a phone.
type wire interface {
	// reach opens a transport, closed when the test ends.
	reach(t testing.TB) transport.Transport
	// leave makes the phone unreachable for the next command, once.
	leave(tr transport.Transport)
}

// wires are the kinds of connections that the tests use.
var wires = map[string]func(t testing.TB, p *testphone.Phone) wire{
	"chroot": func(_ testing.TB, p *testphone.Phone) wire { return byChroot{p} },
	"adb":    throughADB,
	"sshd": func(t testing.TB, p *testphone.Phone) wire {
		return bySSH{sshtest.Start(t, sshtest.Options{Root: p.Root})}
	},
}

type byChroot struct{ p *testphone.Phone }

func (b byChroot) reach(testing.TB) transport.Transport { return b.p.Transport() }
func (b byChroot) leave(tr transport.Transport)         { tr.(*testphone.Chroot).Away = true }

// byADB is the real adb server and an adbd that it connects to.
type byADB struct {
	server *adbtest.ADB
	phone  *adbtest.Fake
}

func throughADB(t testing.TB, p *testphone.Phone) wire {
	s := adbtest.Server(t)
	return byADB{s, adbtest.Phone(t, s, adbtest.Options{Root: p.Root, Env: testphone.Env()})}
}

func (b byADB) reach(t testing.TB) transport.Transport {
	t.Helper()
	tr, err := adb.Open(t.Context(), adb.Options{Serial: b.phone.Serial(), Server: adb.Server{Addr: b.server.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return &outage{Transport: tr, broken: func(on bool) {
		if on {
			b.phone.Offline()
			return
		}
		if err := errors.Join(b.phone.Back(), b.server.Connect(b.phone.Serial())); err != nil {
			t.Error(err)
		}
	}}
}

func (b byADB) leave(tr transport.Transport) { tr.(*outage).armed.Store(true) }

type bySSH struct{ s *sshtest.Server }

func (b bySSH) reach(t testing.TB) transport.Transport {
	t.Helper()
	tr, err := ssh.Open(t.Context(), ssh.Options{
		Host: b.s.Host, Port: b.s.Port, User: b.s.User, IdentityFiles: []string{b.s.Key}, KnownHosts: []string{b.s.KnownHosts}, Config: "none", Agent: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return &outage{Transport: tr, broken: func(on bool) {
		b.s.Refuse(on)
		if on {
			b.s.Cut()
		}
	}}
}

func (b bySSH) leave(tr transport.Transport) { tr.(*outage).armed.Store(true) }

// outage is a real connection that is broken while the next command is started, and refused until that
// command has failed.
type outage struct {
	transport.Transport
	armed  atomic.Bool
	broken func(bool)
}

func (o *outage) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	if o.armed.CompareAndSwap(true, false) {
		o.broken(true)
		defer o.broken(false)
	}
	return o.Transport.Start(ctx, c)
}

// phones is one phone shared by all devices of a test.
type phones struct {
	*testphone.Phone
	wire
}

func newPhone(t testing.TB, way string, c testphone.Config) phones {
	t.Helper()
	p := testphone.New(t, testphone.Options{Model: c})
	return phones{p, wires[way](t, p)}
}

// open opens a device on the phone, over a transport of its own.
func (p phones) open(t testing.TB, tr transport.Transport, o benchmarkmodel.Options) *benchmarkmodel.Device {
	t.Helper()
	m, err := machine.Open(t.Context(), tr, machine.Options{Name: "phone", Dir: phoneDir})
	if err != nil {
		t.Fatal(err)
	}
	o.Name = "phone"
	if o.Binary == (benchmarkmodel.File{}) {
		o.Binary.Host = testphone.BenchmarkModel(t)
	}
	d, err := benchmarkmodel.Open(t.Context(), m, o)
	if err != nil {
		_ = m.Close()
		t.Fatal(err)
	}
	return d
}

// TestConformanceOnAPhone leaves out sshd, which passes but takes minutes, because each session needs
// a new login. TestBlockOnAPhone runs a block over it.
func TestConformanceOnAPhone(t *testing.T) {
	for way := range wires {
		if way != "sshd" {
			t.Run(way, func(t *testing.T) { conformance(t, way) })
		}
	}
}

func conformance(t *testing.T, way string) {
	p := newPhone(t, way, testphone.Today("sim-pixel1-cpu"))
	edge := newPhone(t, way, testphone.Config{Simulator: "sim-pixel4-edgetpu", Host: "sim-pixel1-cpu", Prefix: true, Delegates: []string{"external", "xnnpack"}})
	lib := filepath.Join(t.TempDir(), "libedgetpu.so.1")
	if err := os.WriteFile(lib, []byte("an ELF file"), 0o755); err != nil {
		t.Fatal(err)
	}
	failing := func(fault string) func(testing.TB) (devices.Device, *model.Model) {
		return func(t testing.TB) (devices.Device, *model.Model) {
			d := p.open(t, p.reach(t), benchmarkmodel.Options{})
			p.NextFault(fault)
			return d, good(t)
		}
	}
	devicetest.Run(t, devicetest.Suite{
		Open:  func(t testing.TB) devices.Device { return p.open(t, p.reach(t), benchmarkmodel.Options{}) },
		Good:  good,
		Bad:   rejected,
		Crash: failing("crash"),
		Hang:  failing("hang"),
		Offline: func(t testing.TB) (devices.Device, *model.Model) {
			tr, m := p.reach(t), good(t)
			d := p.open(t, tr, benchmarkmodel.Options{})
			if _, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil {
				t.Fatal(err)
			}
			p.leave(tr)
			return d, m
		},
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			o := benchmarkmodel.Options{Delegate: benchmarkmodel.External, Library: benchmarkmodel.File{Host: lib}}
			return edge.open(t, edge.reach(t), o), hswish(t)
		},
		Processes: func() int { return inPhone(t, p.Root) },
		State:     func() string { return p.Files(phoneDir+"/models") + p.Files(phoneDir+"/tmp") },
	})
}

// inPhone counts the programs whose root is the phone's.
func inPhone(t testing.TB, root string) int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range links {
		to, err := os.Readlink(l)
		if err != nil || to != root || zombie(filepath.Dir(l)) {
			continue
		}
		// The file server belongs to the connection, which is open until its test ends.
		if exe, err := os.Readlink(filepath.Join(filepath.Dir(l), "exe")); err == nil && !strings.Contains(exe, "/.sshtest/") {
			n++
		}
	}
	return n
}

func zombie(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "stat"))
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestBlockOnAPhone(t *testing.T) {
	for way := range wires {
		t.Run(way, func(t *testing.T) { blockOnAPhone(t, way) })
	}
}

func blockOnAPhone(t *testing.T, way string) {
	c := testphone.Today("sim-pixel4-dsp")
	c.Counter = "/data/testphone/inference_count"
	p := newPhone(t, way, c)
	p.Set(c.Counter, "41\n")
	libs := t.TempDir()
	var files []string
	for _, name := range []string{"libhexagon_interface.so", "libhexagon_nn_skel_v66.so"} {
		files = append(files, filepath.Join(libs, name))
		if err := os.WriteFile(filepath.Join(libs, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d := p.open(t, p.reach(t), benchmarkmodel.Options{Delegate: benchmarkmodel.Hexagon, Libraries: files, Counter: c.Counter, CPUs: []int{0}})
	b := block(t, d, tiny(t, model.Int8))
	if x := b.Delegation; x.Name != "hexagon" || x.Nodes == 0 || x.Delegated != x.Nodes || len(b.Doubts) != 0 {
		t.Errorf("delegation %+v, doubts %v", x, b.Doubts)
	}
	if b.Summary.Count != 7 || b.Summary.Median == nil || !slices.Equal(b.CPUs, []int{0}) {
		t.Errorf("%+v on %v", b.Summary, b.CPUs)
	}
	if s := b.Before; s.ThermalStatus == nil || *s.ThermalStatus != 0 || s.Battery == nil || s.HottestC() == nil {
		t.Errorf("state %+v", s)
	}
	count, err := os.ReadFile(p.Path(c.Counter))
	if err != nil {
		t.Fatal(err)
	}
	if want := 41 + int(b.Counters["warmup_runs"]) + b.Summary.Count; strings.TrimSpace(string(count)) != strconv.Itoa(want) {
		t.Errorf("the driver counted to %s, want %d", count, want)
	}
	if len(b.ModelSHA256) != 64 || d.Info().Fingerprint["libhexagon_interface.so_sha256"] == "" {
		t.Errorf("model %q, fingerprint %v", b.ModelSHA256, d.Info().Fingerprint)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if left := p.Files(phoneDir + "/tmp"); left != "" {
		t.Errorf("left there: %s", left)
	}
}

// A program that is on the phone already is used in place, and hashed there.
func TestProgramOnThePhone(t *testing.T) {
	p := newPhone(t, "chroot", testphone.Today("sim-pixel1-cpu"))
	data, err := os.ReadFile(testphone.BenchmarkModel(t))
	if err != nil {
		t.Fatal(err)
	}
	there := testphone.Tmp + "/a 'user's $(build)"
	p.Set(there, "")
	if err := os.WriteFile(p.Path(there), data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.Path(there), 0o755); err != nil {
		t.Fatal(err)
	}
	d := p.open(t, p.reach(t), benchmarkmodel.Options{Binary: benchmarkmodel.File{Device: there}})
	block(t, d, good(t))
	pushed := p.open(t, p.reach(t), benchmarkmodel.Options{})
	if a, b := d.Info().Fingerprint, pushed.Info().Fingerprint; a["benchmark_model_sha256"] != b["benchmark_model_sha256"] {
		t.Errorf("%v and %v", a, b)
	}
	m, err := machine.Open(t.Context(), p.Transport(), machine.Options{Name: "phone", Dir: phoneDir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = benchmarkmodel.Open(t.Context(), m, benchmarkmodel.Options{Name: "phone", Binary: benchmarkmodel.File{Device: "/data/none"}})
	var e *devices.Error
	if !errors.As(err, &e) || e.Reason != devices.ReasonMissing || e.Fault != devices.FaultUser {
		t.Errorf("%v", err)
	}
}

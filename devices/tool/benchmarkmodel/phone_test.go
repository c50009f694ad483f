package benchmarkmodel_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/tool/benchmarkmodel"
	"latlab/devices/transport"
	"latlab/internal/testphone"
	"latlab/sampler/model"
)

// phoneDir is latlab's folder there.
const phoneDir = testphone.Tmp + "/latlab"

// phones is one phone for all devices of a test, as a user has one.
type phones struct {
	*testphone.Phone
	reach func(t testing.TB) transport.Transport
}

func newPhone(t testing.TB, c testphone.Config) phones {
	p := testphone.New(t, testphone.Options{Model: c})
	return phones{p, func(testing.TB) transport.Transport { return p.Transport() }}
}

// open is a device on the phone, over a transport of its own.
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

func TestConformanceOnAPhone(t *testing.T) {
	p := newPhone(t, testphone.Today("sim-pixel1-cpu"))
	edge := testphone.Config{Simulator: "sim-pixel4-edgetpu", Host: "sim-pixel1-cpu", Prefix: true, Delegates: []string{"external", "xnnpack"}}
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
			tr := p.Transport()
			d := p.open(t, tr, benchmarkmodel.Options{})
			m, err := good(t), error(nil)
			if _, err = d.Run(t.Context(), m, devicetest.Plan()); err != nil {
				t.Fatal(err)
			}
			tr.Away = true
			return d, m
		},
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			other := newPhone(t, edge)
			o := benchmarkmodel.Options{Delegate: benchmarkmodel.External, Library: benchmarkmodel.File{Host: lib}}
			return other.open(t, other.reach(t), o), hswish(t)
		},
		Processes: func() int { return inPhone(t, p.Root) },
		State: func() string {
			return p.Files(phoneDir+"/models") + p.Files(phoneDir+"/tmp")
		},
	})
}

// inPhone counts the programs that have the phone's root.
func inPhone(t testing.TB, root string) int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range links {
		to, err := os.Readlink(l)
		if err == nil && to == root && !zombie(filepath.Dir(l)) {
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
	c := testphone.Today("sim-pixel4-dsp")
	c.Counter = "/data/testphone/inference_count"
	p := newPhone(t, c)
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

// A program that is on the phone already is used as it is, and hashed there.
func TestProgramOnThePhone(t *testing.T) {
	p := newPhone(t, testphone.Today("sim-pixel1-cpu"))
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

package trtexec_test

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/sim"
	"latlab/devices/tool/trtexec"
	"latlab/devices/transport"
	"latlab/internal/testboard/trtfake"
	"latlab/sampler/model"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "trtexec-test-")
	if err != nil {
		panic(err)
	}
	built.dir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// built is the path of the stand-in, which is compiled once.
var built struct {
	sync.Once
	dir string
}

// board is a folder with its own stand-in, so that tests do not share its control file.
func board(t testing.TB, c trtfake.Control) string {
	t.Helper()
	built.Do(func() { trtfake.Build(t, built.dir) })
	dir := t.TempDir()
	if err := os.Link(filepath.Join(built.dir, "trtexec"), filepath.Join(dir, "trtexec")); err != nil {
		t.Fatal(err)
	}
	c.Write(t, dir)
	return dir
}

// quiet is a TensorRT 8.4 on which a network takes 12 ms.
func quiet() trtfake.Control {
	return trtfake.Control{Version: 8401, Default: 0.012, Seed: 1, BlockNoise: 0.01, SampleNoise: 0.003}
}

func open(t testing.TB, dir string, o trtexec.Options) *trtexec.Device {
	t.Helper()
	o.Name, o.Path = "jetson", filepath.Join(dir, "trtexec")
	d, err := trtexec.Open(t.Context(), machine.Here("jetson"), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func closes(t testing.TB, d devices.Device) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func tiny(t testing.TB, seed uint64) *model.Model {
	t.Helper()
	return devicetest.Model(t, devicetest.TinyGraph(t, seed), model.ONNX, model.Float32)
}

func good(t testing.TB) *model.Model { return tiny(t, 1) }

// unknown is a whole ONNX file that the stand-in has no time for.
func unknown(t testing.TB) *model.Model { return tiny(t, 2) }

// knowing is quiet, but accepts only the good network.
func knowing(t testing.TB) trtfake.Control {
	t.Helper()
	c := quiet()
	c.Default = 0
	f, err := good(t).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c.Seconds = map[string]float64{f.SHA256: 0.012}
	return c
}

func TestConformance(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // so that leftovers sees only this test's files
	for _, version := range []int{7103, 8401, 100300} {
		t.Run(trtexec.RuntimeName(version), func(t *testing.T) { conforms(t, version, open) })
	}
}

// elsewhere is this machine, treated as one to which files have to be copied.
type elsewhere struct{ transport.Transport }

// openElsewhere is open on a machine that is not this one.
func openElsewhere(t testing.TB, dir string, o trtexec.Options) *trtexec.Device {
	t.Helper()
	m, err := machine.Open(t.Context(), elsewhere{transport.Local{}}, machine.Options{Name: "jetson", Dir: filepath.Join(os.TempDir(), "latlab-board")})
	if err != nil {
		t.Fatal(err)
	}
	o.Name, o.Path = "jetson", filepath.Join(dir, "trtexec")
	d, err := trtexec.Open(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformanceElsewhere(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	conforms(t, 8502, openElsewhere)
}

type opener func(testing.TB, string, trtexec.Options) *trtexec.Device

func conforms(t *testing.T, version int, open opener) {
	c := knowing(t)
	c.Version = version
	faulty := func(fault string) func(testing.TB) (devices.Device, *model.Model) {
		return func(t testing.TB) (devices.Device, *model.Model) {
			dir := board(t, c)
			d := open(t, dir, trtexec.Options{})
			trtfake.Next(t, dir, fault)
			return d, good(t)
		}
	}
	s := devicetest.Suite{
		Open: func(t testing.TB) devices.Device { return open(t, board(t, c), trtexec.Options{}) },
		Good: good, Bad: unknown,
		Crash: faulty(trtfake.Crash), Hang: faulty(trtfake.Hang),
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			some := c
			some.Left = 2
			return open(t, board(t, some), trtexec.Options{DLACore: new(0), GPUFallback: true}), good(t)
		},
		Processes: func() int { return running(t) },
		State:     func() string { return leftovers(t) },
		Cannot:    map[string]string{"Offline": "this machine is always there"},
	}
	devicetest.Run(t, s)
}

// running counts the stand-ins that run now.
func running(t testing.TB) int {
	t.Helper()
	n := 0
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(filepath.Join(built.dir, "trtexec"))
	if err != nil {
		return 0 // not built yet
	}
	for _, l := range links {
		if st, err := os.Stat(l); err == nil && os.SameFile(st, want) {
			n++
		}
	}
	return n
}

func leftovers(t testing.TB) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(os.TempDir(), func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == filepath.Join(os.TempDir(), "latlab-board"):
			return filepath.SkipDir // checked below
		case strings.HasPrefix(e.Name(), "latlab-"):
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"models", "tmp"} {
		inside, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab-board", sub, "*"))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, inside...)
	}
	return strings.Join(found, "\n")
}

func TestBlock(t *testing.T) {
	for _, version := range []int{7103, 8001, 8401, 8502, 8601, 100300} {
		c := quiet()
		c.Version, c.BlockNoise = version, 0
		d := open(t, board(t, c), trtexec.Options{})
		b, err := d.Run(t.Context(), good(t), devices.Plan{WarmUpRuns: 3, WarmUpSeconds: 0.1, MinRuns: 40, MinSeconds: 0.5, MaxRuns: 60, Timeout: time.Minute})
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		closes(t, d)
		if n := len(b.Samples); n != 60 || b.Counters["runs_beyond_plan"] <= 0 {
			t.Errorf("version %d: %d samples, %v", version, n, b.Counters)
		}
		slices.Sort(b.Samples)
		if m := b.Samples[30]; math.Abs(m/0.012-1) > 0.005 || math.Abs(b.Counters["gpu_compute_median_seconds"]-m) > 1e-5 {
			t.Errorf("version %d: median %v, %v", version, m, b.Counters)
		}
		if l := b.Counters["latency_median_seconds"]; math.Abs(l-0.012-0.00003-0.012*0.03) > 1e-4 {
			t.Errorf("version %d: latency %v", version, l)
		}
		if p := b.Delegation; p.Name != "tensorrt" || p.Nodes < 1 || p.Delegated != p.Nodes || len(b.Doubts) > 0 {
			t.Errorf("version %d: %+v, %v", version, p, b.Doubts)
		}
		table := version >= 8200
		if (b.Counters["weighted_layers_float16"] > 0) != table || (len(b.Warnings) == 0) != table {
			t.Errorf("version %d: %v, %v", version, b.Counters, b.Warnings)
		}
		if profiled := slices.ContainsFunc(b.Warnings, func(w string) bool { return strings.Contains(w, "profiler") }); profiled != (version == 7103) {
			t.Errorf("version %d: %v", version, b.Warnings)
		}
		if exported := version < 8500; (len(b.WarmUp) > 0) != exported || (b.FirstSeconds > 0) != exported {
			t.Errorf("version %d: %d of warm-up, first %v", version, len(b.WarmUp), b.FirstSeconds)
		}
	}
}

// TestProfile: the layers of an engine have the graph's ops, the plain time is that of the run before, and rows of a
// TensorRT without a table of layers have at least their times.
func TestProfile(t *testing.T) {
	for _, version := range []int{7103, 7201, 8001, 8401, 8601, 100300, 110000} {
		c := quiet()
		c.Version, c.BlockNoise, c.SampleNoise = version, 0, 0
		o := trtexec.Options{}
		if version >= 110000 {
			o.Precision = trtexec.Float32
		}
		d := open(t, board(t, c), o)
		m := good(t)
		p, err := d.Profile(t.Context(), m, devices.Plan{WarmUpRuns: 3, MinRuns: 20, MaxRuns: 20, Timeout: time.Minute})
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		closes(t, d)
		apart := version >= 7200
		if (p.PlainSeconds != nil) != apart || (p.WholeSeconds == nil) != apart || p.Runs < 20 || math.Abs(p.Total()/0.012-1.05) > 1e-3 {
			t.Errorf("version %d: plain %v, whole %v, %d runs, rows of %v s", version, p.PlainSeconds, p.WholeSeconds, p.Runs, p.Total())
		}
		for _, median := range []*float64{p.PlainSeconds, p.WholeSeconds} {
			if median != nil && math.Abs(*median-0.012) > 1e-5 {
				t.Errorf("version %d: the median is %v s", version, *median)
			}
		}
		seen, macs := map[int]bool{}, int64(0)
		for _, r := range p.Layers {
			for _, i := range r.Nodes {
				seen[i] = true
			}
			macs += r.MACs
			if r.Where != "GPU" || (r.Op == "layer") != (version < 8200) || (r.Kernel != "") != (r.Op == "CaskConvolution") {
				t.Errorf("version %d: %+v", version, r)
			}
		}
		if first := p.Layers[1]; first.Name != m.Graph.Ops[0].Name {
			t.Errorf("version %d: the first op's row is %+v", version, first)
		}
		if len(p.Layers[0].Nodes) > 0 || len(seen) != len(m.Graph.Ops) || macs != m.Graph.TotalMACs() {
			t.Errorf("version %d: %d of %d ops, %d MACs, the first row is %+v", version, len(seen), len(m.Graph.Ops), macs, p.Layers[0])
		}
		if p.Runtime == "" || len(p.ModelSHA256) != 64 || p.Delegation.Delegated == 0 {
			t.Errorf("version %d: %q, %q, %+v", version, p.Runtime, p.ModelSHA256, p.Delegation)
		}
	}
}

// TestProfileOfDLA: the DLA runs its part of the network as one layer.
func TestProfileOfDLA(t *testing.T) {
	c := quiet()
	c.Left = 2
	d := open(t, board(t, c), trtexec.Options{DLACore: new(0), GPUFallback: true})
	defer closes(t, d)
	p, err := d.Profile(t.Context(), good(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Layers) != 2 || p.Layers[0].Where != "DLA" || p.Layers[1].Where != "GPU" {
		t.Errorf("%+v", p.Layers)
	}
}

// TestProfileFaults: a profile that cannot be read is no profile.
func TestProfileFaults(t *testing.T) {
	for fault, reason := range map[string]string{
		trtfake.Torn: devices.ReasonGarbage, trtfake.NoFile: devices.ReasonGarbage, trtfake.Garbage: devices.ReasonGarbage,
		trtfake.CUDA: trtexec.ReasonGPU, trtfake.Failed: devices.ReasonExited,
	} {
		dir, m := board(t, quiet()), good(t)
		d := open(t, dir, trtexec.Options{})
		if err := d.Prepare(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		trtfake.Next(t, dir, fault)
		_, err := d.Profile(t.Context(), m, devicetest.Plan())
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != reason {
			t.Errorf("%s: %v", fault, err)
		}
		closes(t, d)
	}
}

// TestLatency: the samples include the copies if that is requested.
func TestLatency(t *testing.T) {
	c := quiet()
	c.BlockNoise, c.SampleNoise = 0, 0
	d := open(t, board(t, c), trtexec.Options{Latency: true})
	defer closes(t, d)
	b, err := d.Run(t.Context(), good(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if m := b.Samples[0]; math.Abs(m-(0.012+0.00003+0.012*0.03)) > 1e-6 || d.Info().Fingerprint["times"] != "latency" {
		t.Errorf("sample is %v, %v", m, d.Info().Fingerprint)
	}
}

// TestFaults: a fault never gives a measurement, and each error says correctly whose fault it is.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		fault, when string
		want        devices.Fault
		reason      string
	}{
		{trtfake.Failed, "build", devices.FaultModel, devices.ReasonRejected},
		{trtfake.Failed, "time", devices.FaultDevice, devices.ReasonExited},
		{trtfake.CUDA, "build", devices.FaultDevice, trtexec.ReasonGPU},
		{trtfake.CUDA, "time", devices.FaultDevice, trtexec.ReasonGPU},
		{trtfake.Full, "build", devices.FaultDevice, devices.ReasonFull},
		{trtfake.Garbage, "build", devices.FaultModel, devices.ReasonRejected},
		{trtfake.Garbage, "time", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.Crash, "build", devices.FaultModel, devices.ReasonCrashed},
		{trtfake.Crash, "time", devices.FaultModel, devices.ReasonCrashed},
		{trtfake.Zero, "time", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.Mismatch, "time", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.NoPass, "build", devices.FaultModel, devices.ReasonRejected},
		{trtfake.NoPass, "time", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.Torn, "build", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.Torn, "time", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.NoFile, "build", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.NoFile, "time", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.Endless, "build", devices.FaultDevice, devices.ReasonGarbage},
		{trtfake.Endless, "time", devices.FaultDevice, devices.ReasonGarbage},
	} {
		t.Run(tt.fault+" "+tt.when, func(t *testing.T) {
			dir, m := board(t, quiet()), good(t)
			d := open(t, dir, trtexec.Options{})
			defer closes(t, d)
			if tt.when == "time" {
				if err := d.Prepare(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			trtfake.Next(t, dir, tt.fault)
			plan := devicetest.Plan()
			if tt.fault == trtfake.Endless {
				plan.Timeout = 3 * time.Second
			}
			_, err := d.Run(t.Context(), m, plan)
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != tt.want || e.Reason != tt.reason || (e.Output == "" && tt.fault != trtfake.Crash) {
				t.Fatalf("error is %v: %+v", err, e)
			}
			if b, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil || len(b.Samples) == 0 {
				t.Errorf("the run after it: %v", err)
			}
		})
	}
}

// TestEngines: an engine is built once, built again if it was lost, and removed by the budget and on
// Close.
func TestEngines(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := board(t, quiet())
	d := open(t, dir, trtexec.Options{EngineBudget: 1}) // room only for the last one
	a, b := tiny(t, 1), tiny(t, 2)
	run := func(m *model.Model, want int64) {
		t.Helper()
		before := trtfake.Runs(dir)
		if err := d.Prepare(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil {
			t.Fatal(err)
		}
		if got := trtfake.Runs(dir) - before; got != want {
			t.Errorf("%d runs of trtexec, want %d", got, want)
		}
	}
	run(a, 2) // build, time
	run(a, 1)
	run(b, 2) // a is removed
	run(b, 1)
	run(a, 2)
	plans, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab-*", "engine.plan"))
	if err != nil || len(plans) != 1 {
		t.Fatalf("engines there: %v, %v", plans, err)
	}
	if err := os.Remove(plans[0]); err != nil {
		t.Fatal(err)
	}
	run(a, 2)
	closes(t, d)
	if left := leftovers(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// TestPrecision: the types that the layers really compute in decide.
func TestPrecision(t *testing.T) {
	for _, tt := range []struct {
		name     string
		o        trtexec.Options
		left     int
		compute  string
		doubt    string
		warnings int
	}{
		{"float16", trtexec.Options{}, 0, "float16", "", 0},
		{"float32", trtexec.Options{Precision: trtexec.Float32}, 0, "", "", 0},
		{"int8", trtexec.Options{Precision: trtexec.Int8}, 0, "int8", "", 0},
		{"float16 not reached", trtexec.Options{}, 2, "float16", "precision_not_reached", 0},
		{"mixed is accepted", trtexec.Options{Precision: trtexec.Int8, Mixed: true}, 2, "int8", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := quiet()
			c.Left = tt.left
			d := open(t, board(t, c), tt.o)
			defer closes(t, d)
			b, err := d.Run(t.Context(), good(t), devicetest.Plan())
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Info().Compute[model.Float32]; got != tt.compute {
				t.Errorf("computed in %q", got)
			}
			code := ""
			if len(b.Doubts) > 0 {
				code = b.Doubts[0].Code
			}
			if code != tt.doubt || len(b.Warnings) != tt.warnings {
				t.Errorf("doubts %v, warnings %v", b.Doubts, b.Warnings)
			}
		})
	}
}

// TestDLA: a network that the DLA does not take is refused, or partly delegated.
func TestDLA(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fallback bool
		left     int
		reason   string
		partial  bool
	}{
		{"whole", false, 0, "", false},
		{"not taken", false, 1, devices.ReasonRejected, false},
		{"partly", true, 3, "", true},
		{"none", true, -1, devices.ReasonRejected, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := quiet()
			c.Left = tt.left
			d := open(t, board(t, c), trtexec.Options{DLACore: new(1), GPUFallback: tt.fallback})
			defer closes(t, d)
			b, err := d.Run(t.Context(), good(t), devicetest.Plan())
			if tt.reason != "" {
				var e *devices.Error
				if !errors.As(err, &e) || e.Fault != devices.FaultModel || e.Reason != tt.reason {
					t.Fatalf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p := b.Delegation; p.Name != "tensorrt-dla" || (p.Delegated < p.Nodes) != tt.partial || (len(p.Why) > 0) != tt.partial {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestOptionsRefused(t *testing.T) {
	for name, o := range map[string]trtexec.Options{
		"float64":             {Precision: "float64"},
		"float32 on a DLA":    {Precision: trtexec.Float32, DLACore: new(0)},
		"fall-back from what": {GPUFallback: true},
		"core":                {DLACore: new(-1)},
		"flag":                {Flags: map[string]string{"noDataTransfers": ""}},
		"value":               {Flags: map[string]string{"workspace": "1; reboot"}},
		"core as a flag":      {Flags: map[string]string{"useDLACore": "one"}},
	} {
		_, err := trtexec.Describe(o)
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultUser || e.Reason != "options" {
			t.Errorf("%s: %v", name, err)
		}
	}
	i, err := trtexec.Describe(trtexec.Options{Flags: map[string]string{"useDLACore": "0", "allowGPUFallback": "true", "workspace": "2048"}})
	if err != nil || i.Delegate != "tensorrt-dla" {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	eleven := quiet()
	eleven.Version = 110000
	for _, tt := range []struct {
		name, path string
		fault      devices.Fault
		reason     string
	}{
		{"nothing there", filepath.Join(dir, "nothing"), devices.FaultUser, devices.ReasonMissing},
		{"another program", script("ls", "echo usage: ls; exit 0"), devices.FaultUser, devices.ReasonMissing},
		{"a library is missing", script("lib", "echo error while loading shared libraries: libnvinfer.so.8 >&2; exit 127"), devices.FaultUser, devices.ReasonMissing},
		{"it crashes", script("segv", "kill -SEGV $$"), devices.FaultDevice, devices.ReasonCrashed},
		{"no fp16", filepath.Join(board(t, eleven), "trtexec"), devices.FaultUser, devices.ReasonUnsupported},
	} {
		_, err := trtexec.Open(t.Context(), machine.Here("jetson"), trtexec.Options{Path: tt.path})
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != tt.fault || e.Reason != tt.reason {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestNames: any folder name reaches trtexec unchanged.
func TestNames(t *testing.T) {
	dir := board(t, quiet())
	odd := filepath.Join(t.TempDir(), "a b'c\"d$(touch x)`e`\nf;g")
	if err := os.MkdirAll(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"trtexec", "trtexec.json"} {
		if err := os.Link(filepath.Join(dir, name), filepath.Join(odd, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", odd)
	d := open(t, odd, trtexec.Options{CPUs: []int{0}})
	defer closes(t, d)
	b, err := d.Run(t.Context(), good(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0}, b.CPUs); diff != "" || len(d.Info().Fingerprint["trtexec_sha256"]) != 64 {
		t.Errorf("CPUs %v, fingerprint %v", b.CPUs, d.Info().Fingerprint)
	}
}

// TestSimulatedTimes: the stand-in takes its times from the simulated Xavier.
func TestSimulatedTimes(t *testing.T) {
	xavier, err := sim.Open(sim.Options{Name: "sim-jetson-xavier:exact"})
	if err != nil {
		t.Fatal(err)
	}
	c := trtfake.Control{Version: 8502, Seed: 3}
	want, err := c.Add(t.Context(), xavier, good(t))
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, board(t, c), trtexec.Options{})
	defer closes(t, d)
	b, err := d.Run(t.Context(), good(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Samples[0]; math.Abs(got/want-1) > 1e-3 {
		t.Errorf("sample is %v s, the simulator says %v", got, want)
	}
}

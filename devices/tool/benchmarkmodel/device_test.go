package benchmarkmodel_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/sim"
	"latlab/devices/tool/benchmarkmodel"
	"latlab/devices/transport"
	"latlab/fixtures/fixturetest"
	"latlab/internal/testphone"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a stand-in for benchmark_model in its own folder.
type fake struct {
	dir, binary, state string
}

// newFake puts the program beside its configuration.
func newFake(t testing.TB, c testphone.Config) fake {
	t.Helper()
	dir := t.TempDir()
	f := fake{dir: dir, binary: filepath.Join(dir, "benchmark_model"), state: filepath.Join(dir, "state")}
	if err := os.Link(testphone.BenchmarkModel(t), f.binary); err != nil {
		data, err := os.ReadFile(testphone.BenchmarkModel(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.binary, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(f.state, 0o755); err != nil {
		t.Fatal(err)
	}
	c.State = f.state
	c.Write(t, dir)
	return f
}

// file makes one of the user's files in the fake's folder.
func (f fake) file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (f fake) options() benchmarkmodel.Options {
	return benchmarkmodel.Options{Name: "phone", Binary: benchmarkmodel.File{Host: f.binary}}
}

func open(t testing.TB, o benchmarkmodel.Options) *benchmarkmodel.Device {
	t.Helper()
	d, err := benchmarkmodel.Open(t.Context(), machine.Here("phone"), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func cpu(t testing.TB) fake { return newFake(t, testphone.Today("sim-pixel1-cpu")) }

func tiny(t testing.TB, p model.Precision) *model.Model {
	t.Helper()
	return written(t, devicetest.TinyGraph(t, 1), p)
}

func written(t testing.TB, g *graph.Graph, p model.Precision) *model.Model {
	t.Helper()
	return devicetest.Model(t, g, model.TFLite, p)
}

func good(t testing.TB) *model.Model { return tiny(t, model.Float32) }

// hswish has ops that the EdgeTPU does not take.
func hswish(t testing.TB) *model.Model {
	return written(t, fixturetest.Graph(t, "mobiledet_cpu"), model.Int8)
}

// rejected is a whole .tflite that every interpreter refuses.
func rejected(t testing.TB) *model.Model {
	t.Helper()
	f, err := good(t).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rejected.tflite")
	if err := os.WriteFile(path, tflitetest.Spoil(data), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := model.FromFile(path, model.Call{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// failing is a device that fails at its next run, once.
func failing(t testing.TB, fault string) devices.Device {
	f := cpu(t)
	d := open(t, f.options())
	testphone.NextFault(t, f.state, fault)
	return d
}

type unplugged struct {
	transport.Local
	next bool
}

func (u *unplugged) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	if u.next {
		u.next = false
		return nil, &devices.Error{Fault: devices.FaultDevice, Op: "start", Reason: devices.ReasonOffline, Err: errors.New("the cable is out")}
	}
	return u.Local.Start(ctx, c)
}

func away(t testing.TB) devices.Device {
	u := &unplugged{}
	d, err := benchmarkmodel.Open(t.Context(), machine.On(u, "phone"), cpu(t).options())
	if err != nil {
		t.Fatal(err)
	}
	u.next = true
	return d
}

// edgetpu is an accelerator behind an external delegate, which does not take h-swish.
func edgetpu(t testing.TB) benchmarkmodel.Options {
	f := newFake(t, testphone.Config{Simulator: "sim-pixel4-edgetpu", Host: "sim-pixel1-cpu", Prefix: true, Delegates: []string{"external", "xnnpack"}})
	o := f.options()
	o.Delegate, o.Library = benchmarkmodel.External, benchmarkmodel.File{Host: f.file(t, "libedgetpu.so.1", "an ELF file")}
	return o
}

func TestConformance(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // so that leftovers sees only this test's files
	devicetest.Run(t, devicetest.Suite{
		Open:    func(t testing.TB) devices.Device { return open(t, cpu(t).options()) },
		Good:    good,
		Bad:     rejected,
		Crash:   func(t testing.TB) (devices.Device, *model.Model) { return failing(t, "crash"), good(t) },
		Hang:    func(t testing.TB) (devices.Device, *model.Model) { return failing(t, "hang"), good(t) },
		Offline: func(t testing.TB) (devices.Device, *model.Model) { return away(t), good(t) },
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			return open(t, edgetpu(t)), hswish(t)
		},
		Processes: func() int { return running(t) },
		State:     func() string { return leftovers(t) },
	})
}

// leftovers are temporary files with latlab's prefix.
func leftovers(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(files, "\n")
}

// running counts this test's child processes that are a benchmark_model.
func running(t testing.TB) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		exe, err := os.Readlink(filepath.Join(filepath.Dir(stat), "exe"))
		if err == nil && filepath.Base(exe) == "benchmark_model" && fields[1] == strconv.Itoa(os.Getpid()) {
			n++
		}
	}
	return n
}

func plan() devices.Plan {
	return devices.Plan{WarmUpRuns: 2, WarmUpSeconds: 0.001, MinRuns: 7, MaxRuns: 7, Timeout: time.Minute}
}

func block(t *testing.T, d devices.Device, m *model.Model) *devices.Block {
	t.Helper()
	b, err := d.Run(t.Context(), m, plan())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A block has the simulator's figures, in every era of the tool's output.
func TestBlock(t *testing.T) {
	exact, err := sim.Open(sim.Options{Name: "sim-pixel1-cpu:exact"})
	if err != nil {
		t.Fatal(err)
	}
	m := written(t, fixturetest.Graph(t, "mobiledet_cpu"), model.Float32)
	truth, err := exact.Run(t.Context(), m, plan())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]testphone.Config{
		"2020":  {Simulator: "sim-pixel1-cpu", Delegates: []string{"xnnpack"}},
		"2022":  {Simulator: "sim-pixel1-cpu", Delegates: []string{"xnnpack"}, Prefix: true},
		"quiet": {Simulator: "sim-pixel1-cpu", Delegates: []string{"xnnpack"}, Prefix: true, Percentiles: true, Quiet: true},
		"today": testphone.Today("sim-pixel1-cpu"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, c)
			b := block(t, open(t, f.options()), m)
			u := b.Summary
			if u.Count != 7 || math.Abs(u.Mean/truth.Samples[0]-1) > 0.08 || *u.Min > u.Mean || *u.Max < u.Mean || (u.Median != nil) != c.Percentiles {
				t.Errorf("the simulator says %v s, the block %+v", truth.Samples[0], u)
			}
			if d := b.Delegation; d.Nodes != operators(t, m) || d.Delegated != d.Nodes || d.Partitions != 1 || d.Name != "xnnpack" || len(d.Why) != 0 {
				t.Errorf("delegation %+v of %d operators", d, operators(t, m))
			}
			if b.FirstSeconds <= 0 || b.InitSeconds <= 0 || b.PeakMemoryBytes <= 0 || b.Counters["warmup_runs"] < 2 || b.Counters["warmup_mean_seconds"] <= 0 {
				t.Errorf("block %+v", b)
			}
			if limit := 1e-6; b.Counters["mean_resolution_seconds"] > limit {
				t.Errorf("the mean's resolution is %v s", b.Counters["mean_resolution_seconds"])
			}
			if len(b.Doubts) != 0 {
				t.Errorf("doubts %v", b.Doubts)
			}
		})
	}
}

func operators(t *testing.T, m *model.Model) (n int) {
	t.Helper()
	f, err := m.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	user, err := model.FromFile(f.Path, model.Call{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range user.Network.Operators {
		n += o.Count
	}
	return n
}

// Every fault gives an error that blames the right party, and the next run succeeds.
func TestFaults(t *testing.T) {
	int8 := tiny(t, model.Int8)
	for _, tt := range []struct {
		fault   string
		culprit devices.Fault
		reason  string
	}{
		{"crash", devices.FaultModel, devices.ReasonCrashed},
		{"killed", devices.FaultDevice, devices.ReasonKilled},
		{"exit", devices.FaultDevice, devices.ReasonExited},
		{"endless", devices.FaultDevice, devices.ReasonGarbage},
		{"garbage", devices.FaultDevice, devices.ReasonGarbage},
		{"truncated", devices.FaultDevice, devices.ReasonGarbage},
		{"zero", devices.FaultDevice, devices.ReasonGarbage},
		{"fall-back", devices.FaultDevice, devices.ReasonFallBack},
		{"delegate-error", devices.FaultDevice, devices.ReasonDelegate},
	} {
		for _, delegate := range []string{benchmarkmodel.GPU, benchmarkmodel.NNAPI, benchmarkmodel.Hexagon, benchmarkmodel.External} {
			t.Run(tt.fault+" "+delegate, func(t *testing.T) {
				f := newFake(t, testphone.Today("sim-pixel4-dsp"))
				o := accelerated(t, f, delegate)
				d := open(t, o)
				testphone.NextFault(t, f.state, tt.fault)
				p := plan()
				if tt.fault == "endless" {
					p.Timeout = 3 * time.Second
				}
				b, err := d.Run(t.Context(), int8, p)
				var e *devices.Error
				if !errors.As(err, &e) || e.Fault != tt.culprit || e.Reason != tt.reason {
					t.Fatalf("%+v, %v; want fault %q, reason %q", b, err, tt.culprit, tt.reason)
				}
				if tt.fault != "killed" && tt.fault != "exit" && e.Output == "" {
					t.Errorf("the output is not kept: %v", err)
				}
				if b := block(t, d, int8); b.Delegation.Delegated != b.Delegation.Nodes || b.Delegation.Name != d.Info().Delegate {
					t.Errorf("afterwards %+v", b.Delegation)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// accelerated has the options that a delegate needs.
func accelerated(t testing.TB, f fake, delegate string) benchmarkmodel.Options {
	t.Helper()
	o := f.options()
	o.Delegate = delegate
	switch delegate {
	case benchmarkmodel.Hexagon:
		o.Libraries = []string{f.file(t, "libhexagon_interface.so", "i"), f.file(t, "libhexagon_nn_skel_v66.so", "s")}
	case benchmarkmodel.External:
		o.Library = benchmarkmodel.File{Host: f.file(t, "libQnnTFLiteDelegate.so", "q")}
		o.LibraryOptions = map[string]string{"backend_type": "htp", "log_level": "1"}
	}
	return o
}

// A failed delegate never gives the CPU's time.
func TestSilentFallBack(t *testing.T) {
	float := good(t)
	for _, tt := range []struct {
		name   string
		change func(*testing.T, fake, *benchmarkmodel.Options)
		m      *model.Model
		want   string
	}{
		{"hexagon without its libraries", func(t *testing.T, f fake, o *benchmarkmodel.Options) {
			*o = accelerated(t, f, benchmarkmodel.Hexagon)
			if err := os.Remove(o.Libraries[1]); err != nil {
				t.Fatal(err)
			}
			o.Libraries = o.Libraries[:1]
		}, tiny(t, model.Int8), "Could not create Hexagon delegate"},
		{"nnapi with a float model", func(_ *testing.T, _ fake, o *benchmarkmodel.Options) { o.Delegate = benchmarkmodel.NNAPI }, float, "took no node"},
		{"a library that is not there", func(_ *testing.T, _ fake, o *benchmarkmodel.Options) {
			o.Delegate, o.Library = benchmarkmodel.External, benchmarkmodel.File{Device: "/dev/null"}
		}, float, "took no node"},
		{"a library without the delegate's functions", func(t *testing.T, f fake, o *benchmarkmodel.Options) {
			*o = accelerated(t, f, benchmarkmodel.External)
			o.Library.Host = f.file(t, "libother.so", "crash")
		}, tiny(t, model.Int8), "crashed while it loaded libother.so"},
		{"full delegation demanded", func(t *testing.T, f fake, o *benchmarkmodel.Options) {
			o.Delegate = benchmarkmodel.NNAPI
			o.Flags = map[string]string{"require_full_delegation": "true"}
		}, float, "Disallowed CPU fallback"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, testphone.Config{Simulator: "sim-pixel4-dsp", Host: "sim-pixel1-cpu", Prefix: true, Delegates: testphone.Today("").Delegates})
			o := f.options()
			tt.change(t, f, &o)
			d := open(t, o)
			b, err := d.Run(t.Context(), tt.m, plan())
			if err == nil {
				t.Fatalf("a time of %v s, and %+v", b.Summary.Mean, b.Delegation)
			}
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != devices.ReasonFallBack && e.Reason != devices.ReasonDelegate || !strings.Contains(err.Error(), tt.want) || e.Advice == "" {
				t.Errorf("%v", err)
			}
		})
	}
}

// The driver's own count is compared with the printed runs.
func TestDriverCounter(t *testing.T) {
	c := testphone.Today("sim-pixel4-dsp")
	c.Counter = filepath.Join(t.TempDir(), "inference_count")
	f := newFake(t, c)
	o := accelerated(t, f, benchmarkmodel.NNAPI)
	o.Counter = c.Counter
	int8 := tiny(t, model.Int8)
	if err := os.WriteFile(c.Counter, []byte("12\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b := block(t, open(t, o), int8); len(b.Doubts) != 0 {
		t.Errorf("doubts %v", b.Doubts)
	}
	o.Counter = filepath.Join(t.TempDir(), "another")
	if err := os.WriteFile(o.Counter, []byte("12\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b := block(t, open(t, o), int8); len(b.Doubts) != 1 || b.Doubts[0].Code != "driver_count" {
		t.Errorf("doubts %v", b.Doubts)
	}
	o.Counter = "/nonexistent"
	if b := block(t, open(t, o), int8); len(b.Doubts) != 1 || b.Doubts[0].Code != "driver_count" {
		t.Errorf("doubts %v", b.Doubts)
	}
}

// Without a delegate the runtime's own kernels run; a build that applies XNNPACK anyway gets a doubt.
func TestNoDelegate(t *testing.T) {
	f := cpu(t)
	o := f.options()
	o.Delegate = benchmarkmodel.None
	b := block(t, open(t, o), good(t))
	if d := b.Delegation; d.Name != "" || d.Nodes != 0 || len(b.Doubts) != 0 {
		t.Errorf("%+v, doubts %v", d, b.Doubts)
	}
	fast := block(t, open(t, f.options()), good(t))
	if b.Summary.Mean < 3*fast.Summary.Mean {
		t.Errorf("%v s without XNNPACK, %v s with it", b.Summary.Mean, fast.Summary.Mean)
	}
	f = newFake(t, testphone.Config{Simulator: "sim-pixel1-cpu"})
	o.Binary = f.options().Binary
	if b := block(t, open(t, o), good(t)); len(b.Doubts) != 1 || b.Doubts[0].Code != "delegated_anyway" {
		t.Errorf("doubts %v", b.Doubts)
	}
}

func TestLayers(t *testing.T) {
	d := open(t, cpu(t).options())
	p, err := d.Profile(t.Context(), written(t, fixturetest.Graph(t, "mobiledet_cpu"), model.Float32), devices.Plan{WarmUpRuns: 3, MinRuns: 20, MaxRuns: 20, Timeout: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	rows, sum := p.Layers, p.Total()
	where := map[string]bool{}
	for _, r := range rows {
		where[r.Where] = true
	}
	if len(rows) < 100 || !where["xnnpack"] || sum < 0.05 || sum > 5 {
		t.Errorf("%d rows sum to %v s", len(rows), sum)
	}
	if p.Runs != 20 || p.WholeSeconds == nil || math.Abs(*p.WholeSeconds-sum) > 1e-3**p.WholeSeconds || p.PlainSeconds != nil || p.Runtime == "" || len(p.ModelSHA256) != 64 {
		t.Errorf("%d runs of %v s, rows of %v s, %q, %q", p.Runs, p.WholeSeconds, sum, p.Runtime, p.ModelSHA256)
	}
	g := fixturetest.Graph(t, "mobiledet_cpu")
	if first := rows[0]; !slices.Equal(first.Nodes, []int{0}) || first.Name != g.Ops[0].Name || first.Kernel != "Convolution (NHWC, F32) IGEMM" || first.MACs != g.MACs(g.Ops[0]) {
		t.Errorf("the first row is %+v", first)
	}
}

func TestAffinityOfABlock(t *testing.T) {
	o := cpu(t).options()
	o.CPUs = []int{0}
	d := open(t, o)
	if b := block(t, d, good(t)); !slices.Equal(b.CPUs, o.CPUs) || !slices.Equal(d.Info().CPUs, o.CPUs) {
		t.Errorf("ran on %v", b.CPUs)
	}
}

// Names with shell metacharacters reach the program unchanged.
func TestHostileNames(t *testing.T) {
	f := cpu(t)
	dir := filepath.Join(f.dir, "a 'b' \"c\" $(touch x)\n`d`")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.binary, filepath.Join(dir, "benchmark_model")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(f.dir, testphone.ConfigName), filepath.Join(dir, testphone.ConfigName)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []benchmarkmodel.File{{Host: filepath.Join(dir, "benchmark_model")}, {Device: filepath.Join(dir, "benchmark_model")}} {
		for _, cpus := range [][]int{nil, {0}} {
			o := benchmarkmodel.Options{Name: "phone", Binary: file, CPUs: cpus}
			d := open(t, o)
			block(t, d, good(t))
			if len(d.Info().Fingerprint["benchmark_model_sha256"]) != 64 {
				t.Errorf("fingerprint %v", d.Info().Fingerprint)
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	f := newFake(t, testphone.Today("sim-pixel4-dsp"))
	o := accelerated(t, f, benchmarkmodel.External)
	o.Threads = 4
	got := open(t, o).Info()
	want := map[string]string{
		"flags":                          "num_threads=4 external_delegate_path=libQnnTFLiteDelegate.so external_delegate_options=backend_type:htp;log_level:1",
		"libQnnTFLiteDelegate.so_sha256": "8e35c2cd3bf6641bdb0e2050b76932cbb2e6034a0ddacc1d9bea82a6ba57f7cf",
		"benchmark_model_sha256":         got.Fingerprint["benchmark_model_sha256"],
	}
	if diff := cmp.Diff(want, got.Fingerprint); diff != "" {
		t.Error(diff)
	}
	if got.Delegate != "QnnTFLiteDelegate" || !got.Accelerator || got.Precisions[0] != model.Int8 {
		t.Errorf("%+v", got)
	}
	again := open(t, o).Info()
	if diff := cmp.Diff(got, again); diff != "" {
		t.Error(diff)
	}
}

// Open refuses a build that lacks a requested feature.
func TestOpenRefuses(t *testing.T) {
	f := newFake(t, testphone.Config{Simulator: "sim-pixel1-cpu", Delegates: []string{"xnnpack"}})
	script := f.file(t, "other", "#!/bin/sh\necho hello\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	flags, err := os.ReadFile("testdata/flags-litert2")
	if err != nil {
		t.Fatal(err)
	}
	lite := f.file(t, "litert", "#!/bin/sh\nfor f in "+strings.TrimSpace(string(flags))+"; do printf '\\t--%s=x\\tstring\\toptional\\t\\n' $f >&2; done\n")
	if err := os.Chmod(lite, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*benchmarkmodel.Options)
		want   string
	}{
		"litert's":           {func(o *benchmarkmodel.Options) { o.Binary.Host = lite }, "this is LiteRT 2's benchmark_model, which latlab does not support"},
		"litert's, no flag":  {func(o *benchmarkmodel.Options) { o.Binary.Host, o.Delegate = lite, benchmarkmodel.GPU }, "this is LiteRT 2's benchmark_model, which latlab does not support"},
		"no such file":       {func(o *benchmarkmodel.Options) { o.Binary.Host = "/nonexistent" }, "is no file of this host"},
		"no such file there": {func(o *benchmarkmodel.Options) { o.Binary = benchmarkmodel.File{Device: "/nonexistent"} }, "cannot be started"},
		"another program":    {func(o *benchmarkmodel.Options) { o.Binary.Host = script }, "is not TFLite's benchmark_model"},
		"not executable":     {func(o *benchmarkmodel.Options) { o.Binary.Host = f.file(t, "data", "x") }, "cannot be started"},
		"a build without it": {func(o *benchmarkmodel.Options) { o.Delegate = benchmarkmodel.Hexagon }, "has no flag use_hexagon"},
		"a flag it lacks": {func(o *benchmarkmodel.Options) {
			o.Flags = map[string]string{"delegate_serialize_dir": "/tmp", "xnnpack_runtime_flags": "1", "optimize_memory_for_large_tensors": "1"}
			o.Delegate = benchmarkmodel.None
		}, "is of delegate xnnpack"},
		"a library not there": {func(o *benchmarkmodel.Options) { o.Libraries = []string{"/nonexistent.so"} }, "is no file of this host"},
		"two of one name":     {func(o *benchmarkmodel.Options) { o.Libraries = []string{"/a/l.so", "/b/l.so"} }, "two files would be named l.so"},
		"a program like ours": {func(o *benchmarkmodel.Options) { o.Libraries = []string{"/a/benchmark_model"} }, "two files would be named"},
	} {
		t.Run(name, func(t *testing.T) {
			o := f.options()
			tt.change(&o)
			_, err := benchmarkmodel.Open(t.Context(), machine.Here("phone"), o)
			if err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	good := benchmarkmodel.Options{Name: "x", Binary: benchmarkmodel.File{Host: "b"}}
	if _, err := benchmarkmodel.Describe(good); err != nil {
		t.Fatal(err)
	}
	flag := func(delegate, name, value string) func(*benchmarkmodel.Options) {
		return func(o *benchmarkmodel.Options) { o.Delegate, o.Flags = delegate, map[string]string{name: value} }
	}
	for want, change := range map[string]func(*benchmarkmodel.Options){
		"binary: a path": func(o *benchmarkmodel.Options) { o.Binary = benchmarkmodel.File{} },
		"binary: a path of benchmark_model, here": func(o *benchmarkmodel.Options) { o.Binary.Device = "/b" },
		"no delegate is named \"cuda\"":           func(o *benchmarkmodel.Options) { o.Delegate = "cuda" },
		"Core ML":                                 func(o *benchmarkmodel.Options) { o.Delegate = "coreml" },
		"needs a library":                         func(o *benchmarkmodel.Options) { o.Delegate = benchmarkmodel.External },
		"needs a settings file":                   func(o *benchmarkmodel.Options) { o.Delegate = benchmarkmodel.Stable },
		"no other has one":                        func(o *benchmarkmodel.Options) { o.Library.Host = "l" },
		"-1 threads":                              func(o *benchmarkmodel.Options) { o.Threads = -1 },
		"2 threads on 1 CPUs":                     func(o *benchmarkmodel.Options) { o.Threads, o.CPUs = 2, []int{3} },
		"CPUs [-1]":                               func(o *benchmarkmodel.Options) { o.CPUs = []int{-1} },
		"the protocol says how often":             flag("", "num_runs", "3"),
		"lets the clock fall":                     flag("", "run_delay", "1"),
		"print a part of each latency":            flag(benchmarkmodel.GPU, "gpu_invoke_loop_times", "10"),
		"latlab makes it where":                   flag("", "delegate_serialize_token", "x"),
		"did you mean \"gpu_backend\"":            flag(benchmarkmodel.GPU, "gpu_backned", "cl"),
		"is one of cl, gl, not \"vulkan\"":        flag(benchmarkmodel.GPU, "gpu_backend", "vulkan"),
		"\"yes\" is not true or false":            flag(benchmarkmodel.GPU, "gpu_precision_loss_allowed", "yes"),
		"\"1.5\" is not a whole number":           flag("", "min_nodes_per_partition", "1.5"),
		"is of delegate gpu":                      flag("", "gpu_backend", "cl"),
		"hold a colon": func(o *benchmarkmodel.Options) {
			o.Delegate, o.Library.Host, o.LibraryOptions = benchmarkmodel.External, "l", map[string]string{"path": "a:b"}
		},
	} {
		o := good
		change(&o)
		if _, err := benchmarkmodel.Describe(o); err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// A build that ignores a flag would silently run on the CPU, so it is refused.
func TestIgnoredFlags(t *testing.T) {
	f := newFake(t, testphone.Today("sim-pixel4-dsp"))
	d := open(t, accelerated(t, f, benchmarkmodel.GPU))
	c := testphone.Config{Simulator: "sim-pixel4-dsp", Prefix: true, ResultFile: true, Delegates: []string{"xnnpack"}, State: f.state}
	c.Write(t, f.dir) // a different build, replaced while the device is open
	_, err := d.Run(t.Context(), tiny(t, model.Int8), plan())
	if err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), "--use_gpu=true") {
		t.Errorf("%v", err)
	}
}

func TestComputedIn(t *testing.T) {
	for _, tt := range []struct {
		delegate string
		flags    map[string]string
		want     map[model.Precision]string
	}{
		{benchmarkmodel.XNNPACK, nil, nil},
		{benchmarkmodel.XNNPACK, map[string]string{"xnnpack_force_fp16": "true"}, map[model.Precision]string{model.Float32: "float16"}},
		{benchmarkmodel.GPU, nil, map[model.Precision]string{model.Float32: "float16", model.Int8: "float16"}},
		{benchmarkmodel.GPU, map[string]string{"gpu_precision_loss_allowed": "false"}, map[model.Precision]string{model.Int8: "float32"}},
		{benchmarkmodel.NNAPI, map[string]string{"nnapi_allow_fp16": "true"}, map[model.Precision]string{model.Float32: "float16"}},
	} {
		i, err := benchmarkmodel.Describe(benchmarkmodel.Options{Name: "x", Binary: benchmarkmodel.File{Host: "b"}, Delegate: tt.delegate, Flags: tt.flags})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, i.Compute); diff != "" {
			t.Errorf("%s %v: %s", tt.delegate, tt.flags, diff)
		}
	}
}

// A program that prints TFLite's flags and then runs as LiteRT 2's is named, and is not the model's fault.
func TestAnotherProgramsOutput(t *testing.T) {
	f := newFake(t, testphone.Config{Simulator: "sim-pixel1-cpu", Delegates: []string{"xnnpack"}})
	log, err := filepath.Abs("testdata/litert2-gpu")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"0", "1"} {
		o := f.options()
		o.Binary.Host = f.file(t, "changed"+code, "#!/bin/sh\n[ \"$1\" = --help ] && exec "+f.binary+" --help\ncat "+log+"\nexit "+code+"\n")
		if err := os.Chmod(o.Binary.Host, 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, o).Run(t.Context(), good(t), plan())
		if err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), "this is LiteRT 2's benchmark_model") {
			t.Errorf("exit code %s: %v", code, err)
		}
	}
}

// A block on a GPU that took a part has the printed counts, and the list of what it left is no error of the
// tool.
func TestPartOnTheGPU(t *testing.T) {
	f := newFake(t, testphone.Today("sim-pixel4-dsp"))
	log, err := filepath.Abs("testdata/fp16yolo")
	if err != nil {
		t.Fatal(err)
	}
	o := accelerated(t, f, benchmarkmodel.GPU)
	o.Binary.Host = f.file(t, "yolo", "#!/bin/sh\n[ \"$1\" = --help ] && exec "+f.binary+" --help\ncat "+log+"\n")
	if err := os.Chmod(o.Binary.Host, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := open(t, o).Run(t.Context(), good(t), devices.Plan{MinRuns: 5, MinSeconds: 0.05, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if d := b.Delegation; d.Delegated != 262 || d.Nodes != 382 || len(d.Why) != 1 || len(b.Doubts) != 0 {
		t.Errorf("%+v, doubts %+v", d, b.Doubts)
	}
}

// The plan is translated into the tool's flags.
func TestPlan(t *testing.T) {
	f := cpu(t)
	d := open(t, f.options())
	m := written(t, fixturetest.Graph(t, "mobiledet_cpu"), model.Float32)
	run := func(p devices.Plan) *devices.Block {
		t.Helper()
		p.Timeout = time.Minute
		b, err := d.Run(t.Context(), m, p)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if b := run(devices.Plan{MinRuns: 13, MaxRuns: 13, MinSeconds: 5, MaxSeconds: 10}); b.Summary.Count != 13 || b.Counters["warmup_runs"] != 1 {
		t.Errorf("%d runs, %v warm-ups", b.Summary.Count, b.Counters["warmup_runs"])
	}
	b := run(devices.Plan{WarmUpRuns: 4, MinRuns: 3, MinSeconds: 3, MaxSeconds: 9})
	if total := float64(b.Summary.Count) * b.Summary.Mean; total < 3 || total > 3+2*b.Summary.Mean || b.Counters["warmup_runs"] != 4 {
		t.Errorf("%v s of runs, %v warm-ups", total, b.Counters["warmup_runs"])
	}
	// MaxSeconds is after MinRuns.
	if b := run(devices.Plan{MinRuns: 30, MinSeconds: 0.1, MaxSeconds: 0.1}); b.Summary.Count != 30 {
		t.Errorf("%d runs", b.Summary.Count)
	}
}

func ExampleDelegates() {
	fmt.Println(benchmarkmodel.Delegates())
	// Output: [xnnpack none gpu nnapi hexagon external stable]
}

package vela_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/tool"
	"latlab/devices/tool/python"
	"latlab/devices/tool/python/pythontest"
	"latlab/devices/tool/vela"
	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

func TestMain(m *testing.M) { os.Exit(pythontest.Main(m)) }

var models = pythontest.Models{Extension: ".tflite", Python: testenv.Python}

// lying is a model that claims to be int8, whatever it is.
func lying(name string) func(testing.TB) *model.Model {
	return func(t testing.TB) *model.Model {
		m := *models.Named(name)(t)
		m.Precision = model.Int8
		return &m
	}
}

func open(t testing.TB, name string, change ...func(*vela.Options)) *vela.Device {
	t.Helper()
	o, err := vela.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	o.Python = testenv.Python(t)
	for _, c := range change {
		c(&o)
	}
	d, err := vela.Open(t.Context(), transport.Local{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

const u65 = "vela:ethos-u65-512"

// misbehaving is a device whose Python misbehaves at the next Run, once.
func misbehaving(script string) func(testing.TB) (devices.Device, *model.Model) {
	return func(t testing.TB) (devices.Device, *model.Model) {
		path, arm := pythontest.Misbehaving(t, testenv.Python(t), script)
		d := open(t, u65, func(o *vela.Options) { o.Python = path })
		arm()
		return d, models.Named("good")(t)
	}
}

func TestConformance(t *testing.T) {
	devicetest.Run(t, devicetest.Suite{
		Open:      func(t testing.TB) devices.Device { return open(t, u65) },
		Good:      models.Named("good"),
		Bad:       lying("none"),
		Crash:     misbehaving("kill -SEGV $$"),
		Hang:      misbehaving("sleep 3600"),
		Partial:   func(t testing.TB) (devices.Device, *model.Model) { return open(t, u65), models.Named("partial")(t) },
		Processes: func() int { return pythontest.Children(t) },
		State:     func() string { return pythontest.Leftovers(t) },
		Cannot:    map[string]string{"Offline": "the compiler runs on this machine"},
	})
}

func TestBlock(t *testing.T) {
	b, err := open(t, u65).Run(t.Context(), models.Named("good")(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	want := devices.Delegation{Name: "ethos-u", Nodes: 1, Delegated: 1, Partitions: 1}
	if diff := cmp.Diff(want, b.Delegation); diff != "" {
		t.Errorf("delegation (-want +got):\n%s", diff)
	}
	// The tool's version and the model are fixed, so the figures are too: 20x20 outputs of 16
	// channels, each 3x3x16 multiplications, in 4,736 cycles of 1 ns.
	layers := []devices.Layer{{Name: "out, with a comma", Op: "Conv2D", Where: "NPU", Seconds: 4.736e-6, Cycles: 4736, MACs: 921600}}
	if diff := cmp.Diff(layers, b.Layers); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	if b.Summary == nil || b.Summary.Mean != 4.736e-6 || b.Summary.Count != 1 || len(b.Samples) != 0 || len(b.Doubts) != 0 || len(b.Warnings) != 0 {
		t.Errorf("block is %+v", b)
	}
	for name, want := range map[string]float64{
		"macs": 921600, "cycles_total": 4736, "core_clock_hz": 1e9, "original_weights_bytes": 2304, "dram_feature_map_read_bytes": 9600,
	} {
		if got := b.Counters[name]; got != want {
			t.Errorf("counter %s is %v, want %v", name, got, want)
		}
	}
	if b.Runtime != "ethos-u-vela 5.2.0" {
		t.Errorf("Runtime is %q", b.Runtime)
	}
}

// TestMuchOutput: what is printed before the figures does not count, however much it is.
func TestMuchOutput(t *testing.T) {
	want, err := open(t, u65).Run(t.Context(), models.Named("good")(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	d, m := misbehaving("yes 'NPU operators of a long table' | head -n 1500000 >&2")(t)
	b, err := d.Run(t.Context(), m, devicetest.Plan())
	if err != nil || b.Summary.Mean != want.Summary.Mean || b.Delegation.Nodes != want.Delegation.Nodes {
		t.Errorf("%+v, %v; want %+v", b, err, want.Summary)
	}
}

// TestArgMax: Vela turns one operator into 65,797, and prints 15 MB about them.
func TestArgMax(t *testing.T) {
	pythontest.Slow(t)
	m, err := model.FromFile(filepath.Join("testdata", "argmax_513.tflite"), model.Call{})
	if err != nil {
		t.Fatal(err)
	}
	plan := devicetest.Plan()
	plan.Timeout = 10 * time.Minute
	b, err := open(t, u65).Run(t.Context(), m, plan)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%.3f ms", b.Summary.Mean*1e3) != "21.018 ms" || b.Delegation.Nodes != 65797 || b.Delegation.Delegated != 65797 {
		t.Errorf("%+v, %+v", b.Summary, b.Delegation)
	}
}

// TestTraps: figures and exits of Vela that must not become a valid measurement.
func TestTraps(t *testing.T) {
	d := open(t, u65)
	t.Run("an operator on the CPU costs nothing", func(t *testing.T) {
		b, err := d.Run(t.Context(), models.Named("partial")(t), devicetest.Plan())
		if err != nil {
			t.Fatal(err)
		}
		want := devices.Delegation{Name: "ethos-u", Nodes: 2, Delegated: 1, Partitions: 1, Why: []string{"FLOOR x1: Unsupported opType"}}
		if diff := cmp.Diff(want, b.Delegation); diff != "" {
			t.Errorf("delegation (-want +got):\n%s", diff)
		}
		if len(b.Doubts) != 1 || b.Doubts[0].Code != "ops_without_cost" {
			t.Errorf("doubts are %+v", b.Doubts)
		}
		if l := b.Layers[1]; l.Where != "CPU" || l.Cycles != 0 {
			t.Errorf("the CPU's row is %+v", l)
		}
	})
	for name, tt := range map[string]struct {
		model, reason, says string
	}{
		"a float model that says it is int8": {"lie", devices.ReasonRejected, "CONV_2D x1: Operation has tensor with unsupported DataType Float32"},
		"nothing for the NPU":                {"none", devices.ReasonRejected, "the NPU takes none of its 1 operators"},
		"a model that crashes it":            {"odd", devices.ReasonCrashed, "segmentation fault"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.Run(t.Context(), lying(tt.model)(t), devicetest.Plan())
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != devices.FaultModel || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("error is %#v: %v", e, err)
			}
		})
	}
	t.Run("a float model is refused", func(t *testing.T) {
		_, err := d.Run(t.Context(), models.Named("lie")(t), devicetest.Plan())
		if devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), "takes tflite models in int8, not tflite in float32") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a crash keeps what was printed", func(t *testing.T) {
		dev, m := misbehaving("echo doomed >&2; kill -SEGV $$")(t)
		_, err := dev.Run(t.Context(), m, devicetest.Plan())
		var e *devices.Error
		if !errors.As(err, &e) || !strings.Contains(e.Output, "doomed") {
			t.Errorf("error is %#v", e)
		}
	})
}

// TestChangedOutput: a tool that exits with 0 but wrote different output.
func TestChangedOutput(t *testing.T) {
	for name, script := range map[string]string{
		"nothing written": "exit 0",
		"console only":    "echo 'CPU operators = 0 (0.0%)' >&2; echo 'NPU operators = 1 (100.0%)' >&2; exit 0",
	} {
		t.Run(name, func(t *testing.T) {
			d, m := misbehaving(script)(t)
			_, err := d.Run(t.Context(), m, devicetest.Plan())
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != devices.ReasonGarbage {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestEveryAcceleratorHasADefault(t *testing.T) {
	pythontest.Slow(t)
	for _, name := range vela.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := open(t, name).Run(t.Context(), models.Named("good")(t), devicetest.Plan())
			if err != nil {
				t.Fatal(err)
			}
			if b.Counters["macs"] != 921600 || !(b.Summary.Mean > 1e-6 && b.Summary.Mean < 1e-3) {
				t.Errorf("%v s, %v MACs", b.Summary.Mean, b.Counters["macs"])
			}
		})
	}
}

func TestOptionsThatAreNone(t *testing.T) {
	for name, says := range map[string]string{
		"vela:":               "names no NPU",
		"vela:a:b:c:d":        "names no NPU",
		"vela:ethos-u65-513":  `did you mean "ethos-u65-512"?`,
		"vela:ethos-u65-512:": "names no NPU",
		"vela:ethos-u65-512:Ethos_U65_Client_Sever":                 `did you mean "Ethos_U65_Client_Server"?`,
		"vela:ethos-u65-512:Ethos_U65_Embedded:Shared_Sramm":        `did you mean "Shared_Sram"?`,
		"vela:ethos-u55-128:Ethos_U65_Client_Server":                "is a system of an Ethos-U65, not of ethos-u55-128",
		"vela:ethos-u55-128:Ethos_U55_Deep_Embedded:Dedicated_Sram": "the configuration is refused: Error: Invalid configuration of arena_mem_area",
	} {
		t.Run(name, func(t *testing.T) {
			o, err := vela.ParseName(name)
			if err == nil {
				o.Python = testenv.Python(t)
				_, err = vela.Open(t.Context(), transport.Local{}, o)
			}
			if err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want the user's and %q", err, says)
			}
		})
	}
}

const ownConfig = `[System_Config.Mine]
core_clock=%s
axi0_port=Sram
axi1_port=Dram
Sram_clock_scale=1.0
Dram_clock_scale=0.25

[Memory_Mode.Small]
const_mem_area=Axi1
arena_mem_area=Axi1
cache_mem_area=Axi0
arena_cache_size=65536
`

func TestConfigurationOfTheUser(t *testing.T) {
	pythontest.Slow(t)
	path := filepath.Join(t.TempDir(), "my board.ini")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf(ownConfig, "250e6"))
	d := open(t, "vela:ethos-u65-256:Mine:Small", func(o *vela.Options) { o.ConfigFile = path })
	if f := d.Info().Fingerprint["config_file"]; !strings.HasPrefix(f, "sha256:") {
		t.Errorf("fingerprint of the file is %q", f)
	}
	write("changed in the middle of a sweep")
	b, err := d.Run(t.Context(), models.Named("good")(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if b.Counters["core_clock_hz"] != 250e6 || b.Counters["arena_cache_bytes"] != 65536 {
		t.Errorf("counters are %v", b.Counters)
	}

	for name, tt := range map[string]struct{ text, system, says string }{
		"no clock":         {strings.Replace(fmt.Sprintf(ownConfig, "1"), "core_clock=1\n", "", 1), "Mine", "core_clock of 1 Hz"},
		"a word":           {fmt.Sprintf(ownConfig, "fast"), "Mine", "could not convert"},
		"no .ini":          {"\x00\xff", "Mine", "the configuration is refused"},
		"not its section":  {fmt.Sprintf(ownConfig, "250e6"), "Yours", `no system configuration is named "Yours"`},
		"no section named": {fmt.Sprintf(ownConfig, "250e6"), "", "needs the name of its system configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			write(tt.text)
			_, err := vela.Open(t.Context(), transport.Local{}, vela.Options{
				Accelerator: "ethos-u65-256", SystemConfig: tt.system, MemoryMode: "Small", ConfigFile: path, Python: testenv.Python(t),
			})
			if err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error is %v, want the user's and %q", err, tt.says)
			}
		})
	}
}

// FuzzConfiguration: a user's .ini that Vela cannot use is the user's fault, in one line, whatever is
// in it. Each input starts a Python, some half a second.
func FuzzConfiguration(f *testing.F) {
	if testing.Short() {
		f.Skip("each input starts a Python")
	}
	interpreter := testenv.Python(f)
	valid := fmt.Sprintf(ownConfig, "250e6")
	for _, text := range []string{
		valid, "", "[System_Config.Mine]\n", strings.ReplaceAll(valid, "=", "=%("), strings.Replace(valid, "[", "[[", 1),
		strings.Replace(valid, "core_clock=250e6", "core_clock=nan", 1), valid + valid, strings.Replace(valid, "core_clock=250e6", "inherit=System_Config.Mine", 1),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, ini []byte) {
		path := filepath.Join(t.TempDir(), "board.ini")
		if err := os.WriteFile(path, ini, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := vela.Open(t.Context(), transport.Local{}, vela.Options{
			Accelerator: "ethos-u65-256", SystemConfig: "Mine", MemoryMode: "Small", ConfigFile: path, Python: interpreter,
		})
		if err == nil {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		if devices.FaultOf(err) != devices.FaultUser || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error is %v, want the user's fault in one line", ini, err)
		}
	})
}

func TestWithoutThePackage(t *testing.T) {
	for name, tt := range map[string]struct{ python, reason, says string }{
		"no package": {pythontest.Empty(t, testenv.Python(t)), python.ReasonPackage, "has no package ethos-u-vela"},
		"no Python":  {filepath.Join(t.TempDir(), "nothing"), python.ReasonMissing, "Python cannot be started"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vela.Open(t.Context(), transport.Local{}, vela.Options{Accelerator: "ethos-u65-512", Python: tt.python})
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != devices.FaultLab || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("error is %v", err)
			}
			if e != nil && !strings.Contains(e.Advice, "LATLAB_PYTHON") {
				t.Errorf("advice is %q", e.Advice)
			}
			steps := vela.Check(t.Context(), transport.Local{}, tt.python)
			last := steps[len(steps)-1]
			if last.OK || !strings.Contains(last.Detail, tt.says) || !strings.Contains(last.Advice, "pip install ethos-u-vela==5.2.0") {
				t.Errorf("steps are %+v", steps)
			}
		})
	}
	if left := pythontest.Leftovers(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

func TestCheck(t *testing.T) {
	py := testenv.Python(t)
	steps := vela.Check(t.Context(), transport.Local{}, py)
	if len(steps) != 2 || !steps[0].OK || !steps[1].OK || steps[1].Detail != vela.Version || steps[1].Advice != "" {
		t.Errorf("steps are %+v", steps)
	}
}

func TestCancelLeavesNothing(t *testing.T) {
	d, m := misbehaving("sleep 3600 & echo started >&2; wait")(t)
	before := pythontest.Leftovers(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	if _, err := d.Run(ctx, m, devicetest.Plan()); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if after := pythontest.Leftovers(t); after != before {
		t.Errorf("left behind: %s", after)
	}
}

// TestWarnings: the tool's warnings are kept, and one that says that it chose a shape is a doubt.
func TestWarnings(t *testing.T) {
	d, m := misbehaving("echo '[WARNING] slow' >&2; echo '/lib/f.py:3: UserWarning: input x has no shape, assuming 1x3x1x1' >&2")(t)
	b, err := d.Run(t.Context(), m, devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Vela: slow", "Vela: input x has no shape, assuming 1x3x1x1"} {
		if !slices.Contains(b.Warnings, want) {
			t.Errorf("%q has no %q", b.Warnings, want)
		}
	}
	if !slices.ContainsFunc(b.Doubts, func(d devices.Doubt) bool { return d.Code == tool.ReasonShape }) {
		t.Errorf("doubts %v", b.Doubts)
	}
}

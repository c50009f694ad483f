package qnn_test

import (
	"context"
	"errors"
	"math"
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
	"latlab/devices/tool/qnn"
	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

func TestMain(m *testing.M) { os.Exit(pythontest.Main(m)) }

var models = pythontest.Models{Extension: ".onnx", Python: testenv.Python}

const sa8775 = "hexagon:sa8775"

func open(t testing.TB, name, py string) *qnn.Device {
	t.Helper()
	o, err := qnn.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	o.Python = py
	d, err := qnn.Open(t.Context(), transport.Local{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// misbehaving is a device whose Python misbehaves at the next Run, once.
func misbehaving(script string) func(testing.TB) (devices.Device, *model.Model) {
	return func(t testing.TB) (devices.Device, *model.Model) {
		path, arm := pythontest.Misbehaving(t, testenv.Python(t), script)
		d := open(t, sa8775, path)
		arm()
		return d, models.Named("good")(t)
	}
}

func TestConformance(t *testing.T) {
	devicetest.Run(t, devicetest.Suite{
		Open:  func(t testing.TB) devices.Device { return open(t, sa8775, testenv.Python(t)) },
		Good:  models.Named("good"),
		Bad:   models.Named("bad"),
		Crash: misbehaving("kill -SEGV $$"),
		Hang:  misbehaving("kill -STOP $$; sleep 3600"),
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			return open(t, sa8775, testenv.Python(t)), models.Named("partial")(t)
		},
		Processes: func() int { return pythontest.Children(t) },
		State:     func() string { return pythontest.Leftovers(t) },
		Cannot:    map[string]string{"Offline": "the compiler runs on this machine"},
	})
}

func TestBlock(t *testing.T) {
	d := open(t, sa8775, testenv.Python(t))
	b, err := d.Run(t.Context(), models.Named("good")(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	// One convolution, four and two quantizations, and two transpositions that onnxruntime inserts for
	// a processor whose layout has channels last.
	want := devices.Delegation{Name: "qnn-htp", Nodes: 9, Delegated: 9, Partitions: 1}
	if diff := cmp.Diff(want, b.Delegation); diff != "" {
		t.Errorf("delegation (-want +got):\n%s", diff)
	}
	if b.Summary == nil || len(b.Samples) != 0 || len(b.Doubts) != 0 || len(b.Warnings) != 0 {
		t.Errorf("block is %+v", b)
	}
	if got, want := b.Summary.Mean, b.Counters["cycles"]/1497.6e6; math.Abs(got/want-1) > 1e-12 || got < 5e-6 || got > 12e-6 {
		t.Errorf("time is %v s, cycles over clock are %v", got, want)
	}
	if b.Bounds == nil || b.Bounds.Low >= b.Summary.Mean || b.Bounds.High <= b.Summary.Mean {
		t.Errorf("bounds are %+v", b.Bounds)
	}
	if b.Counters["input_fill_bytes"] < 6400 || b.Counters["output_spill_bytes"] < 6400 {
		t.Errorf("less is filled and spilled than the network reads and writes: %v", b.Counters)
	}
	if !(b.InitSeconds > 0) || b.Runtime != "onnxruntime-qnn 2.7.0" {
		t.Errorf("compiled in %v s by %s", b.InitSeconds, b.Runtime)
	}
}

// TestTraps: times and exits of the compiler that must not become a valid measurement.
func TestTraps(t *testing.T) {
	d := open(t, sa8775, testenv.Python(t))
	for name, tt := range map[string]struct{ model, code, says string }{
		"int8 activations leave operators without cost": {"int8", "ops_without_cost", "4 operators cost nothing"},
		"float inputs and outputs":                      {"float_io", "precision_not_reached", "input in, output out"},
		"floats inside":                                 {"lie", "precision_not_reached", "Conv_mid, Conv Conv_y"},
		"an operator on the CPU":                        {"partial", "ops_without_cost", "Erf x1: not taken"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := d.Run(t.Context(), models.Named(tt.model)(t), devicetest.Plan())
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Doubts) != 1 || b.Doubts[0].Code != tt.code || !strings.Contains(b.Doubts[0].Text, tt.says) {
				t.Errorf("doubts are %+v", b.Doubts)
			}
		})
	}
	for name, tt := range map[string]struct {
		model  string
		fault  devices.Fault
		reason string
		says   string
	}{
		"float32 is refused":        {"float", devices.FaultUser, devices.ReasonUnsupported, "onnx models in int8"},
		"nothing for the processor": {"none", devices.FaultModel, devices.ReasonRejected, "takes none of its 3 nodes"},
		"weights of another shape":  {"bad", devices.FaultModel, devices.ReasonRejected, "refuses"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.Run(t.Context(), models.Named(tt.model)(t), devicetest.Plan())
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != tt.fault || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("error is %v (%#v)", err, e)
			}
		})
	}
}

// TestChipsWithoutEstimates: the compiler compiles for a phone's chip, but gives no time.
func TestChipsWithoutEstimates(t *testing.T) {
	_, err := open(t, "hexagon:57", testenv.Python(t)).Run(t.Context(), models.Named("good")(t), devicetest.Plan())
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultUser || !strings.Contains(e.Error(), "no estimates for soc_model 57") {
		t.Errorf("error is %v", err)
	}
}

// TestClock: a chip's number gives the same chip, but times in the compiler's whole microseconds.
func TestClock(t *testing.T) {
	pythontest.Slow(t)
	for _, pair := range [][2]string{{"52", "sa8775"}, {"72", "sa8797"}, {"52", "sa8255"}} {
		whole, err := open(t, "hexagon:"+pair[0], testenv.Python(t)).Run(t.Context(), models.Named("good")(t), devicetest.Plan())
		if err != nil {
			t.Fatal(err)
		}
		exact, err := open(t, "hexagon:"+pair[1], testenv.Python(t)).Run(t.Context(), models.Named("good")(t), devicetest.Plan())
		if err != nil {
			t.Fatal(err)
		}
		if d := exact.Summary.Mean - whole.Summary.Mean; d < 0 || d >= 1e-6 {
			t.Errorf("%s takes %v s, soc_model %s %v s", pair[1], exact.Summary.Mean, pair[0], whole.Summary.Mean)
		}
	}
}

func TestChangedOutput(t *testing.T) {
	for name, script := range map[string]string{
		"nothing said":    "exit 0",
		"nothing written": `echo '{"whole": true, "graphs": [{"provider": "QNNExecutionProvider", "ops": {"Conv": 1}}]}'; exit 0`,
		"garbage":         "echo '<html>'; exit 0",
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

func TestNamesThatAreNone(t *testing.T) {
	for name, says := range map[string]string{
		"hexagon:":         "names no chip",
		"hexagon:sa8757":   `did you mean "sa8775"?`,
		"hexagon:pixel4":   "there is sa8255, sa8775, sa8797",
		"hexagon:-1":       "no chip is named",
		"hexagon:sa8775:x": `did you mean "sa8775"?`,
	} {
		_, err := qnn.ParseName(name)
		if err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v, want the user's and %q", name, err, says)
		}
	}
}

func TestWithoutThePackages(t *testing.T) {
	for name, tt := range map[string]struct{ python, reason, says string }{
		"no package": {pythontest.Empty(t, testenv.Python(t)), python.ReasonPackage, "has no package onnxruntime and no onnxruntime-qnn"},
		"no Python":  {filepath.Join(t.TempDir(), "nothing"), python.ReasonMissing, "Python cannot be started"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := qnn.Open(t.Context(), transport.Local{}, qnn.Options{SoC: "sa8775", Python: tt.python})
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != devices.FaultLab || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("error is %v", err)
			}
			steps := qnn.Check(t.Context(), transport.Local{}, tt.python)
			last := steps[len(steps)-1]
			for _, word := range []string{"pip install onnxruntime==1.32.0 onnxruntime-qnn==2.7.0", "AI Stack License", "LATLAB_PYTHON"} {
				if last.OK || !strings.Contains(last.Detail, tt.says) || !strings.Contains(last.Advice, word) {
					t.Errorf("steps are %+v, want %q", steps, word)
				}
			}
		})
	}
}

func TestCheck(t *testing.T) {
	steps := qnn.Check(t.Context(), transport.Local{}, testenv.Python(t))
	if len(steps) != 3 || !steps[1].OK || !steps[2].OK || steps[2].Detail != qnn.Version || steps[2].Advice != "" {
		t.Errorf("steps are %+v", steps)
	}
}

func TestCancelLeavesNothing(t *testing.T) {
	d, m := misbehaving("sleep 3600 & wait")(t)
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
	for _, want := range []string{"onnxruntime-qnn: slow", "onnxruntime-qnn: input x has no shape, assuming 1x3x1x1"} {
		if !slices.Contains(b.Warnings, want) {
			t.Errorf("%q has no %q", b.Warnings, want)
		}
	}
	if !slices.ContainsFunc(b.Doubts, func(d devices.Doubt) bool { return d.Code == tool.ReasonShape }) {
		t.Errorf("doubts %v", b.Doubts)
	}
}

package agent_test

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/agent/wire"
	"latlab/devices/devicetest"
	"latlab/internal/testenv"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// gated is a detector with everything that XNNPACK computes in float only: two h-swishes and the
// pool of a squeeze-and-excite.
func gated(t testing.TB) *graph.Graph {
	t.Helper()
	g, err := graph.Detector{
		Name: "gated", Input: sampler.Input{Height: 16, Width: 16, Channels: 3},
		Layers: []graph.DetectorLayer{
			{Type: sampler.Conv, Kernel: 3, Stride: 2, Width: 8, Activation: sampler.HSwish},
			{Type: sampler.IBN, Kernel: 3, Stride: 1, Expanded: 8, Squeezed: 8, Width: 8, Activation: sampler.HSwish},
		},
		Taps: []graph.Tap{{Layer: 1}},
		Head: sampler.Head{Classes: 3, Anchors: []int{2}},
	}.Lower()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func written(t testing.TB, g *graph.Graph, f model.Form) string {
	t.Helper()
	m, err := model.New(g, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := m.WriteFile(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return file.Path
}

var int8Form = model.Form{Format: model.TFLite, Precision: model.Int8}

// partlyDelegated is a model with nodes that the real XNNPACK does not take.
func partlyDelegated(t testing.TB) *model.Model {
	t.Helper()
	m, err := model.New(gated(t), int8Form, model.NewCache(t.TempDir(), 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLeftNodes: Run and Outputs name the nodes that the delegate does not take. In float32 it
// takes all.
func TestLeftNodes(t *testing.T) {
	d := openReal(t, agent.Options{})
	want := []string{
		"HARD_SWISH x2, version 1, INT8: XNNPACK takes it in float only",
		"AVERAGE_POOL_2D x1, version 2, INT8: XNNPACK takes it in float only",
	}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	for _, c := range []struct {
		precision model.Precision
		why       []string
	}{{model.Float32, nil}, {model.Int8, want}} {
		m, err := model.New(gated(t), model.Form{Format: model.TFLite, Precision: c.precision}, model.NewCache(t.TempDir(), 1<<30))
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Run(t.Context(), m, devicetest.Plan())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.why, b.Delegation.Why, sorted); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", c.precision, diff)
		}
		if left := b.Delegation.Nodes - b.Delegation.Delegated; left != 3*len(c.why)/2 {
			t.Errorf("%s: %d nodes are left: %+v", c.precision, left, b.Delegation)
		}
	}
	_, delegation, err := d.Outputs(t.Context(), written(t, gated(t), int8Form), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, delegation.Why, sorted); diff != "" {
		t.Errorf("outputs: want (-), got (+):\n%s", diff)
	}
}

// TestMeanIsTaken: of two averages over the whole map in int8, the delegate takes the MEAN but
// not the AVERAGE_POOL_2D. testdata/averages.py wrote both files.
func TestMeanIsTaken(t *testing.T) {
	d := openReal(t, agent.Options{})
	for name, taken := range map[string]int{"mean": 1, "average_pool": 0} {
		_, delegation, err := d.Outputs(t.Context(), filepath.Join("testdata", name+".tflite"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if delegation.Nodes != 1 || delegation.Delegated != taken || len(delegation.Why) != 1-taken {
			t.Errorf("%s: %+v, want %d of 1 node", name, delegation, taken)
		}
	}
}

// TestQuantizedOutputs: real values and the integers that they are quantized to give the same
// result, and real and raw outputs agree.
func TestQuantizedOutputs(t *testing.T) {
	d := openReal(t, agent.Options{})
	for _, f := range []model.Form{int8Form, {Format: model.TFLite, Precision: model.Int8, Input: model.UInt8}} {
		path := written(t, gated(t), f)
		values, raw := make([]float32, 16*16*3), make([]int64, 16*16*3)
		for i := range raw {
			raw[i] = int64(i%256 - 128)
			if f.Input == model.UInt8 {
				raw[i] += 128
			}
		}
		fromRaw, _, err := d.RawOutputs(t.Context(), path, [][]int64{raw})
		if err != nil {
			t.Fatal(err)
		}
		// The input's own scale and zero point, as the writer documents them: [-1, 1].
		for i, x := range raw {
			values[i] = float32(x-raw[0]-128) / 128
		}
		fromValues, _, err := d.Outputs(t.Context(), path, [][]float32{values})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fromRaw, fromValues); diff != "" {
			t.Errorf("from raw input (-), from values (+):\n%s", diff)
		}
		for _, o := range fromRaw {
			checkQuantized(t, o)
		}
	}
}

func checkQuantized(t *testing.T, o wire.Output) {
	t.Helper()
	if o.Type != "int8" || o.Scale <= 0 || len(o.Raw) != len(o.Values) || len(o.Raw) == 0 {
		t.Fatalf("output %s: type %s, scale %v, %d raw and %d real values", o.Name, o.Type, o.Scale, len(o.Raw), len(o.Values))
	}
	seen := map[int64]bool{}
	for i, x := range o.Raw {
		if want := float64(x-int64(o.Zero)) * float64(o.Scale); math.Abs(want-float64(o.Values[i])) > 1e-5*float64(o.Scale)*256 {
			t.Fatalf("output %s: raw %d is %v, want %v", o.Name, x, o.Values[i], want)
		}
		seen[x] = true
	}
	if len(seen) < 2 {
		t.Errorf("output %s is constant: %v", o.Name, seen)
	}
}

func TestInputsThatDoNotFit(t *testing.T) {
	d := openReal(t, agent.Options{})
	int8Path, floatPath := written(t, gated(t), int8Form), written(t, gated(t), model.Form{Format: model.TFLite, Precision: model.Float32})
	tooBig := make([]int64, 16*16*3)
	tooBig[7] = 128
	for _, c := range []struct {
		name, path, want string
		raw              [][]int64
		values           [][]float32
	}{
		{"beyond the type", int8Path, "which 128 does not fit into", [][]int64{tooBig}, nil},
		{"too few", int8Path, "takes 768 values, the request gives 2", [][]int64{{1, 2}}, nil},
		{"too few real ones", int8Path, "takes 768 values, the request gives 1", nil, [][]float32{{1}}},
		{"two inputs", int8Path, "the model has 1 inputs, the request gives 2", [][]int64{{1}, {2}}, nil},
		{"integers for floats", floatPath, "it takes no integers", [][]int64{tooBig}, nil},
	} {
		var err error
		if c.raw != nil {
			_, _, err = d.RawOutputs(t.Context(), c.path, c.raw)
		} else {
			_, _, err = d.Outputs(t.Context(), c.path, c.values)
		}
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultUser || !strings.Contains(e.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestUsersOwnFile: a user's own file is timed in the type of its activations, also with bytes
// from a camera as input. A file of int16, which latlab does not write, is accepted.
func TestUsersOwnFile(t *testing.T) {
	d := openReal(t, agent.Options{})
	data, err := os.ReadFile(written(t, gated(t), model.Form{Format: model.TFLite, Precision: model.Int8, Input: model.UInt8}))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "own.tflite")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []model.Precision{model.Int8, "int16"} {
		m, err := model.FromFile(path, model.Call{})
		if err != nil {
			t.Fatal(err)
		}
		if m.Precision != model.Int8 {
			t.Errorf("read as %s", m.Precision)
		}
		m.Precision = p
		if _, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestLeftString(t *testing.T) {
	for _, c := range []struct {
		left wire.Left
		want string
	}{
		{wire.Left{Builtin: 117, Version: 1, Type: "INT8", Count: 8}, "HARD_SWISH x8, version 1, INT8: XNNPACK takes it in float only"},
		{wire.Left{Builtin: 117, Version: 1, Type: "FLOAT32", Count: 1}, "HARD_SWISH x1, version 1, FLOAT32: not taken, and the delegate does not say why"},
		{wire.Left{Builtin: 32, Custom: "TFLite_Detection_PostProcess", Version: 1, Type: "FLOAT32", Count: 1}, "TFLite_Detection_PostProcess x1, version 1, FLOAT32: a custom op"},
		{wire.Left{Builtin: 22, Version: 1, Type: "INT8", Dynamic: true, Count: 2}, "RESHAPE x2, version 1, INT8: a shape is known only when the model runs"},
		{wire.Left{Builtin: 9999, Version: 3, Type: "INT64", Count: 1}, "BUILTIN_9999 x1, version 3, INT64: not taken, and the delegate does not say why"},
	} {
		if got := agent.WhyLeft(c.left, wire.XNNPACK); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestEightBitKernelsMustBeOn: a runtime whose delegate reports that its 8-bit kernels are off is
// refused, because it would time the wrong kernels. A preloaded library gives that answer here.
func TestEightBitKernelsMustBeOn(t *testing.T) {
	dir := t.TempDir()
	source, library := filepath.Join(dir, "flags.c"), filepath.Join(dir, "flags.so")
	if err := os.WriteFile(source, []byte("int TfLiteXNNPackDelegateGetFlags(void* d) { return 4; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(testenv.Program(t, "gcc", "gcc"), "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	d := openReal(t, agent.Options{})
	t.Setenv("LD_PRELOAD", library)
	_, err := d.Run(t.Context(), tinyModel(t), devicetest.Plan())
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultLab || !strings.Contains(e.Error(), "no 8-bit kernels switched on (flags 0x4)") {
		t.Errorf("got %v", err)
	}
}

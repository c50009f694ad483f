package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench/protocol"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/agent/agenttest"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/internal/testenv"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

// external opens a device with the test's delegate.
func external(t testing.TB, library string, options map[string]string) (*agent.Device, error) {
	t.Helper()
	return agent.Open(t.Context(), machine.Here("npu"), agent.Options{
		Name: "npu", Path: testenv.Agent(t),
		Delegate: agent.Delegate{Name: "convolver", Library: library, Options: options},
	})
}

func openExternal(t testing.TB, library string, options map[string]string) *agent.Device {
	t.Helper()
	d, err := external(t, library, options)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// convolutions is a network that the delegate takes wholly.
func convolutions(t testing.TB) *graph.Graph {
	t.Helper()
	s, err := sampler.LoadFile("testdata/convolutions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Lower(s, sampler.Arch{Space: s.Name, Indices: make([]int, len(s.Decisions()))})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func modelOf(t testing.TB, g *graph.Graph) *model.Model {
	t.Helper()
	m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Float32}, model.NewCache(t.TempDir(), 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestExternalDelegate: what a real delegate takes is proven, computed by it, and judged.
func TestExternalDelegate(t *testing.T) {
	library := agenttest.Plugin(t)
	whole := convolutions(t)
	n := len(whole.Ops)
	for _, tt := range []struct {
		name    string
		options map[string]string
		graph   *graph.Graph
		taken   func(taken, nodes, partitions int) bool
		verdict verdict.Verdict
		reason  string
	}{
		{"all", map[string]string{"kinds": "dw", "take": "all"}, whole, func(d, n, p int) bool { return d == n && p == 1 }, verdict.Valid, ""},
		{"all that it knows", nil, whole, func(d, n, p int) bool { return d > 0 && d < n && p > 1 }, verdict.Invalid, verdict.ReasonDelegation},
		{"some", map[string]string{"kinds": "dw", "take": "some"}, whole, func(d, n, p int) bool { return d == (n+1)/2 }, verdict.Invalid, verdict.ReasonDelegation},
		{"none", map[string]string{"take": "none"}, whole, func(d, n, p int) bool { return d == 0 && p == 0 }, verdict.Invalid, verdict.ReasonDelegation},
		{"of an older TFLite", map[string]string{"kinds": "dw", "older": "kernel"}, whole, func(d, n, p int) bool { return d == n && p == 1 }, verdict.Valid, ""},
		{"what is printed on stdout", map[string]string{"kinds": "dw", "print": `{"type":"result"}`}, whole,
			func(d, n, p int) bool { return d == n }, verdict.Valid, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := openExternal(t, library, tt.options)
			defer d.Close()
			info := d.Info()
			if info.Delegate != "convolver" || !info.Accelerator || len(info.Fingerprint["delegate_sha256"]) != 64 {
				t.Errorf("Info is %+v", info)
			}
			for k, v := range tt.options {
				if info.Fingerprint["delegate_option_"+k] != v {
					t.Errorf("option %s is not in the fingerprint %v", k, info.Fingerprint)
				}
			}
			b, err := d.Run(t.Context(), modelOf(t, tt.graph), devicetest.Plan())
			if err != nil {
				t.Fatal(err)
			}
			p := b.Delegation
			if p.Name != "convolver" || p.Nodes != n || !tt.taken(p.Delegated, p.Nodes, p.Partitions) {
				t.Errorf("proof is %+v", p)
			}
			if (p.Delegated < p.Nodes) != (len(p.Why) > 0) {
				t.Errorf("%d of %d nodes, because %q", p.Delegated, p.Nodes, p.Why)
			}
			for _, why := range p.Why {
				if strings.Contains(why, "XNNPACK") {
					t.Errorf("XNNPACK has nothing to do with it: %s", why)
				}
			}
			checkVerdict(t, info, b, tt.verdict, tt.reason)
			compareTo(t, d, tt.graph)
		})
	}
}

func checkVerdict(t *testing.T, info devices.Info, b *devices.Block, want verdict.Verdict, reason string) {
	t.Helper()
	p, err := protocol.Named("quick")
	if err != nil {
		t.Fatal(err)
	}
	// The test must not depend on how fast and steady its host is.
	b.Samples = []float64{0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01}
	b.CPUSamples = b.Samples
	if info.Accelerator {
		b.CPUSamples = make([]float64, len(b.Samples)) // it waits
	}
	b.Elapsed = max(b.Elapsed, 1)
	blocks := []devices.Block{*b, *b, *b, *b, *b}
	m, ok := verdict.Measure(verdict.Input{Blocks: blocks, Info: info, Protocol: p})
	if !ok {
		t.Fatal("no measurement")
	}
	found := false
	for _, r := range m.Reasons {
		found = found || r.Code == reason
	}
	if m.Verdict != want || found != (reason != "") {
		t.Errorf("verdict %s because of %+v, want %s %s", m.Verdict, m.Reasons, want, reason)
	}
}

// compareTo compares every output with the plain evaluator's, which shows that the delegate computed.
func compareTo(t *testing.T, d *agent.Device, g *graph.Graph) {
	t.Helper()
	f, err := modelOf(t, g).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	inputs := [][]float32{tflitetest.Input(g, 1)}
	want, err := tflitetest.Evaluate(data, inputs)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := d.Outputs(t.Context(), f.Path, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d outputs, want %d", len(got), len(want))
	}
	for i, o := range got {
		if diff := tflitetest.Difference(o.Values, want[i]); !(diff <= 1e-4) {
			t.Errorf("output %s differs by %.2g of its largest magnitude", o.Name, diff)
		}
	}
}

// TestExternalDelegateFails: a failure is an error with the right culprit, and never a figure of
// the CPU's.
func TestExternalDelegateFails(t *testing.T) {
	library := agenttest.Plugin(t)
	for _, tt := range []struct {
		option, value string
		opens         bool
		fault         devices.Fault
		reason, text  string
	}{
		{"fail", "create", false, devices.FaultDevice, devices.ReasonDelegate, "no accelerator is plugged in"},
		{"fail", "silent", false, devices.FaultDevice, devices.ReasonDelegate, "it does not say why"},
		{"colour", "blue", false, devices.FaultDevice, devices.ReasonDelegate, "an option is unknown"},
		{"crash", "create", false, devices.FaultDevice, devices.ReasonCrashed, "segmentation fault"},
		{"older", "delegate", false, devices.FaultUser, devices.ReasonDelegate, "an older TFLite's"},
		{"fail", "prepare", true, devices.FaultModel, devices.ReasonDelegate, "the delegate convolver cannot prepare the model"},
		{"fail", "kernel", true, devices.FaultModel, devices.ReasonDelegate, "as the delegate convolver has prepared it"},
		{"fail", "late", true, devices.FaultModel, devices.ReasonDelegate, "as the delegate convolver has prepared it"},
		{"fail", "invoke", true, devices.FaultModel, devices.ReasonRejected, "failed to run the model"},
		{"crash", "prepare", true, devices.FaultModel, devices.ReasonCrashed, "segmentation fault"},
		{"crash", "invoke", true, devices.FaultModel, devices.ReasonCrashed, "segmentation fault"},
	} {
		t.Run(tt.option+" "+tt.value, func(t *testing.T) {
			d, err := external(t, library, map[string]string{tt.option: tt.value})
			if (err == nil) != tt.opens {
				t.Fatalf("Open: %v", err)
			}
			if err == nil {
				defer d.Close()
				_, err = d.Run(t.Context(), modelOf(t, convolutions(t)), devicetest.Plan())
			}
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != tt.fault || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("got %#v, %v; want %s, %s and %q", e, err, tt.fault, tt.reason, tt.text)
			}
		})
	}
}

// TestDelegateOnTheCPU: nodes that it does not take are a warning; if it takes none, the block is invalid.
func TestDelegateOnTheCPU(t *testing.T) {
	library := agenttest.Plugin(t)
	for take, want := range map[string]verdict.Verdict{"some": verdict.Valid, "none": verdict.Invalid} {
		d, err := agent.Open(t.Context(), machine.Here("npu"), agent.Options{
			Name: "npu", Path: testenv.Agent(t),
			Delegate: agent.Delegate{Name: "armnn", Library: library, Options: map[string]string{"take": take}, OnCPU: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		b, err := d.Run(t.Context(), modelOf(t, convolutions(t)), devicetest.Plan())
		if err != nil {
			t.Fatal(err)
		}
		reason := ""
		if want == verdict.Invalid {
			reason = verdict.ReasonDelegation
		}
		checkVerdict(t, d.Info(), b, want, reason)
	}
}

// TestEdgeTPUThatIsNotThere: libedgetpu does not say why, so latlab says where to look.
func TestEdgeTPUThatIsNotThere(t *testing.T) {
	_, err := agent.Open(t.Context(), machine.Here("coral"), agent.Options{
		Name: "coral", Path: testenv.Agent(t),
		Delegate: agent.Delegate{Name: agent.EdgeTPU, Library: agenttest.Plugin(t), Options: map[string]string{"fail": "silent"}},
	})
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultDevice || !strings.Contains(e.Error(), "plugged in") {
		t.Errorf("got %v", err)
	}
}

// TestLibrariesThatAreNone: the error for a file that is no delegate quotes the loader.
func TestLibrariesThatAreNone(t *testing.T) {
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := write("empty.c", "int nothing;\n")
	half := write("half.c", "void* tflite_plugin_create_delegate(void) { return 0; }\n")
	needy := write("needy.c", "int missing(void); void* tflite_plugin_create_delegate(void) { return missing() ? 0 : 0; }\nvoid tflite_plugin_destroy_delegate(void* d) {}\n")
	opaque := write("opaque.c", "static long room[64]; void* tflite_plugin_create_delegate(void) { return room; }\nvoid tflite_plugin_destroy_delegate(void* d) {}\n")
	for name, tt := range map[string]struct{ library, text string }{
		"missing":            {"/nonexistent/libedgetpu.so.1", "no such file"},
		"relative":           {"libedgetpu.so.1", "not an absolute path"},
		"a folder":           {t.TempDir(), "cannot be loaded"},
		"text":               {write("text.so", strings.Repeat("I am no library, whatever my name says.\n", 10)), "invalid ELF header"},
		"cut off":            {write("cut.so", "\x7fELF\x02\x01\x01"), "too short"},
		"no symbols":         {agenttest.Compile(t, "gcc", empty, "empty.so"), "undefined symbol: tflite_plugin_create_delegate"},
		"half of them":       {agenttest.Compile(t, "gcc", half, "half.so"), "undefined symbol: tflite_plugin_destroy_delegate"},
		"unresolved":         {agenttest.Compile(t, "gcc", needy, "needy.so"), "undefined symbol: missing"},
		"another dependency": {dependent(t, empty, needy), "libgone.so: cannot open shared object file"},
		"another processor":  {agenttest.Compile(t, "aarch64-linux-gnu-gcc", empty, "arm.so"), "cannot open shared object file"},
		"opaque":             {agenttest.Compile(t, "gcc", opaque, "opaque.so"), "has no Prepare"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := agent.Open(t.Context(), machine.Here("npu"), agent.Options{
				Name: "npu", Path: testenv.Agent(t), Delegate: agent.Delegate{Name: "edgetpu", Library: tt.library},
			})
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != devices.FaultUser || e.Reason != devices.ReasonDelegate || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("got %v; want the user's fault with %q", err, tt.text)
			}
		})
	}
}

// dependent makes a library that needs another one, which is missing.
func dependent(t *testing.T, gone, source string) string {
	t.Helper()
	other := agenttest.Compile(t, "gcc", gone, "libgone.so")
	library := agenttest.Compile(t, "gcc", source, "dependent.so", "-L"+filepath.Dir(other), "-Wl,--no-as-needed", "-lgone")
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	return library
}

// TestTheLibraryMustNotChange: a driver that is updated in the middle of a sweep makes it a
// different device.
func TestTheLibraryMustNotChange(t *testing.T) {
	library := agenttest.Plugin(t)
	d, err := agent.Open(t.Context(), machine.Here("npu"), agent.Options{
		Name: "npu", Path: testenv.Agent(t), Delegate: agent.Delegate{Name: "convolver", Library: library},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f, err := os.OpenFile(library, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("update"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = d.Run(t.Context(), modelOf(t, convolutions(t)), devicetest.Plan())
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultLab || e.Reason != agent.ReasonVersion {
		t.Errorf("got %v", err)
	}
}

// TestDelegatesByName: settings that would be ignored or taken for another delegate are refused.
func TestDelegatesByName(t *testing.T) {
	for _, d := range []agent.Delegate{
		{Name: "edgetpu"}, {Library: "/x.so"}, {Name: "xnnpack", Library: "/x.so"}, {Name: "none", Library: "/x.so"},
		{Options: map[string]string{"device": "usb"}}, {OnCPU: true},
		{Name: "x", Library: "/x.so", Options: map[string]string{"": "y"}}, {Name: "x", Library: "/x.so", Options: map[string]string{"a": "b\x00c"}},
	} {
		_, err := agent.Open(t.Context(), machine.Here("d"), agent.Options{Name: "d", Path: testenv.Agent(t), Delegate: d})
		if devices.FaultOf(err) != devices.FaultUser {
			t.Errorf("%+v: %v, want the user's fault", d, err)
		}
	}
	for name, want := range map[string]struct {
		precisions  string
		accelerator bool
	}{"edgetpu": {"int8", true}, "qnn": {"int8 float32 int16", true}, "armnn": {"float32 int8 int16", false}} {
		info := agent.Describe(agent.Options{Name: "d", Delegate: agent.Delegate{Name: name, Library: "/x.so", OnCPU: !want.accelerator}})
		var list []string
		for _, p := range info.Precisions {
			list = append(list, string(p))
		}
		if got := strings.Join(list, " "); got != want.precisions || info.Accelerator != want.accelerator || info.Delegate != name {
			t.Errorf("%s: %+v", name, info)
		}
	}
}

// TestWithoutDelegate: the runtime's own kernels compute the same, and nothing is proven.
func TestWithoutDelegate(t *testing.T) {
	d := openReal(t, agent.Options{Delegate: agent.Delegate{Name: "none"}})
	defer d.Close()
	if info := d.Info(); info.Delegate != "" || info.Accelerator || info.Fingerprint["delegate"] != "none" {
		t.Errorf("Info is %+v", info)
	}
	b, err := d.Run(t.Context(), tinyModel(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if b.Delegation.Name != "" || b.Delegation.Delegated != 0 || len(b.Samples) < 3 {
		t.Errorf("block is %+v", b)
	}
	compareTo(t, d, convolutions(t))
}

// TestFallBackIsNoMeasurement: a runtime that goes on without the delegate, or removes it again
// later, is detected, whatever the delegate. Preloaded libraries play such runtimes.
func TestFallBackIsNoMeasurement(t *testing.T) {
	for name, tt := range map[string]struct{ source, text string }{
		"never asked": {"void TfLiteInterpreterOptionsAddDelegate(void* o, void* d) {}\n", "never asked the delegate"},
		"taken out":   {"int TfLiteInterpreterInvoke(void* i) { return 0; }\n", "ran 0 times in 1 inferences"},
	} {
		t.Run(name, func(t *testing.T) {
			source := filepath.Join(t.TempDir(), "front.c")
			if err := os.WriteFile(source, []byte(tt.source), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, d := range []*agent.Device{openExternal(t, agenttest.Plugin(t), nil), openReal(t, agent.Options{})} {
				defer d.Close()
				t.Setenv("LD_PRELOAD", agenttest.Compile(t, "gcc", source, "front.so"))
				_, err := d.Run(t.Context(), modelOf(t, convolutions(t)), devicetest.Plan())
				t.Setenv("LD_PRELOAD", "")
				var e *devices.Error
				if !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != devices.ReasonFallBack || !strings.Contains(e.Error(), tt.text) {
					t.Errorf("%s: got %v", d.Info().Delegate, err)
				}
			}
		})
	}
}

// TestCompiledModel: a vendor's compiler turns a network into one operator that only its delegate
// knows. Without that delegate the model is refused.
func TestCompiledModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "compiled_edgetpu.tflite")
	if err := os.WriteFile(path, tflitetest.Compiled("edgetpu-custom-op"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := model.FromFile(path, model.Call{})
	if err != nil {
		t.Fatal(err)
	}
	library := agenttest.Plugin(t)
	d := openExternal(t, library, map[string]string{"kinds": "custom"})
	defer d.Close()
	b, err := d.Run(t.Context(), m, devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Delegation; p.Nodes != 1 || p.Delegated != 1 || p.Partitions != 1 {
		t.Errorf("proof is %+v", p)
	}
	in := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	out, _, err := d.Outputs(t.Context(), path, [][]float32{in})
	if err != nil || len(out) != 1 {
		t.Fatal(out, err)
	}
	if diff := cmp.Diff(in, out[0].Values); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	for _, d := range []*agent.Device{openExternal(t, library, nil), openReal(t, agent.Options{})} {
		defer d.Close()
		_, err := d.Run(t.Context(), m, devicetest.Plan())
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultModel || e.Reason != devices.ReasonRejected || !strings.Contains(e.Output, "edgetpu-custom-op") {
			t.Errorf("%s: %v, output %q", d.Info().Delegate, err, e.Output)
		}
	}
}

// TestConformanceExternal runs the suite on an external delegate. The faults of the delegate happen
// at every Run.
func TestConformanceExternal(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	library := agenttest.Plugin(t)
	whole := func(t testing.TB) *model.Model { return modelOf(t, convolutions(t)) }
	with := func(options map[string]string) func(testing.TB) (devices.Device, *model.Model) {
		return func(t testing.TB) (devices.Device, *model.Model) { return openExternal(t, library, options), whole(t) }
	}
	devicetest.Run(t, devicetest.Suite{
		Open:      func(t testing.TB) devices.Device { return openExternal(t, library, map[string]string{"kinds": "dw"}) },
		Good:      whole,
		Bad:       rejectedModel,
		Crash:     with(map[string]string{"crash": "invoke"}),
		Hang:      with(map[string]string{"hang": "invoke"}),
		Partial:   with(nil),
		Lasting:   map[string]string{"Crash": "the delegate's option is the device's", "Hang": "the delegate's option is the device's"},
		Cannot:    map[string]string{"Offline": "a library on this machine cannot be out of reach"},
		Processes: func() int { return running(t, testenv.Agent(t)) },
		State:     func() string { return affinity(t) + leftovers(t) },
	})
}

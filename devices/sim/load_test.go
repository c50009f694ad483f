package sim

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices"
	"latlab/fixtures/fixturetest"
	"latlab/internal/strictyaml"
)

func source(t testing.TB, name string) string {
	t.Helper()
	data, err := files.ReadFile("files/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestLoadRefuses: every fault of a file gives one clear line with file, line and field.
func TestLoadRefuses(t *testing.T) {
	good := source(t, "pixel4-edgetpu")
	for _, tc := range []struct {
		name, old, new string
		says           string // after "my.yaml:"
	}{
		{"unknown field", "doc: ", "dco: ", `: dco: unknown field; did you mean "doc"?`},
		{"unknown field inside", "  call_seconds:", "  cal_seconds:", `: overhead.cal_seconds: unknown field; did you mean "call_seconds"?`},
		{"unknown field of a constant", `{value: 1, source: "int8"}`, `{value: 1, source: "int8", unit: b}`, ": precisions[0].element_bytes.unit: unknown field"},
		{"negative", "value: 2.0e+12", "value: -2.0e+12", ": precisions[0].macs_per_second.value: must be a number above 0, not -2.0e+12"},
		{"zero", "value: 2.0e+12", "value: 0", ": precisions[0].macs_per_second.value: must be a number above 0, not 0"},
		{"NaN", "value: 2.0e+12", "value: .nan", ": precisions[0].macs_per_second.value: must be a number above 0, not .nan"},
		{"infinite", "value: 2.0e+12", "value: .inf", ": precisions[0].macs_per_second.value: must be a number above 0, not .inf"},
		{"text for a number", "value: 2.0e+12", "value: fast", `: precisions[0].macs_per_second.value: must be a number, not "fast"`},
		{"no source", `{value: 1, source: "int8"}`, `{value: 1}`, ": precisions[0].element_bytes.source: is missing"},
		{"empty source", `{value: 1, source: "int8"}`, `{value: 1, source: " "}`, ": precisions[0].element_bytes.source: must not be empty"},
		{"bare number", `element_bytes: {value: 1, source: "int8"}`, `element_bytes: 1`, ": precisions[0].element_bytes: must be a mapping, not 1"},
		{"twice", "accelerator: true", "accelerator: true\naccelerator: true", ": accelerator: is given twice"},
		{"no accelerator's delegate", "delegate: edgetpu\n", "", ": delegate: is missing"},
		{"not a bool", "accelerator: true", "accelerator: perhaps", `: accelerator: must be true or false, not "perhaps"`},
		{"format", "formats: [tflite]", "formats: [caffe]", `: formats[0]: must be tflite or onnx, not "caffe"`},
		{"no formats", "formats: [tflite]", "formats: []", ": formats: must have 1 to 64 entries, not 0"},
		{"precision", "precision: int8", "precision: int4", `: precisions[0].precision: must be float32 or int8, not "int4"`},
		{"half a tile", "positions: {value: 8", "positions: {value: 8.5", ": tile.positions: must be a whole number"},
		{"more than the roof", "conv: {value: 0.", "conv: {value: 1.", ": efficiency.conv: must be at most 1"},
		{"clock that rises", "values: [500000000, 250000000", "values: [250000000, 500000000", ": thermal.frequencies_hz: must descend"},
		{"throttles when cold", "throttle_celsius: {value: 50", "throttle_celsius: {value: 20", ": thermal.throttle_celsius: must be above ambient_celsius"},
		{"op that no network has", "fused: [add]", "fused: [ad]", `: fused[0]: no op is of kind "ad"; did you mean "add"?`},
		{"op of another spelling", "kind: h-swish", "kind: hard_swish", `: unsupported[0].kind: no op is of kind "hard_swish"`},
		{"name", "name: pixel4-edgetpu", "name: ../x", `: name: must be lower-case letters`},
		{"alias", `element_bytes: {value: 1, source: "int8"}`, `element_bytes: &a {value: 1, source: "int8"}` + "\n    more: *a", ": precisions[0].more: unknown field"},
		{"two documents", "name: pixel4-edgetpu", "name: x\n---\nname: pixel4-edgetpu", ": a second document begins here"},
		{"no YAML", "name: pixel4-edgetpu", "name: [", ": did not find"},
		{"missing section", "overhead:", "overhaed:", `: overhaed: unknown field; did you mean "overhead"?`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(good, tc.old) {
				t.Fatalf("the file does not hold %q", tc.old)
			}
			path := filepath.Join(t.TempDir(), "my.yaml")
			if err := os.WriteFile(path, []byte(strings.Replace(good, tc.old, tc.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Options{Name: "sim:" + path})
			var bad *strictyaml.Error
			if !errors.As(err, &bad) || bad.Line == 0 || devices.FaultOf(err) != devices.FaultUser {
				t.Fatalf("got %v, want a *strictyaml.Error with a line, the user's fault", err)
			}
			text := err.Error()
			if !strings.Contains(text, tc.says) || !strings.Contains(text, "my.yaml:") || strings.Contains(text, "\n") {
				t.Errorf("got  %s\nwant %s", text, tc.says)
			}
		})
	}
}

func TestLoadRefusesWholeFiles(t *testing.T) {
	for name, data := range map[string]string{
		"is empty":              "",
		"must be a mapping":     "- a\n- b\n",
		"larger than":           strings.Repeat("# comment\n", 1<<17),
		"name: is missing":      "doc: x\n",
		"must be a mapping, no": "just text\n",
	} {
		_, _, err := Load([]byte(data), "x.yaml")
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.20q: %v, want %q", data, err, name)
		}
	}
}

// TestUserFile: a user's own file makes a full device under its own name, and different constants
// give a different fingerprint.
func TestUserFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	write := func(text string) *Device {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return open(t, Options{Name: "sim:" + path + ":exact"})
	}
	base := strings.Replace(source(t, "pixel1-cpu"), "name: pixel1-cpu", "name: mine", 1)
	slow := write(strings.Replace(base, "value: 8.6e+9", "value: 4.3e+9", 1))
	fast := write(base)
	if slow.Info().Name != "sim:"+path+":exact" || slow.Info().Fingerprint["simulator"] != "mine" {
		t.Errorf("Info is %+v", slow.Info())
	}
	if slow.Info().Fingerprint["constants_sha256"] == fast.Info().Fingerprint["constants_sha256"] {
		t.Error("two files have one fingerprint")
	}
	m := modelOf(fixturetest.Graph(t, "mobiledet_cpu"), formOf(slow))
	if s, f := run(t, slow, m, plan(1)).Samples[0], run(t, fast, m, plan(1)).Samples[0]; s < 1.3*f {
		t.Errorf("at half the speed it takes %v s instead of %v s", s, f)
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range Names() {
		f.Add([]byte(source(f, strings.TrimPrefix(name, builtinPrefix))))
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("name: x\nprecisions: [{precision: int8}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, _, err := Load(data, "x.yaml")
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		for i := range s.Precisions {
			c := s.evaluate(inverted(20, 24, 4).g, &s.Precisions[i])
			if !(c.seconds > 0 && c.seconds < 1e300) {
				t.Errorf("a file that was taken gives %v s", c.seconds)
			}
		}
	})
}

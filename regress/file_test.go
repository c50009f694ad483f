package regress

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSaveLoad(t *testing.T) {
	s := load(t, tiny)
	d := cpuRoofline().measure(t, s, 40, 0.02, 1)
	d.Fingerprint = map[string]string{"threads": "1"}
	d.MeasuredUntil = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.FixedZone("", 3600))
	for _, method := range Methods() {
		m := fit(t, d, Options{Method: method})
		path := filepath.Join(t.TempDir(), "cost.json")
		if err := m.Save(path); err != nil {
			t.Fatal(err)
		}
		got, space, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if until := got.MeasuredUntil; until == nil || until.Format(time.RFC3339Nano) != "2026-03-14T08:26:53.589793238Z" {
			t.Errorf("%s: measured until %v", method, until)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%s: model read back (-want +got):\n%s", method, diff)
		}
		s.Source, space.Source = "", ""
		if diff := cmp.Diff(s, space); diff != "" {
			t.Errorf("%s: space read back (-want +got):\n%s", method, diff)
		}
	}
}

// A model without space_file is of the built-in space of its name.
func TestLoadBuiltin(t *testing.T) {
	s := builtin(t, "mobiledet_dsp_ibn")
	var b bytes.Buffer
	if err := randomTable(s, 1).Write(&b); err != nil {
		t.Fatal(err)
	}
	if _, got, err := Read(&b, "cost.json"); err != nil || got.Name != s.Name {
		t.Errorf("space %v, error %v", got, err)
	}
}

func TestLoadErrors(t *testing.T) {
	good := tinyFile(t)
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the good file lacks %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	const refused = "cost.json: not a cost model: "
	for _, tc := range []struct{ name, file, want string }{
		{"newer", change(`"schema_version":1`, `"schema_version":2,"magic":true`),
			"cost.json: cost model of schema version 2, this program knows up to 1: use a newer one"},
		{"no version", change(`"schema_version":1,`, ``), refused + "no schema_version of 1 or more"},
		{"version 0", change(`"schema_version":1`, `"schema_version":0`), refused + "no schema_version of 1 or more"},
		{"empty", "", refused + "unexpected end of JSON input"},
		{"not JSON", "latency,1\n", refused + "invalid character 'l' looking for beginning of value"},
		{"unknown field", change(`"unit":`, `"magic":1,"unit":`), refused + `json: unknown field "magic"`},
		{"unknown field in the table", change(`"seen":`, `"saw":[],"seen":`), refused + `json: unknown field "saw"`},
		{"measured at no time", change(`"unit":`, `"measured_until":"yesterday","unit":`), refused + `parsing time "yesterday"`},
		{"two documents", good + "{}", refused + "invalid character '{' after top-level value"},
		{"milliseconds", change(`"unit":"seconds"`, `"unit":"milliseconds"`), refused + `unit is "milliseconds", want "seconds"`},
		{"no bias", change(`"bias_seconds":`, `"features":{},"Bias":`), refused + `json: unknown field "Bias"`},
		{"bias of null", change(`"bias_seconds":0.5`, `"bias_seconds":null`), refused + "bias_seconds is missing or not a number"},
		{"weight of null", change(`"weights_seconds":[1,`, `"weights_seconds":[null,`), refused + `position "stem": weight 0 is null`},
		{"weight out of range", change(`"weights_seconds":[1,`, `"weights_seconds":[1e999,`), refused + "json: cannot unmarshal number 1e999"},
		{"one weight too few", change(`"weights_seconds":[1,2],"seen":[0,0]`, `"weights_seconds":[1],"seen":[0]`),
			refused + "position stem has 1 weights, space tiny has 2"},
		{"one count too few", change(`"seen":[0,0]`, `"seen":[0]`), refused + `position "stem": 2 weights, but 1 counts of networks seen`},
		{"negative count", change(`"seen":[0,0]`, `"seen":[0,-1]`), refused + `position "stem": seen 1 is not a count`},
		{"another position", change(`"name":"stem"`, `"name":"root"`), refused + `table position 0 is "root", in space tiny it is "stem"`},
		{"no table", change(`"table":`, `"table":[],"table":`), ""},
		{"no device", change(`"device":"phone"`, `"device":""`), refused + "device is missing"},
		{"no kind", change(`"kind":"simulated",`, ``), refused + "kind is missing, want one of measured, estimated or simulated"},
		{"unknown kind", change(`"kind":"simulated"`, `"kind":"\u001b[2Jmeasured"`), refused + `kind is "\x1b[2Jmeasured", want one of measured, estimated or simulated`},
		{"kind of null", change(`"kind":"simulated"`, `"kind":null`), refused + "kind is missing"},
		{"no precision", change(`"precision":"float32",`, ``), refused + "precision is missing, want one of float32, int8 or int16"},
		{"unknown precision", change(`"precision":"float32"`, `"precision":"float7"`), refused + `precision is "float7"`},
		{"no method", change(`"method":"ops"`, `"method":""`), refused + "method is missing"},
		{"unknown space", change(`"space":"tiny"`, `"space":"tine"`), refused + `space is "tine", but the space in space_file is "tiny"`},
		{"broken space", change(`"space_file":"`, `"space_file":"magic: 1\n`), refused + "cost.json: space_file:"},
		{"no such built-in space", `{"schema_version":1,"space":"nowhere","unit":"seconds","bias_seconds":1}`, refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := Read(strings.NewReader(tc.file), "cost.json")
			if tc.want == "" {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			var version *VersionError
			var file *FileError
			if !errors.As(err, &version) && !errors.As(err, &file) {
				t.Errorf("error is a %T", err)
			}
		})
	}
}

// tinyFile is a valid file on one line, with round numbers.
func tinyFile(t testing.TB) string {
	t.Helper()
	s := load(t, tiny)
	m := randomTable(s, 1)
	m.Bias = 0.5
	m.Table[0].Weights = []float64{1, 2}
	file, err := s.YAML()
	if err != nil {
		t.Fatal(err)
	}
	m.SpaceFile = string(file)
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLoadMissingFile(t *testing.T) {
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want one of a missing file", err)
	}
}

// Whatever the bytes, Read must refuse them in words or give a model that predicts.
func FuzzRead(f *testing.F) {
	good := tinyFile(f)
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, "seconds", "", 3)))
	f.Add([]byte(`{"schema_version":1,"space":"mobiledet_cpu_ibn","unit":"seconds","bias_seconds":1,"table":[]}`))
	f.Add([]byte(`{"schema_version":3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, s, err := Read(bytes.NewReader(data), "fuzz.json")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.json: ") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		p, err := NewPredictor(m, s)
		if err != nil {
			t.Fatalf("a model that was read does not predict: %v", err)
		}
		zero := make([]int, len(s.Decisions()))
		if got := p.Predict(zero); got != got {
			t.Errorf("prediction is not a number")
		}
		if err := m.Write(io.Discard); err != nil {
			t.Errorf("a model that was read cannot be written: %v", err)
		}
	})
}

package trtexec_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"latlab/devices"
	"latlab/devices/tool/trtexec"
	"latlab/internal/testboard/trtfake"
	"latlab/sampler/model"
)

// own is a case of sampler/onnx, with an input of another name.
func own(t *testing.T, file, input string, shapes ...string) *model.Model {
	t.Helper()
	call, err := model.ParseCall("", shapes, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return called(t, file, input, 1, call)
}

// called is own with an input of another type, by its number, and with values.
func called(t *testing.T, file, input string, kind byte, call model.Call) *model.Model {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../sampler/onnx/testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, renamed(data, input, kind), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := model.FromFile(path, call)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// renamed renames the graph's input, but not where its node reads it: the stand-in computes nothing.
func renamed(data []byte, name string, kind byte) []byte {
	return replaced(data, 7, func(graph []byte) []byte {
		return replaced(graph, 11, func(value []byte) []byte {
			value = bytes.Replace(value, []byte{8, 1, 0x12}, []byte{8, kind, 0x12}, 1)
			return replaced(value, 1, func([]byte) []byte { return []byte(name) })
		})
	})
}

func replaced(data []byte, number protowire.Number, f func([]byte) []byte) []byte {
	var out []byte
	for len(data) > 0 {
		n, kind, tag := protowire.ConsumeTag(data)
		size := tag + protowire.ConsumeFieldValue(n, kind, data[tag:])
		if n == number {
			b, _ := protowire.ConsumeBytes(data[tag:])
			out = protowire.AppendBytes(protowire.AppendTag(out, n, kind), f(b))
		} else {
			out = append(out, data[:size]...)
		}
		data = data[size:]
	}
	return out
}

// TestOpenShapes: an open batch is timed as 1 and given sizes as given, by every TensorRT; trtexec is told of each
// in the build and in the run, and of no input that is fixed.
func TestOpenShapes(t *testing.T) {
	plan := devices.Plan{MinRuns: 3, MaxRuns: 3, Timeout: time.Minute}
	for _, version := range []int{7103, 8401, 100300} {
		c := quiet()
		c.Version = version
		d := open(t, board(t, c), trtexec.Options{})
		defer closes(t, d)
		for name, m := range map[string]*model.Model{
			"fixed":              own(t, "fixed.onnx", "x"),
			"fixed and given":    own(t, "fixed.onnx", "x", "x=1x3x224x224"),
			"batch":              own(t, "open_batch.onnx", "x"),
			"given batch":        own(t, "open_batch.onnx", "x", "x=8x3x224x224"),
			"given size":         own(t, "open_size.onnx", "x", "x=1x3x320x320"),
			"a name with colons": own(t, "open_batch.onnx", "serving/x:0"),
		} {
			b, err := d.Run(t.Context(), m, plan)
			if err != nil {
				t.Errorf("%d, %s: %v", version, name, err)
				continue
			}
			if len(b.Doubts) > 0 || strings.Contains(strings.Join(b.Warnings, "\n"), "overriding") {
				t.Errorf("%d, %s: doubts %v, warnings %v", version, name, b.Doubts, b.Warnings)
			}
		}
		_, err := d.Run(t.Context(), own(t, "open_batch.onnx", "a,b"), plan)
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultModel || !strings.Contains(err.Error(), `cannot name the input "a,b"`) {
			t.Errorf("a name with a comma: %v", err)
		}
	}
}

// TestValues: trtexec gets files in the types that TensorRT has, by every TensorRT, in each run.
func TestValues(t *testing.T) {
	plan := devices.Plan{MinRuns: 3, MaxRuns: 3, Timeout: time.Minute}
	const n = 3 * 224 * 224
	ids := filepath.Join(t.TempDir(), "ids.raw")
	if err := os.WriteFile(ids, bytes.Repeat([]byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}, n/2), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int{7103, 8401, 100300} {
		c := quiet()
		c.Version = version
		dir := board(t, c)
		d := open(t, dir, trtexec.Options{})
		defer closes(t, d)
		wide := strings.Repeat("0100000000000000"+"0200000000000000", n/2)
		sevens := strings.Repeat("0700000000000000", n)
		if version < 9000 {
			wide, sevens = strings.Repeat("01000000"+"02000000", n/2), strings.Repeat("07000000", n)
		}
		for _, tt := range []struct {
			name, file, input     string
			kind                  byte
			shapes, values, files []string
			want                  string // in hex, or an error
		}{
			{"nothing given", "fixed.onnx", "x", 1, nil, nil, nil, ""},
			{"float32", "fixed.onnx", "x", 1, nil, []string{"x=0.5"}, nil, strings.Repeat("0000003f", n)},
			{"float16", "fixed.onnx", "x", 10, nil, []string{"x=1"}, nil, strings.Repeat("003c", n)},
			{"int32", "fixed.onnx", "x", 6, nil, []string{"x=-2"}, nil, strings.Repeat("feffffff", n)},
			{"bool", "fixed.onnx", "x", 9, nil, []string{"x=true"}, nil, strings.Repeat("01", n)},
			{"int64", "fixed.onnx", "x", 7, nil, []string{"x=7"}, nil, sevens},
			{"a file", "fixed.onnx", "x", 7, nil, nil, []string{"x=" + ids}, wide},
			{"colons", "fixed.onnx", "serving/x:0", 1, nil, []string{"serving/x:0=0.5"}, nil, strings.Repeat("0000003f", n)},
			{"two of an open batch", "open_batch.onnx", "x", 1, []string{"x=2x3x224x224"}, []string{"x=0.5"}, nil, strings.Repeat("0000003f", 2*n)},
			{"int8", "fixed.onnx", "x", 3, nil, []string{"x=1"}, nil, "input x is int8, which TensorRT does not take as it is"},
			{"float64", "fixed.onnx", "x", 11, nil, []string{"x=1"}, nil, "input x is float64, which TensorRT does not take"},
			{"comma", "fixed.onnx", "a,b", 1, nil, []string{"a,b=1"}, nil, "trtexec's --loadInputs cannot name the input \"a,b\""},
		} {
			call, err := model.ParseCall("", tt.shapes, tt.values, tt.files)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second run takes the engine that is there
				b, err := d.Run(t.Context(), called(t, tt.file, tt.input, tt.kind, call), plan)
				if err != nil {
					if tt.want == "" || !strings.Contains(err.Error(), tt.want) || devices.FaultOf(err) == devices.FaultLab {
						t.Errorf("%d, %s: %v", version, tt.name, err)
					}
					break
				}
				if got := trtfake.Inputs(t, dir)[tt.input]; got != tt.want || len(b.Doubts) > 0 {
					t.Errorf("%d, %s: %d bytes %.40s..., want %d of %.40s...; doubts %v", version, tt.name, len(got)/2, got, len(tt.want)/2, tt.want, b.Doubts)
				}
			}
		}
	}
	d := open(t, board(t, quiet()), trtexec.Options{})
	defer closes(t, d)
	call, err := model.ParseCall("", nil, []string{"x=4294967296"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = d.Run(t.Context(), called(t, "fixed.onnx", "x", 7, call), plan); err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), "tensorrt 8.4.1 holds int64 as int32, which 4294967296 does not fit into") {
		t.Errorf("an int64 beyond int32: %v", err)
	}
}

// TestChosenShape: a trtexec that chooses a shape, whoever is to blame, has timed another network.
func TestChosenShape(t *testing.T) {
	c := quiet()
	c.Deaf = true
	d := open(t, board(t, c), trtexec.Options{})
	defer closes(t, d)
	b, err := d.Run(t.Context(), own(t, "open_batch.onnx", "x"), devices.Plan{MinRuns: 3, MaxRuns: 3, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Doubts) != 1 || b.Doubts[0].Code != "shape_chosen" || !strings.Contains(b.Doubts[0].Text, "Automatically overriding shape to: 1x3x1x1") {
		t.Errorf("doubts %+v", b.Doubts)
	}
	if !strings.Contains(strings.Join(b.Warnings, "\n"), "Automatically overriding") {
		t.Errorf("warnings %q", b.Warnings)
	}
}

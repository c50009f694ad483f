package trtexec_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"latlab/devices"
	"latlab/devices/tool/trtexec"
	"latlab/sampler/model"
)

// own is a case of sampler/onnx, with an input of another name.
func own(t *testing.T, file, input string, shapes ...string) *model.Model {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../sampler/onnx/testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, renamed(data, input), 0o600); err != nil {
		t.Fatal(err)
	}
	call, err := model.ParseCall("", shapes, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.FromFile(path, call)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// renamed renames the graph's input, but not where its node reads it: the stand-in computes nothing.
func renamed(data []byte, name string) []byte {
	return replaced(data, 7, func(graph []byte) []byte {
		return replaced(graph, 11, func(value []byte) []byte {
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

package qnn_test

import (
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/tool/qnn"
	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

// TestOpenShapes: an open batch is estimated as a batch of 1, and an open size as the one that is given.
func TestOpenShapes(t *testing.T) {
	d, err := qnn.Open(t.Context(), transport.Local{}, qnn.Options{SoC: "sa8775", Python: testenv.Python(t), Name: "hexagon:sa8775"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	estimate := func(name string, shapes ...string) float64 {
		t.Helper()
		call, err := model.ParseCall("", shapes, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.FromFile("../../../sampler/onnx/testdata/"+name+".onnx", call)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Run(t.Context(), m, devices.Plan{Timeout: 2 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Doubts) > 0 {
			t.Errorf("%s: %v", name, b.Doubts)
		}
		return b.Summary.Mean
	}
	want := estimate("q_fixed")
	if got := estimate("q_open_batch"); got != want {
		t.Errorf("open batch: %v s, want %v", got, want)
	}
	if got := estimate("q_open_size", "x=1x3x128x128"); got != want {
		t.Errorf("given size: %v s, want %v", got, want)
	}
	if got := estimate("q_open_size", "x=1x3x64x64"); got >= want {
		t.Errorf("a quarter of the size: %v s, not below %v", got, want)
	}
}

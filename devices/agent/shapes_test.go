package agent_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

// TestInputShape: a file whose size is open runs at the given size: a hundred thousand times the elements take
// more memory.
func TestInputShape(t *testing.T) {
	path := filepath.Join(t.TempDir(), "open.tflite")
	if err := os.WriteFile(path, tflitetest.Sized([]int{1, 1, 1, 3}, []int{1, -1, -1, 3}), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openReal(t, agent.Options{})
	defer d.Close()
	peak := map[string]int64{}
	for _, shape := range []string{"in=1x8x8x3", "in=1x2048x2048x3"} {
		call, err := model.ParseCall("", []string{shape}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.FromFile(path, call)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Run(t.Context(), m, devices.Plan{MinRuns: 1, MaxRuns: 1, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		peak[shape] = b.PeakMemoryBytes
	}
	if more := peak["in=1x2048x2048x3"] - peak["in=1x8x8x3"]; more < 40<<20 { // input and output are 50 MB each
		t.Errorf("peaks %v", peak)
	}
}

package benchmarkmodel

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

func TestShapeArgs(t *testing.T) {
	d := &Device{usage: usage{"input_layer": true, "input_layer_shape": true}}
	old := &Device{usage: usage{}}
	set := &Device{usage: d.usage, o: Options{Flags: map[string]string{"input_layer": "in"}}}
	for name, tc := range map[string]struct {
		d     *Device
		shape string
		want  string // arguments, or an error
	}{
		"as the file has it": {d, "in=1x8x8x3", ""},
		"another":            {d, "in=1x9x7x3", "--input_layer=in --input_layer_shape=1,9,7,3"},
		"an old build":       {old, "in=1x9x7x3", "this benchmark_model has no --input_layer_shape"},
		"flags of the user":  {set, "in=1x9x7x3", "are there already"},
	} {
		path := filepath.Join(t.TempDir(), "m.tflite")
		if err := os.WriteFile(path, tflitetest.Sized([]int{1, 8, 8, 3}, []int{1, -1, -1, 3}), 0o600); err != nil {
			t.Fatal(err)
		}
		call, err := model.ParseCall("", []string{tc.shape}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.FromFile(path, call)
		if err != nil {
			t.Fatal(err)
		}
		args, err := tc.d.shapeArgs("time m", m)
		if err != nil {
			args = []string{err.Error()}
		}
		if got := strings.Join(args, " "); !strings.Contains(got, tc.want) || tc.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestWarningForms: a warning is kept whatever it begins with.
func TestWarningForms(t *testing.T) {
	p := &parser{}
	for _, l := range lines("WARN: a\nWarning: b\nINFO: c\nW0000 00:00:17.1    4242 x.cc:71] d\n") {
		if err := p.line(l); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a", "b", "d"}; !slices.Equal(p.r.Warnings, want) {
		t.Errorf("warnings %q, want %q", p.r.Warnings, want)
	}
}

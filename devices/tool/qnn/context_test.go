package qnn_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/tool/qnn"
	"latlab/devices/transport"
	"latlab/internal/testenv"
)

func compile(t *testing.T, chip, name string) (*qnn.Context, error) {
	t.Helper()
	c, err := qnn.OpenCompiler(t.Context(), transport.Local{}, "open", chip, testenv.Python(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := models.Named(name)(t).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return c.Compile(t.Context(), "compile", f.Path, t.TempDir(), time.Minute)
}

// TestContexts: the compiler writes a context for every phone in the list, and they are not all the
// same.
func TestContexts(t *testing.T) {
	different := map[string]bool{}
	for _, chip := range qnn.Phones() {
		k, err := compile(t, chip, "good")
		if err != nil {
			t.Errorf("%s: %v", chip, err)
			continue
		}
		data, err := os.ReadFile(k.Path)
		if err != nil || len(data) < 1000 {
			t.Errorf("%s: %d bytes, %v", chip, len(data), err)
		}
		different[string(data)] = true
		want := devices.Delegation{Name: qnn.Delegate, Nodes: 9, Delegated: 9, Partitions: 1}
		if diff := cmp.Diff(want, k.Delegation); diff != "" || len(k.Floats) > 0 {
			t.Errorf("%s: floats %v, delegation (-want +got):\n%s", chip, k.Floats, diff)
		}
		if len(k.Inputs) != 1 || k.Inputs[0].Bytes != 6400 {
			t.Errorf("%s: inputs %+v", chip, k.Inputs)
		}
	}
	if len(different) < 2 {
		t.Error("contexts of all chips are the same")
	}
}

func TestContextsRefused(t *testing.T) {
	for name, says := range map[string]string{"partial": "Erf x1", "none": "", "bad": ""} {
		_, err := compile(t, "sm8650", name)
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultModel {
			t.Errorf("%s: %v (want %q)", name, err, says)
		}
	}
	if k, err := compile(t, "57", "float_io"); err != nil || len(k.Floats) != 2 || filepath.Ext(k.Path) != ".bin" {
		t.Errorf("%+v, %v", k, err)
	}
	_, err := qnn.OpenCompiler(t.Context(), transport.Local{}, "open", "sm9999", testenv.Python(t))
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultUser || e.Reason != "options" {
		t.Error(err)
	}
}

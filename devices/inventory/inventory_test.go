package inventory

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latlab/devices"
)

// lab is what can be named without an inventory, or with the one that o names.
func lab(t testing.TB, o Options) *Lab {
	t.Helper()
	o.BuiltIn = o.File == ""
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestUnknownNames(t *testing.T) {
	for _, c := range []struct{ name, says string }{
		{"cpus", `did you mean "cpu"?`},
		{"toaster9000", "`latlab devices` lists them"},
		{"sim-pixel4-edgetpo", `did you mean "sim-pixel4-edgetpu"?`},
		{"sim-toaster", "no such simulator"},
		{"vela:ethos-u65-513", "ethos-u65-512"},
		{"vela:", "vela:ACCELERATOR"},
		{"hexagon:sa8776", "sa8775"},
		{"ethos-u65-512", `did you mean "vela:ethos-u65-512"?`},
		{"HEXAGON:sa8775", `did you mean "hexagon:sa8775"?`},
		{"vela", `did you mean "vela:ethos-u55-32"?`},
		{"u", "no device is named \"u\" (`latlab devices` lists them)"},
		{"", "`latlab devices` lists them"},
	} {
		_, err := lab(t, Options{}).Describe(c.name)
		var unknown *UnknownError
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Describe(%q) = %v, want an UnknownError that says %q", c.name, err, c.says)
		}
		if _, err := lab(t, Options{}).Open(t.Context(), c.name); !errors.As(err, &unknown) {
			t.Errorf("Open(%q) = %v, want an UnknownError", c.name, err)
		}
	}
}

// TestEveryNameIsDescribed: what is listed can be described without starting anything, and
// says what a caller needs to choose how networks are written.
func TestEveryNameIsDescribed(t *testing.T) {
	l := lab(t, Options{})
	for _, name := range l.Names() {
		info, err := l.Describe(name)
		if err != nil {
			t.Errorf("Describe(%q): %v", name, err)
			continue
		}
		if info.Name != name || len(info.Formats) == 0 || len(info.Precisions) == 0 {
			t.Errorf("Describe(%q) = %+v: want the name, formats and precisions", name, info)
		}
		switch info.Kind {
		case devices.Measured, devices.Estimated, devices.Simulated:
		default:
			t.Errorf("Describe(%q) is of kind %q", name, info.Kind)
		}
	}
}

// TestCheckOfAPythonThatHangs: whoever waits is told so in words, at the end of their patience.
func TestCheckOfAPythonThatHangs(t *testing.T) {
	python := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(python, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	l := lab(t, Options{Python: python})
	for _, name := range l.Tools() {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		steps, err := l.Check(ctx, name)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if s := Failed(steps); s == nil || !strings.Contains(s.Detail, "timeout") {
			t.Errorf("%s: steps are %+v", name, steps)
		}
	}
}

// TestThreadsAreRefusedWhereThereAreNone: nothing that is asked for is ignored.
func TestThreadsAreRefusedWhereThereAreNone(t *testing.T) {
	for _, name := range lab(t, Options{}).Names() {
		for _, o := range []Options{{Threads: 2}, {CPUs: []int{0}}} {
			l := lab(t, o)
			_, err := l.Describe(name)
			_, openErr := l.Open(t.Context(), name)
			_, checkErr := l.Check(t.Context(), name)
			for _, err := range []error{err, openErr, checkErr} {
				var e *devices.Error
				if refused := errors.As(err, &e) && e.Fault == devices.FaultUser; name != Local && !refused {
					t.Errorf("%s with %+v: %v, want the user's fault", name, o, err)
				}
			}
			if name == Local && err != nil {
				t.Errorf("Describe(%s, %+v): %v", name, o, err)
			}
		}
		if _, err := lab(t, Options{Threads: 1}).Describe(name); err != nil {
			t.Errorf("%s with one thread: %v", name, err)
		}
	}
}

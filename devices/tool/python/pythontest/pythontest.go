// Package pythontest has helpers for tests of estimators: Pythons that misbehave, models written by a
// script, and checks for leftover files and processes.
package pythontest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"latlab/devices/tool/python"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// Main runs a package's tests with a temporary folder of their own, because other packages' tests look
// for latlab's leftovers in the common one.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "estimator-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("TMPDIR", dir); err != nil {
		panic(err)
	}
	return m.Run()
}

// Models are files that testdata/models.py writes, once a test run.
type Models struct {
	Extension string
	Python    func(testing.TB) string

	once sync.Once
	dir  string
	err  error
}

// Named is a hook of devicetest that opens one of the files.
func (s *Models) Named(name string) func(testing.TB) *model.Model {
	return func(t testing.TB) *model.Model {
		t.Helper()
		m, err := model.FromFile(s.file(t, name), model.Call{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func (s *Models) file(t testing.TB, name string) string {
	t.Helper()
	py := s.Python(t)
	s.once.Do(func() { s.err = s.make(t.Context(), py) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return filepath.Join(s.dir, name+s.Extension)
}

func (s *Models) make(ctx context.Context, py string) (err error) {
	if s.dir, err = os.MkdirTemp("", "models-"); err != nil {
		return err
	}
	source, err := os.ReadFile("testdata/models.py")
	if err != nil {
		return err
	}
	_, err = python.Interpreter{Transport: transport.Local{}, Path: py}.Run(ctx,
		python.Script{Op: "write models", Source: string(source), Args: []string{s.dir}, Timeout: time.Minute})
	return err
}

// Misbehaving is the Python py. Once armed, it runs the shell script instead, at the next start only.
func Misbehaving(t testing.TB, py, script string) (path string, arm func()) {
	t.Helper()
	dir := t.TempDir()
	path, flag := filepath.Join(dir, "python3"), filepath.Join(dir, "armed")
	write(t, path, fmt.Sprintf("if [ -e '%s' ]; then rm '%s'; %s; fi\nexec '%s' \"$@\"\n", flag, flag, script, py))
	return path, func() {
		if err := os.WriteFile(flag, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Empty is the Python py without any package, as a fresh virtual environment is.
func Empty(t testing.TB, py string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python3")
	write(t, path, fmt.Sprintf("exec '%s' -S \"$@\"\n", py))
	return path
}

// write makes a shell script.
func write(t testing.TB, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// Children counts this process's running child processes.
func Children(t testing.TB) int {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, list := range lists {
		if b, err := os.ReadFile(list); err == nil {
			n += len(strings.Fields(string(b)))
		}
	}
	return n
}

// Leftovers are latlab's temporary folders and the files in them.
func Leftovers(t testing.TB) string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab*"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(folders, files...), "\n")
}

// Slow skips, in a short run, tests that start a tool many times or use whole networks.
func Slow(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
}

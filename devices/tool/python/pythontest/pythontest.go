// Package pythontest is what the tests of estimators share: Pythons that misbehave, models
// that a script writes, and what a device leaves behind.
package pythontest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"latlab/internal/testenv"
	"latlab/sampler/model"
)

// Main runs a package's tests with temporary files of their own: other packages' tests look
// for what is left of latlab in the common folder.
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

// Models are files that testdata/models.py writes, once a test program.
type Models struct {
	Extension string

	once sync.Once
	dir  string
	err  error
}

// Named is a hook of devicetest that opens one of the files.
func (s *Models) Named(name string) func(testing.TB) *model.Model {
	return func(t testing.TB) *model.Model {
		t.Helper()
		m, err := model.FromFile(s.file(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func (s *Models) file(t testing.TB, name string) string {
	t.Helper()
	py := testenv.Python(t)
	s.once.Do(func() { s.err = s.make(py) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return filepath.Join(s.dir, name+s.Extension)
}

func (s *Models) make(py string) (err error) {
	if s.dir, err = os.MkdirTemp("", "models-"); err != nil {
		return err
	}
	out, err := exec.Command(py, "testdata/models.py", s.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("testdata/models.py: %w: %s", err, out)
	}
	return nil
}

// Misbehaving is a Python that once it was armed does what the shell script says, the next
// time and only then, and is the real one otherwise.
func Misbehaving(t testing.TB, script string) (path string, arm func()) {
	t.Helper()
	dir := t.TempDir()
	path, flag := filepath.Join(dir, "python3"), filepath.Join(dir, "armed")
	write(t, path, fmt.Sprintf("if [ -e '%s' ]; then rm '%s'; %s; fi\nexec '%s' \"$@\"\n", flag, flag, script, testenv.Python(t)))
	return path, func() {
		if err := os.WriteFile(flag, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Empty is a Python without any package, as a fresh virtual environment is.
func Empty(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python3")
	write(t, path, fmt.Sprintf("exec '%s' -S \"$@\"\n", testenv.Python(t)))
	return path
}

// write makes a shell script.
func write(t testing.TB, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// Children counts the processes that this one started and that run.
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

// Leftovers are the desks' folders and what is in them.
func Leftovers(t testing.TB) string {
	t.Helper()
	desks, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab*"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(desks, files...), "\n")
}

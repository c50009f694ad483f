package machine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/sampler/model"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/tflitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// remote is a fake remote machine: its files are in a folder of the test, and every call is
// counted and can be made to fail.
type remote struct {
	local transport.Local
	shell []string // starts what Path "sh" would start: a phone's or a board's shell
	env   []string

	starts, puts, stats, gets atomic.Int64
	// Each may fail instead of the transport; nil = never.
	onStart  func(transport.Command) error
	onPut    func(transport.File) error
	afterPut func(transport.File) error
	onStat   func(path string) error
	onGet    func(path string) error
}

func (r *remote) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	r.starts.Add(1)
	if r.onStart != nil {
		if err := r.onStart(c); err != nil {
			return nil, err
		}
	}
	if c.Path == "sh" && len(r.shell) > 0 {
		c.Path, c.Args = r.shell[0], append(append([]string{}, r.shell[1:]...), c.Args...)
	}
	c.Env = append(c.Env, r.env...)
	return r.local.Start(ctx, c)
}

func (r *remote) Put(ctx context.Context, f transport.File) error {
	r.puts.Add(1)
	if r.onPut != nil {
		if err := r.onPut(f); err != nil {
			return err
		}
	}
	if err := r.local.Put(ctx, f); err != nil {
		return err
	}
	if r.afterPut != nil {
		return r.afterPut(f)
	}
	return nil
}

func (r *remote) Get(ctx context.Context, path string, w io.Writer, limit int64) error {
	r.gets.Add(1)
	if r.onGet != nil {
		if err := r.onGet(path); err != nil {
			return err
		}
	}
	return r.local.Get(ctx, path, w, limit)
}

func (r *remote) Stat(ctx context.Context, path string) (transport.Info, error) {
	r.stats.Add(1)
	if r.onStat != nil {
		if err := r.onStat(path); err != nil {
			return transport.Info{}, err
		}
	}
	return r.local.Stat(ctx, path)
}

func (r *remote) Close() error { return nil }

func offline() error {
	return &devices.Error{Fault: devices.FaultDevice, Op: "reach it", Reason: devices.ReasonOffline, Err: errors.New("the cable is out")}
}

// open opens a machine that is closed with the test.
func open(t *testing.T, r transport.Transport, o machine.Options) *machine.Machine {
	t.Helper()
	if o.Name == "" {
		o.Name = "pixel"
	}
	m, err := machine.Open(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// sized is a user's own model of a given number of bytes; different seeds give different
// models. Bytes after a model's last table are part of the file but not of the model.
func sized(t testing.TB, dir string, size int, seed int) *model.Model {
	t.Helper()
	cases, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	data, err := tflitetest.Bytes(cases[0].Graph, tflite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if size < len(data)+16 {
		t.Fatalf("a model has at least %d bytes", len(data)+16)
	}
	data = append(data, make([]byte, size-len(data))...)
	copy(data[len(data)-16:], fmt.Sprintf("%016d", seed))
	path := filepath.Join(dir, fmt.Sprintf("model %d $(touch pwned) '\"\n.tflite", seed))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := model.FromFile(path, model.Call{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func reason(err error) string {
	var e *devices.Error
	if errors.As(err, &e) {
		return string(e.Fault) + " " + e.Reason
	}
	return ""
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// tree lists the files below a folder, for failure messages and comparisons.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir {
			list = append(list, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return list
}

func wantTraffic(t *testing.T, m *machine.Machine, want machine.Traffic) {
	t.Helper()
	got := m.Traffic()
	got.Seconds = 0
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("traffic (-want +got):\n%s", d)
	}
}

// wantNames compares the names in a folder; a missing folder is empty.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Name())
	}
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("in %q (-want +got):\n%s", dir, d)
	}
}

// program is a small program with a script that runs; its folders and names contain characters
// that are special to a shell.
func program(t *testing.T, host string) machine.Program {
	t.Helper()
	files := map[string]string{}
	for name, content := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"hello":                {"#!/bin/sh\necho hello from \"$0\"\n", 0o755},
		"lib/libone.so":        {strings.Repeat("one", 50_000), 0o644},
		"-rf":                  {"no option", 0o644},
		"it's $(touch pwned)":  {"no command", 0o644},
		"lib/deep er/x\ny.txt": {"", 0o640},
	} {
		path := filepath.Join(host, fmt.Sprintf("%x", name))
		if err := errors.Join(os.WriteFile(path, []byte(content.text), content.mode), os.Chmod(path, content.mode)); err != nil {
			t.Fatal(err)
		}
		files[name] = path
	}
	return machine.Program{Name: "greeter", Files: files}
}

// checkProgram installs a program, runs it, and installs a different version of it.
func checkProgram(t *testing.T, m *machine.Machine, host string, here func(string) string) string {
	t.Helper()
	old := program(t, host)
	delete(old.Files, "-rf")
	oldDir, err := m.Install(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	p := program(t, host)
	dir, err := m.Install(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if oldDir == dir || exists(t, here(oldDir)) {
		t.Errorf("%s is still there beside %s", oldDir, dir)
	}
	wantNames(t, here(filepath.Dir(dir)), filepath.Base(dir))
	for name, path := range p.Files {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(here(filepath.Join(dir, name)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %d bytes, %v", name, len(got), err)
		}
	}
	for name, want := range map[string]os.FileMode{"hello": 0o700, "lib/libone.so": 0o600, "lib": 0o700 | os.ModeDir} {
		if info, err := os.Stat(here(filepath.Join(dir, name))); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	runs(t, m, filepath.Join(dir, "hello"))
	if again, err := m.Install(t.Context(), p); err != nil || again != dir || m.Traffic().Programs != 2 {
		t.Errorf("installed again: %q, %v, %+v", again, err, m.Traffic())
	}
	return dir
}

func runs(t *testing.T, m *machine.Machine, path string) {
	t.Helper()
	out, err := transport.Run(t.Context(), m, transport.Command{Path: path}, 1<<20)
	if err != nil || out.Exit != (transport.Exit{}) || out.Stdout != "hello from "+path+"\n" {
		t.Errorf("%q ran: %+v, %v", path, out, err)
	}
}

func checkTemp(t *testing.T, m *machine.Machine, here func(string) string) {
	t.Helper()
	tmp, err := m.Temp(t.Context(), "time it")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(here(tmp.Dir)); err != nil || info.Mode() != 0o700|os.ModeDir {
		t.Errorf("a temporary folder: %v, %v", info.Mode(), err)
	}
	if _, err := transport.Shell(t.Context(), m, 100, `printf 0123456789 >"$1"`, tmp.Path("times.json")); err != nil {
		t.Fatal(err)
	}
	if b, err := tmp.ReadFile(t.Context(), "time it", "times.json", 10); err != nil || string(b) != "0123456789" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := tmp.ReadFile(t.Context(), "time it", "times.json", 9); err == nil {
		t.Errorf("%q of a file of 10 bytes, and 9 are the limit", b)
	}
	if _, err := tmp.ReadFile(t.Context(), "time it", "none", 9); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	tmp.Close()
	if exists(t, here(tmp.Dir)) {
		t.Errorf("%s is still there", tmp.Dir)
	}
}

func checkClean(t *testing.T, r transport.Transport, o machine.Options, here func(string) string) {
	t.Helper()
	lines, err := machine.Clean(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "removed 1 program (0.") || lines[1] != "removed "+o.Dir {
		t.Errorf("cleaned: %q", lines)
	}
	if exists(t, here(o.Dir)) {
		t.Errorf("%s is still there: %q", o.Dir, tree(t, here(o.Dir)))
	}
	lines, err = machine.Clean(t.Context(), r, o)
	if d := cmp.Diff([]string{"nothing of latlab's is in " + o.Dir}, lines); d != "" || err != nil {
		t.Errorf("cleaned again: %v\n%s", err, d)
	}
}

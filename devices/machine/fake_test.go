package machine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/sampler/model"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/tflitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// remote is a machine elsewhere that is this one: its files are below a folder of the test's,
// and all that is asked of it is counted and may fail.
type remote struct {
	local transport.Local
	shell []string // starts what Path "sh" would: a phone's, a board's
	env   []string

	starts, puts, stats, gets atomic.Int64
	// Each may fail in the transport's place; nil where it does not.
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

// sized is a user's own model of so many bytes; seed makes it another one. What comes after a
// model's last table is no part of it, but is of its file.
func sized(t testing.TB, dir string, size int, seed int) *model.Model {
	t.Helper()
	cases, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	data, err := tflite.Bytes(cases[0].Graph, tflite.Options{})
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
	m, err := model.FromFile(path)
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

// tree lists what is below a folder, for people and for comparisons.
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

func look(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	return path
}

package machine_test

import (
	"context"
	"io"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"latlab/devices/machine"
	"latlab/devices/transport"
)

// hung is a device that accepts every request and never answers.
type hung struct{ *remote }

func (hung) Start(ctx context.Context, _ transport.Command) (transport.Process, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hung) Put(ctx context.Context, _ transport.File) error { <-ctx.Done(); return ctx.Err() }

func (hung) Get(ctx context.Context, _ string, _ io.Writer, _ int64) error {
	<-ctx.Done()
	return ctx.Err()
}

func (hung) Stat(ctx context.Context, _ string) (transport.Info, error) {
	<-ctx.Done()
	return transport.Info{}, ctx.Err()
}

// switched is a device that hangs from a chosen moment on.
type switched struct {
	transport.Transport
	hung bool
	puts bool // only pushes hang
}

func (s *switched) now(put bool) transport.Transport {
	if s.hung && (put || !s.puts) {
		return hung{}
	}
	return s.Transport
}

func (s *switched) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	return s.now(false).Start(ctx, c)
}
func (s *switched) Put(ctx context.Context, f transport.File) error { return s.now(true).Put(ctx, f) }
func (s *switched) Get(ctx context.Context, path string, w io.Writer, limit int64) error {
	return s.now(false).Get(ctx, path, w, limit)
}

func (s *switched) Stat(ctx context.Context, path string) (transport.Info, error) {
	return s.now(false).Stat(ctx, path)
}

// TestHungDevice checks that nothing waits for ever and that the longest wait is bounded.
func TestHungDevice(t *testing.T) {
	dir, host := filepath.Join(t.TempDir(), "lab"), t.TempDir()
	mdl, p := sized(t, host, 2_000_000, 1), program(t, host)
	for _, tt := range []struct {
		name    string
		puts    bool
		do      func(ctx context.Context, m *machine.Machine) error
		longest time.Duration
	}{
		{"a script", false, func(ctx context.Context, m *machine.Machine) error { _, err := m.Temp(ctx, "time it"); return err }, 30 * time.Second},
		{"a look", false, func(ctx context.Context, m *machine.Machine) error { _, err := m.Install(ctx, p); return err }, 30 * time.Second},
		{"a push", true, func(ctx context.Context, m *machine.Machine) error {
			_, err := m.Stage(ctx, "time it", mdl)
			return err
		}, 45 * time.Second},
		{"a file", false, func(ctx context.Context, m *machine.Machine) error {
			_, err := m.ReadFile(ctx, "time it", "/result", 1<<20)
			return err
		}, 38 * time.Second},
		{"the state", false, func(ctx context.Context, m *machine.Machine) error { _, err := m.State(ctx); return err }, 45 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &switched{Transport: &remote{}, puts: tt.puts}
				m := open(t, s, machine.Options{Dir: dir})
				s.hung = true
				start := time.Now()
				if err := tt.do(context.Background(), m); reason(err) != "device hung" {
					t.Errorf("%s: %v", reason(err), err)
				}
				if got := time.Since(start); got != tt.longest {
					t.Errorf("it took %v, want %v", got, tt.longest)
				}
				s.hung = false
			})
		})
	}
}

// TestCloseOfAHungDevice: Close has its own timeout, because the sweep's context may have
// ended.
func TestCloseOfAHungDevice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	mdl := sized(t, t.TempDir(), 100_000, 1)
	synctest.Test(t, func(t *testing.T) {
		s := &switched{Transport: &remote{}}
		m, err := machine.Open(t.Context(), s, machine.Options{Name: "pixel", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		stage(t, m, mdl)
		s.hung = true
		start := time.Now()
		if err := m.Close(); reason(err) != "device hung" || time.Since(start) > 30*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

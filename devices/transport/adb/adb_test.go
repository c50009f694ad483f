package adb_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/adb"
	"latlab/devices/transport/adb/adbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// phone is a fake behind a real server. The test fails if anything is left on it at the end.
func phone(t testing.TB, o adbtest.Options) (*adb.Device, *adbtest.Fake, adb.Server) {
	t.Helper()
	real := adbtest.Server(t)
	f := adbtest.Phone(t, real, o)
	s := adb.Server{Addr: real.Addr, Binary: real.Binary, Stall: 10 * time.Second}
	d := open(t, f, s)
	return d, f, s
}

func open(t testing.TB, f *adbtest.Fake, s adb.Server) *adb.Device {
	t.Helper()
	d, err := adb.Open(context.Background(), adb.Options{Serial: f.Serial(), Server: s})
	if err != nil {
		t.Fatal(err)
	}
	ends(t, f, d)
	return d
}

// ends closes a phone when the test ends, and checks that nothing is left on it.
func ends(t testing.TB, f *adbtest.Fake, d *adb.Device) {
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := f.WaitQuiet(); err != nil {
			t.Error(err)
		}
	})
}

func start(t testing.TB, d *adb.Device, c transport.Command) transport.Process {
	t.Helper()
	p, err := d.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sh(script string) transport.Command {
	return transport.Command{Path: "sh", Args: []string{"-c", script}}
}

// finish reads one stream to its end and then the other, and waits.
func finish(t testing.TB, p transport.Process) (stdout, stderr string, exit transport.Exit) {
	t.Helper()
	out, err := io.ReadAll(p.Stdout())
	if err != nil {
		t.Fatal(err)
	}
	errs, err := io.ReadAll(p.Stderr())
	if err != nil {
		t.Fatal(err)
	}
	return string(out), string(errs), p.Wait()
}

// userlands are the shells of phones: Android's, and those of emulators and recoveries.
var userlands = map[string][]string{"dash": {"/bin/sh"}, "mksh": {"/bin/mksh"}, "busybox": {"/bin/busybox", "sh"}}

func TestRun(t *testing.T) {
	for name, shell := range userlands {
		t.Run(name, func(t *testing.T) {
			d, _, _ := phone(t, adbtest.Options{Shell: shell})
			for _, tt := range []struct {
				script         string
				stdout, stderr string
				exit           transport.Exit
			}{
				{"echo out; echo err >&2", "out\n", "err\n", transport.Exit{}},
				{"exit 42", "", "", transport.Exit{Code: 42}},
				{"kill -SEGV $$", "", "", transport.Exit{Code: -1, Signal: "segmentation fault"}},
				{"kill -9 $$", "", "", transport.Exit{Code: -1, Signal: "killed"}},
				{"printf 'no newline' >&2; exit 3", "", "no newline", transport.Exit{Code: 3}},
				{"cat", "", "", transport.Exit{}},
				{"sleep 3600 & echo left", "left\n", "", transport.Exit{}},
				{"head -c 200000 /dev/zero >&2; echo out", "out\n", strings.Repeat("\x00", 200000), transport.Exit{}},
			} {
				p := start(t, d, sh(tt.script))
				_ = p.Stdin().Close()
				out, errs, exit := finish(t, p)
				if out != tt.stdout || errs != tt.stderr || exit != tt.exit {
					t.Errorf("%q: %q, %.100q, %+v; want %+v", tt.script, out, errs, exit, tt.exit)
				}
			}
		})
	}
}

func TestPutGetStat(t *testing.T) {
	d, _, _ := phone(t, adbtest.Options{})
	dir := t.TempDir()
	for _, name := range []string{"plain", "a b", "it's", `"$(touch x)"`, "new\nline", "-rf", "a,0777", "é", "`x`", "*"} {
		path := filepath.Join(dir, name)
		content := strings.Repeat(name, 50_000)
		f := transport.File{Path: path, Content: strings.NewReader(content), Size: int64(len(content)), Mode: 0o640}
		if err := d.Put(t.Context(), f); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != content {
			t.Fatalf("%q: %d bytes there, %v", name, len(b), err)
		}
		info, err := d.Stat(t.Context(), path)
		if err != nil || info.Size != f.Size || info.Mode != 0o640 {
			t.Errorf("%q: %+v, %v", name, info, err)
		}
		var got strings.Builder
		if err := d.Get(t.Context(), path, &got, f.Size); err != nil || got.String() != content {
			t.Errorf("%q: got %d bytes, %v", name, got.Len(), err)
		}
		if err := d.Get(t.Context(), path, io.Discard, f.Size-1); err == nil {
			t.Errorf("%q: a longer file is taken", name)
		}
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	none := filepath.Join(dir, "none")
	if _, err := d.Stat(t.Context(), none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
	if err := d.Get(t.Context(), none, io.Discard, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get: %v", err)
	}
}

func TestNoProgram(t *testing.T) {
	d, _, _ := phone(t, adbtest.Options{})
	if _, err := d.Start(t.Context(), transport.Command{Path: "/nonexistent"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

func TestList(t *testing.T) {
	real := adbtest.Server(t)
	s := adb.Server{Addr: real.Addr}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var f *adbtest.Fake
	var seen []string
	for ctx.Err() == nil {
		list, err := s.Devices(ctx)
		if err != nil {
			t.Fatalf("%v after %q", err, seen)
		}
		state := "nobody"
		if len(list) > 0 {
			state = list[0].State
			got := list[0]
			want := adb.Listed{Serial: f.Serial(), State: state}
			if diff := cmp.Diff(want, got); state == "device" && diff != "" {
				t.Error(diff)
			}
		}
		if len(seen) == 0 || seen[len(seen)-1] != state {
			seen = append(seen, state)
		}
		switch {
		case f == nil:
			f = adbtest.Phone(t, real, adbtest.Options{Props: map[string]string{"ro.product.name": "sargo", "ro.product.model": "Pixel 3a", "ro.product.device": "sargo"}})
		case state == "device":
			if err := s.Disconnect(ctx, f.Serial()); err != nil {
				t.Fatal(err)
			}
		case slices.Contains(seen, "device"):
			cancel()
		}
		time.Sleep(10 * time.Millisecond)
	}
	if seen[0] != "nobody" || !slices.Contains(seen, "device") || seen[len(seen)-1] != "nobody" {
		t.Errorf("seen: %q", seen)
	}
}

func reason(err error) string {
	var e *devices.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

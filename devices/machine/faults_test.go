package machine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
)

func full() error {
	return &devices.Error{Fault: devices.FaultDevice, Op: "push", Reason: devices.ReasonFull, Err: errors.New("12345 bytes are free")}
}

// TestStageFaults: each fault is an error that names whose fault it is, leaves nothing on the
// machine that is taken for a model, and the next Stage works.
func TestStageFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(r *remote, dir string)
		want  string
		texts []string
	}{
		{"offline before the push", func(r *remote, _ string) {
			r.onPut = func(transport.File) error { return offline() }
		}, "device offline", []string{"the cable is out"}},
		{"offline in the middle of the push", func(r *remote, dir string) {
			r.onPut = func(f transport.File) error {
				half, _ := io.ReadAll(io.LimitReader(f.Content, f.Size/2))
				_ = os.WriteFile(f.Path+".part", half, 0o600)
				return offline()
			}
		}, "device offline", nil},
		{"offline when the push was over, unknown to us", func(r *remote, _ string) {
			r.afterPut = func(transport.File) error { return offline() }
		}, "device offline", nil},
		{"offline while it is verified", func(r *remote, _ string) {
			r.afterPut = func(transport.File) error {
				r.onStart = func(transport.Command) error { return offline() }
				return nil
			}
		}, "device offline", nil},
		{"a transport that does not know", func(r *remote, _ string) {
			r.onPut = func(transport.File) error { return io.ErrUnexpectedEOF }
		}, "device offline", []string{"unexpected EOF"}},
		{"full disk", func(r *remote, _ string) {
			r.onPut = func(transport.File) error { return full() }
		}, "device disk-full", []string{"a file of 100000 bytes", "12345 bytes are free"}},
		{"other bytes arrived", func(r *remote, _ string) {
			r.afterPut = func(f transport.File) error {
				file, err := os.OpenFile(f.Path, os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				_, err = file.WriteAt([]byte("x"), 50_000)
				return errors.Join(err, file.Close())
			}
		}, "device corrupt", []string{"is not what was sent"}},
		{"fewer bytes arrived", func(r *remote, _ string) {
			r.afterPut = func(f transport.File) error { return os.Truncate(f.Path, 99_999) }
		}, "device corrupt", []string{"is not what was sent"}},
		{"nothing arrived", func(r *remote, _ string) {
			r.afterPut = func(f transport.File) error { return os.Remove(f.Path) }
		}, "device corrupt", []string{"is not there"}},
		{"a link arrived", func(r *remote, dir string) {
			r.afterPut = func(f transport.File) error {
				return errors.Join(os.Rename(f.Path, filepath.Join(dir, "other")), os.Symlink(filepath.Join(dir, "other"), f.Path))
			}
		}, "device corrupt", []string{"is not there"}},
		{"it is gone when it is looked at", func(r *remote, _ string) {
			r.onStat = func(string) error { return fs.ErrNotExist }
		}, "device folder", nil},
		{"no shell", func(r *remote, _ string) { r.shell = []string{"/nonexistent/sh"} }, "device folder", nil},
		{"a shell that prints without end", func(r *remote, _ string) { r.shell = []string{"/bin/sh", "-c", "exec yes"} },
			"device garbage", []string{"printed more than"}},
		{"the folder was taken away", func(r *remote, dir string) {
			_ = os.RemoveAll(dir)
			_ = os.WriteFile(dir, nil, 0o600)
		}, "user folder", []string{"it is no folder"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "lab")
			r := &remote{}
			m := open(t, r, machine.Options{Dir: dir})
			mdl := sized(t, t.TempDir(), 100_000, 1)
			tt.fault(r, dir)
			_, err := m.Stage(t.Context(), "time it", mdl)
			if reason(err) != tt.want {
				t.Errorf("%s: %v; want %s", reason(err), err, tt.want)
			}
			for _, text := range tt.texts {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("%v: want %q in it", err, text)
				}
			}
			if n := m.Traffic().StagedModels; n != 0 {
				t.Errorf("%d models are staged", n)
			}
			*r = remote{}
			if info, err := os.Stat(dir); err == nil && !info.IsDir() {
				_ = os.Remove(dir)
			}
			s, err := m.Stage(t.Context(), "time it", mdl)
			if err != nil {
				t.Fatalf("after the fault: %v", err)
			}
			checkStaged(t, s, itself)
			wantNames(t, filepath.Join(dir, "models"), filepath.Base(s.Path))
			_ = os.Remove(filepath.Join(dir, "other"))
		})
	}
}

// TestNoRoom: the errors give both numbers of bytes.
func TestNoRoom(t *testing.T) {
	df := t.TempDir()
	fake := func(free string) *remote {
		script := "#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted on\necho /dev/block/dm-0 100 1 " + free + " 1% /data\n"
		if err := os.WriteFile(filepath.Join(df, "df"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		return &remote{env: []string{"PATH=" + df + ":" + os.Getenv("PATH")}}
	}
	host := t.TempDir()
	one, two := sized(t, host, 100_000, 1), sized(t, host, 150_000, 2)
	for _, tt := range []struct {
		free   string
		budget int64
		inUse  bool
		want   string
	}{
		{"1000000", 149_999, false, "a file of 150000 bytes: the budget for models there is 149999 bytes"},
		{"1000000", 249_999, true, "a file of 150000 bytes: the budget for models there is 249999 bytes, and others are in use"},
		{"146", 0, true, "a file of 150000 bytes: 149504 bytes are free there"},
		{"146", 0, false, "a file of 150000 bytes: 149504 bytes are free there"},
		{"147", 0, true, ""},
		{"-", 0, true, ""}, // df reports nothing: the push will fail instead
	} {
		r := fake(tt.free)
		m := open(t, r, machine.Options{Dir: filepath.Join(t.TempDir(), "lab"), Budget: tt.budget})
		s := stage(t, m, one)
		if !tt.inUse {
			s.Close()
		}
		before := r.puts.Load()
		_, err := m.Stage(t.Context(), "time it", two)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s KiB free: %v", tt.free, err)
			}
			continue
		}
		if reason(err) != "device disk-full" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s KiB free, budget %d: %v; want %q", tt.free, tt.budget, err, tt.want)
		}
		if r.puts.Load() != before {
			t.Errorf("%s KiB free: it was pushed all the same", tt.free)
		}
		if n := m.Traffic().StagedModels; tt.inUse && n != 1 {
			t.Errorf("%s KiB free: %d models are staged; the one in use stays", tt.free, n)
		}
	}
	r := fake("10")
	m := open(t, r, machine.Options{Dir: filepath.Join(t.TempDir(), "lab")})
	if _, err := m.Install(t.Context(), program(t, t.TempDir())); reason(err) != "device disk-full" || !strings.Contains(err.Error(), "10240 bytes are free there") {
		t.Errorf("a program: %v", err)
	}
}

// TestGoneModelsArePushedAgain: models are pushed again to a wiped phone and to a board whose
// tmp is in memory.
func TestGoneModelsArePushedAgain(t *testing.T) {
	for name, lose := range map[string]func(dir, path string) error{
		"the file":            func(_, path string) error { return os.Remove(path) },
		"the folder":          func(dir, _ string) error { return os.RemoveAll(dir) },
		"half of it":          func(_, path string) error { return os.Truncate(path, 50_000) },
		"replaced by another": func(_, path string) error { return os.WriteFile(path, make([]byte, 100_000), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "lab")
			r := &remote{}
			m := open(t, r, machine.Options{Dir: dir})
			mdl := sized(t, t.TempDir(), 100_000, 1)
			s := stage(t, m, mdl)
			past := time.Now().Add(-time.Hour)
			_ = os.Chtimes(s.Path, past, past)
			s.Close()
			s = stage(t, m, mdl) // its time changed, so it is pushed again
			s.Close()
			starts := r.starts.Load()
			stage(t, m, mdl).Close()
			if r.starts.Load() != starts || m.Traffic().Models != 2 {
				t.Errorf("a look cost %d shells; %+v", r.starts.Load()-starts, m.Traffic())
			}
			if err := lose(dir, s.Path); err != nil {
				t.Fatal(err)
			}
			checkStaged(t, stage(t, m, mdl), itself)
			if n := m.Traffic().Models; n != 3 {
				t.Errorf("pushed %d times, want 3", n)
			}
		})
	}
}

func TestInstallFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(r *remote, dir string)
		want  string
	}{
		{"offline at the third file", func(r *remote, _ string) {
			r.onPut = func(transport.File) error {
				if r.puts.Load() == 3 {
					return offline()
				}
				return nil
			}
		}, "device offline"},
		{"offline before the marker", func(r *remote, _ string) {
			r.onPut = func(f transport.File) error {
				if strings.HasSuffix(f.Path, ".latlab-complete") {
					return offline()
				}
				return nil
			}
		}, "device offline"},
		{"full", func(r *remote, _ string) { r.onPut = func(transport.File) error { return full() } }, "device disk-full"},
		{"other bytes arrived", func(r *remote, _ string) {
			r.afterPut = func(f transport.File) error {
				if strings.HasSuffix(f.Path, "hello") {
					return os.WriteFile(f.Path, []byte("#!/bin/sh\nrm -rf ~\n"), 0o700)
				}
				return nil
			}
		}, "device corrupt"},
		{"one did not arrive", func(r *remote, _ string) {
			r.afterPut = func(f transport.File) error {
				if strings.HasSuffix(f.Path, "hello") {
					return os.Remove(f.Path)
				}
				return nil
			}
		}, "device corrupt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "lab")
			r := &remote{}
			m := open(t, r, machine.Options{Dir: dir})
			p := program(t, t.TempDir())
			tt.fault(r, dir)
			if _, err := m.Install(t.Context(), p); reason(err) != tt.want {
				t.Errorf("%s: %v; want %s", reason(err), err, tt.want)
			}
			for _, name := range tree(t, dir) {
				if strings.HasSuffix(name, ".latlab-complete") {
					t.Error("it looks complete")
				}
			}
			*r = remote{}
			got, err := m.Install(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			runs(t, m, filepath.Join(got, "hello"))
			wantNames(t, filepath.Join(dir, "programs"), filepath.Base(got))
		})
	}
}

// TestInstallLooksAgain: a program of an earlier run is hashed once; a program of this run is
// only checked for.
func TestInstallLooksAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	p := program(t, t.TempDir())
	install := func(m *machine.Machine) string {
		t.Helper()
		got, err := m.Install(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		runs(t, m, filepath.Join(got, "hello"))
		return got
	}
	first := open(t, &remote{}, machine.Options{Dir: dir})
	got := install(first)
	if err := os.RemoveAll(dir); err != nil { // wiped
		t.Fatal(err)
	}
	install(first)
	if n := first.Traffic().Programs; n != 2 {
		t.Errorf("pushed %d times, want 2", n)
	}
	for name, spoil := range map[string]func() error{
		"changed": func() error { return os.WriteFile(filepath.Join(got, "hello"), []byte("#!/bin/sh\nrm -rf ~\n"), 0o700) },
		"gone":    func() error { return os.Remove(filepath.Join(got, "hello")) },
		"a link": func() error {
			return errors.Join(os.Remove(filepath.Join(got, "hello")), os.Symlink("/bin/sh", filepath.Join(got, "hello")))
		},
		"incomplete": func() error { return os.Remove(filepath.Join(got, ".latlab-complete")) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		m := open(t, &remote{}, machine.Options{Dir: dir})
		install(m)
		if n := m.Traffic().Programs; n != 1 {
			t.Errorf("%s: pushed %d times, want 1", name, n)
		}
	}
	// A lost mode is restored, and nothing is pushed.
	if err := os.Chmod(filepath.Join(got, "hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, &remote{}, machine.Options{Dir: dir})
	install(m)
	if n := m.Traffic().Programs; n != 0 {
		t.Errorf("pushed %d times, want 0", n)
	}
}

func TestProgramsThatAreRefused(t *testing.T) {
	host := t.TempDir()
	file := filepath.Join(host, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := &remote{}
	m := open(t, r, machine.Options{Dir: filepath.Join(t.TempDir(), "lab")})
	before := r.starts.Load()
	for _, tt := range []struct {
		p    machine.Program
		want string
	}{
		{machine.Program{Name: "tool"}, "lab program"},
		{machine.Program{Name: "", Files: map[string]string{"a": file}}, "lab program"},
		{machine.Program{Name: "..", Files: map[string]string{"a": file}}, "lab program"},
		{machine.Program{Name: "a/b", Files: map[string]string{"a": file}}, "lab program"},
		{machine.Program{Name: "-rf", Files: map[string]string{"a": file}}, "lab program"},
		{machine.Program{Name: "tool", Files: map[string]string{"../a": file}}, "user tool-missing"},
		{machine.Program{Name: "tool", Files: map[string]string{"/etc/passwd": file}}, "user tool-missing"},
		{machine.Program{Name: "tool", Files: map[string]string{".latlab-complete": file}}, "user tool-missing"},
		{machine.Program{Name: "tool", Files: map[string]string{"a": file + ".none"}}, "user tool-missing"},
		{machine.Program{Name: "tool", Files: map[string]string{"a": host}}, "user tool-missing"},
	} {
		if dir, err := m.Install(t.Context(), tt.p); reason(err) != tt.want {
			t.Errorf("%+v: %q, %v; want %s", tt.p, dir, err, tt.want)
		}
	}
	if r.starts.Load() != before {
		t.Error("the machine was asked")
	}
	if _, err := machine.Here("cpu").Install(t.Context(), program(t, host)); reason(err) != "lab local" {
		t.Errorf("on this machine: %v", err)
	}
}

func TestCancelledStage(t *testing.T) {
	r := &remote{}
	dir := filepath.Join(t.TempDir(), "lab")
	m := open(t, r, machine.Options{Dir: dir})
	mdl := sized(t, t.TempDir(), 100_000, 1)
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	r.onPut = func(transport.File) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	}
	done := make(chan error, 2)
	for range 2 { // one pushes, one waits
		go func() {
			_, err := m.Stage(ctx, "time it", mdl)
			done <- err
		}()
	}
	<-started
	cancel()
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	r.onPut = nil
	stage(t, m, mdl).Close()
}

func TestClosed(t *testing.T) {
	m := open(t, &remote{}, machine.Options{Dir: filepath.Join(t.TempDir(), "lab")})
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if _, err := m.Stage(t.Context(), "time it", sized(t, t.TempDir(), 100_000, 1)); reason(err) != "lab closed" {
		t.Errorf("stage: %v", err)
	}
	if _, err := m.Install(t.Context(), program(t, t.TempDir())); reason(err) != "lab closed" {
		t.Errorf("install: %v", err)
	}
	if _, err := m.Temp(t.Context(), "time it"); reason(err) != "lab closed" {
		t.Errorf("temp: %v", err)
	}
}

// TestCloseAway: Close reports what it could not remove, and the next Open removes it.
func TestCloseAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	r := &remote{}
	m, err := machine.Open(t.Context(), r, machine.Options{Name: "pixel", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(stage(t, m, sized(t, t.TempDir(), 100_000, 1)).Path)
	r.onStart = func(transport.Command) error { return offline() }
	err = m.Close()
	if reason(err) != "device offline" || !strings.Contains(err.Error(), "models remain in "+dir+" there; they are removed when pixel is next used") {
		t.Errorf("close: %v", err)
	}
	wantNames(t, filepath.Join(dir, "models"), name)
	if _, err := machine.Open(t.Context(), r, machine.Options{Name: "pixel", Dir: dir}); reason(err) != "device offline" {
		t.Errorf("open: %v", err)
	}
	r.onStart = nil
	open(t, r, machine.Options{Dir: dir})
	wantNames(t, dir, ".latlab")
}

// TestCloseAsksNobody: if nothing was put on the machine, Close does not contact it.
func TestCloseAsksNobody(t *testing.T) {
	r := &remote{}
	m := open(t, r, machine.Options{Dir: filepath.Join(t.TempDir(), "lab")})
	r.onStart = func(c transport.Command) error { return fmt.Errorf("asked %q", c.Args) }
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestWrap(t *testing.T) {
	m := open(t, &remote{}, machine.Options{Dir: filepath.Join(t.TempDir(), "lab"), Wrap: []string{"env", hostile + "=1", "sh", "-c", `printf '%s|' "$@"`, "wrap"}})
	out, err := transport.Run(t.Context(), m, transport.Command{Path: "/data/tool", Args: []string{hostile, "", "--graph=" + hostile}}, 1<<20)
	if err != nil || out.Stdout != "/data/tool|"+hostile+"||--graph="+hostile+"|" {
		t.Errorf("%+v, %v", out, err)
	}
}

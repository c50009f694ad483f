package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
	"latlab/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files")

// shells are those of Debian, of a small board and of Android. The last two bring their own
// programs.
var shells = [][]string{{"dash"}, {"busybox", "ash"}, {"mksh"}}

// programs are those that the scripts use.
var programs = []string{"head", "grep", "cat", "uname", "id", "rm", "mkdir"}

// shell runs every program of a device in one of the shells, on this host.
type shell struct {
	t    *testing.T
	argv []string
	env  []string
	path string // of its programs, before the rest of PATH
}

func newShell(t *testing.T, argv ...string) shell {
	t.Helper()
	s := shell{t: t, argv: argv, path: os.Getenv("PATH")}
	box := map[string]string{"busybox": "busybox", "mksh": "toybox"}[argv[0]]
	testenv.Program(t, argv[0], argv[0])
	if box != "" {
		testenv.Program(t, box, box)
	}
	if box != "" {
		s.path = links(t, box) + ":" + s.path
	}
	s.env = []string{"PATH=" + s.path}
	return s
}

// links makes a folder of links, in which the programs are those of a multi-call binary.
func links(t *testing.T, box string) string {
	t.Helper()
	path, err := exec.LookPath(box)
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.Command(path, map[string]string{"busybox": "--list"}[box]).Output()
	if box == "toybox" {
		list, err = exec.Command(path).Output()
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	has := " " + strings.Join(strings.Fields(string(list)), " ") + " "
	for _, name := range programs {
		if !strings.Contains(has, " "+name+" ") {
			continue // Debian's toybox lacks some that Android's has
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (s shell) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	if c.Path != "sh" {
		s.t.Errorf("%s was started, not a shell", c.Path)
	}
	return transport.Local{}.Start(ctx, transport.Command{Path: s.argv[0], Args: append(s.argv[1:len(s.argv):len(s.argv)], c.Args...), Env: s.env})
}

// recorded is a shell on a recorded tree. The archive's files below cmd are the outputs of the
// commands of the same names.
func recorded(t *testing.T, argv []string, name string) (shell, string) {
	t.Helper()
	s, root := newShell(t, argv...), tree(t, name)
	bin := filepath.Join(root, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	commands, err := filepath.Glob(filepath.Join(root, "cmd", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		program, _, _ := strings.Cut(filepath.Base(c), " ")
		if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\nexec cat \"$RECORDED/${0##*/} $*\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.env = []string{"PATH=" + bin + ":" + s.path, "RECORDED=" + filepath.Join(root, "cmd")}
	return s, root
}

// A tree read through any shell gives the same figures as read here.
func TestOverIsRead(t *testing.T) {
	for _, argv := range shells {
		for _, name := range []string{"laptop.txtar", "raspberry.txtar", "jetson.txtar", "amd.txtar", "virtual.txtar", "acpi.txtar", "garbage.txtar"} {
			t.Run(argv[0]+"/"+name, func(t *testing.T) {
				s, root := recorded(t, argv, name)
				got, err := state.Over(t.Context(), s, state.OverOptions{Root: root})
				if err != nil {
					t.Fatal(err)
				}
				want := state.Read(root)
				if got.Time.Before(want.Time.Add(-time.Minute)) {
					t.Errorf("Time is %v", got.Time)
				}
				got.Time, want.Time = time.Time{}, time.Time{}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Read (-), Over (+):\n%s", diff)
				}
			})
		}
	}
}

// Whole devices: their states and identities are the same in every shell.
func TestDevices(t *testing.T) {
	archives, err := filepath.Glob("testdata/devices/*.txtar")
	if err != nil || len(archives) < 7 {
		t.Fatal(archives, err)
	}
	for _, argv := range shells {
		for _, archive := range archives {
			name := strings.TrimPrefix(archive, "testdata/")
			t.Run(argv[0]+"/"+name, func(t *testing.T) {
				s, root := recorded(t, argv, name)
				got, err := state.Over(t.Context(), s, state.OverOptions{Root: root})
				if err != nil {
					t.Fatal(err)
				}
				got.Time = time.Time{}
				id, err := state.IdentifyBelow(t.Context(), s, root)
				if err != nil {
					t.Fatal(err)
				}
				if argv[0] == "busybox" {
					asRecorded(t, &id, root)
				}
				golden(t, strings.TrimSuffix(archive, ".txtar")+".json", map[string]any{"state": got, "identity": id})
			})
		}
	}
}

// asRecorded replaces the architecture by the recorded one, because BusyBox's shell runs its own
// uname, whatever PATH says.
func asRecorded(t *testing.T, id *state.Identity, root string) {
	t.Helper()
	if id.Arch != runtime.GOARCH || id.Fingerprint["arch"] != runtime.GOARCH {
		t.Errorf("arch %q", id.Arch)
	}
	machine, err := os.ReadFile(filepath.Join(root, "cmd/uname -m"))
	if err != nil {
		t.Fatal(err)
	}
	id.Arch = map[string]string{"aarch64": "arm64", "x86_64": "amd64"}[strings.TrimSpace(string(machine))]
	id.Fingerprint["arch"] = id.Arch
}

func golden(t *testing.T, file string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-), got (+), -update writes it:\n%s", file, diff)
	}
}

func TestOverThisMachine(t *testing.T) {
	s, err := state.Over(t.Context(), transport.Local{}, state.OverOptions{})
	if err != nil || s.LoadAverage == nil {
		t.Errorf("%+v, %v", s, err)
	}
	id, err := state.Identify(t.Context(), transport.Local{})
	if err != nil || id.Arch == "" || id.CPUs == 0 || strings.HasPrefix(id.OS, "Android") {
		t.Errorf("%+v, %v", id, err)
	}
}

// fakeShell answers every script.
type fakeShell func(ctx context.Context, stdout io.Writer, mark string) transport.Exit

func (f fakeShell) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	ctx, kill := context.WithCancel(ctx)
	r, w := io.Pipe()
	p := &fakeProcess{stdout: r, kill: func() { kill(); w.CloseWithError(io.EOF) }, exit: make(chan transport.Exit, 1)}
	context.AfterFunc(ctx, func() { w.CloseWithError(io.EOF) })
	go func() {
		p.exit <- f(ctx, w, c.Args[3])
		w.Close()
		kill()
	}()
	return p, nil
}

type fakeProcess struct {
	stdout io.Reader
	kill   func()
	exit   chan transport.Exit
}

func (p *fakeProcess) Stdin() io.WriteCloser { return nopCloser{io.Discard} }
func (p *fakeProcess) Stdout() io.Reader     { return p.stdout }
func (p *fakeProcess) Stderr() io.Reader     { return strings.NewReader("") }
func (p *fakeProcess) Wait() transport.Exit  { return <-p.exit }
func (p *fakeProcess) Kill()                 { p.kill() }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// A wrong answer of a device is an error of the device in bounded time, and never a state.
func TestOverOfBrokenDevices(t *testing.T) {
	print := func(text string, exit transport.Exit) fakeShell {
		return func(_ context.Context, w io.Writer, mark string) transport.Exit {
			_, _ = io.WriteString(w, strings.ReplaceAll(text, "MARK", mark))
			return exit
		}
	}
	for _, tt := range []struct {
		name   string
		shell  transport.Starter
		reason string
		text   string
	}{
		{"offline", starterError{errOffline}, devices.ReasonOffline, "went away"},
		{"a plain error", starterError{errors.New("broken pipe")}, devices.ReasonOffline, "broken pipe"},
		{"gone in the middle", print("MARK files\n", transport.Exit{Code: -1, Err: errOffline}), devices.ReasonOffline, "went away"},
		{"silent", print("", transport.Exit{}), devices.ReasonGarbage, "ended before"},
		{"no shell", print("/system/bin/sh: not found\n", transport.Exit{Code: 127}), devices.ReasonGarbage, "127"},
		{"another mark", print("latlab-OTHER files\nlatlab-OTHER end\n", transport.Exit{}), devices.ReasonGarbage, "ended before"},
		{"without an end", print("MARK files\n/proc/loadavg\n\nMARK texts\n==> /proc/loadavg <==\n1 2 3\n", transport.Exit{}), devices.ReasonGarbage, "ended before"},
		{"nothing to read", print("MARK files\n\nMARK texts\n\nMARK end\n", transport.Exit{}), devices.ReasonGarbage, "nothing at all"},
		{"endless", fakeShell(func(ctx context.Context, w io.Writer, mark string) transport.Exit {
			line := []byte("\n" + mark + " files\n/proc/loadavg\n")
			for ctx.Err() == nil {
				if _, err := w.Write(line); err != nil {
					break
				}
			}
			return transport.Exit{Code: -1, Signal: "killed"}
		}), devices.ReasonGarbage, "1048576 bytes"},
		{"stalled", fakeShell(func(ctx context.Context, _ io.Writer, _ string) transport.Exit {
			<-ctx.Done()
			return transport.Exit{Code: -1, Signal: "killed"}
		}), devices.ReasonHung, "no answer in 45s"},
		{"a slow drip", fakeShell(func(ctx context.Context, w io.Writer, _ string) transport.Exit {
			for ctx.Err() == nil {
				_, _ = w.Write([]byte("."))
				time.Sleep(time.Second)
			}
			return transport.Exit{Code: -1, Signal: "killed"}
		}), devices.ReasonHung, "no answer in 45s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := state.Over(t.Context(), tt.shell, state.OverOptions{})
				var e *devices.Error
				if !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.text) {
					t.Errorf("the error is %v, want %s: %s", err, tt.reason, tt.text)
				}
				if diff := cmp.Diff(devices.State{}, s); diff != "" {
					t.Errorf("it read %s", diff)
				}
				if e != nil && len(e.Output) > 20<<10 {
					t.Errorf("the error keeps %d bytes", len(e.Output))
				}
			})
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := state.Over(ctx, transport.Local{}, state.OverOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	})
}

type starterError struct{ err error }

func (s starterError) Start(context.Context, transport.Command) (transport.Process, error) {
	return nil, s.err
}

// A root with quotes, spaces and commands in its name is only a name.
func TestRootsAreQuoted(t *testing.T) {
	for _, argv := range shells {
		s := newShell(t, argv...)
		root := filepath.Join(t.TempDir(), "it's a \"root\" $(touch bad) `touch bad` *")
		if err := os.MkdirAll(filepath.Join(root, "proc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "proc/loadavg"), []byte("0.25 0 0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := state.Over(t.Context(), s, state.OverOptions{Root: root})
		if err != nil || got.LoadAverage == nil || *got.LoadAverage != 0.25 {
			t.Errorf("%s: %v, %v", argv[0], got.LoadAverage, err)
		}
		if _, err := os.Stat("bad"); err == nil {
			t.Errorf("%s ran a name", argv[0])
		}
	}
}

// Phones older than Android 8 have a head that only counts lines.
func TestOldHead(t *testing.T) {
	s, root := recorded(t, []string{"dash"}, "laptop.txtar")
	head, err := exec.LookPath("head")
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n[ \"$1\" != -c ] || { echo head: Unknown option c >&2; exit 1; }\nexec " + head + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(root, "bin/head"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := state.Over(t.Context(), s, state.OverOptions{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	want := state.Read(root)
	got.Time, want.Time = time.Time{}, time.Time{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-), Over (+):\n%s", diff)
	}
}

// A phone whose adb knows no shell v2 protocol ends lines with CR LF.
func TestOldShell(t *testing.T) {
	s := fakeShell(func(_ context.Context, w io.Writer, mark string) transport.Exit {
		text := "MARK files\n/proc/loadavg\n/sys/class/thermal/thermal_zone0/temp\n\nMARK texts\n==> /dev/null <==\n\n==> /proc/loadavg <==\n0.5 0 0\n\n" +
			"==> /sys/class/thermal/thermal_zone0/temp <==\n42000\n\nMARK airplane\n1\n\nMARK end\n"
		_, _ = io.WriteString(w, strings.ReplaceAll(strings.ReplaceAll(text, "MARK", mark), "\n", "\r\n"))
		return transport.Exit{}
	})
	got, err := state.Over(t.Context(), s, state.OverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got.Time = time.Time{}
	want := devices.State{LoadAverage: new(0.5), TemperaturesC: map[string]*float64{"zone.0": new(42.0)}, AirplaneMode: new(true)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A file without read permission exists: its figure is nil, and the others are read.
func TestUnreadableFiles(t *testing.T) {
	for _, argv := range shells {
		t.Run(argv[0], func(t *testing.T) {
			s, root := recorded(t, argv, "laptop.txtar")
			for _, f := range []string{"sys/class/thermal/thermal_zone1/temp", "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "sys/class/thermal/cooling_device0/cur_state"} {
				if err := os.Chmod(filepath.Join(root, f), 0); err != nil {
					t.Fatal(err)
				}
			}
			if os.Getuid() == 0 {
				for _, dir := range []string{filepath.Dir(root), root} {
					if err := os.Chmod(dir, 0o755); err != nil {
						t.Fatal(err)
					}
				}
				s.argv = append([]string{"setpriv", "--reuid=65534", "--clear-groups"}, s.argv...)
			}
			got, err := state.Over(t.Context(), s, state.OverOptions{Root: root})
			if err != nil {
				t.Fatal(err)
			}
			if c, ok := got.TemperaturesC["x86_pkg_temp.1"]; !ok || c != nil {
				t.Errorf("the zone is %v, %v", c, ok)
			}
			if hz, ok := got.FrequenciesHz["0"]; !ok || hz != nil || *got.FrequenciesHz["1"] != 4.3e9 {
				t.Errorf("clocks are %v", got.FrequenciesHz)
			}
			if len(got.Cooling) != 1 || got.Cooling[0].Current != nil || *got.Cooling[0].Max != 10 {
				t.Errorf("cooling is %+v", got.Cooling)
			}
		})
	}
}

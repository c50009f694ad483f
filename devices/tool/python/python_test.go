package python_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/devices/tool/python"
	"latlab/devices/tool/python/pythontest"
	"latlab/devices/transport"
	"latlab/internal/testenv"
)

func TestMain(m *testing.M) {
	if os.Getenv(orphanEnv) != "" {
		orphanMaker()
		return
	}
	os.Exit(pythontest.Main(m))
}

func run(t *testing.T, source string) (tool.Output, error) {
	t.Helper()
	i := python.Interpreter{Transport: transport.Local{}, Path: testenv.Python(t)}
	return i.Run(t.Context(), python.Script{Op: "try", Source: source, Args: []string{"one", "two"}, Timeout: time.Minute})
}

func TestAnswerAndConsoleAreKeptApart(t *testing.T) {
	out, err := run(t, `
print("on stdout", flush=True)
os.system("echo of a library")
print("on stderr", file=sys.stderr)
answer({"args": sys.argv[1:], "got": installed("pip", "no-such-package")["no-such-package"]})
`)
	if err != nil {
		t.Fatal(err)
	}
	if out.Stdout != `{"args": ["one", "two"], "got": null}`+"\n" {
		t.Errorf("answer is %q", out.Stdout)
	}
	for _, line := range []string{"on stdout\n", "of a library\n", "on stderr\n"} {
		if !strings.Contains(out.Stderr, line) {
			t.Errorf("console is %q", out.Stderr)
		}
	}
}

// TestWorkingDirectory: Python does not import a file that happens to be in the current folder.
func TestWorkingDirectory(t *testing.T) {
	py := testenv.Python(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("colorsys.py", []byte("raise SystemExit(7)"), 0o644); err != nil {
		t.Fatal(err)
	}
	i := python.Interpreter{Transport: transport.Local{}, Path: py}
	if _, err := i.Run(t.Context(), python.Script{Op: "try", Source: "import colorsys", Timeout: time.Minute}); err != nil {
		t.Error(err)
	}
}

func TestWhoseFault(t *testing.T) {
	for name, tt := range map[string]struct {
		source string
		fault  devices.Fault
		reason string
		says   string
	}{
		"raises":          {"raise RuntimeError('no\\nkernel for it')", devices.FaultModel, devices.ReasonRejected, "kernel for it"},
		"exits":           {"sys.exit(3)", devices.FaultModel, devices.ReasonRejected, "exit code 3"},
		"crashes":         {"print('last words', flush=True); os.kill(os.getpid(), 11)", devices.FaultModel, devices.ReasonCrashed, "segmentation fault"},
		"is killed":       {"os.kill(os.getpid(), 9)", devices.FaultDevice, devices.ReasonKilled, "killed"},
		"lacks a module":  {"import no_such_module", devices.FaultLab, python.ReasonPackage, "no_such_module"},
		"has no disk":     {"raise OSError(28, 'No space left on device')", devices.FaultLab, python.ReasonHost, "No space left"},
		"has no memory":   {"raise MemoryError()", devices.FaultLab, python.ReasonHost, "MemoryError"},
		"is another":      {"sys.no_such_function()", devices.FaultDevice, devices.ReasonGarbage, "no_such_function"},
		"is no Python":    {"}", devices.FaultDevice, devices.ReasonGarbage, "SyntaxError"},
		"prints for ever": {"while True: os.write(2, b'x' * 65536)\n", devices.FaultModel, devices.ReasonHung, "after a timeout of 3s"},
		"sleeps":          {"import time; time.sleep(1000)", devices.FaultModel, devices.ReasonHung, "a time limit of latlab, not of the device"},
	} {
		t.Run(name, func(t *testing.T) {
			i := python.Interpreter{Transport: transport.Local{}, Path: testenv.Python(t)}
			s := python.Script{Op: "try", Source: tt.source, Timeout: time.Minute}
			switch {
			case name == "prints for ever":
				s.Timeout = 3 * time.Second
			case tt.reason == devices.ReasonHung:
				s.Timeout = time.Second
			}
			_, err := i.Run(t.Context(), s)
			var e *devices.Error
			if !errors.As(err, &e) || e.Fault != tt.fault || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.says) || strings.Contains(e.Error(), "\n") {
				t.Fatalf("error is %v (%#v)", err, e)
			}
			if name == "crashes" && !strings.Contains(e.Output, "last words") {
				t.Errorf("output is %q", e.Output)
			}
			if len(e.Output) > 1<<17 {
				t.Errorf("%d bytes of output are kept", len(e.Output))
			}
		})
	}
}

// TestPrintsMuch: the answer of a script counts, however much its libraries print.
func TestPrintsMuch(t *testing.T) {
	i := python.Interpreter{Transport: transport.Local{}, Path: testenv.Python(t)}
	source := "for _ in range(500): os.write(2, b'a line\\n' * 10000)\nanswer({'a': 1})\nprint('total 21.0')"
	out, err := i.Run(t.Context(), python.Script{Op: "try", Source: source, Timeout: time.Minute})
	if err != nil || out.Stdout != "{\"a\": 1}\n" || !strings.HasSuffix(out.Stderr, "total 21.0\n") || out.Left < 10<<20 {
		t.Errorf("%q, %d bytes left out, %v", out.Stdout, out.Left, err)
	}
}

func TestAskNeverBlamesAModel(t *testing.T) {
	i := python.Interpreter{Transport: transport.Local{}, Path: testenv.Python(t)}
	for source, says := range map[string]string{
		"os.kill(os.getpid(), 11)": "crashed", "pass": "gives no answer", "answer({'a': 1, 'c': 2})": "unknown field",
		"sys.exit(3)": "exit code 3",
	} {
		var v struct{ A int }
		err := i.Ask(t.Context(), python.Script{Op: "try", Source: source, Timeout: time.Minute}, &v)
		if devices.FaultOf(err) != devices.FaultLab || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "LATLAB_PYTHON names another") {
			t.Errorf("%s: error is %v", source, err)
		}
	}
	var v struct{ A int }
	err := i.Ask(t.Context(), python.Script{Op: "try", Source: "import time; time.sleep(1000)", Timeout: time.Second}, &v)
	if devices.FaultOf(err) != devices.FaultLab || !strings.Contains(err.Error(), "less busy") || strings.Contains(err.Error(), "network") {
		t.Errorf("a Python that hangs: error is %v", err)
	}
	if err := i.Ask(t.Context(), python.Script{Op: "try", Source: "answer({'a': 1})", Timeout: time.Minute}, &v); err != nil || v.A != 1 {
		t.Errorf("answer is %v, %v", v, err)
	}
}

// orphanEnv makes the test program start a long script, so that the test can kill it.
const orphanEnv = "LATLAB_TEST_ORPHAN"

// orphanMaker starts a script that holds the interpreter's lock, as a compiler does, and writes its
// process id into a pipe.
func orphanMaker() {
	t := transport.Local{}
	file := os.Getenv("LATLAB_TEST_ORPHAN_FILE")
	i := python.Interpreter{Transport: t, Path: os.Getenv(orphanEnv)}
	// PyDLL keeps the lock while it calls.
	_, _ = i.Run(context.Background(), python.Script{Op: "hold", Timeout: time.Hour, Args: []string{file}, Source: `
import ctypes
with open(sys.argv[1], "w") as f:
    f.write(f"{os.getpid()}\n")
ctypes.PyDLL(None).sleep(3600)
`})
}

// TestNoScriptSurvivesAKilledLatlab: no script survives when latlab is killed by SIGKILL.
func TestNoScriptSurvivesAKilledLatlab(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(orphanEnv, testenv.Python(t))
	t.Setenv("LATLAB_TEST_ORPHAN_FILE", file)
	p, err := transport.Local{}.Start(t.Context(), transport.Command{Path: self})
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(file, os.O_RDWR|unix.O_NONBLOCK, 0) // read-only would wait for a writer
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if err := pipe.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	text, err := bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	p.Kill() // kills its group; the script is in a different one
	_, _ = bufio.NewReader(p.Stdout()).ReadString(0)
	_, _ = bufio.NewReader(p.Stderr()).ReadString(0)
	p.Wait()
	testenv.WaitGone(t, pid)
}

func TestDeskHasSoManyPlaces(t *testing.T) {
	d, err := python.NewWorkspace("try", 2)
	if err != nil {
		t.Fatal(err)
	}
	first, leave, err := d.Folder("one")
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := d.Folder("two")
	if err != nil || first == second {
		t.Fatalf("folders %s and %s, %v", first, second, err)
	}
	_, _, err = d.Folder("three")
	var e *devices.Error
	if !errors.As(err, &e) || e.Reason != devices.ReasonBusy || e.Fault != devices.FaultLab {
		t.Errorf("error is %v", err)
	}
	leave()
	if _, err := os.Stat(first); err == nil {
		t.Error("the folder is still there")
	}
	if _, _, err := d.Folder("four"); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if left := pythontest.Leftovers(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// TestStaleFoldersAreRemoved: a new Workspace removes folders of dead processes, but not those in use or those that are just being
// made.
func TestStaleFoldersAreRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	alive, err := python.NewWorkspace("alive", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	dead, young, other := filepath.Join(temp, "latlab-estimator-1"), filepath.Join(temp, "latlab-estimator-2"), filepath.Join(temp, "latlab-other")
	for _, dir := range []string{dead, young, other} {
		if err := os.MkdirAll(filepath.Join(dir, "block-1"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	pipe := filepath.Join(temp, "latlab-estimator-3") // anyone may make one in /tmp
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{alive.Dir(), dead, other, pipe} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	next, err := python.NewWorkspace("next", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	for dir, want := range map[string]bool{alive.Dir(): true, dead: false, young: true, other: true, next.Dir(): true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(dir), err == nil, want)
		}
	}
}

func TestOtherVersionsAreTold(t *testing.T) {
	r := python.Requirement{Packages: []python.Package{{Name: "runtime", Version: "1.0"}, {Name: "tool", Version: "2.0"}}}
	tried, other := "2.0", "3.1"
	found := map[string]*string{"runtime": nil, "tool": &other}
	if ws := r.Warnings(found); len(ws) != 1 || !strings.Contains(ws[0], "tool is of version 3.1, latlab was tried with 2.0") {
		t.Errorf("warnings are %q", ws)
	}
	if got := r.Runtime(found); got != "tool 3.1" {
		t.Errorf("runtime is %q", got)
	}
	steps := r.Passed(python.Interpreter{}, "3.11", found)
	if len(steps) != 3 || !steps[2].OK || !strings.Contains(steps[2].Advice, "pip install runtime==1.0 tool==2.0") {
		t.Errorf("steps are %+v", steps)
	}
	found["tool"] = &tried
	if ws := r.Warnings(found); len(ws) != 0 {
		t.Errorf("warnings are %q", ws)
	}
}

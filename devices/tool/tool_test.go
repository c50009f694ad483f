package tool_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func shell(script string, args ...string) tool.Run {
	return tool.Run{Op: "time it", Program: "prog", Timeout: time.Minute,
		Command: transport.Command{Path: "/bin/sh", Args: append([]string{"-c", script, "sh"}, args...)}}
}

func TestDo(t *testing.T) {
	got, err := tool.Do(t.Context(), machine.Here("m"), shell("echo out; echo err >&2; exit 7"))
	if err != nil {
		t.Fatal(err)
	}
	got.Elapsed = 0
	want := tool.Output{Stdout: "out\n", Stderr: "err\n", Exit: transport.Exit{Code: 7}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDoFailures(t *testing.T) {
	hung := shell("echo before; sleep 3600")
	hung.Timeout = 300 * time.Millisecond
	endless := func(script string) tool.Run {
		r := shell(script)
		r.Timeout = 2 * time.Second
		return r
	}
	for _, tt := range []struct {
		name   string
		run    tool.Run
		fault  devices.Fault
		reason string
		output string
	}{
		{"crash", shell("echo last words; kill -SEGV $$"), devices.FaultModel, devices.ReasonCrashed, "last words"},
		{"abort", shell("kill -ABRT $$"), devices.FaultModel, devices.ReasonCrashed, ""},
		{"killed", shell("kill -KILL $$"), devices.FaultDevice, devices.ReasonKilled, ""},
		{"terminated", shell("kill -TERM $$"), devices.FaultDevice, devices.ReasonKilled, ""},
		{"hang", hung, devices.FaultDevice, devices.ReasonHung, "before"},
		{"endless stdout", endless("exec yes"), devices.FaultDevice, devices.ReasonGarbage, "y\ny"},
		{"endless stderr", endless("exec yes >&2"), devices.FaultDevice, devices.ReasonGarbage, "y\ny"},
		{"no program", tool.Run{Op: "time it", Program: "prog", Timeout: time.Minute, Command: transport.Command{Path: "/nonexistent"}},
			devices.FaultUser, devices.ReasonMissing, ""},
		{"no program, says a shell", shell("/nonexistent"), devices.FaultUser, devices.ReasonMissing, "/nonexistent"},
		{"not executable, says a shell", shell("/dev/null"), devices.FaultUser, devices.ReasonMissing, "/dev/null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tool.Do(t.Context(), machine.Here("m"), tt.run)
			var e *devices.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v", err)
			}
			if e.Fault != tt.fault || e.Reason != tt.reason || !strings.Contains(e.Output, tt.output) || len(e.Output) > 65<<10 {
				t.Errorf("fault %q, reason %q, %d bytes of output: %v", e.Fault, e.Reason, len(e.Output), err)
			}
		})
	}
}

// A program may print more than is kept: its beginning, its end and its exit code are known.
func TestDoMuchOutput(t *testing.T) {
	for _, to := range []string{"", "exec >&2; "} {
		got, err := tool.Do(t.Context(), machine.Here("m"), shell(to+"echo first; yes 'a line of a table' | head -n 2500000; echo last; exit 3"))
		if err != nil {
			t.Fatal(err)
		}
		all := got.Stdout + got.Stderr
		if !strings.HasPrefix(all, "first\n") || !strings.HasSuffix(all, "last\n") || len(all) > tool.MaxOutput+100 || got.Left < 20<<20 || got.Exit.Code != 3 {
			t.Errorf("%d bytes, %d left out, exit %+v", len(all), got.Left, got.Exit)
		}
		if e := got.Garbage("time it", errors.New("no figure")); !strings.Contains(e.Error(), "bytes in the middle are left out") {
			t.Error(e)
		}
	}
}

func TestDoEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(200*time.Millisecond, cancel)
	defer timer.Stop()
	if _, err := tool.Do(ctx, machine.Here("m"), shell("sleep 3600")); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// away is a device that goes away when a program starts, or while it runs.
type away struct {
	transport.Local
	start, wait error
}

func (a away) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	if a.start != nil {
		return nil, a.start
	}
	p, err := a.Local.Start(ctx, c)
	return leaving{p, a.wait}, err
}

type leaving struct {
	transport.Process
	err error
}

func (l leaving) Wait() transport.Exit {
	l.Process.Wait()
	return transport.Exit{Code: -1, Err: l.err}
}

func TestDoOffline(t *testing.T) {
	offline := &devices.Error{Fault: devices.FaultDevice, Op: "start", Reason: devices.ReasonOffline, Err: errors.New("no cable")}
	for name, a := range map[string]away{
		"at start": {start: offline}, "in the middle": {wait: offline}, "in the middle, without a word whose fault": {wait: errors.New("EOF")},
	} {
		_, err := tool.Do(t.Context(), machine.On(a, "m"), shell("true"))
		var e *devices.Error
		if !errors.As(err, &e) || e.Reason != devices.ReasonOffline || e.Fault != devices.FaultDevice {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Arguments with shell metacharacters pass through taskset and the shell unchanged.
func TestAffinityIsSetAndProven(t *testing.T) {
	cpu := testenv.Core(t)
	words := []string{"a b", `"'`, "$(exit 9)", "line\nbreak", "-c", "", "`id`", "*"}
	r := shell(`for w; do printf '<%s>' "$w"; done; while read -r k v; do [ "$k" = Cpus_allowed_list: ] && echo "$v"; done </proc/self/status; echo own >&2; exit 3`, words...)
	r.CPUs = []int{cpu}
	got, err := tool.Do(t.Context(), machine.Here("m"), r)
	if err != nil {
		t.Fatal(err)
	}
	list := got.Stdout[strings.LastIndexByte(got.Stdout, '>')+1:]
	inForce, err := tool.ParseCPUs(strings.TrimSpace(list))
	if err != nil {
		t.Fatal(err)
	}
	if want := "<" + strings.Join(words, "><") + ">" + list; got.Stdout != want {
		t.Errorf("printed %q, want %q", got.Stdout, want)
	}
	if !slices.Equal(got.CPUs, r.CPUs) || !slices.Equal(inForce, r.CPUs) || got.Stderr != "own\n" || got.Exit.Code != 3 {
		t.Errorf("asked for CPUs %v, told %v, in force %v; stderr %q, exit %+v", r.CPUs, got.CPUs, inForce, got.Stderr, got.Exit)
	}
}

// Every taskset that a device may have accepts the mask and the wrapper.
func TestEveryTaskset(t *testing.T) {
	cpu := testenv.Core(t)
	for name, command := range map[string][]string{"util-linux": {"taskset"}, "busybox": {"busybox", "taskset"}, "toybox": {"toybox", "taskset"}} {
		t.Run(name, func(t *testing.T) {
			path := testenv.Program(t, command[0], map[string]string{"taskset": "util-linux", "busybox": "busybox-static", "toybox": "toybox"}[command[0]])
			dir := t.TempDir()
			target := filepath.Join(dir, "taskset")
			if err := os.Symlink(path, target); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			r := shell("echo ran")
			r.CPUs = []int{cpu}
			got, err := tool.Do(t.Context(), machine.Here("m"), r)
			if err != nil || got.Stdout != "ran\n" || !slices.Equal(got.CPUs, r.CPUs) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// Options.Wrap runs the program; taskset is the machine's own and comes before the wrapper.
func TestAffinityIsInFrontOfTheWrapper(t *testing.T) {
	m, err := machine.Open(t.Context(), transport.Local{}, machine.Options{Name: "m", Wrap: []string{"env", "WRAPPED=yes"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, cpus := range [][]int{nil, {testenv.Core(t)}} {
		r := shell(`echo "$WRAPPED"`)
		r.CPUs = cpus
		got, err := tool.Do(t.Context(), m, r)
		if err != nil || got.Stdout != "yes\n" || !slices.Equal(got.CPUs, cpus) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestAffinityThatCannotBe(t *testing.T) {
	r := shell("echo ran")
	r.CPUs = []int{1000}
	out, err := tool.Do(t.Context(), machine.Here("m"), r)
	var e *devices.Error
	if !errors.As(err, &e) || e.Reason != "affinity" || e.Fault != devices.FaultUser || out.Stdout != "" {
		t.Errorf("%+v, %v", out, err)
	}
	t.Setenv("PATH", t.TempDir())
	r.CPUs = []int{0}
	if _, err := tool.Do(t.Context(), machine.Here("m"), r); !errors.As(err, &e) || e.Reason != devices.ReasonMissing || !strings.Contains(err.Error(), "taskset") {
		t.Errorf("without taskset: %v", err)
	}
	// A program that fails by itself is not blamed on taskset.
	t.Setenv("PATH", "/usr/bin:/bin")
	r = shell("exit 1")
	r.CPUs = []int{testenv.Core(t)}
	if out, err := tool.Do(t.Context(), machine.Here("m"), r); err != nil || out.Exit.Code != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	r.Command = transport.Command{Path: "/nonexistent"}
	if _, err := tool.Do(t.Context(), machine.Here("m"), r); !errors.As(err, &e) || e.Reason != devices.ReasonMissing || strings.Contains(err.Error(), "taskset") {
		t.Errorf("without the program: %v", err)
	}
}

func TestMask(t *testing.T) {
	for want, cpus := range map[string][]int{"0": nil, "1": {0}, "f0": {4, 5, 6, 7}, "80000000000000001": {0, 67}} {
		if got := tool.Mask(cpus); got != want {
			t.Errorf("%v: %s, want %s", cpus, got, want)
		}
	}
}

func TestParseCPUs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cpus := rapid.SliceOfNDistinct(rapid.IntRange(0, 100), 1, 20, rapid.ID[int]).Draw(t, "cpus")
		slices.Sort(cpus)
		got, err := tool.ParseCPUs(kernelList(cpus))
		if err != nil || !slices.Equal(got, cpus) {
			t.Fatalf("%s: %v, %v", kernelList(cpus), got, err)
		}
	})
	for _, bad := range []string{"", "a", "1-", "-1", "3-1", "0-99999999", "0,,1", "0 1"} {
		if got, err := tool.ParseCPUs(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// kernelList joins runs as the kernel does.
func kernelList(cpus []int) string {
	var parts []string
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		part := strconv.Itoa(cpus[i])
		if j > i {
			part += "-" + strconv.Itoa(cpus[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

func FuzzParseCPUs(f *testing.F) {
	for _, seed := range []string{"0", "0-3,7", "0-8191", "1-", "0-99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		cpus, err := tool.ParseCPUs(list)
		if err == nil && (len(cpus) == 0 || !slices.IsSorted(cpus)) {
			t.Errorf("%q: %v", list, cpus)
		}
	})
}

// A file is read up to its limit only, also one whose size is unknown before it is read.
func TestReadFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := tool.ReadFile(path, 5); text != "12345" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	for _, path := range []string{path, "/dev/zero"} {
		var size tool.SizeError
		if _, err := tool.ReadFile(path, 4); !errors.As(err, &size) || size != 5 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

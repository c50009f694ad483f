package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/floats"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/agent/wire"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

func openReal(t testing.TB, o agent.Options) *agent.Device {
	t.Helper()
	o.Name, o.Path = "cpu", testenv.Agent(t)
	d, err := agent.Open(t.Context(), machine.Here("cpu"), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func tinyModel(t testing.TB) *model.Model { return tiny(t, model.Float32) }

func tinyInt8(t testing.TB) *model.Model { return tiny(t, model.Int8) }

func tiny(t testing.TB, p model.Precision) *model.Model {
	t.Helper()
	return devicetest.Model(t, devicetest.TinyGraph(t, 1), model.TFLite, p)
}

// rejectedModel is a complete .tflite that the runtime refuses.
func rejectedModel(t testing.TB) *model.Model {
	t.Helper()
	f, err := tinyModel(t).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rejected.tflite")
	if err := os.WriteFile(path, tflitetest.Spoil(data), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := model.FromFile(path, model.Call{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestConformance(t *testing.T) {
	real := testenv.Agent(t)
	t.Setenv("TMPDIR", t.TempDir()) // leftovers then sees only this test's files
	for name, good := range map[string]func(testing.TB) *model.Model{"float32": tinyModel, "int8": tinyInt8} {
		t.Run(name, func(t *testing.T) {
			devicetest.Run(t, devicetest.Suite{
				Open:  func(t testing.TB) devices.Device { return openReal(t, agent.Options{}) },
				Good:  good,
				Bad:   rejectedModel,
				Crash: func(t testing.TB) (devices.Device, *model.Model) { return openFake(t, "segfault"), good(t) },
				Hang:  func(t testing.TB) (devices.Device, *model.Model) { return openFake(t, "hang"), good(t) },
				Partial: func(t testing.TB) (devices.Device, *model.Model) {
					return openReal(t, agent.Options{}), partlyDelegated(t)
				},
				Offline:   func(t testing.TB) (devices.Device, *model.Model) { return openAway(t), good(t) },
				Processes: func() int { return running(t, real) + running(t, self(t)) },
				State:     func() string { return affinity(t) + leftovers(t) },
			})
		})
	}
}

func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// openFake opens a device whose agent misbehaves once, at the next Run.
func openFake(t testing.TB, mode string) devices.Device {
	t.Helper()
	t.Setenv(fakeEnv, "well behaved")
	t.Setenv(onceEnv, "")
	d, err := agent.Open(t.Context(), machine.Here("cpu"), agent.Options{Name: "cpu", Path: self(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(fakeEnv, mode)
	t.Setenv(onceEnv, filepath.Join(t.TempDir(), "misbehaved"))
	return d
}

// openAway opens a device that cannot be reached at the next Run, as a phone without its cable.
func openAway(t testing.TB) devices.Device {
	t.Helper()
	away := &unplugged{}
	d, err := agent.Open(t.Context(), machine.On(away, "cpu"), agent.Options{Name: "cpu", Path: testenv.Agent(t)})
	if err != nil {
		t.Fatal(err)
	}
	away.next = true
	return d
}

type unplugged struct {
	transport.Local
	next bool
}

func (u *unplugged) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	if u.next {
		u.next = false
		return nil, &devices.Error{Fault: devices.FaultDevice, Op: "start", Reason: devices.ReasonOffline, Err: errors.New("the cable is out")}
	}
	return u.Local.Start(ctx, c)
}

// affinity returns what an agent could change of the process that started it.
func affinity(t testing.TB) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "Cpus_allowed_list") {
			return line
		}
	}
	t.Fatal("/proc/self/status tells no affinity")
	return ""
}

// leftovers returns temporary files with the lab's name.
func leftovers(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(files, "\n")
}

// running counts this test's child processes that run the program.
func running(t testing.TB, program string) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended since
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		exe, err := os.Readlink(filepath.Join(filepath.Dir(stat), "exe"))
		if err == nil && exe == program && fields[1] == strconv.Itoa(os.Getpid()) {
			n++
		}
	}
	return n
}

func TestBlockOfTheRealRuntime(t *testing.T) {
	d := openReal(t, agent.Options{})
	b, err := d.Run(t.Context(), tinyModel(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if b.Delegation.Nodes == 0 || b.Delegation.Delegated != b.Delegation.Nodes || b.Delegation.Partitions != 1 {
		t.Errorf("not every node was delegated to one partition: %+v", b.Delegation)
	}
	if b.PeakMemoryBytes < 1<<20 || b.InitSeconds <= 0 || b.FirstSeconds <= 0 {
		t.Errorf("memory, init or first inference is missing: %+v", b)
	}
	if !strings.HasPrefix(b.Runtime, "tflite 2.") {
		t.Errorf("Runtime is %q", b.Runtime)
	}
	if len(b.CPUs) != runtime.NumCPU() {
		t.Errorf("no affinity was asked for, the process may use %d CPUs, the block %v", runtime.NumCPU(), b.CPUs)
	}
}

// TestMoreSamples: a plan that wants more undisturbed samples than its maxima allow goes on until its limit,
// unless CPU time does not show what was disturbed.
func TestMoreSamples(t *testing.T) {
	plan := devicetest.Plan()
	plan.MaxRuns, plan.MinUndisturbed, plan.LimitSeconds = plan.MinRuns, math.MaxInt, 0.05
	for threads, goesOn := range map[int]bool{1: true, 2: false} {
		d := openReal(t, agent.Options{Threads: threads})
		b, err := d.Run(t.Context(), tinyModel(t), plan)
		if err != nil {
			t.Fatal(err)
		}
		n := len(b.Samples)
		if total := floats.Sum(b.Samples); goesOn != (n > plan.MaxRuns) || goesOn && (total < plan.LimitSeconds || total-b.Samples[n-1] >= plan.LimitSeconds) {
			t.Errorf("%d threads: %d samples of %.3f s together", threads, n, total)
		}
		if c := b.Clock; len(c) < 2 || c[0].Samples != 0 || c[len(c)-1].Samples != n || c[0].Hz < 1e8 || c[0].Hz > 1e10 || c[0].CPU < 0 {
			t.Errorf("%d threads: clocks %v", threads, c)
		}
	}
}

func TestAffinityAndThreads(t *testing.T) {
	for _, o := range []agent.Options{{CPUs: []int{0}}, {Threads: 2}} {
		d := openReal(t, o)
		b, err := d.Run(t.Context(), tinyModel(t), devicetest.Plan())
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if diff := cmp.Diff(o.CPUs, b.CPUs); diff != "" && o.CPUs != nil {
			t.Errorf("affinity (-asked +got):\n%s", diff)
		}
		// One thread's CPU time says whether it waited, several threads' does not.
		_, err = os.Stat("/proc/self/schedstat")
		if want := o.Threads > 1 && err == nil; (b.WaitSeconds != nil) != want {
			t.Errorf("%+v: the time that a thread waited for a core is %v, want one: %v", o, b.WaitSeconds, want)
		}
	}
}

func TestOpenRefusesWhatTheMachineHasNot(t *testing.T) {
	for _, o := range []agent.Options{{CPUs: []int{4000}}, {CPUs: []int{-1}}, {Threads: -1}, {Threads: 2, CPUs: []int{0}}, {Threads: 1000}} {
		o.Name, o.Path = "cpu", testenv.Agent(t)
		_, err := agent.Open(t.Context(), machine.Here("cpu"), o)
		if devices.FaultOf(err) != devices.FaultUser {
			t.Errorf("%+v: %v, want the user's fault", o, err)
		}
	}
}

// TestMisbehaviour covers every way in which a timing process can end.
func TestMisbehaviour(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := tinyModel(t)
	for _, tt := range []struct {
		mode   string
		fault  devices.Fault
		reason string
		text   string // expected in the error
		output string // expected in the tool's output
	}{
		{"segfault", devices.FaultModel, devices.ReasonCrashed, "segmentation fault", "tensor 7 is not there"},
		{"abort", devices.FaultModel, devices.ReasonCrashed, "aborted", ""},
		{"killed", devices.FaultDevice, devices.ReasonKilled, "killed", ""},
		{"hang", devices.FaultDevice, devices.ReasonHung, "timeout", ""},
		{"stopped", devices.FaultDevice, devices.ReasonHung, "timeout", ""},
		{"exit 0", devices.FaultDevice, devices.ReasonExited, "exit code 0", ""},
		{"exit 7", devices.FaultDevice, devices.ReasonExited, "exit code 7", "giving up"},
		{"garbage answer", devices.FaultDevice, devices.ReasonGarbage, "Average inference", "Average inference: 0.0 ms"},
		{"half a line", devices.FaultDevice, devices.ReasonGarbage, "samples_sec", ""},
		{"unknown field", devices.FaultDevice, devices.ReasonGarbage, "surprise", ""},
		{"zero latency", devices.FaultDevice, devices.ReasonGarbage, "sample 1 is 0", ""},
		{"no samples", devices.FaultDevice, devices.ReasonGarbage, "0 samples", ""},
		{"no result", devices.FaultDevice, devices.ReasonGarbage, "no answer", ""},
		{"rejects", devices.FaultModel, "rejected", "refuses the model", ""},
		{"endless stderr", devices.FaultModel, devices.ReasonCrashed, "segmentation fault", " bytes left out]\nxxx"},
		{"grandchild", devices.FaultDevice, devices.ReasonExited, "exit code 7", ""},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			t.Setenv(fakeEnv, "well behaved")
			d, err := agent.Open(t.Context(), machine.Here("cpu"), agent.Options{Name: "cpu", Path: self})
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv(fakeEnv, tt.mode)
			plan := devicetest.Plan()
			if tt.mode == "hang" || tt.mode == "stopped" {
				plan.Timeout = time.Second
			}
			_, err = d.Run(t.Context(), m, plan)
			var e *devices.Error
			if !errors.As(err, &e) {
				t.Fatalf("Run returned %v, want an Error", err)
			}
			if e.Fault != tt.fault || e.Reason != tt.reason {
				t.Errorf("fault %s, reason %s; want %s, %s (%v)", e.Fault, e.Reason, tt.fault, tt.reason, e)
			}
			if !strings.Contains(e.Error(), tt.text) || strings.Contains(e.Error(), "\n") {
				t.Errorf("error is %q, want one line with %q", e.Error(), tt.text)
			}
			if !strings.Contains(e.Output, tt.output) {
				t.Errorf("output is %.200q, want %q in it", e.Output, tt.output)
			}
			if len(e.Output) > 100<<10 {
				t.Errorf("%d bytes of output were kept", len(e.Output))
			}
			t.Setenv(fakeEnv, "well behaved")
			if _, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil {
				t.Errorf("the block after it: %v", err)
			}
		})
	}
}

// An agent is another program: no figure that cannot be becomes a measurement.
func TestImpossibleAnswersAreGarbage(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := tinyModel(t)
	for mode, text := range map[string]string{
		"samples longer than the block": "its times sum to 3.0", "a sample of 1e300 s": "sum to 1e+300 s, and the block took",
		"a negative sample": "sample 1 is -1 s", "an init longer than the block": "its times sum to 5.0",
		"a negative init": "is -1 s", "a negative first": "is -1 s", "a negative warm-up": "is -1 s",
		"negative CPU time": "sample 0", "more CPU time than threads": "CPU time of 0.105 s, and 1 threads can use 0.006 s",
		"more delegated than there are": "3 of 2 nodes", "negative delegated": "-1 of 2 nodes", "no nodes": "at least one node",
		"negative nodes": "-2 of -2 nodes", "negative partitions": "in -1 partitions", "more partitions than nodes": "in 3 partitions",
		"another delegate": `the delegate "npu" ran, not "xnnpack"`, "no delegate": "at least one node", "negative memory": "-1 bytes",
		"more samples than asked": "1003 samples, at most", "CPUs that cannot be": "[-1]", "a negative wait": "waited -1 s",
		"more left than there are": "9 of 2 nodes",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Setenv(fakeEnv, "well behaved")
			d, err := agent.Open(t.Context(), machine.Here("cpu"), agent.Options{Name: "cpu", Path: self})
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv(fakeEnv, mode)
			b, err := d.Run(t.Context(), m, devicetest.Plan())
			var e *devices.Error
			if !errors.As(err, &e) || b != nil {
				t.Fatalf("Run returned %v, %v; want an Error alone", b, err)
			}
			if e.Fault != devices.FaultDevice || e.Reason != devices.ReasonGarbage || !strings.Contains(e.Error(), text) {
				t.Errorf("fault %s, reason %s: %v; want %s, %s and %q", e.Fault, e.Reason, e, devices.FaultDevice, devices.ReasonGarbage, text)
			}
		})
	}
}

// TestKnownLibrary: an agent need not hash the library whose mark is known. Any other one is hashed, and
// refused if it is not the one that the device was opened with.
func TestKnownLibrary(t *testing.T) {
	m := tinyModel(t)
	for mode, refused := range map[string]bool{
		"library known": false, "library touched": false, "library recent": false,
		"library changed": true, "library not hashed": true, "library changed under its mark": true,
	} {
		t.Run(mode, func(t *testing.T) {
			t.Setenv(fakeEnv, mode)
			d, err := agent.Open(t.Context(), machine.Here("cpu"), agent.Options{Name: "cpu", Path: self(t)})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err := d.Run(t.Context(), m, devicetest.Plan())
				var e *devices.Error
				switch {
				case !refused && err != nil:
					t.Error(err)
				case refused && (!errors.As(err, &e) || e.Reason != agent.ReasonVersion):
					t.Errorf("got %v, want the reason %s", err, agent.ReasonVersion)
				}
			}
		})
	}
}

// TestAgentHashesWhatIsNotKnown: an agent that is told another mark hashes its library.
func TestAgentHashesWhatIsNotKnown(t *testing.T) {
	greet := func(known string) (h wire.Hello) {
		cmd := exec.CommandContext(t.Context(), testenv.Agent(t))
		cmd.Env = append(os.Environ(), wire.KnownLibrary+"="+known)
		out, err := cmd.Output()
		if err == nil {
			err = json.Unmarshal(out, &h)
		}
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := greet("")
	if len(first.Library) != 64 {
		t.Fatalf("the library is %q", first.Library)
	}
	if first.LibraryMark == "" {
		t.Skip("the library is so new that its mark proves nothing")
	}
	if h := greet(first.LibraryMark); h.Library != "" || h.LibraryMark != first.LibraryMark {
		t.Errorf("a known library: %q, %q", h.Library, h.LibraryMark)
	}
	if h := greet(first.LibraryMark + "0"); h.Library != first.Library {
		t.Errorf("a library that is not known: %q, want %q", h.Library, first.Library)
	}
}

func TestOpenSaysWhatIsWrongWithTheAgent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, mode, reason, text string }{
		{"/nonexistent/latlab-agent", "x", agent.ReasonMissing, "make build"},
		{self, "other version", agent.ReasonVersion, `version "9.9.9"`},
		{self, "newer fields", agent.ReasonVersion, `version "9.9.9"`},
		{self, "other wire", agent.ReasonVersion, "messages 99"},
		{self, "no hello, exit 3", devices.ReasonExited, "cannot load the library"},
	} {
		t.Setenv(fakeEnv, tt.mode)
		_, err := agent.Open(t.Context(), machine.Here("cpu"), agent.Options{Name: "cpu", Path: tt.path})
		var e *devices.Error
		if !errors.As(err, &e) || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.text) {
			t.Errorf("%s %s: %v, want reason %s and %q", tt.path, tt.mode, err, tt.reason, tt.text)
		}
	}
}

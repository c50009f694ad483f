package edgetpu_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/tool/edgetpu"
	"latlab/internal/testenv"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// standIn accepts the compiler's options and no others and prints its report. It compiles nothing: the
// compiled file is the model, which any device runs. Files beside it control it: "next" is a script
// that runs once in its place, "table" the operators.
const standIn = `#!/bin/sh
here=$(dirname "$0")
if [ "$*" = --version ]; then echo "Edge TPU Compiler version 16.0.384591198"; exit 0; fi
echo run >>"$here/runs"
echo "$*" >"$here/args"
if [ -f "$here/next" ]; then mv "$here/next" "$here/taken" && . "$here/taken"; fi
[ "$1" = -s ] && [ "$2" = -o ] || { echo "Unknown option"; exit 1; }
out=$3
shift 3
if [ "$1" = -m ]; then shift 2; fi
[ $# = 1 ] || exit 1
echo "Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 542 ms.

Input model: $1
Input size: 4.04MiB
Output model: $out/model_edgetpu.tflite
Output size: 4.21MiB
On-chip memory used for caching model parameters: 604.50KiB
On-chip memory remaining for caching model parameters: 5.75MiB
Off-chip memory used for streaming uncached model parameters: 3.45MiB
Number of Edge TPU subgraphs: 1"
cat "$here/table"
echo "Compilation child process completed within timeout period.
Compilation succeeded! "
cp "$1" "$out/model_edgetpu.tflite"
`

const whole = `Total number of operations: 50
Operation log: model_edgetpu.log

Operator                       Count      Status

CONV_2D                        33         Mapped to Edge TPU
DEPTHWISE_CONV_2D              17         Mapped to Edge TPU
`

const partly = `Total number of operations: 50
Operation log: model_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will instead run on the CPU, which is slower.
Number of operations that will run on Edge TPU: 47
Number of operations that will run on CPU: 3

Operator                       Count      Status

CONV_2D                        30         Mapped to Edge TPU
DEPTHWISE_CONV_2D              17         Mapped to Edge TPU
CONV_2D                        2          More than one subgraph is not supported
HARD_SWISH                     1          Operation not supported
`

// compiler makes a stand-in with the given table and returns its path.
func compiler(t testing.TB, table string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edgetpu_compiler")
	write(t, path, standIn)
	write(t, filepath.Join(filepath.Dir(path), "table"), table)
	return path
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// next makes the stand-in run a script in its place, once.
func next(t testing.TB, compiler, script string) {
	t.Helper()
	write(t, filepath.Join(filepath.Dir(compiler), "next"), script)
}

func runs(compiler string) int {
	data, _ := os.ReadFile(filepath.Join(filepath.Dir(compiler), "runs"))
	return bytes.Count(data, []byte("\n"))
}

func inner(t testing.TB) devices.Device {
	t.Helper()
	d, err := agent.Open(t.Context(), machine.Here("coral"), agent.Options{Name: "coral", Path: testenv.Agent(t)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wrap(t testing.TB, o edgetpu.Options) *edgetpu.Device { return around(t, inner(t), o) }

func around(t testing.TB, inner devices.Device, o edgetpu.Options) *edgetpu.Device {
	t.Helper()
	d, err := edgetpu.Wrap(t.Context(), inner, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func closes(t testing.TB, d devices.Device) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func good(t testing.TB) *model.Model { return tiny(t, 1) }

func tiny(t testing.TB, seed uint64) *model.Model {
	t.Helper()
	return devicetest.Model(t, devicetest.TinyGraph(t, seed), model.TFLite, model.Int8)
}

// bad is a whole .tflite that the compiler lets through and the runtime refuses.
func bad(t testing.TB) *model.Model {
	t.Helper()
	f, err := good(t).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bad.tflite")
	write(t, path, string(tflitetest.Spoil(data)))
	m, err := model.FromFile(path, model.Call{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestConformance(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // so that leftovers sees only this test's files
	faulty := func(script string) func(testing.TB) (devices.Device, *model.Model) {
		return func(t testing.TB) (devices.Device, *model.Model) {
			c := compiler(t, whole)
			next(t, c, script)
			return wrap(t, edgetpu.Options{Compiler: c}), good(t)
		}
	}
	devicetest.Run(t, devicetest.Suite{
		Open:  func(t testing.TB) devices.Device { return wrap(t, edgetpu.Options{Compiler: compiler(t, whole)}) },
		Good:  good,
		Bad:   bad,
		Crash: faulty("kill -SEGV $$"),
		Hang:  faulty("sleep 3600"),
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			return wrap(t, edgetpu.Options{Compiler: compiler(t, partly)}), good(t)
		},
		Processes: func() int { return running(t) },
		State:     func() string { return leftovers(t) },
		Cannot:    map[string]string{"Offline": "the inner device's own suite has it"},
	})
}

// running counts agents and compilers.
func running(t testing.TB) int {
	t.Helper()
	agent := testenv.Agent(t)
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range lines {
		data, _ := os.ReadFile(l)
		// Only those that this test started: its temporary folder is in every compiler's arguments.
		if bytes.Contains(data, []byte(filepath.Dir(os.TempDir()))) && bytes.Contains(data, []byte("edgetpu_compiler\x00-s")) {
			n++
		}
		if link, err := os.Readlink(filepath.Join(filepath.Dir(l), "exe")); err == nil && link == agent && mine(l) {
			n++
		}
	}
	return n
}

// mine reports whether a process is a child of this one.
func mine(cmdline string) bool {
	data, _ := os.ReadFile(filepath.Join(filepath.Dir(cmdline), "stat"))
	_, rest, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(rest[min(2, len(rest)):], fmt.Sprintf("%d ", os.Getpid())) && !strings.HasPrefix(rest, "Z")
}

func leftovers(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.TempDir(), "latlab-*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, "\n")
}

func TestReportInTheBlock(t *testing.T) {
	for _, tt := range []struct {
		table string
		want  devices.Delegation
	}{
		{whole, devices.Delegation{Name: "edgetpu", Nodes: 50, Delegated: 50, Partitions: 1}},
		{partly, devices.Delegation{Name: "edgetpu", Nodes: 50, Delegated: 47, Partitions: 1,
			Why: []string{"CONV_2D x2: More than one subgraph is not supported", "HARD_SWISH x1: Operation not supported"}}},
	} {
		c := compiler(t, tt.table)
		d := wrap(t, edgetpu.Options{Compiler: c, MinRuntime: 13})
		m := good(t)
		if err := d.Prepare(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		b, err := d.Run(t.Context(), m, devicetest.Plan())
		if err != nil {
			t.Fatal(err)
		}
		closes(t, d)
		if diff := cmp.Diff(tt.want, b.Delegation); diff != "" {
			t.Errorf("delegation (-want +got):\n%s", diff)
		}
		got := [4]float64{b.Counters["on_chip_bytes"], b.Counters["on_chip_remaining_bytes"], b.Counters["off_chip_bytes"], b.Counters["compile_seconds"]}
		if want := [4]float64{604.5 * 1024, 5.75 * (1 << 20), 3617587, 0.542}; got != want {
			t.Errorf("counters %v, want %v", got, want)
		}
		if n := runs(c); n != 1 {
			t.Errorf("compiled %d times", n)
		}
		args, err := os.ReadFile(filepath.Join(filepath.Dir(c), "args"))
		if err != nil || !strings.Contains(string(args), " -m 13 ") {
			t.Errorf("arguments %q, %v", args, err)
		}
		if i := d.Info(); i.Fingerprint["edgetpu_compiler"] != "16.0.384591198" || len(i.Fingerprint["edgetpu_compiler_sha256"]) != 64 || !i.Accelerator {
			t.Errorf("%+v", i)
		}
	}
}

// TestFailures: a model that fails to compile is never timed.
func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         devices.Fault
		reason, says string
		runs         int
	}{
		{"not quantized", `echo "Edge TPU Compiler version 15.0.340273435
Invalid model: m.tflite
Model not quantized"; exit 1`, devices.FaultModel, devices.ReasonRejected, "Model not quantized", 1},
		{"a newer operator", `echo "ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'
ERROR: Registration failed.
Compilation failed! "; exit 0`, devices.FaultModel, devices.ReasonRejected, "version '6'", 1},
		{"timeout of its own", `echo "Compilation child process did not complete within timeout period.
Compilation failed! "; exit 1`, devices.FaultModel, devices.ReasonRejected, "timeout", 1},
		{"garbage", "echo hello; exit 0", devices.FaultDevice, devices.ReasonGarbage, "", 1},
		{"no file", `cp() { :; }`, devices.FaultDevice, devices.ReasonGarbage, "compiled file", 1},
		{"torn file", `cp() { head -c 100 "$1" >"$2"; }`, devices.FaultDevice, devices.ReasonGarbage, "compiled file", 1},
		{"endless", "exec yes", devices.FaultModel, devices.ReasonHung, "not of the device", 1},
		{"full", `echo "write: No space left on device"; exit 1`, devices.FaultLab, devices.ReasonFull, "", 1},
		{"internal, once", `echo "Internal compiler error. Aborting! "; exit 1`, "", "", "", 2},
		{"internal, always", `cp "$here/taken" "$here/next"; echo "Internal compiler error. Aborting! "; exit 1`, devices.FaultModel, devices.ReasonRejected, "Internal compiler error", 3},
		{"nothing mapped", `printf 'Total number of operations: 1\nOperator Count Status\nCAST 1 Operation not supported\n' >"$here/table"
echo() { command echo "$@" | sed 's/subgraphs: 1/subgraphs: 0/'; }`, devices.FaultModel, devices.ReasonRejected, "none of its 1 operators", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := compiler(t, whole)
			d := wrap(t, edgetpu.Options{Compiler: c})
			defer closes(t, d)
			next(t, c, tt.script)
			plan := devicetest.Plan()
			if tt.name == "endless" {
				plan.Timeout = 3 * time.Second
			}
			_, err := d.Run(t.Context(), good(t), plan)
			if n := runs(c); n != tt.runs {
				t.Errorf("compiled %d times, want %d", n, tt.runs)
			}
			var e *devices.Error
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &e) || e.Fault != tt.want || e.Reason != tt.reason || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error is %v: %+v", err, e)
			}
		})
	}
}

// TestWarnings: the compiler's warnings are in every block, and one that says that it chose a shape is a doubt.
func TestWarnings(t *testing.T) {
	c := compiler(t, whole)
	d := wrap(t, edgetpu.Options{Compiler: c})
	defer closes(t, d)
	next(t, c, `echo "W0000 00:00:17.1 42 f.cc:1] input x has no shape, assuming 1x3x1x1"; echo "WARNING: slow" >&2`)
	b, err := d.Run(t.Context(), good(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"edgetpu_compiler: slow", "edgetpu_compiler: input x has no shape, assuming 1x3x1x1"} {
		if !slices.Contains(b.Warnings, want) {
			t.Errorf("%q has no %q", b.Warnings, want)
		}
	}
	if !slices.ContainsFunc(b.Doubts, func(d devices.Doubt) bool { return d.Code == tool.ReasonShape }) {
		t.Errorf("doubts %v", b.Doubts)
	}
}

// idle is an inner device whose delegate takes nothing.
type idle struct{ devices.Device }

func (i idle) Run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	b, err := i.Device.Run(ctx, m, p)
	if b != nil {
		b.Delegation.Delegated = 0
	}
	return b, err
}

// TestFallBack: a model that was compiled for the Edge TPU but did not run there is not a measurement.
func TestFallBack(t *testing.T) {
	d := around(t, idle{inner(t)}, edgetpu.Options{Compiler: compiler(t, whole)})
	defer closes(t, d)
	b, err := d.Run(t.Context(), good(t), devicetest.Plan())
	var e *devices.Error
	if b != nil || !errors.As(err, &e) || e.Reason != devices.ReasonFallBack {
		t.Errorf("%v, %v", b, err)
	}
}

// TestBudget: compiled models are evicted, the least recently used first.
func TestBudget(t *testing.T) {
	dir := t.TempDir()
	c := compiler(t, whole)
	d := wrap(t, edgetpu.Options{Compiler: c, Budget: 1, Dir: dir})
	a, b := tiny(t, 1), tiny(t, 2)
	for _, m := range []*model.Model{a, a, b, b, a} {
		if _, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil {
			t.Fatal(err)
		}
	}
	if n := runs(c); n != 3 {
		t.Errorf("compiled %d times, want 3", n)
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "*", "*", "model_edgetpu.tflite")); err != nil || len(kept) != 1 {
		t.Errorf("kept: %v, %v", kept, err)
	}
	closes(t, d)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestCompilingTakesTheBlocksTime: a block that has no time left after compiling is not started.
func TestCompilingTakesTheBlocksTime(t *testing.T) {
	c := compiler(t, whole)
	d := wrap(t, edgetpu.Options{Compiler: c})
	defer closes(t, d)
	next(t, c, "sleep 3600")
	p := devicetest.Plan()
	p.Timeout = 200 * time.Millisecond
	_, err := d.Run(t.Context(), good(t), p)
	var e *devices.Error
	if !errors.As(err, &e) || e.Reason != devices.ReasonHung || e.Fault != devices.FaultModel {
		t.Errorf("error is %v", err)
	}
}

func TestWrapRefuses(t *testing.T) {
	d := inner(t)
	defer closes(t, d)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "other"), "#!/bin/sh\necho hello\n")
	write(t, filepath.Join(dir, "segv"), "#!/bin/sh\nkill -SEGV $$\n")
	for _, tt := range []struct {
		name   string
		o      edgetpu.Options
		fault  devices.Fault
		reason string
	}{
		{"not there", edgetpu.Options{Compiler: filepath.Join(dir, "nothing")}, devices.FaultUser, devices.ReasonMissing},
		{"not in PATH", edgetpu.Options{Compiler: "edgetpu-compiler-of-nobody"}, devices.FaultUser, devices.ReasonMissing},
		{"another program", edgetpu.Options{Compiler: filepath.Join(dir, "other")}, devices.FaultUser, devices.ReasonMissing},
		{"it crashes", edgetpu.Options{Compiler: filepath.Join(dir, "segv")}, devices.FaultLab, devices.ReasonCrashed},
		{"runtime 9", edgetpu.Options{Compiler: compiler(t, whole), MinRuntime: 9}, devices.FaultUser, "options"},
	} {
		_, err := edgetpu.Wrap(t.Context(), d, tt.o)
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != tt.fault || e.Reason != tt.reason {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestNames: names of folders and compilers pass through unchanged.
func TestNames(t *testing.T) {
	odd := filepath.Join(t.TempDir(), "a b'c\"$(touch x)`e`\nf;g")
	if err := os.MkdirAll(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	c := filepath.Join(odd, "edgetpu_compiler")
	write(t, c, standIn)
	write(t, filepath.Join(odd, "table"), whole)
	d := wrap(t, edgetpu.Options{Compiler: c, Dir: odd})
	defer closes(t, d)
	if _, err := d.Run(t.Context(), good(t), devicetest.Plan()); err != nil {
		t.Error(err)
	}
}

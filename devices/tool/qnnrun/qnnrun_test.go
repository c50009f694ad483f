package qnnrun_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/tool/python/pythontest"
	"latlab/devices/tool/qnnrun"
	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

func TestMain(m *testing.M) {
	code := pythontest.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

var models = pythontest.Models{Extension: ".onnx", Python: testenv.Python}

// netRun stands in for qnn-net-run: it accepts the options that latlab uses and no others, requires
// its input files, and logs the number of executions. "next" beside it is a script that runs once in
// its place.
const netRun = `#!/bin/sh
here=$(dirname "$0")
if [ -f "$here/next" ]; then mv "$here/next" "$here/taken" && . "$here/taken"; fi
fail() { echo "[ ERROR ] $*"; exit 1; }
while [ $# -gt 0 ]; do
	case $1 in
	--retrieve_context) context=$2; shift 2;;
	--backend) backend=$2; shift 2;;
	--input_list) list=$2; shift 2;;
	--output_dir) out=$2; shift 2;;
	--num_inferences) n=$2; shift 2;;
	--keep_num_outputs) [ "$2" = 1 ] || fail keep; shift 2;;
	--profiling_level) level=$2; case $level in basic|detailed) ;; *) fail level;; esac; shift 2;;
	--perf_profile) [ "$2" = burst ] || fail clocks; shift 2;;
	--log_level) shift 2;;
	--use_native_input_files) native=yes; shift;;
	--use_native_output_files) shift;;
	*) fail "ERROR: Invalid argument passed: $1";;
	esac
done
[ -s "$context" ] || fail "Could not create context from binary."
[ -f "$backend" ] || fail "Unable to load backend. dlerror(): dlopen failed"
for i in $(cat "$list"); do [ "${i%%:=*}" = input ] && [ "$(wc -c <"${i#*:=}")" = 3072 ] || fail "input $i"; done
[ "$native" = yes ] || fail "the inputs are read as float32"
case $LD_LIBRARY_PATH in *"$(dirname "$backend")"*) ;; *) fail "LD_LIBRARY_PATH is $LD_LIBRARY_PATH";; esac
case $ADSP_LIBRARY_PATH in "$(dirname "$backend");"*) ;; *) fail "ADSP_LIBRARY_PATH is $ADSP_LIBRARY_PATH";; esac
[ "$n" -gt 1000000 ] && exec sleep 3600
echo "$n $$ $level" >"$out/qnn-profiling-data_0.log"
echo "Finished Executing Graphs"
`

// profileViewer stands in for qnn-profile-viewer. The times are about 3 ms; the first
// execution is slower. In a detailed profile three quarters of the processor's cycles are of the ops listed here.
const profileViewer = `#!/bin/sh
here=$(dirname "$0")
[ "$1" = --input_log ] && [ "$3" = --output ] && [ $# = 4 ] || exit 1
read -r n seed level <"$2" || exit 1
if [ -f "$here/view" ]; then . "$here/view"; fi
echo "Input Log File Location: $2"
{
echo "QNN SDK, v2.34.0.250424"
echo "App,qnn-net-run"
echo "Msg Timestamp, Message, Time, Unit of Measurement, Timing Source, Event Level, Event Identifier"
echo "100,INIT,331158,US,NETRUN,ROOT,Init"
echo "101,INIT,9009,US,BACKEND,ROOT,QNN (load binary) time"
awk -v n="$n" -v seed="$seed" -v level="$level" 'BEGIN {
	srand(seed)
	ops = split("Input OpId_2|Transpose_token_184:OpId_17|stem/conv_token_6:OpId_25|stage1/depthwise_token_13:OpId_35|stage2/layer2/residual:OpId_96|a, with a comma_token_1_2:OpId_99|Output OpId_3", op, "|")
	for (i = 0; i < n; i++) {
		t = 2900 + int(200 * rand()) + (i == 0 ? 5000 : 0)
		print "200, EXECUTE, " t ", US, NETRUN, ROOT, Graph 0: whole"
		print "201,EXECUTE,4,COUNT,BACKEND,ROOT,Number of HVX threads used"
		print "202,EXECUTE," t - 30 ",US,BACKEND,ROOT,RPC (execute) time"
		print "203,EXECUTE," t - 300 ",US,BACKEND,ROOT,QNN accelerator (execute) time"
		print "204,EXECUTE," t - 400 ",US,BACKEND,ROOT,Accelerator (execute) time"
		if (level == "detailed") {
			print "205,EXECUTE," int(2800 * ops * 4 / 3) ",CYCLES,BACKEND,ROOT,Accelerator (execute) time (cycles)"
			for (k = 1; k <= ops; k++) print "206,EXECUTE," 700 * k ",CYCLES,BACKEND,SUB-EVENT," op[k] " (cycles)"
		}
		print "207,EXECUTE," t - 3 ",US,BACKEND,ROOT,QNN (execute) time"
	}
}'
echo "300,EXECUTE IPS,214.8888,INF/SEC,NETRUN,ROOT,NetRun IPS"
echo "301,DE-INIT,15810,US,NETRUN,ROOT,De-Init"
} >"$4"
`

// sdk is a folder with the stand-ins in the places of Qualcomm's SDK.
func sdk(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bin/aarch64-android/qnn-net-run":              netRun,
		"bin/x86_64-linux-clang/qnn-profile-viewer":    profileViewer,
		"lib/aarch64-android/libQnnHtp.so":             "htp",
		"lib/aarch64-android/libQnnSystem.so":          "system",
		"lib/aarch64-android/libQnnHtpV75Stub.so":      "stub",
		"lib/hexagon-v75/unsigned/libQnnHtpV75Skel.so": "skel",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func next(t testing.TB, sdk, script string) {
	t.Helper()
	write(t, filepath.Join(sdk, "bin/aarch64-android/next"), script)
}

func view(t testing.TB, sdk, script string) {
	t.Helper()
	write(t, filepath.Join(sdk, "bin/x86_64-linux-clang/view"), script)
}

func options(t testing.TB, sdk string) qnnrun.Options {
	t.Helper()
	return qnnrun.Options{Name: "phone", SoC: "sm8650", SDK: sdk, Python: testenv.Python(t)}
}

func open(t testing.TB, sdk string) *qnnrun.Device {
	t.Helper()
	d, err := qnnrun.Open(t.Context(), machine.Here("phone"), options(t, sdk))
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

func good(t testing.TB) *model.Model {
	t.Helper()
	return devicetest.Model(t, devicetest.TinyGraph(t, 1), model.ONNX, model.Int8)
}

func TestConformance(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // so that leftovers sees only this test's files
	faulty := func(script string) func(testing.TB) (devices.Device, *model.Model) {
		return func(t testing.TB) (devices.Device, *model.Model) {
			s := sdk(t)
			d := open(t, s)
			// The deadline of the hang must not pass during compilation.
			if err := d.Prepare(t.Context(), good(t)); err != nil {
				t.Fatal(err)
			}
			next(t, s, script)
			return d, good(t)
		}
	}
	devicetest.Run(t, devicetest.Suite{
		Open:      func(t testing.TB) devices.Device { return open(t, sdk(t)) },
		Good:      good,
		Bad:       models.Named("bad"),
		Crash:     faulty("kill -SEGV $$"),
		Hang:      faulty("kill -STOP $$; sleep 3600"),
		Processes: func() int { return pythontest.Children(t) },
		State:     func() string { return pythontest.Leftovers(t) },
		Cannot: map[string]string{
			"Offline": "this machine is always there",
			"Partial": "a network that the processor does not take whole is refused",
		},
	})
}

func TestBlock(t *testing.T) {
	d := open(t, sdk(t))
	defer closes(t, d)
	m := good(t)
	if err := d.Prepare(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	b, err := d.Run(t.Context(), m, devices.Plan{WarmUpRuns: 2, WarmUpSeconds: 0.03, MinRuns: 20, MinSeconds: 0.3, MaxRuns: 500, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	// 0.3 s at 3 ms, and 0.03 s of warm-up of which the first execution takes 8 ms.
	if n := len(b.Samples); n < 90 || n > 110 || len(b.WarmUp) < 5 || len(b.WarmUp) > 12 || b.FirstSeconds < 0.007 {
		t.Errorf("%d samples, %d of warm-up, first %v", n, len(b.WarmUp), b.FirstSeconds)
	}
	slices.Sort(b.Samples)
	mid := b.Samples[len(b.Samples)/2]
	if math.Abs(mid-0.003) > 1e-4 || b.Samples[len(b.Samples)-1] > 0.0032 || math.Abs(b.InitSeconds-0.331158) > 1e-9 {
		t.Errorf("median %v, init %v", mid, b.InitSeconds)
	}
	for name, less := range map[string]float64{"qnn": 3e-6, "rpc": 30e-6, "qnn_accelerator": 300e-6, "accelerator": 400e-6} {
		if got := b.Counters[name+"_median_seconds"]; math.Abs(got-(mid-less)) > 3e-5 {
			t.Errorf("%s is %v, of %v", name, got, mid)
		}
	}
	if p := b.Delegation; p.Name != "qnn-htp" || p.Nodes < 10 || p.Delegated != p.Nodes || len(b.Doubts) > 0 {
		t.Errorf("%+v, %v", p, b.Doubts)
	}
	if f := d.Info().Fingerprint; f["soc_model"] != "57" || f["htp_arch"] != "75" || f["perf_profile"] != "burst" || !strings.HasPrefix(f["runtime_files"], "sha256:") {
		t.Errorf("fingerprint %v", f)
	}
}

// TestWarnings: those of qnn-net-run are kept, and one that says that it chose a shape is a doubt.
func TestWarnings(t *testing.T) {
	s := sdk(t)
	d := open(t, s)
	defer closes(t, d)
	m := good(t)
	if err := d.Prepare(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	next(t, s, `echo "    12.3ms [WARNING] slow"; echo "     0.1ms [ WARN ] input x: default to dimensions 1x1"`)
	b, err := d.Run(t.Context(), m, devices.Plan{MinRuns: 5, MaxRuns: 5, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if want := "qnn-net-run: slow"; !slices.Contains(b.Warnings, want) {
		t.Errorf("%q has no %q", b.Warnings, want)
	}
	if !slices.ContainsFunc(b.Doubts, func(d devices.Doubt) bool { return d.Code == tool.ReasonShape }) {
		t.Errorf("doubts %v", b.Doubts)
	}
}

// TestProfile: ops have shares of the processor's time, and those of the network its operators.
func TestProfile(t *testing.T) {
	d := open(t, sdk(t))
	defer closes(t, d)
	m := good(t)
	p, err := d.Profile(t.Context(), m, devices.Plan{WarmUpRuns: 3, MinRuns: 20, MaxRuns: 20, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) []int {
		return []int{slices.IndexFunc(m.Graph.Ops, func(o graph.Op) bool { return o.Name == name })}
	}
	const us, ratio = 1e-6, 2600.0 / (2800 * 7 * 4.0 / 3) // of the processor's time to its cycles
	want := []devices.Layer{
		{Name: "Input", Op: "Input"},
		{Name: "Transpose_token_184", Op: "Transpose"},
		{Name: "stem/conv", Op: "conv", Nodes: at("stem/conv")},
		{Name: "stage1/depthwise", Op: "depthwise", Nodes: at("stage1/depthwise")},
		{Name: "stage2/layer2/residual", Op: "add", Nodes: at("stage2/layer2/residual")},
		{Name: "a, with a comma_token_1_2", Op: "a, with a comma"},
		{Name: "Output", Op: "Output"},
	}
	for i := range want {
		want[i].Where, want[i].Cycles = "qnn-htp", float64(700*(i+1))
		want[i].Seconds = want[i].Cycles * ratio * us
		for _, k := range want[i].Nodes {
			want[i].MACs = m.Graph.MACs(m.Graph.Ops[k])
		}
	}
	want = append(want, devices.Layer{Name: "processor", Op: "overhead", Where: "qnn-htp", Seconds: 2600 * us / 4}, devices.Layer{Name: "call", Op: "overhead", Where: "CPU", Seconds: 400 * us})
	if diff := cmp.Diff(want, p.Layers, cmpopts.EquateApprox(0.03, 1e-6)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p.Runs != 20 || p.WholeSeconds == nil || math.Abs(*p.WholeSeconds-0.003) > 1e-4 || math.Abs(p.Total() / *p.WholeSeconds - 1) > 0.02 || p.PlainSeconds != nil {
		t.Errorf("%d runs of %v s, rows of %v s, plain %v", p.Runs, p.WholeSeconds, p.Total(), p.PlainSeconds)
	}
	if p.Runtime == "" || len(p.ModelSHA256) != 64 || len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "cycles") {
		t.Errorf("%q, %q, %q", p.Runtime, p.ModelSHA256, p.Warnings)
	}
	if _, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil {
		t.Fatal(err)
	}
	if p, err = d.Profile(t.Context(), m, devicetest.Plan()); err != nil || p.PlainSeconds == nil || math.Abs(*p.PlainSeconds-0.003) > 1e-4 {
		t.Errorf("after a block: %+v, %v", p, err)
	}
}

// TestProfileFailures: a detailed profile that does not have every op in every execution is refused.
func TestProfileFailures(t *testing.T) {
	s, m := sdk(t), good(t)
	d := open(t, s)
	defer closes(t, d)
	if err := d.Prepare(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ view, reason string }{
		"no ops":           {`level=basic`, devices.ReasonGarbage},
		"an op is missing": {`awk() { command awk "$@" | sed '0,/Input OpId_2/{/Input OpId_2/d}'; }`, devices.ReasonGarbage},
		"no cycles":        {`awk() { command awk "$@" | sed 's/,[0-9]*,CYCLES,BACKEND,ROOT/,0,CYCLES,BACKEND,ROOT/'; }`, devices.ReasonGarbage},
		"no accelerator":   {`awk() { command awk "$@" | grep -v "ccelerator.*time$"; }`, devices.ReasonFallBack},
	} {
		view(t, s, tt.view)
		_, err := d.Profile(t.Context(), m, devicetest.Plan())
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != tt.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// elsewhere is this machine, treated as one to which files have to be copied.
type elsewhere struct{ transport.Transport }

func TestElsewhere(t *testing.T) {
	root := filepath.Join(t.TempDir(), "latlab")
	m, err := machine.Open(t.Context(), elsewhere{transport.Local{}}, machine.Options{Name: "phone", Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	d, err := qnnrun.Open(t.Context(), m, options(t, sdk(t)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := d.Run(t.Context(), good(t), devicetest.Plan()); err != nil {
			t.Fatal(err)
		}
	}
	var installed []string
	walk := func() (found []string) {
		_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				found = append(found, e.Name())
			}
			return err
		})
		return found
	}
	for _, name := range walk() {
		if strings.HasPrefix(name, "libQnn") || name == "qnn-net-run" {
			installed = append(installed, name)
		}
	}
	slices.Sort(installed)
	want := []string{"libQnnHtp.so", "libQnnHtpV75Skel.so", "libQnnHtpV75Stub.so", "libQnnSystem.so", "qnn-net-run"}
	if diff := cmp.Diff(want, installed); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
	closes(t, d)
	if left := walk(); slices.Contains(left, "context.bin") || slices.Contains(left, "input0.raw") {
		t.Errorf("left there: %v", left)
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name, next, view string
		want             devices.Fault
		reason           string
	}{
		{"refused context", `echo "[ ERROR ] Could not create context from binary."; exit 14`, "", devices.FaultDevice, devices.ReasonExited},
		{"no backend", `echo "[ ERROR ] Unable to load backend. dlerror(): dlopen failed: library not found"; exit 5`, "", devices.FaultUser, devices.ReasonMissing},
		{"no profile", "exit 0", "", devices.FaultDevice, devices.ReasonGarbage},
		{"endless", "exec yes", "", devices.FaultDevice, devices.ReasonGarbage},
		{"the viewer fails", "", "exit 3", devices.FaultDevice, devices.ReasonGarbage},
		{"the viewer writes nothing", "", "exit 0", devices.FaultDevice, devices.ReasonGarbage},
		{"the viewer dies", "", "kill -SEGV $$", devices.FaultLab, devices.ReasonCrashed},
		{"an execution is missing", "", "n=$((n - 1))", devices.FaultDevice, devices.ReasonGarbage},
		{"no accelerator", "", `awk() { command awk "$@" | grep -v ccelerator; }`, devices.FaultDevice, devices.ReasonFallBack},
		{"zero", "", `awk() { command awk "$@" | sed 's/EXECUTE, [0-9]*, US, NETRUN/EXECUTE, 0, US, NETRUN/'; }`, devices.FaultDevice, devices.ReasonGarbage},
		{"two graphs", "", `awk() { command awk "$@" | sed 's/Graph 0/Graph 1/'; }`, devices.FaultDevice, devices.ReasonGarbage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sdk(t)
			d := open(t, s)
			defer closes(t, d)
			m, plan := good(t), devicetest.Plan()
			if tt.name == "endless" {
				if err := d.Prepare(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				plan.Timeout = 3 * time.Second
			}
			if tt.next != "" {
				next(t, s, tt.next)
			}
			if tt.view != "" {
				view(t, s, tt.view)
			}
			b, err := d.Run(t.Context(), m, plan)
			var e *devices.Error
			if b != nil || !errors.As(err, &e) || e.Fault != tt.want || e.Reason != tt.reason {
				t.Errorf("%v: %+v", err, e)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*qnnrun.Options)
		fault  devices.Fault
		reason string
	}{
		"no chip":       {func(o *qnnrun.Options) { o.SoC = "" }, devices.FaultUser, "options"},
		"no such chip":  {func(o *qnnrun.Options) { o.SoC = "sm1" }, devices.FaultUser, devices.ReasonMissing}, // its libraries are not known either
		"no such clock": {func(o *qnnrun.Options) { o.PerfProfile = "turbo" }, devices.FaultUser, "options"},
		"no SDK":        {func(o *qnnrun.Options) { o.SDK = t.TempDir() }, devices.FaultUser, devices.ReasonMissing},
		"no library":    {func(o *qnnrun.Options) { o.Libraries = []string{o.SDK + "/lib/aarch64-android/libQnnSystem.so"} }, devices.FaultUser, devices.ReasonMissing},
		"no compiler":   {func(o *qnnrun.Options) { o.Python = pythontest.Empty(t, testenv.Python(t)) }, devices.FaultLab, "package-missing"},
		"no folder":     {func(o *qnnrun.Options) { o.There = "qnn" }, devices.FaultUser, "options"},
	} {
		o := options(t, sdk(t))
		tt.change(&o)
		_, err := qnnrun.Open(t.Context(), machine.Here("phone"), o)
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != tt.fault || e.Reason != tt.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestThere: files that are on the machine already are used in place.
func TestThere(t *testing.T) {
	s := sdk(t)
	there := t.TempDir()
	write(t, filepath.Join(there, "qnn-net-run"), netRun)
	write(t, filepath.Join(there, "libQnnHtp.so"), "htp")
	o := options(t, s)
	o.There = there
	d, err := qnnrun.Open(t.Context(), machine.Here("phone"), o)
	if err != nil {
		t.Fatal(err)
	}
	defer closes(t, d)
	if b, err := d.Run(t.Context(), good(t), devicetest.Plan()); err != nil || len(b.Samples) != 3 {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestFiles: the input is bytes, not only zeros, and the same each time.
func TestFiles(t *testing.T) {
	s := sdk(t)
	var inputs [][]byte
	for range 2 {
		d := open(t, s)
		keep := filepath.Join(t.TempDir(), "input")
		next(t, s, "cp input0.raw '"+keep+"'")
		if _, err := d.Run(t.Context(), good(t), devicetest.Plan()); err != nil {
			t.Fatal(err)
		}
		closes(t, d)
		data, err := os.ReadFile(keep)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, data)
	}
	if !bytes.Equal(inputs[0], inputs[1]) || bytes.Count(inputs[0], []byte{0}) > len(inputs[0])/100 {
		t.Errorf("%d bytes, %d zeros", len(inputs[0]), bytes.Count(inputs[0], []byte{0}))
	}
}

// TestValues: the input's file is what the user gives, in the input's type.
func TestValues(t *testing.T) {
	s := sdk(t)
	d := open(t, s)
	defer closes(t, d)
	f, err := good(t).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	whole := bytes.Repeat([]byte{1, 2, 255}, 1024)
	file := filepath.Join(t.TempDir(), "image.raw")
	write(t, file, string(whole))
	for _, tt := range []struct {
		values, files []string
		want          []byte
	}{
		{[]string{"input=200"}, nil, bytes.Repeat([]byte{200}, 3072)},
		{nil, []string{"input=" + file}, whole},
	} {
		call, err := model.ParseCall("", nil, tt.values, tt.files)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.FromFile(f.Path, call)
		if err != nil {
			t.Fatal(err)
		}
		keep := filepath.Join(t.TempDir(), "input")
		next(t, s, "cp input0.raw '"+keep+"'")
		if _, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(keep); err != nil || !bytes.Equal(got, tt.want) {
			t.Errorf("%d bytes %.9x..., %v", len(got), got, err)
		}
	}
}

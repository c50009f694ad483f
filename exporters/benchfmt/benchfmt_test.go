package benchfmt_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	perf "golang.org/x/perf/benchfmt"
	"pgregory.net/rapid"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters"
	"latlab/exporters/benchfmt"
	"latlab/exporters/exporttest"
	"latlab/internal/testenv"
	"latlab/sampler"
)

func write(t testing.TB, st bench.Reader, m bench.Sweep) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := benchfmt.Write(&b, m, exporters.Rows(t.Context(), st, m)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func points(t testing.TB) (bench.Reader, bench.Sweep) {
	t.Helper()
	s, err := sampler.Find(filepath.Join(testenv.Root(t), "sampler", "testdata", "tiny.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	return st, exporttest.Points(t, st, s, 8)
}

func TestText(t *testing.T) {
	st, m := points(t)
	got, _, _ := strings.Cut(string(write(t, st, m)), "verdict: INVALID")
	want := `# MEASURED latencies of pixel-4 by latlab, sweep ` + m.ID + `; a line is a block
device: pixel-4
kind: measured
harness: latlab-agent
delegate: xnnpack
threads: 2
precision: float32
space: tiny
protocol: default
estimator: median of block medians v1
verdict: VALID

BenchmarkInfer/arch=31db0a99a33b-2 3 0.0010000000000000002 sec/op
`
	if got, _, _ = strings.Cut(got, "BenchmarkInfer/arch=31db0a99a33b-2 3 0.00100333"); got != want {
		t.Errorf("text (-want +got):\n%s", cmp.Diff(want, got))
	}
}

// TestBenchstatReadsIt has the real program read hostile names and compares its medians with
// the store's to the last bit: three blocks have a middle one.
func TestBenchstatReadsIt(t *testing.T) {
	t.Parallel()
	stat := benchstat(t)
	st := memory.New()
	m := exporttest.Listed(t, st, exporttest.Hostile())
	file := filepath.Join(t.TempDir(), "m.txt")
	if err := os.WriteFile(file, write(t, st, m), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for r, err := range exporters.Rows(t.Context(), st, m) {
		if err != nil {
			t.Fatal(err)
		}
		if r.M != nil {
			want[r.Network.Name] = fmt.Sprint(r.M.Verdict, " ", r.M.Seconds)
		}
	}
	got, verdict := map[string]string{}, ""
	for _, line := range run(t, stat, "-format", "csv", "-table", "verdict,estimator", file) {
		if v, ok := strings.CutPrefix(line[0], "verdict: "); ok {
			verdict = v
		}
		if name, ok := strings.CutPrefix(line[0], "Infer/model="); ok {
			got[unescape(t, strings.TrimSuffix(name, "-1"))] = verdict + " " + line[1]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("benchstat (-store +read):\n%s", diff)
	}
}

// TestBenchstatComparesTwoRuns wants one table with a column a run, also of a device whose
// name ends in a number.
func TestBenchstatComparesTwoRuns(t *testing.T) {
	t.Parallel()
	stat := benchstat(t)
	dir := t.TempDir()
	for i, name := range []string{"old.txt", "new.txt"} {
		st, m := points(t)
		m.Seed, m.ID = uint64(i), fmt.Sprint(i) // what tells the runs apart must not part the tables
		var b bytes.Buffer
		if err := benchfmt.Write(&b, m, exporters.Rows(t.Context(), st, bench.Sweep{ID: mustID(t, st), SpaceFile: m.SpaceFile, Space: m.Space})); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), stat, "old.txt", "new.txt")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"device: pixel-4", "verdict: VALID", "verdict: INVALID", "old.txt", "new.txt", "vs base"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func mustID(t *testing.T, st bench.Reader) string {
	t.Helper()
	all, err := st.Sweeps(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return all[0].ID
}

// benchstat is the program of the module that go.mod names.
func benchstat(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "benchstat")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "golang.org/x/perf/cmd/benchstat")
	cmd.Dir = testenv.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func run(t *testing.T, program string, args ...string) [][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stderr = io.Discard // "need >= 6 samples for confidence intervals"
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(out))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func unescape(t testing.TB, s string) string {
	t.Helper()
	u, err := url.PathUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Whatever a model and a device are called, the reader of the format has both names, the
// threads and every bit of the value.
func TestAnyNameReadsBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		raw := rapid.OneOf(rapid.String(), rapid.SampledFrom(exporttest.Hostile()), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		model, device := raw.Draw(rt, "model"), raw.Draw(rt, "device")
		seconds := rapid.Float64Range(1e-9, 1e3).Draw(rt, "seconds")
		threads := rapid.IntRange(1, 99).Draw(rt, "threads")
		row := exporters.Row{Estimate: bench.Estimate{
			Network: bench.Network{Name: model}, Blocks: []devices.Block{{Samples: []float64{seconds}}},
			M: &verdict.Measurement{Estimator: stats.MedianOfMedians, Verdict: verdict.Valid},
		}}
		var b bytes.Buffer
		m := bench.Sweep{Device: devices.Info{Name: device, Threads: threads}}
		if err := benchfmt.Write(&b, m, func(yield func(exporters.Row, error) bool) { yield(row, nil) }); err != nil {
			rt.Fatal(err)
		}
		r := perf.NewReader(&b, "")
		if !r.Scan() {
			rt.Fatalf("nothing to read in %q", b.String())
		}
		res, ok := r.Result().(*perf.Result)
		if !ok {
			rt.Fatalf("%v", r.Result())
		}
		_, parts := res.Name.Parts()
		if len(parts) != 2 {
			rt.Fatalf("name %q has %d parts", res.Name.Full(), len(parts))
		}
		if got := unescape(t, strings.TrimPrefix(string(parts[0]), "/model=")); got != model {
			rt.Errorf("model %q, want %q", got, model)
		}
		if got := string(parts[1]); got != "-"+strconv.Itoa(threads) {
			rt.Errorf("threads %q, want %d", got, threads)
		}
		if got := unescape(t, res.GetConfig("device")); got != device {
			rt.Errorf("device %q, want %q", got, device)
		}
		if got, ok := res.Value("sec/op"); !ok || got != seconds {
			rt.Errorf("%v %v, want %v", got, ok, seconds)
		}
		if r.Scan() {
			rt.Errorf("more than one record: %v", r.Result())
		}
	})
}

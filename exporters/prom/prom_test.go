package prom_test

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
	"latlab/exporters/exporttest"
	"latlab/exporters/prom"
	"latlab/exporters/report/reporttest"
	"latlab/regress"
)

var update = flag.Bool("update", false, "write the goldens")

// store is a sweep with every oddity, and one of fixtures.
func store(t testing.TB) *memory.Store {
	t.Helper()
	st := memory.New()
	sweep := reporttest.Add(t, st, reporttest.Spec{Networks: 30, Device: "phone", Kind: devices.Simulated, InvalidEvery: 7, ImpreciseEvery: 5, DisturbedEvery: 9, FailEvery: 11, PlannedEvery: 13, Delegate: "npu"})
	listed := reporttest.Add(t, st, reporttest.Spec{Networks: 2, Listed: true, Device: "board", Kind: devices.Simulated,
		Name: func(i int) string { return []string{"mobiledet_cpu", "somebody's own"}[i] }})
	for _, c := range []struct {
		sweep string
		state bench.SweepState
	}{{sweep.ID, bench.Running}, {sweep.ID, bench.Quarantined}, {sweep.ID, bench.Running}, {listed.ID, bench.Ended}} {
		if err := st.Note(t.Context(), c.sweep, bench.Condition{State: c.state, Time: reporttest.Began()}); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

func read(t testing.TB, st bench.Reader, baseline *prom.Baseline) []*prom.Sweep {
	t.Helper()
	all, err := st.Sweeps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var sweeps []*prom.Sweep
	for _, m := range all {
		s, err := prom.ReadSweep(t.Context(), st, m, baseline)
		if err != nil {
			t.Fatal(err)
		}
		sweeps = append(sweeps, s)
	}
	return sweeps
}

// costModel has every figure.
func costModel() prom.CostModel {
	figures := regress.Figures{NTrain: 80, NTest: 20, R2: new(0.98), MAPE: new(0.03), NoiseCeilingR2: new(0.99), NoiseCeiling: &regress.Ceiling{R2: 0.99, R2Low: 0.98, R2High: 0.995, MAPE: 0.01, MAPELow: 0.008, MAPEHigh: 0.013}}
	return prom.CostModel{Name: "phone", Modified: reporttest.Began(), Failures: 3, Model: &regress.CostModel{
		Device: "phone", MeasuredUntil: new(reporttest.Began().Add(-time.Hour)), Kind: "simulated", Space: "tiny", Method: "ops", Precision: "float32", Figures: figures,
	}}
}

func registry(t testing.TB, sweeps []*prom.Sweep, costs ...prom.CostModel) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	lab := prom.Lab{Sweeps: sweeps, Read: reporttest.Began().Add(time.Hour), Took: time.Second, Failures: 2}
	for _, c := range []prometheus.Collector{prom.NewCollector(func() prom.Lab { return lab }), prom.NewCostCollector(func() []prom.CostModel { return costs }), prom.BuildInfo()} {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func exposition(t testing.TB, g prometheus.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if f.GetName() == "latlab_build_info" {
			continue // the toolchain's
		}
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// TestExposition is the whole text, and that promlint finds nothing in it.
func TestExposition(t *testing.T) {
	got := exposition(t, registry(t, read(t, store(t), nil), costModel()))
	exporttest.Golden(t, "testdata/exposition.txt", got, *update)
	problems, err := promlint.New(strings.NewReader(got)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

// TestTable: what the table promises is exported, with its type and labels, and nothing else.
// Devices', predictions' and the server's own metrics are exporters/web's.
func TestTable(t *testing.T) {
	st := store(t)
	all, err := st.Sweeps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	baseline, err := prom.ReadBaseline(t.Context(), st, all[0])
	if err != nil {
		t.Fatal(err)
	}
	families, err := registry(t, read(t, st, baseline), costModel()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		got[f.GetName()] = strings.ToLower(f.GetType().String()) + " " + strings.Join(labels, ",") + ": " + f.GetHelp()
	}
	want := map[string]string{}
	for _, m := range prom.Metrics() {
		if strings.HasPrefix(m.Name, "latlab_device_") || strings.HasPrefix(m.Name, "latlab_http_") || strings.HasSuffix(m.Name, "_predictions_total") {
			continue
		}
		labels := slices.Sorted(slices.Values(m.Labels))
		want[m.Name] = string(m.Type) + " " + strings.Join(labels, ",") + ": " + m.Help
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-table +exported):\n%s", diff)
	}
}

// TestBothHistograms: a scraper of either kind sees every value.
func TestBothHistograms(t *testing.T) {
	families, err := registry(t, read(t, store(t), nil)).Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			h := m.GetHistogram()
			if h == nil || h.GetSampleCount() == 0 {
				continue
			}
			seen++
			var native int64
			last := int64(0)
			for _, d := range h.GetPositiveDelta() {
				last += d
				native += last
			}
			if len(h.GetBucket()) == 0 || uint64(native)+h.GetZeroCount() != h.GetSampleCount() {
				t.Errorf("%s: %d classic buckets, %d of %d values in native ones", f.GetName(), len(h.GetBucket()), native, h.GetSampleCount())
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d histograms have values", seen)
	}
}

// TestBaseline: the ratio is that of common VALID networks, and only of the same device, as
// it was used, kind and precision.
func TestBaseline(t *testing.T) {
	st := memory.New()
	spec := reporttest.Spec{Networks: 20, Device: "phone", Kind: devices.Measured}
	base := reporttest.Add(t, st, spec)
	b, err := prom.ReadBaseline(t.Context(), st, base)
	if err != nil {
		t.Fatal(err)
	}
	for model := range b.Seconds {
		b.Seconds[model] /= 1.25
	}
	now := memory.New()
	for _, tt := range []struct {
		name string
		spec reporttest.Spec
		want bool
	}{
		{"the same again", spec, true},
		{"another device", reporttest.Spec{Networks: 20, Device: "other", Kind: devices.Measured}, false},
		{"another kind", reporttest.Spec{Networks: 20, Device: "phone", Kind: devices.Simulated}, false},
		{"other networks", reporttest.Spec{Networks: 2, Device: "phone", Kind: devices.Measured, Seed: 3}, false},
	} {
		m := reporttest.Add(t, now, tt.spec)
		s, err := prom.ReadSweep(t.Context(), now, m, b)
		if err != nil {
			t.Fatal(err)
		}
		if (s.Baseline != nil) != tt.want {
			t.Errorf("%s: comparison is %v", tt.name, s.Baseline)
		}
		if s.Baseline != nil && (s.Baseline.Baseline != base.ID || s.Baseline.Networks != 20 || math.Abs(s.Baseline.Ratio-1.25) > 1e-9) {
			t.Errorf("%s: %+v, want a ratio near 1.25", tt.name, *s.Baseline)
		}
	}
	for name, change := range map[string]func(*devices.Info){
		"another delegate": func(d *devices.Info) { d.Delegate = "gpu" }, "more threads": func(d *devices.Info) { d.Threads = 4 },
		"other CPUs": func(d *devices.Info) { d.CPUs = []int{7} }, "another program that times": func(d *devices.Info) { d.Harness = "benchmark_model" },
	} {
		m := base
		change(&m.Device)
		s, err := prom.ReadSweep(t.Context(), st, m, b)
		if err != nil || s.Baseline != nil {
			t.Errorf("%s: comparison is %v, %v", name, s.Baseline, err)
		}
	}
	invalid := reporttest.Add(t, st, reporttest.Spec{Networks: 5, Device: "x", InvalidEvery: 1})
	if _, err := prom.ReadBaseline(t.Context(), st, invalid); err == nil {
		t.Error("a baseline without a VALID measurement was taken")
	}
}

// TestHostileNames: whatever a store says, a scrape works.
func TestHostileNames(t *testing.T) {
	st := memory.New()
	for _, name := range []string{"<script>", "a\"b\\c\nd", "\xff\xfe", "日本"} {
		reporttest.Add(t, st, reporttest.Spec{Networks: 3, Device: name, Kind: devices.Simulated})
	}
	text := exposition(t, registry(t, read(t, st, nil)))
	if problems, err := promlint.New(strings.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	for _, want := range []string{`device="<script>"`, `device="a\"b\\c\nd"`, "device=\"\uFFFD"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestEmpty: an empty store and one that was never read say so and nothing else.
func TestEmpty(t *testing.T) {
	for name, lab := range map[string]prom.Lab{"never read": {Failures: 1}, "empty": {Read: reporttest.Began()}} {
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(prom.NewCollector(func() prom.Lab { return lab }))
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, f := range families {
			got[f.GetName()] = true
		}
		want := map[string]bool{"latlab_store_read_failures_total": true}
		if name == "empty" {
			maps.Copy(want, map[string]bool{"latlab_store_read_timestamp_seconds": true, "latlab_store_read_duration_seconds": true})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

var errDisk = errors.New("disk")

// TestRunsOfOneSweep: a sweep that was measured anew has series of its own, since each run has an id, and
// the newest run's blocks say what state its device is in.
func TestRunsOfOneSweep(t *testing.T) {
	st := memory.New()
	var runs []bench.Sweep
	for run := range 2 {
		m := reporttest.Add(t, st, reporttest.Spec{Networks: 3, Listed: true, Run: run, Slower: float64(run), Name: func(int) string { return "mobiledet_cpu" }})
		runs = append(runs, m)
	}
	baseline, err := prom.ReadBaseline(t.Context(), st, runs[0])
	if err != nil {
		t.Fatal(err)
	}
	got := exposition(t, registry(t, read(t, st, baseline))) // a pedantic registry refuses a series twice
	for _, m := range runs {
		if n := strings.Count(got, `latlab_fixture_latency_seconds{delegate="none",device="device",fixture="mobiledet_cpu",sweep="`+m.ID); n != 1 {
			t.Errorf("%d series of a fixture in run %d, want 1", n, m.Run+1)
		}
		if !strings.Contains(got, `latlab_baseline_latency_ratio{baseline="`+runs[0].ID+`",delegate="none",device="device",sweep="`+m.ID) {
			t.Errorf("run %d is not compared with the first", m.Run+1)
		}
	}
}

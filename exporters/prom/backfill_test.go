package prom_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
	"latlab/exporters/prom"
	"latlab/exporters/report/reporttest"
	"latlab/internal/testenv"
)

// past writes a sweep's history.
func past(t *testing.T, st bench.Reader, m bench.Sweep, o prom.BackfillOptions) string {
	t.Helper()
	var text bytes.Buffer
	if err := prom.WriteOpenMetrics(t.Context(), &text, st, m, o); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// lasts are the last values of each series, and how many samples there are of each.
func lasts(t *testing.T, text string) (values map[string]string, samples map[string]int) {
	t.Helper()
	values, samples = map[string]string{}, map[string]int{}
	before := map[string]float64{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.LastIndex(line, "}")
		if end < 0 {
			continue // of the store, not of a sweep
		}
		// Series by their labels in order, whatever wrote them.
		name, labels, _ := strings.Cut(line[:end], "{")
		pairs := strings.Split(labels, `",`)
		slices.Sort(pairs)
		for i := range pairs {
			pairs[i] = strings.TrimSuffix(pairs[i], `"`)
		}
		key := name + " " + fmt.Sprint(pairs)
		words := strings.Fields(line[end+1:])
		values[key] = words[0]
		samples[key]++
		if len(words) > 1 {
			at, err := strconv.ParseFloat(words[1], 64)
			if err != nil || at <= before[key] {
				t.Fatalf("%s: %s after %v, %v", key, words[1], before[key], err)
			}
			before[key] = at
		}
	}
	return values, samples
}

// TestBackfillEndsAsTheLiveOnes: at its end the past is what a scrape now says, but for what a
// store does not have by time.
func TestBackfillEndsAsTheLiveOnes(t *testing.T) {
	st := store(t)
	all, err := st.Sweeps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range all {
		written := past(t, st, m, prom.BackfillOptions{Step: 7 * time.Second})
		got, samples := lasts(t, written)
		families, err := registry(t, read(t, st, nil)[i:i+1]).Gather()
		if err != nil {
			t.Fatal(err)
		}
		var live bytes.Buffer
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToOpenMetrics(&live, f); err != nil {
				t.Fatal(err)
			}
		}
		want, _ := lasts(t, live.String())
		for key := range want {
			for _, only := range []string{"latlab_build_", "latlab_sweep_state ", "latlab_sweep_quarantines_", "latlab_sweep_blocks_queued "} {
				if strings.HasPrefix(key, only) {
					delete(want, key)
				}
			}
		}
		for key := range got {
			if strings.HasPrefix(key, "latlab_device_temperature_celsius ") {
				delete(got, key) // exporters/web's, of this moment
			}
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(nearly)); diff != "" {
			t.Errorf("%s (-live +past):\n%s", m.ID, diff)
		}
		most := 0
		for _, n := range samples {
			most = max(most, n)
		}
		if i == 0 && most < 8 {
			t.Errorf("at most %d samples a series: the steps are not told", most)
		}
		if !strings.HasSuffix(written, "\n# EOF\n") {
			t.Errorf("it ends with %q", written[len(written)-20:])
		}
	}
}

// nearly forgives sums that were added in another order.
func nearly(a, b string) bool {
	var x, y float64
	if a == b {
		return true
	}
	if _, err := fmt.Sscan(a, &x); err != nil {
		return false
	}
	if _, err := fmt.Sscan(b, &y); err != nil {
		return false
	}
	return x-y < 1e-9*x && y-x < 1e-9*x
}

// TestBackfillCoarsens: a series has no more samples than asked for, and none is lost.
func TestBackfillCoarsens(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 100, Device: "phone"})
	fine, _ := lasts(t, past(t, st, m, prom.BackfillOptions{Step: time.Second}))
	coarse, samples := lasts(t, past(t, st, m, prom.BackfillOptions{Step: time.Second, Most: 10}))
	if diff := cmp.Diff(fine, coarse, cmp.Comparer(nearly)); diff != "" {
		t.Errorf("at the end (-fine +coarse):\n%s", diff)
	}
	for key, n := range samples {
		if n > 10 {
			t.Fatalf("%s has %d samples", key, n)
		}
	}
}

// TestPromtoolMakesBlocks: the real consumer reads it, whatever a device is called.
func TestPromtoolMakesBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("runs promtool")
	}
	promtool := testenv.Program(t, "promtool", "prometheus")
	for i, name := range []string{"phone", "a\"b\\c\nd} 1 2\n# EOF", "\xff\xfe <script>", "日本"} {
		st := memory.New()
		m := reporttest.Add(t, st, reporttest.Spec{Networks: 10, Device: name, Kind: devices.Simulated, InvalidEvery: 3, FailEvery: 4})
		dir := t.TempDir()
		file := filepath.Join(dir, "old.om")
		if err := os.WriteFile(file, []byte(past(t, st, m, prom.BackfillOptions{})), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", file, filepath.Join(dir, "data")).CombinedOutput()
		if err != nil {
			t.Fatalf("device %d: %v\n%s", i, err, out)
		}
		// A running database's folder has a log besides the blocks; dump wants one.
		if err := os.Mkdir(filepath.Join(dir, "data", "wal"), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err = exec.Command(promtool, "tsdb", "dump", "--match", `latlab_sweep_blocks_total`, filepath.Join(dir, "data")).CombinedOutput()
		if err != nil || !strings.Contains(string(out), " 24 ") {
			t.Errorf("device %d: the blocks hold %s, %v", i, out, err)
		}
	}
}

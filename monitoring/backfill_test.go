package monitoring_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"latlab/internal/testenv"
)

// exported is what the store says of a network, as `latlab export --format jsonl` does.
type exported struct {
	Sweep   string          `json:"sweep"`
	Latency *float64        `json:"latency_seconds"`
	Blocks  []exportedBlock `json:"block_details"`
}

type exportedBlock struct {
	Started time.Time `json:"started"`
	Elapsed float64   `json:"elapsed_seconds"`
	Samples []float64 `json:"samples_seconds"`
}

// TestBackfill brings an old sweep into a Prometheus that never scraped it, through promtool,
// and wants of every sample that came of it what the store says of that moment.
func TestBackfill(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Prometheus for some seconds")
	}
	promtool := testenv.Program(t, "promtool", debianPrometheus)
	t.Parallel()
	l := newLab(t)
	// Some minutes of the simulator's own time.
	l.run("sweep", "--device", "sim-pixel1-cpu:phone", "--space", tinySpace(t), "-n", "500", "--db", "old.db", "--quiet")
	l.run("export", "--db", "old.db", "--format", "jsonl", "-o", "old.jsonl", "--quiet")
	l.run("export", "--db", "old.db", "--format", "openmetrics", "-o", "old.om", "--quiet")
	rows := readExported(t, filepath.Join(l.dir, "old.jsonl"))
	data := t.TempDir()
	if out, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", filepath.Join(l.dir, "old.om"), data).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	s := startPrometheus(t, "global: {}\n", data)
	end := lastEnd(rows)
	for metric, value := range map[string]func(so) float64{
		"latlab_sweep_blocks_total":               func(s so) float64 { return float64(s.blocks) },
		"latlab_inference_duration_seconds_count": func(s so) float64 { return float64(s.samples) },
		"latlab_inference_duration_seconds_sum":   func(s so) float64 { return s.seconds },
		"latlab_sweep_networks_measured":          func(s so) float64 { return float64(s.networks) },
		"latlab_network_latency_seconds_sum":      func(s so) float64 { return s.latencies },
	} {
		samples := s.samples(fmt.Sprintf(`%s{sweep=%q, device="sim-pixel1-cpu:phone"}`, metric, rows[0].Sweep), end)
		if len(samples) < 3 {
			t.Errorf("%s has %d samples, want one a minute", metric, len(samples))
			continue
		}
		for _, p := range samples {
			want := value(until(rows, p.Timestamp.Time()))
			if math.Abs(float64(p.Value)-want) > 1e-9*want {
				t.Errorf("%s is %v at %s, the store says %v", metric, p.Value, p.Timestamp.Time(), want)
			}
		}
		if want, last := value(until(rows, end)), samples[len(samples)-1]; math.Abs(float64(last.Value)-want) > 1e-9*want {
			t.Errorf("%s ends with %v, the store with %v", metric, last.Value, want)
		}
	}
}

// samples are those of a series in the day before.
func (s *server) samples(series string, before time.Time) []model.SamplePair {
	s.t.Helper()
	v, _, _, err := s.api.Query(s.context(), series+"[1d]", before.Add(time.Minute))
	if err != nil {
		s.t.Fatalf("%s: %v", series, err)
	}
	matrix := v.(model.Matrix)
	if len(matrix) != 1 {
		s.t.Fatalf("%s has %d series", series, len(matrix))
	}
	return matrix[0].Values
}

func readExported(t *testing.T, path string) []exported {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []exported
	for d := json.NewDecoder(bufio.NewReader(f)); d.More(); {
		var row exported
		if err := d.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func (b exportedBlock) end() time.Time {
	return b.Started.Add(time.Duration(b.Elapsed * float64(time.Second)))
}

// end is when a network's last block ended: then it was measured.
func (e exported) end() time.Time {
	var last time.Time
	for _, b := range e.Blocks {
		if b.end().After(last) {
			last = b.end()
		}
	}
	return last
}

func lastEnd(rows []exported) time.Time {
	var last time.Time
	for _, row := range rows {
		if row.end().After(last) {
			last = row.end()
		}
	}
	return last
}

// so is what a sweep had come to.
type so struct {
	blocks, samples, networks int
	seconds, latencies        float64
}

// until counts what had ended at a moment; the database's are whole milliseconds.
func until(rows []exported, at time.Time) so {
	var s so
	over := func(end time.Time) bool { return end.UnixMilli() <= at.UnixMilli() }
	for _, row := range rows {
		for _, b := range row.Blocks {
			if !over(b.end()) {
				continue
			}
			s.blocks++
			s.samples += len(b.Samples)
			for _, seconds := range b.Samples {
				s.seconds += seconds
			}
		}
		if row.Latency != nil && over(row.end()) {
			s.networks++
			s.latencies += *row.Latency
		}
	}
	return s
}

package prom

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"latlab/bench"
	"latlab/internal/version"
)

// Lab is the content of a store at its last read.
type Lab struct {
	Sweeps   []*Sweep
	Read     time.Time // zero = never
	Took     time.Duration
	Failures int // failed reads
}

// NewCollector returns the metrics of a store. They are rebuilt at each scrape, so that deleted
// sweeps leave no series. lab must not change a value that it has returned.
func NewCollector(lab func() Lab) prometheus.Collector {
	return &collector{lab: lab, descs: descriptions("latlab_store_", "latlab_sweep_", "latlab_inference_", "latlab_network_", "latlab_fixture_", "latlab_baseline_")}
}

type collector struct {
	lab   func() Lab
	descs map[string]*prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	lab := c.lab()
	out := sink{c.descs, ch}
	out.counter("latlab_store_read_failures_total", float64(lab.Failures))
	if lab.Read.IsZero() {
		return
	}
	out.gauge("latlab_store_read_timestamp_seconds", seconds(lab.Read))
	out.gauge("latlab_store_read_duration_seconds", lab.Took.Seconds())
	for _, s := range lab.Sweeps {
		s.collect(out)
	}
}

// sink collects metrics of the table.
type sink struct {
	descs map[string]*prometheus.Desc
	ch    chan<- prometheus.Metric
}

func (s sink) gauge(name string, v float64, labels ...string) {
	s.put(prometheus.GaugeValue, name, v, labels)
}

func (s sink) counter(name string, v float64, labels ...string) {
	s.put(prometheus.CounterValue, name, v, labels)
}

// put replaces invalid UTF-8 in labels, for which the client library would refuse the whole
// scrape.
func (s sink) put(t prometheus.ValueType, name string, v float64, labels []string) {
	s.ch <- prometheus.MustNewConstMetric(s.descs[name], t, v, valid(labels)...)
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / float64(time.Second) }

// memberStates are all values of the label state.
var memberStates = []bench.MemberState{bench.Running, bench.BackingOff, bench.Quarantined, bench.Ended}

func (s *Sweep) collect(out sink) {
	of := sweepValues(s.Manifest)
	with := func(more ...string) []string { return append(append([]string{}, of...), more...) }
	t := s.Tally
	out.gauge("latlab_sweep_info", 1, infoValues(s.Manifest)...)
	out.gauge("latlab_sweep_networks", float64(s.Manifest.Networks), of...)
	out.gauge("latlab_sweep_networks_measured", float64(t.Measured), of...)
	out.gauge("latlab_sweep_networks_failed", float64(t.Failed), of...)
	out.counter("latlab_sweep_blocks_total", float64(t.Blocks), of...)
	out.gauge("latlab_sweep_blocks_queued", float64(s.Queued), of...)
	out.gauge("latlab_sweep_created_timestamp_seconds", seconds(s.Manifest.Created), of...)
	out.gauge("latlab_sweep_verdicts", float64(t.Measured-t.Invalid), with(string(bench.Valid))...)
	out.gauge("latlab_sweep_verdicts", float64(t.Invalid), with(string(bench.Invalid))...)
	for key, n := range s.Failures {
		out.counter("latlab_sweep_failures_total", float64(n), with(string(key.Fault), key.Reason)...)
	}
	for reason, n := range t.Reasons {
		out.gauge("latlab_sweep_invalid_networks", float64(n), with(reason)...)
	}
	for warning, n := range t.Warnings {
		out.gauge("latlab_sweep_warned_networks", float64(n), with(warning)...)
	}
	if t.NoiseCV != nil {
		out.gauge("latlab_sweep_noise_ratio", *t.NoiseCV, of...)
	}
	if s.Nodes > 0 && s.Manifest.Device.Delegate != "" {
		out.gauge("latlab_sweep_delegated_nodes_ratio", float64(s.Delegated)/float64(s.Nodes), of...)
	}
	if !s.LastBlock.IsZero() {
		out.gauge("latlab_sweep_last_block_timestamp_seconds", seconds(s.LastBlock), of...)
	}
	s.collectState(out, of)
	s.collectLatency(out, of)
}

// collectState adds nothing for a sweep whose process reported no state, as in older stores.
func (s *Sweep) collectState(out sink, of []string) {
	if s.State == "" {
		return
	}
	for _, state := range memberStates {
		v := 0.0
		if state == s.State {
			v = 1
		}
		out.gauge("latlab_sweep_state", v, append(append([]string{}, of...), string(state))...)
	}
	out.counter("latlab_sweep_quarantines_total", float64(s.Quarantines), of...)
}

func (s *Sweep) collectLatency(out sink, of []string) {
	for _, h := range []prometheus.Observer{s.inference, s.latency, s.widths} {
		out.ch <- since{h.(prometheus.Metric), s.Manifest.Created}
	}
	for _, f := range s.Fixtures {
		labels := append(append([]string{}, of...), f.Name)
		out.gauge("latlab_fixture_latency_seconds", f.Seconds, labels...)
		if f.Low != nil && f.High != nil {
			out.gauge("latlab_fixture_latency_low_seconds", *f.Low, labels...)
			out.gauge("latlab_fixture_latency_high_seconds", *f.High, labels...)
		}
	}
	if b := s.Baseline; b != nil {
		labels := append(append([]string{}, of...), b.Baseline)
		out.gauge("latlab_baseline_latency_ratio", b.Ratio, labels...)
		out.gauge("latlab_baseline_networks", float64(b.Networks), labels...)
	}
}

// BuildInfo is the metric with the program's version.
func BuildInfo() prometheus.Collector {
	m := Named("latlab_build_info")
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels)
	g.WithLabelValues(version.Version, version.Commit(), runtime.Version()).Set(1)
	return g
}

package prom

import (
	"iter"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"latlab/bench"
	"latlab/bench/verdict"
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
	collect := func(out Sink) {
		lab := lab()
		out.Put("latlab_store_read_failures_total", float64(lab.Failures))
		if lab.Read.IsZero() {
			return
		}
		out.Put("latlab_store_read_timestamp_seconds", seconds(lab.Read))
		out.Put("latlab_store_read_duration_seconds", lab.Took.Seconds())
		for _, s := range lab.Sweeps {
			s.collect(out)
		}
	}
	return Collector(collect, "latlab_store_", "latlab_sweep_", "latlab_inference_", "latlab_network_", "latlab_fixture_", "latlab_baseline_")
}

// Collector returns a collector of the table's metrics whose names begin with one of the prefixes.
// collect emits them at each scrape.
func Collector(collect func(Sink), prefixes ...string) prometheus.Collector {
	return &collector{collect, descriptions(prefixes...)}
}

type collector struct {
	collect func(Sink)
	descs   map[string]*prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) { c.collect(Sink{c.descs, ch}) }

// Sink takes the values of a Collector.
type Sink struct {
	descs map[string]*prometheus.Desc
	ch    chan<- prometheus.Metric
}

// Put emits a gauge or counter. It replaces invalid UTF-8 in labels, for which the client library
// would refuse the whole scrape. By convention, the names of counters alone end in _total.
func (s Sink) Put(name string, v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if strings.HasSuffix(name, "_total") {
		kind = prometheus.CounterValue
	}
	s.ch <- prometheus.MustNewConstMetric(s.descs[name], kind, v, valid(labels)...)
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / float64(time.Second) }

// memberStates are all values of the label state.
var memberStates = []bench.SweepState{bench.Running, bench.BackingOff, bench.Quarantined, bench.Ended}

// teller writes a value of a sweep; more are its labels after the sweep's own.
type teller func(name string, v float64, more ...string)

// counts writes the metrics of networks and blocks, for scrapes and back-fills.
func (tell teller) counts(m bench.Sweep, t bench.Tally, failures map[FailureKey]int, fixtures iter.Seq[Fixture]) {
	tell("latlab_sweep_info", 1, m.Space, string(m.Precision), string(m.Device.Kind), m.Protocol.Name, string(m.Sampling), m.Device.Harness)
	tell("latlab_sweep_networks", float64(m.Networks))
	tell("latlab_sweep_networks_measured", float64(t.Measured))
	tell("latlab_sweep_networks_failed", float64(t.Failed))
	tell("latlab_sweep_blocks_total", float64(t.Blocks))
	tell("latlab_sweep_created_timestamp_seconds", seconds(m.Created))
	tell("latlab_sweep_verdicts", float64(t.Measured-t.Invalid-t.Imprecise), string(verdict.Valid))
	tell("latlab_sweep_verdicts", float64(t.Imprecise), string(verdict.Imprecise))
	tell("latlab_sweep_verdicts", float64(t.Invalid), string(verdict.Invalid))
	if t.UndisturbedShare != nil {
		tell("latlab_sweep_undisturbed_samples_ratio", *t.UndisturbedShare)
	}
	for key, n := range failures {
		tell("latlab_sweep_failures_total", float64(n), string(key.Fault), key.Reason)
	}
	for reason, n := range t.Reasons {
		tell("latlab_sweep_invalid_networks", float64(n), reason)
	}
	for warning, n := range t.Warnings {
		tell("latlab_sweep_warned_networks", float64(n), warning)
	}
	for f := range fixtures {
		tell("latlab_fixture_latency_seconds", f.Seconds, f.Name)
		if f.Low != nil && f.High != nil {
			tell("latlab_fixture_latency_low_seconds", *f.Low, f.Name)
			tell("latlab_fixture_latency_high_seconds", *f.High, f.Name)
		}
	}
}

// quality writes the metrics of the whole sweep.
func (tell teller) quality(m bench.Sweep, noise *float64, delegated, nodes int) {
	if noise != nil {
		tell("latlab_sweep_noise_ratio", *noise)
	}
	if nodes > 0 && m.Device.Delegate != "" {
		tell("latlab_sweep_delegated_nodes_ratio", float64(delegated)/float64(nodes))
	}
}

func (s *Sweep) collect(out Sink) {
	of := sweepValues(s.Manifest)
	tell := teller(func(name string, v float64, more ...string) { out.Put(name, v, slices.Concat(of, more)...) })
	tell.counts(s.Manifest, s.Tally, s.Failures, slices.Values(s.Fixtures))
	tell.quality(s.Manifest, s.Tally.NoiseCV, s.Delegated, s.Nodes)
	tell("latlab_sweep_blocks_queued", float64(s.Queued))
	if s.ClockHz > 0 {
		tell("latlab_sweep_clock_hertz", s.ClockHz)
	}
	if !s.LastBlock.IsZero() {
		tell("latlab_sweep_last_block_timestamp_seconds", seconds(s.LastBlock))
	}
	if s.State != "" { // older stores have none
		for _, state := range memberStates {
			v := 0.0
			if state == s.State {
				v = 1
			}
			tell("latlab_sweep_state", v, string(state))
		}
		tell("latlab_sweep_quarantines_total", float64(s.Quarantines))
	}
	for _, h := range []prometheus.Observer{s.inference, s.latency, s.widths} {
		out.ch <- since{h.(prometheus.Metric), s.Manifest.Created}
	}
	if b := s.Baseline; b != nil {
		tell("latlab_baseline_latency_ratio", b.Ratio, b.Baseline)
		tell("latlab_baseline_networks", float64(b.Networks), b.Baseline)
	}
}

// BuildInfo is the metric with the program's version.
func BuildInfo() prometheus.Collector {
	m := Named("latlab_build_info")
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels)
	g.WithLabelValues(version.Version, version.Commit(), runtime.Version()).Set(1)
	return g
}

package prom

import (
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"latlab/bench"
)

// series are the samples of one metric by their other labels, in the order of time.
type series struct {
	metric Metric
	labels map[string][]string      // by key
	rows   map[string][]*dto.Metric // by key
	order  []string                 // of keys
}

func newSeries(name string) *series {
	return &series{metric: Named(name), labels: map[string][]string{}, rows: map[string][]*dto.Metric{}}
}

// family groups the samples by series, as OpenMetrics requires.
func (s *series) family() *dto.MetricFamily {
	types := map[Type]dto.MetricType{Gauge: dto.MetricType_GAUGE, Counter: dto.MetricType_COUNTER, Histogram: dto.MetricType_HISTOGRAM}
	f := &dto.MetricFamily{Name: &s.metric.Name, Help: &s.metric.Help, Type: types[s.metric.Type].Enum()}
	for _, key := range s.order {
		f.Metric = append(f.Metric, s.rows[key]...)
	}
	return f
}

// put adds a sample: a value, or a histogram.
func (s *series) put(at time.Time, v float64, h *dto.Histogram, values []string) {
	key := ""
	for _, l := range values {
		key += l + "\xff"
	}
	if _, known := s.rows[key]; !known {
		s.order = append(s.order, key)
	}
	m := &dto.Metric{TimestampMs: new(at.UnixMilli())}
	for i, name := range s.metric.Labels {
		m.Label = append(m.Label, &dto.LabelPair{Name: new(name), Value: new(values[i])})
	}
	switch s.metric.Type {
	case Counter:
		m.Counter = &dto.Counter{Value: &v}
	case Gauge:
		m.Gauge = &dto.Gauge{Value: &v}
	default:
		m.Histogram = h
	}
	s.rows[key] = append(s.rows[key], m)
}

// histogram returns the values so far.
func (c *counts) histogram() *dto.Histogram {
	h := &dto.Histogram{SampleCount: new(c.n), SampleSum: new(c.sum)}
	var below uint64
	for i, bound := range c.bounds {
		if c.in != nil {
			below += c.in[i]
		}
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: new(bound), CumulativeCount: new(below)})
	}
	return h
}

// families turns the events of each step into totals at its end.
func (h *history) families() []*dto.MetricFamily {
	t := &teller{history: h, of: sweepValues(h.sweep), series: map[string]*series{}, total: newBin()}
	keys := slices.Sorted(maps.Keys(h.bins))
	for i, key := range keys {
		t.total.merge(h.bins[key])
		// A database's timestamps are whole milliseconds, rounded up so that none is too early.
		t.tell(t.total.until.Add(time.Millisecond-1).Truncate(time.Millisecond), i == len(keys)-1)
	}
	var all []*dto.MetricFamily
	for _, m := range Metrics() {
		if s := t.series[m.Name]; s != nil {
			all = append(all, s.family())
		}
	}
	return all
}

// teller writes the totals at the end of each step.
type teller struct {
	history *history
	of      []string
	series  map[string]*series
	total   *bin
	at      time.Time
}

func (t *teller) value(name string, v float64, more ...string) {
	t.find(name).put(t.at, v, nil, t.with(more))
}

func (t *teller) find(name string) *series {
	s := t.series[name]
	if s == nil {
		s = newSeries(name)
		t.series[name] = s
	}
	return s
}

func (t *teller) with(more []string) []string {
	return append(append([]string{}, t.of...), valid(more)...)
}

func (t *teller) tell(at time.Time, end bool) {
	t.at = at
	m, b := t.history.sweep, t.total
	t.find("latlab_sweep_info").put(at, 1, nil, infoValues(m))
	t.value("latlab_sweep_networks", float64(m.Networks))
	t.value("latlab_sweep_networks_measured", float64(b.measured))
	t.value("latlab_sweep_networks_failed", float64(b.failed))
	t.value("latlab_sweep_blocks_total", float64(b.blocks))
	t.value("latlab_sweep_created_timestamp_seconds", seconds(m.Created))
	for _, v := range []bench.Verdict{bench.Valid, bench.Invalid} {
		t.value("latlab_sweep_verdicts", float64(b.verdicts[string(v)]), string(v))
	}
	for key, n := range b.failures {
		t.value("latlab_sweep_failures_total", float64(n), string(key.Fault), key.Reason)
	}
	for reason, n := range b.reasons {
		t.value("latlab_sweep_invalid_networks", float64(n), reason)
	}
	for warning, n := range b.warnings {
		t.value("latlab_sweep_warned_networks", float64(n), warning)
	}
	t.find("latlab_inference_duration_seconds").put(at, 0, b.inference.histogram(), t.of)
	t.find("latlab_network_latency_seconds").put(at, 0, b.latency.histogram(), t.of)
	t.find("latlab_sweep_interval_half_width_ratio").put(at, 0, b.widths.histogram(), t.of)
	for name, f := range b.fixtures {
		t.value("latlab_fixture_latency_seconds", f.Seconds, name)
		if f.Low != nil && f.High != nil {
			t.value("latlab_fixture_latency_low_seconds", *f.Low, name)
			t.value("latlab_fixture_latency_high_seconds", *f.High, name)
		}
	}
	t.tellDevice()
	if end {
		t.tellEnd()
	}
}

func (t *teller) tellDevice() {
	b := t.total
	if b.last.IsZero() {
		return
	}
	t.value("latlab_sweep_last_block_timestamp_seconds", seconds(b.last))
	if hot := b.condition.HottestC(); hot != nil {
		t.find("latlab_device_temperature_celsius").put(t.at, *hot, nil, []string{t.of[1]})
	}
	if battery := b.condition.Battery; battery != nil && battery.Level != nil {
		t.find("latlab_device_battery_ratio").put(t.at, *battery.Level, nil, []string{t.of[1]})
	}
}

// tellEnd writes the metrics of the whole sweep.
func (t *teller) tellEnd() {
	h := t.history
	if h.noise != nil {
		t.value("latlab_sweep_noise_ratio", *h.noise)
	}
	if h.nodes > 0 && h.sweep.Device.Delegate != "" {
		t.value("latlab_sweep_delegated_nodes_ratio", float64(h.delegated)/float64(h.nodes))
	}
}

package prom

import (
	"maps"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// series are the samples of one metric by their other labels, in the order of time.
type series struct {
	metric Metric
	rows   map[string][]*dto.Metric // by key
	order  []string                 // of keys
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
	key := strings.Join(values, "\xff")
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
	o := &output{history: h, of: sweepValues(h.sweep), series: map[string]*series{}, total: newBin()}
	keys := slices.Sorted(maps.Keys(h.bins))
	for i, key := range keys {
		o.total.merge(h.bins[key])
		// A database's timestamps are whole milliseconds, rounded up so that none is too early.
		o.at = o.total.until.Add(time.Millisecond - 1).Truncate(time.Millisecond)
		o.step()
		if i == len(keys)-1 {
			teller(o.value).quality(h.sweep, h.noise, h.delegated, h.nodes)
		}
	}
	var all []*dto.MetricFamily
	for _, m := range Metrics() {
		if s := o.series[m.Name]; s != nil {
			all = append(all, s.family())
		}
	}
	return all
}

// output collects the totals at the end of each step.
type output struct {
	history *history
	of      []string // the sweep's labels
	series  map[string]*series
	total   *bin
	at      time.Time
}

func (o *output) value(name string, v float64, more ...string) {
	o.find(name).put(o.at, v, nil, slices.Concat(o.of, valid(more)))
}

func (o *output) find(name string) *series {
	if o.series[name] == nil {
		o.series[name] = &series{metric: Named(name), rows: map[string][]*dto.Metric{}}
	}
	return o.series[name]
}

func (o *output) step() {
	b := o.total
	teller(o.value).counts(o.history.sweep, b.tally, b.failures, maps.Values(b.fixtures))
	o.find("latlab_inference_duration_seconds").put(o.at, 0, b.inference.histogram(), o.of)
	o.find("latlab_network_latency_seconds").put(o.at, 0, b.latency.histogram(), o.of)
	o.find("latlab_sweep_interval_half_width_ratio").put(o.at, 0, b.widths.histogram(), o.of)
	if b.last.IsZero() {
		return
	}
	o.value("latlab_sweep_last_block_timestamp_seconds", seconds(b.last))
	if b.clock > 0 {
		o.value("latlab_sweep_clock_hertz", b.clock)
	}
	device := o.of[1:2]
	if hot := b.condition.HottestC(); hot != nil {
		o.find("latlab_device_temperature_celsius").put(o.at, *hot, nil, device)
	}
	if battery := b.condition.Battery; battery != nil && battery.Level != nil {
		o.find("latlab_device_battery_ratio").put(o.at, *battery.Level, nil, device)
	}
}

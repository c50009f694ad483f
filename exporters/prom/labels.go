package prom

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"latlab/bench"
)

// sweepValues are the values of the labels of a sweep's series: sweep, device, delegate, threads.
// A device without a delegate says so: an empty label is none, and would match a dashboard's
// "All" by accident only.
func sweepValues(m bench.Sweep) []string {
	delegate := m.Device.Delegate
	if delegate == "" {
		delegate = "none"
	}
	return valid([]string{m.ID, m.Device.Name, delegate, strconv.Itoa(m.Device.Threads)})
}

func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}

// infoValues are those of latlab_sweep_info.
func infoValues(m bench.Sweep) []string {
	return append(sweepValues(m), m.Space, string(m.Precision), string(m.Device.Kind), m.Protocol.Name, string(m.Sampling), m.Device.Harness)
}

// inferenceBuckets are upper bounds in seconds, four a decade: latencies of one space span a
// factor of 30, those of an EdgeTPU and a slow phone one of a thousand. Whoever wants a finer
// picture scrapes the native buckets, which are 10 % apart.
var inferenceBuckets = []float64{
	.0001, .00018, .00032, .00056, .001, .0018, .0032, .0056, .01, .018, .032, .056, .1, .18, .32, .56, 1, 1.8, 3.2, 5.6, 10,
}

// widthBuckets are relative half-widths of intervals; the presets ask for 0.05 and less.
var widthBuckets = []float64{.001, .002, .005, .01, .02, .03, .05, .07, .1, .2, .5, 1}

// nativeBuckets bounds the native form: 10 % apart, some 100 a factor of a thousand spans.
const (
	nativeFactor  = 1.1
	nativeBuckets = 160
)

// descriptions are made from the table, of all metrics whose name begins with one of the prefixes.
func descriptions(prefixes ...string) map[string]*prometheus.Desc {
	descs := map[string]*prometheus.Desc{}
	for _, m := range Metrics() {
		for _, p := range prefixes {
			if len(m.Name) >= len(p) && m.Name[:len(p)] == p {
				descs[m.Name] = prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)
			}
		}
	}
	return descs
}

// histogram makes an empty one of the table, with classic and native buckets.
func histogram(name string, buckets []float64, labels []string) prometheus.Observer {
	m := Named(name)
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: m.Name, Help: m.Help, Buckets: buckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
	}, m.Labels).WithLabelValues(labels...)
}

// since is a histogram that counts from when its sweep was begun. It is filled anew at each
// reading of the store; its own time would look like a restart to whoever takes rates.
type since struct {
	prometheus.Metric
	begun time.Time
}

// Write implements prometheus.Metric.
func (s since) Write(m *dto.Metric) error {
	err := s.Metric.Write(m)
	if h := m.GetHistogram(); h != nil {
		h.CreatedTimestamp = timestamppb.New(s.begun)
	}
	return err
}

package prom

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"latlab/bench"
)

// sweepValues are the values of the labels of a sweep's series: sweep, device, delegate, threads.
// The delegate is never empty, since an empty label is the same as a missing one.
func sweepValues(m bench.Sweep) []string {
	return valid([]string{m.ID, m.Device.Name, cmp.Or(m.Device.Delegate, "none"), strconv.Itoa(m.Device.Threads)})
}

func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}

// inferenceBuckets are upper bounds in seconds, four per decade: latencies of one space span a
// factor of 30, those of an EdgeTPU and a slow phone a factor of a thousand. Native buckets are
// finer, 10 % apart.
var inferenceBuckets = []float64{
	.0001, .00018, .00032, .00056, .001, .0018, .0032, .0056, .01, .018, .032, .056, .1, .18, .32, .56, 1, 1.8, 3.2, 5.6, 10,
}

// widthBuckets are relative half-widths of intervals; the presets' targets are 0.02 to 0.1.
var widthBuckets = []float64{.001, .002, .005, .01, .02, .03, .05, .07, .1, .2, .5, 1}

// nativeBuckets limits the native form: buckets 10 % apart, about 100 for a factor of a thousand.
const (
	nativeFactor  = 1.1
	nativeBuckets = 160
)

// descriptions are those of all metrics of the table whose name begins with one of the prefixes.
func descriptions(prefixes ...string) map[string]*prometheus.Desc {
	descs := map[string]*prometheus.Desc{}
	for _, m := range append(Metrics(), ProbeMetrics()...) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(m.Name, p) }) {
			descs[m.Name] = prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)
		}
	}
	return descs
}

// histogram returns an empty histogram of the table, with classic and native buckets.
func histogram(name string, buckets []float64, labels []string) prometheus.Observer {
	m := Named(name)
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: m.Name, Help: m.Help, Buckets: buckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
	}, m.Labels).WithLabelValues(labels...)
}

// since is a histogram whose creation time is that of its sweep. It is rebuilt at each read of
// the store; its own creation time would look like a restart in rates.
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

// Package web is the HTTP side of `latlab serve`: metrics, probes of devices, service
// discovery and predictions.
// Handler takes interfaces that gather metrics, probe devices and predict. The package knows no
// stores, devices or files, and never uses text of a request as a path, a command or a host:
// devices and cost models are selected by exact names from fixed lists. Serve adds limits,
// TLS and passwords. exporters/prom has the metrics, cmd/latlab connects the parts.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"latlab/exporters/prom"
)

// Options are the parts that a Handler serves. Paths of parts that are nil or empty return 404.
type Options struct {
	// Metrics are those of /metrics in addition to the package's own.
	Metrics prometheus.Gatherer
	// Scraped is called at each scrape before its metrics are gathered; may be nil.
	Scraped func()
	// Ready returns the reason why the server is not ready; nil = always ready.
	Ready  func() error
	Prober Prober
	// Lab and Devices are what the first page lists; nil = none.
	Lab     func() prom.Lab
	Devices func() []Device
	// Report writes the HTML report of the store for /report; nil = none.
	Report func(context.Context, io.Writer) error
	// CostModels returns the current ones, since a file may be replaced while it is served. A
	// request uses the same ones until its end. Names are unique and do not change. nil = none.
	CostModels func() []CostModel
	// Hosts are host names allowed over loopback, besides localhost and addresses; see guard.
	Hosts   []string
	Limits  Limits
	Version string
	Log     *slog.Logger // nil = none
}

// Limits bound the cost of a request. Zero values are replaced by DefaultLimits.
type Limits struct {
	ScrapeAge     time.Duration // maximum age of the metrics of a scrape
	ProbeTimeout  time.Duration // maximum duration of a probe, whatever the scraper's timeout
	ProbeOffset   time.Duration // time between a probe's response and the scraper's timeout
	Body          int64         // maximum bytes of a request
	Bodies        int64         // maximum bytes of all concurrent requests; small ones have an additional quarter
	Architectures int           // maximum per request
}

// DefaultLimits are those of `latlab serve`. A body of 16 MiB has about 200,000 networks of 31
// decisions.
func DefaultLimits() Limits {
	return Limits{
		ScrapeAge: time.Second, ProbeTimeout: 10 * time.Second, ProbeOffset: 500 * time.Millisecond,
		Body: 16 << 20, Bodies: 64 << 20, Architectures: 200_000,
	}
}

func orDefault[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

func (l Limits) orDefaults() Limits {
	d := DefaultLimits()
	orDefault(&l.ScrapeAge, d.ScrapeAge)
	orDefault(&l.ProbeTimeout, d.ProbeTimeout)
	orDefault(&l.ProbeOffset, d.ProbeOffset)
	orDefault(&l.Body, d.Body)
	orDefault(&l.Bodies, max(d.Bodies, l.Body))
	orDefault(&l.Architectures, d.Architectures)
	return l
}

// handler is the state of a Handler.
type handler struct {
	o       Options
	metrics ownMetrics
}

// Handler serves all paths. Two cost models with the same name are an error.
func Handler(o Options) (http.Handler, error) {
	o.Limits = o.Limits.orDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CostModels == nil {
		o.CostModels = func() []CostModel { return nil }
	}
	h := &handler{o: o, metrics: newOwnMetrics()}
	predict, err := newPredictions(o, h.metrics.predictions)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	h.handle(mux, "landing", "GET /{$}", h.first())
	h.handle(mux, "metrics", "GET /metrics", h.scrapes())
	h.handle(mux, "healthy", "GET /-/healthy", http.HandlerFunc(healthy))
	h.handle(mux, "ready", "GET /-/ready", http.HandlerFunc(h.ready))
	if o.Report != nil {
		h.handle(mux, "report", "GET /report", &reports{write: o.Report})
	}
	if o.Prober != nil {
		h.handle(mux, "probe", "GET /probe", newProbes(o))
		h.handle(mux, "sd", "GET /sd", http.HandlerFunc(h.discovery))
	}
	// Everything below /v1/ responds in JSON, errors too, so these patterns have no method.
	h.handle(mux, "predict", "/v1/predict", http.HandlerFunc(predict.predict))
	h.handle(mux, "cost_models", "/v1/cost_models", http.HandlerFunc(predict.list))
	h.handle(mux, "other", "/v1/", http.HandlerFunc(noEndpoint))
	return guard(mux, o.Hosts), nil
}

// handle counts requests by handler, since clients could send any number of paths.
func (h *handler) handle(mux *http.ServeMux, name, pattern string, handler http.Handler) {
	label := prometheus.Labels{"handler": name}
	handler = promhttp.InstrumentHandlerCounter(h.metrics.requests.MustCurryWith(label), handler)
	mux.Handle(pattern, promhttp.InstrumentHandlerDuration(h.metrics.durations.MustCurryWith(label), handler))
}

func healthy(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "latlab is healthy") }

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	if h.o.Ready != nil {
		if err := h.o.Ready(); err != nil {
			http.Error(w, "latlab is not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "latlab is ready")
}

// ownMetrics are those of the server itself.
type ownMetrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	predictions *prometheus.CounterVec
}

func newOwnMetrics() ownMetrics {
	requests, durations := prom.Named("latlab_http_requests_total"), prom.Named("latlab_http_request_duration_seconds")
	predictions := prom.Named("latlab_cost_model_predictions_total")
	m := ownMetrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: requests.Name, Help: requests.Help}, requests.Labels),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: durations.Name, Help: durations.Help, Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, durations.Labels),
		predictions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: predictions.Name, Help: predictions.Help}, predictions.Labels),
	}
	m.registry.MustRegister(m.requests, m.durations, m.predictions)
	return m
}

// ErrNoTarget is returned by a Prober for a name that no device has.
var ErrNoTarget = errors.New("no such device")

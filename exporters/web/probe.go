package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/sync/singleflight"

	"latlab/exporters/prom"
	"latlab/internal/text"
)

// Module is what a probe looks at.
type Module string

// The modules.
const (
	Reach Module = "reach" // only whether the device can be reached
	State Module = "state" // temperatures, clocks, battery and throttling too; the default
)

var modules = []Module{Reach, State}

// Target is a device that may be probed. Kind is measured, estimated or simulated; Transport is
// "local", "adb" or "ssh"; Source is "built-in", "file" or "attached".
type Target struct {
	Name, Kind, Transport, Source string
}

// Finding is what a look at a device found.
type Finding struct {
	// Metrics are of that device alone; nil = none.
	Metrics prometheus.Gatherer
	OK      bool     // it could be looked at, or is busy and was left alone
	Log     []string // for people: what was done and found
}

// Prober looks at devices, cheaply: it never starts a sweep, nor touches a device that is
// timing. Both methods may be called at once, and end with their context.
type Prober interface {
	// Targets are those of now; attached phones come and go.
	Targets(ctx context.Context) []Target
	// Probe takes the exact name of one of Targets; for another the error is ErrNoTarget, and
	// nothing was touched.
	Probe(ctx context.Context, name string, m Module) (Finding, error)
}

// probes answers /probe. Scrapers of one device that come while it is looked at share the
// answer: two servers that scrape a phone must not connect to it twice.
type probes struct {
	o     Options
	looks singleflight.Group
}

type lookKey struct {
	target string
	module Module
}

// look is what one look at a device found.
type look struct {
	finding Finding
	err     error
	took    time.Duration
}

func newProbes(o Options) *probes { return &probes{o: o} }

func (p *probes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	key := lookKey{q.Get("target"), State}
	if m := q.Get("module"); m != "" {
		key.module = Module(m)
	}
	timeout, err := p.timeout(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"))
	switch {
	case key.target == "":
		err = errors.New("target is missing: /probe?target=DEVICE, and /sd lists devices")
	case len(q["target"]) > 1 || len(q["module"]) > 1:
		err = errors.New("one target and one module, please")
	case !slices.Contains(modules, key.module):
		err = fmt.Errorf("no module is named %s; there are reach and state", quoted(string(key.module)))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	f := p.look(ctx, key)
	if errors.Is(f.err, ErrNoTarget) {
		http.Error(w, fmt.Sprintf("no device is named %s; /sd lists them", quoted(key.target)), http.StatusNotFound)
		return
	}
	if q.Get("debug") == "true" {
		f.debug(w, key)
		return
	}
	promhttp.HandlerFor(f.metrics(), handlerOpts(p.o.Log)).ServeHTTP(w, r)
}

// quoted shows a client its own words, bounded, and none that a terminal obeys.
func quoted(word string) string {
	return strconv.QuoteToASCII(text.Cut(word, 80))
}

// timeout is how long a probe may take: what the scraper says that it waits, less what the way
// takes, but no longer than a look at a device ever does.
func (p *probes) timeout(header string) (time.Duration, error) {
	limit := p.o.Limits.ProbeTimeout
	if header == "" {
		return limit, nil
	}
	seconds, err := strconv.ParseFloat(header, 64)
	if err != nil || !(seconds > 0) || math.IsInf(seconds, 0) {
		return 0, fmt.Errorf("X-Prometheus-Scrape-Timeout-Seconds is %s, want a positive number", quoted(header))
	}
	if seconds > limit.Seconds()+p.o.Limits.ProbeOffset.Seconds() {
		return limit, nil
	}
	d := time.Duration(seconds * float64(time.Second))
	if d > p.o.Limits.ProbeOffset {
		d -= p.o.Limits.ProbeOffset
	}
	return d, nil
}

// look starts a look or joins one. Whoever cannot wait any longer gets an answer that says so;
// the look goes on for the others and ends by itself.
func (p *probes) look(ctx context.Context, key lookKey) *look {
	start := time.Now()
	found := p.looks.DoChan(string(key.module)+" "+key.target, func() (any, error) { return p.run(context.WithoutCancel(ctx), key), nil })
	select {
	case result := <-found:
		return result.Val.(*look)
	case <-ctx.Done():
		return &look{
			finding: Finding{Log: []string{"no answer in time: the look goes on and is not waited for"}},
			took:    time.Since(start),
		}
	}
}

func (p *probes) run(ctx context.Context, key lookKey) (f *look) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Limits.ProbeTimeout)
	defer cancel()
	start := time.Now()
	f = &look{}
	defer func() {
		if r := recover(); r != nil {
			// net/http recovers for its own goroutines only.
			p.o.Log.Error("a probe panicked", "target", key.target, "panic", r)
			f.finding, f.err = Finding{Log: []string{"the look failed: a fault of latlab's own"}}, nil
		}
		f.took = time.Since(start)
	}()
	f.finding, f.err = p.o.Prober.Probe(ctx, key.target, key.module)
	if f.err != nil && !errors.Is(f.err, ErrNoTarget) {
		f.finding.OK = false
		f.finding.Log = append(f.finding.Log, f.err.Error())
	}
	return f
}

func (f *look) metrics() prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	gauge := func(name string, value float64) {
		m := prom.Named(name)
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: m.Name, Help: m.Help})
		g.Set(value)
		registry.MustRegister(g)
	}
	success := 0.0
	if f.finding.OK {
		success = 1
	}
	gauge("latlab_probe_success", success)
	gauge("latlab_probe_duration_seconds", f.took.Seconds())
	if f.finding.Metrics == nil {
		return registry
	}
	return prometheus.Gatherers{registry, f.finding.Metrics}
}

// debug is for people who want to know why a probe says what it says.
func (f *look) debug(w http.ResponseWriter, key lookKey) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "Log of the probe of %s, module %s:\n", quoted(key.target), key.module)
	for _, line := range f.finding.Log {
		fmt.Fprintln(&text, strings.Join(strings.Fields(line), " "))
	}
	fmt.Fprintf(&text, "it took %.3f s\n\nMetrics that it gives:\n", f.took.Seconds())
	families, err := f.metrics().Gather()
	for _, family := range families {
		if _, werr := expfmt.MetricFamilyToText(&text, family); err == nil {
			err = werr
		}
	}
	if err != nil {
		fmt.Fprintf(&text, "# some are left out: %v\n", err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(text.Bytes())
}

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

// Module is what a probe reads.
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

// Finding is the result of a probe.
type Finding struct {
	// Metrics are those of the device; nil = none.
	Metrics prometheus.Gatherer
	OK      bool     // it was read, or is busy and was not touched
	Log     []string // steps and results, for people
}

// Prober reads the state of devices: it never starts a sweep, and never touches a device that is
// timing. Both methods are safe for concurrent use, and end with their context.
type Prober interface {
	// Targets are the current ones; phones are attached and detached.
	Targets(ctx context.Context) []Target
	// Probe takes the exact name of one of Targets; for any other name the error is ErrNoTarget,
	// and no device is touched.
	Probe(ctx context.Context, name string, m Module) (Finding, error)
}

// probes serves /probe. Concurrent scrapers of one device share the result, so that two
// Prometheus servers do not connect to a phone twice.
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
		err = errors.New("target is missing: use /probe?target=DEVICE; /sd lists the devices")
	case len(q["target"]) > 1 || len(q["module"]) > 1:
		err = errors.New("want one target and at most one module")
	case !slices.Contains(modules, key.module):
		err = fmt.Errorf("no module is named %s; want reach or state", quoted(string(key.module)))
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

// quoted quotes a client's text, shortened and without control characters.
func quoted(word string) string {
	return strconv.QuoteToASCII(text.Cut(word, 80))
}

// timeout is how long a probe may take: the scraper's timeout less an offset for the transfer,
// but not more than the limit of a probe.
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

// look starts a probe or joins one. At the scraper's timeout it returns a finding that says so,
// and the probe goes on for the others.
func (p *probes) look(ctx context.Context, key lookKey) *look {
	start := time.Now()
	found := p.looks.DoChan(string(key.module)+" "+key.target, func() (any, error) { return p.run(context.WithoutCancel(ctx), key), nil })
	select {
	case result := <-found:
		return result.Val.(*look)
	case <-ctx.Done():
		return &look{
			finding: Finding{Log: []string{"timeout: the probe goes on in the background"}},
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
			f.finding, f.err = Finding{Log: []string{"the probe failed because of a bug in latlab"}}, nil
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

// debug explains a probe's result to people.
func (f *look) debug(w http.ResponseWriter, key lookKey) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "Log of the probe of %s, module %s:\n", quoted(key.target), key.module)
	for _, line := range f.finding.Log {
		fmt.Fprintln(&text, strings.Join(strings.Fields(line), " "))
	}
	fmt.Fprintf(&text, "duration: %.3f s\n\nMetrics:\n", f.took.Seconds())
	families, err := f.metrics().Gather()
	for _, family := range families {
		if _, werr := expfmt.MetricFamilyToText(&text, family); err == nil {
			err = werr
		}
	}
	if err != nil {
		fmt.Fprintf(&text, "# some metrics are missing: %v\n", err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(text.Bytes())
}

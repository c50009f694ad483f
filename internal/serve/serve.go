// Package serve is the lab behind `latlab serve`: a store that is read while sweeps write it,
// cost models whose files are fitted anew, and the devices of an inventory, joined into one
// HTTP handler; and the sockets on which it is served.
//
// It refuses to parse flags and to print: that is cmd/latlab's. The handlers are
// exporters/web's, the metrics exporters/prom's.
package serve

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"latlab/bench/store"
	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/exporters/prom"
	"latlab/exporters/report"
	"latlab/exporters/report/page"
	"latlab/exporters/web"
	"latlab/internal/version"
)

// Options of a Server. All but Lab and Log are optional.
type Options struct {
	Lab      *inventory.Lab
	Store    string         // the store's path
	Baseline *prom.Baseline // what the store's latencies are compared with
	Costs    []string       // cost models' paths
	Hosts    []string       // names besides localhost and this machine's that requests may use
	Log      *slog.Logger
}

// OptionError reports a wrong option, the user's mistake.
type OptionError struct{ Reason string }

func (e *OptionError) Error() string { return e.Reason }

// A Server is the handler of `latlab serve` and its background tasks.
type Server struct {
	Handler http.Handler
	runs    []func(context.Context)
	store   *liveStore // nil where there is none
}

// New makes a server. The caller must Close it.
func New(ctx context.Context, o Options) (*Server, error) {
	costs, err := openCosts(o.Costs, o.Log)
	if err != nil {
		return nil, err
	}
	s := &Server{}
	watcher, err := s.watch(ctx, o)
	if err != nil {
		s.Close()
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(prom.BuildInfo(), prom.NewCostCollector(costs.metrics))
	prober := &labProber{lab: o.Lab}
	poller := web.NewPoller(prober.all, web.PollOptions{})
	w := web.Options{
		Metrics: registry, Scraped: poller.Scraped, Prober: prober, CostModels: costs.predictors,
		Hosts: hosts(o.Hosts), Version: version.Version, Log: o.Log,
	}
	seen := poller.Latest
	if watcher != nil {
		seen = func() []web.Device { return append(poller.Latest(), computedDevices(watcher.Lab())...) }
		registry.MustRegister(prom.NewCollector(watcher.Lab))
		// Without scrapes of /metrics, probes alone keep the watcher reading the store.
		now := func() prom.Lab { watcher.Asked(); return watcher.Lab() }
		prober.last = func(device string) *devices.State { return now().Condition(device) }
		prober.timing = func(device string) bool { return now().Timing(device, time.Now()) }
		w.Scraped = func() { poller.Scraped(); watcher.Asked() }
		w.Ready = watcher.Ready
		w.Lab = now
		w.Report = func(ctx context.Context, out io.Writer) error { return writeReport(ctx, o.Store, out) }
		s.runs = append(s.runs, watcher.Run)
	}
	registry.MustRegister(web.DeviceMetrics(seen, false))
	w.Devices = func() []web.Device { poller.Scraped(); return seen() }
	s.runs = append(s.runs, poller.Run)
	s.Handler, err = web.Handler(w)
	return s, err
}

// Start begins to watch the store and the devices, until the context ends.
func (s *Server) Start(ctx context.Context) {
	for _, run := range s.runs {
		go run(ctx)
	}
}

// Close closes the store.
func (s *Server) Close() {
	if s.store != nil {
		_ = s.store.Close() // opened for reading
	}
}

// watch opens the store for reading, which does not block writers. It returns nil without a store.
func (s *Server) watch(ctx context.Context, o Options) (*prom.Watcher, error) {
	if o.Store == "" {
		return nil, nil
	}
	st, err := openLive(ctx, o.Store)
	if err != nil {
		return nil, err
	}
	s.store = st
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return nil, err
	}
	if b := o.Baseline; b != nil && !slices.ContainsFunc(sweeps, b.Comparable) {
		// A sweep that matches may begin later.
		o.Log.Warn("no sweep of the store has the baseline's device, delegate, threads and precision, so nothing is compared with it",
			"baseline", b.Manifest.ID, "device", b.Manifest.Device.Name, "precision", b.Manifest.Precision)
	}
	return prom.NewWatcher(st, prom.WatcherOptions{
		Baseline: o.Baseline,
		Failed: func(err error) {
			o.Log.Warn("the store cannot be read; its metrics stay as they are", "err", err)
		},
	}), nil
}

// hosts adds this machine's name, which Debian resolves to 127.0.1.1.
func hosts(allowed []string) []string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return append(slices.Clone(allowed), name)
	}
	return allowed
}

// computedDevices are the simulators and estimators with sweeps in the store. They are always
// available, so they are not polled; their condition is that of their last block.
func computedDevices(lab prom.Lab) []web.Device {
	var list []web.Device
	for _, s := range lab.Sweeps {
		d := s.Manifest.Device
		listed := slices.ContainsFunc(list, func(x web.Device) bool { return x.Info.Name == d.Name })
		if d.Kind != devices.Measured && !listed {
			list = append(list, web.Device{Info: d, Source: "store", Up: true, Busy: lab.Timing(d.Name, time.Now()), Condition: lab.Condition(d.Name)})
		}
	}
	return list
}

// writeReport opens the store anew: the watcher's is read by its own goroutine only.
func writeReport(ctx context.Context, path string, out io.Writer) error {
	st, err := store.OpenRead(ctx, path)
	if err != nil {
		return err
	}
	defer st.Close()
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return err
	}
	d, err := report.Collect(ctx, st, sweeps, nil, report.Options{Now: time.Now()})
	if err != nil {
		return err
	}
	return page.Write(out, d, path)
}

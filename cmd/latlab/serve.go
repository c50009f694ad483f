package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"latlab/bench/store"
	"latlab/exporters/prom"
	"latlab/exporters/web"
	"latlab/internal/serve"
	"latlab/internal/ui"
)

// serveAddress is on loopback, because no password is set by default. The port is outside of 9100
// to 9999, which are allocated to Prometheus exporters.
const serveAddress = "127.0.0.1:19767"

// serveOptions serve until they are interrupted, with exit code 0. The --json document, printed when
// the server listens, is {"addresses": ["127.0.0.1:19767"], "urls": [...]}.
type serveOptions struct {
	db, baseline  string
	costs         []string
	addresses     []string
	systemdSocket bool
	config        string
	hosts         []string
	nice          int
	quiet, json   bool
	programs      programOptions
	flags         *flagSet
}

// defaultNice gives benchmarks on this machine priority over the server. docs/serving.md has
// measurements with and without.
const defaultNice = 10

func (o *serveOptions) register(f *flagSet) {
	o.flags = f
	f.db(&o.db)
	f.strings(&o.costs, "cost", "cost model to predict with, a JSON `FILE`; may be repeated")
	f.string(&o.baseline, "baseline", "stored `SWEEP` to compare latencies with: an id, FILE#ID, or FILE", "")
	f.strings(&o.addresses, "web.listen-address", "`ADDRESS` to listen on; may be repeated", serveAddress)
	f.bool(&o.systemdSocket, "web.systemd-socket", "listen on the sockets that systemd passes, not on an address")
	f.string(&o.config, "web.config.file", "TLS and passwords, a `FILE` .yml as Prometheus' exporter-toolkit reads it", "")
	f.several(&o.hosts, "web.allowed-host", "host `NAME` besides localhost that requests over loopback may use; may be repeated")
	f.int(&o.nice, "nice", "priority of the server, `N` from 0 to 19; above 0, benchmarks on this machine have priority", defaultNice)
	f.quiet(&o.quiet)
	f.json(&o.json)
	o.programs.register(f)
}

func (o *serveOptions) run(ctx context.Context, s streams) error {
	// From here on an interrupt shuts the server down cleanly.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.nice < 0 || o.nice > 19 {
		return usagef("--nice is %d; it must be 0 to 19", o.nice)
	}
	if err := web.CheckConfig(o.config); err != nil {
		return usagef("--web.config.file %s: %w", o.config, err)
	}
	log := serveLog(s, o.quiet)
	server, err := o.open(ctx, log)
	if err != nil {
		return err
	}
	defer server.Close()
	listeners, err := o.listeners(ctx)
	if err != nil {
		return err
	}
	defer serve.CloseListeners(listeners)
	if err := serve.LowerPriority(o.nice); err != nil {
		log.Warn("the priority cannot be lowered", "err", err)
	}
	if err := o.printServing(s, listeners); err != nil {
		return err
	}
	server.Start(ctx)
	return web.Serve(ctx, web.ServeOptions{Listeners: listeners, Handler: server.Handler, ConfigFile: o.config, Log: log})
}

// serveLog logs failures. Requests are counted, not logged.
func serveLog(s streams, quiet bool) *slog.Logger {
	level := slog.LevelWarn
	if quiet {
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// listeners returns systemd's sockets, or listens on the addresses.
func (o *serveOptions) listeners(ctx context.Context) ([]net.Listener, error) {
	switch {
	case !o.systemdSocket:
		return serve.Listen(ctx, o.addresses)
	case o.flags.typed("web.listen-address"):
		return nil, usagef("--web.systemd-socket and --web.listen-address exclude each other, because the .socket unit has the addresses; choose one")
	}
	return serve.SystemdSockets()
}

// printServing prints the URLs. What port 0 became is known only now.
func (o *serveOptions) printServing(s streams, listeners []net.Listener) error {
	scheme := "http"
	if o.config != "" {
		scheme = "http(s)"
	}
	addresses := mapped(listeners, func(l net.Listener) string { return l.Addr().String() })
	urls := mapped(addresses, func(address string) string { return scheme + "://" + address + "/" })
	if o.json {
		return ui.Document(s.out, map[string]any{"addresses": addresses, "urls": urls})
	}
	_, err := fmt.Fprintf(s.out, "serving %s; an interrupt ends it\n", strings.Join(urls, " "))
	return err
}

// open makes the server of what the flags name; each is optional.
func (o *serveOptions) open(ctx context.Context, log *slog.Logger) (*serve.Server, error) {
	lab, err := o.programs.lab()
	if err != nil {
		return nil, err
	}
	if o.db == "" && o.baseline != "" {
		return nil, usagef("--baseline needs a --db whose latencies are compared with it")
	}
	baseline, err := readBaseline(ctx, o.baseline, o.db)
	if err != nil {
		return nil, err
	}
	s, err := serve.New(ctx, serve.Options{
		Lab: lab, Store: o.db, Baseline: baseline, Costs: o.costs, Hosts: o.hosts, Log: log,
	})
	return s, inputError(err)
}

// readBaseline reads the sweep of --baseline: ID in the store db, FILE#ID, or FILE.
func readBaseline(ctx context.Context, name, db string) (*prom.Baseline, error) {
	if name == "" {
		return nil, nil
	}
	file, id := splitName(name, db)
	st, err := openRead(ctx, file)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	m, err := onlySweep(ctx, file, st, id)
	if err != nil {
		return nil, err
	}
	b, err := prom.ReadBaseline(ctx, st, m)
	if wraps[*store.DamagedError](err) {
		return nil, err
	}
	return b, withCode(exitUsage, err)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	systemd "github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"latlab/bench"
	"latlab/exporters/prom"
	"latlab/exporters/web"
	"latlab/internal/serve"
	"latlab/internal/ui"
)

// serveAddress is on loopback, because no password is set by default. The port is outside of 9100
// to 9999, which are allocated to Prometheus exporters.
const serveAddress = "127.0.0.1:19767"

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

// serveVerb serves until it is interrupted, with exit code 0. Its --json document, printed when it
// listens, is {"addresses": ["127.0.0.1:19767"], "urls": [...]}.
func serveVerb() *verb {
	o := &serveOptions{}
	return &verb{
		name: "serve", usage: "serve metrics for Prometheus, probes of devices and predictions over HTTP", register: o.register,
		run: func(ctx context.Context, s streams) error { return runServe(ctx, o, s) },
	}
}

// defaultNice gives benchmarks on this machine priority over the server. docs/serving.md has
// measurements with and without.
const defaultNice = 10

func (o *serveOptions) register(f *flagSet) {
	o.flags = f
	f.db(&o.db)
	f.strings(&o.costs, "cost", "cost model to predict with, a JSON `FILE`; may be repeated")
	f.string(&o.baseline, "baseline", "stored `SWEEP` to compare latencies with: an id, FILE#ID, or FILE if it holds only one sweep", "")
	f.strings(&o.addresses, "web.listen-address", "`ADDRESS` to listen on; may be repeated", serveAddress)
	f.bool(&o.systemdSocket, "web.systemd-socket", "listen on the sockets that systemd passes, not on an address")
	f.string(&o.config, "web.config.file", "TLS and passwords, a `FILE` .yml as Prometheus' exporter-toolkit reads it", "")
	f.strings(&o.hosts, "web.allowed-host", "host `NAME` besides localhost that requests over loopback may use; may be repeated")
	f.int(&o.nice, "nice", "priority of the server, `0` to 19; above 0, benchmarks on this machine have priority", defaultNice)
	f.quiet(&o.quiet)
	f.json(&o.json)
	o.programs.register(f)
}

func runServe(ctx context.Context, o *serveOptions, s streams) error {
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
	defer closeAll(listeners)
	if err := lowerPriority(o.nice); err != nil {
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
		return listen(ctx, o.addresses)
	case o.flags.typed("web.listen-address"):
		return nil, usagef("--web.systemd-socket and --web.listen-address exclude each other, because the .socket unit has the addresses; choose one")
	}
	listeners, err := systemd.Listeners()
	if err != nil {
		return nil, err
	}
	// Sockets that do not listen, such as datagram sockets, are nil.
	if len(listeners) == 0 || slices.Contains(listeners, nil) {
		closeAll(slices.DeleteFunc(listeners, func(l net.Listener) bool { return l == nil }))
		return nil, errors.New("--web.systemd-socket: systemd passed no socket, or one that does not listen; start latlab by a .socket unit with ListenStream=")
	}
	return listeners, nil
}

// listen listens on all addresses or on none.
func listen(ctx context.Context, addresses []string) ([]net.Listener, error) {
	var listeners []net.Listener
	for i, address := range addresses {
		if err := checkAddress(address, addresses[:i]); err != nil {
			closeAll(listeners)
			return nil, err
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			closeAll(listeners)
			return nil, listenError(address, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// checkAddress refuses an empty address, for which Go would choose a random port on all
// interfaces: an unset variable in a unit file ends up here.
func checkAddress(address string, before []string) error {
	switch {
	case address == "":
		return usagef("--web.listen-address is empty; it must be HOST:PORT, or :PORT for all interfaces")
	case !strings.HasSuffix(address, ":0") && slices.Contains(before, address):
		return usagef("--web.listen-address %s is named twice", address)
	}
	return nil
}

func listenError(address string, err error) error {
	var bad *net.AddrError
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("a different program listens on %s; stop it, or choose a different --web.listen-address", address)
	case errors.As(err, &bad), errors.As(err, &dns):
		return usagef("--web.listen-address %s: %w", address, err)
	}
	return fmt.Errorf("cannot listen on %s: %w", address, err)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// printServing prints the URLs. What port 0 became is known only now.
func (o *serveOptions) printServing(s streams, listeners []net.Listener) error {
	scheme := "http"
	if o.config != "" {
		scheme = "http(s)"
	}
	var addresses, urls []string
	for _, l := range listeners {
		addresses = append(addresses, l.Addr().String())
		urls = append(urls, scheme+"://"+l.Addr().String()+"/")
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"addresses": addresses, "urls": urls})
	}
	_, err := fmt.Fprintf(s.out, "serving %s; an interrupt ends it\n", strings.Join(urls, " "))
	return err
}

// lowerPriority lowers the priority of all threads: on Linux each thread has its own, and Go has
// started some. New threads inherit it. The second pass catches a thread that was started during
// the first.
func lowerPriority(nice int) error {
	if nice == 0 {
		return nil
	}
	for range 2 {
		tasks, err := filepath.Glob("/proc/self/task/*")
		if err != nil || len(tasks) == 0 {
			return unix.Setpriority(unix.PRIO_PROCESS, 0, nice)
		}
		for _, task := range tasks {
			var id int
			if _, err := fmt.Sscan(filepath.Base(task), &id); err != nil {
				return err
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, id, nice); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}

// open makes the server. All flags are optional.
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
	var option *serve.OptionError
	if errors.As(err, &option) {
		err = withCode(exitUsage, err)
	}
	return s, costError(storeError(err))
}

// readBaseline reads the sweep of --baseline: ID in the store db, FILE#ID, or FILE if it holds
// only one.
func readBaseline(ctx context.Context, name, db string) (*prom.Baseline, error) {
	if name == "" {
		return nil, nil
	}
	file, id, inFile := strings.Cut(name, "#")
	if _, err := os.Stat(file); !inFile && err != nil {
		file, id = db, name
	}
	st, err := openRead(ctx, file)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	m, err := baselineSweep(ctx, st, id)
	if err != nil {
		return nil, err
	}
	b, err := prom.ReadBaseline(ctx, st, m)
	return b, withCode(exitUsage, err)
}

func baselineSweep(ctx context.Context, st bench.Reader, id string) (bench.Sweep, error) {
	all, err := st.Sweeps(ctx)
	if err != nil {
		return bench.Sweep{}, err
	}
	if id == "" && len(all) == 1 {
		return all[0], nil
	}
	if id == "" {
		return bench.Sweep{}, usagef("--baseline names a store of %d sweeps; choose one as FILE#ID: %s", len(all), listSweeps(all))
	}
	return sweepByID(all, id)
}

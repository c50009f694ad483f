package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/activation"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/exporters/prom"
	"latlab/exporters/web"
	"latlab/internal/ui"
	"latlab/internal/version"
)

// serveAddress: loopback, for there is no password unless one is set. The port is outside of
// 9100 to 9999, which Prometheus' exporters have shared out among themselves.
const serveAddress = "127.0.0.1:19767"

// serveCommand serves until it is interrupted; that is how it ends, so the exit code is 0. Its
// --json document, printed when it listens, is {"addresses": ["127.0.0.1:19767"], "urls": [...]}.
func serveCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve metrics for Prometheus, probes of devices and predictions over HTTP",
		Flags: join([]cli.Flag{
			dbFlag(),
			&cli.StringSliceFlag{Name: "cost", Usage: "cost model to predict with, a JSON `FILE`; may be repeated"},
			stringFlag("baseline", "recorded `SWEEP` that latencies are compared with: an id, FILE#ID, or FILE where it holds one", ""),
			&cli.StringSliceFlag{Name: "web.listen-address", Usage: "`ADDRESS` to listen on; may be repeated", Value: cli.NewStringSlice(serveAddress)},
			boolFlag("web.systemd-socket", "listen on the sockets that systemd hands over, not on an address"),
			stringFlag("web.config.file", "TLS and passwords, a `FILE` .yml of Prometheus' exporter-toolkit", ""),
			&cli.StringSliceFlag{Name: "web.allowed-host", Usage: "a `NAME` besides localhost by which it is asked over loopback; may be repeated"},
			intFlag("nice", "priority of the server, `0` to 19: from 1 on what is timed on this machine goes first", defaultNice),
			quietFlag(), jsonFlag(),
		}, serveDeviceFlags()),
		Action: func(c *cli.Context) error { return serve(s, c) },
	}
}

// defaultNice lets whatever is timed on this machine go first. docs/serving.md has what was
// measured with and without.
const defaultNice = 10

// serveDeviceFlags are those of deviceFlags that change what a look at a device finds.
func serveDeviceFlags() []cli.Flag {
	var flags []cli.Flag
	for _, f := range deviceFlags() {
		switch f.Names()[0] {
		case "inventory", "adb", "agent", "python", "vela-config", "agent-bundle":
			flags = append(flags, f)
		}
	}
	return flags
}

func serve(s streams, c *cli.Context) error {
	if err := noArgumentsOf(c); err != nil {
		return err
	}
	// From here on an interrupt ends what there is in order.
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if n := c.Int("nice"); n < 0 || n > 19 {
		return usagef("--nice is %d; it must be 0 to 19", n)
	}
	config := c.String("web.config.file")
	if err := web.CheckConfig(config); err != nil {
		return usagef("--web.config.file %s: %w", config, err)
	}
	log := serveLog(s, c)
	w, err := wireServer(ctx, c, log)
	if err != nil {
		return err
	}
	defer w.close()
	listeners, err := listenersOf(ctx, c)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	if err := lowerPriority(c.Int("nice")); err != nil {
		log.Warn("the priority cannot be lowered", "err", err)
	}
	if err := printServing(s, c, listeners); err != nil {
		return err
	}
	w.start(ctx)
	return web.Serve(ctx, web.ServeOptions{Listeners: listeners, Handler: w.handler, ConfigFile: config, Log: log})
}

// serveLog is for what goes wrong while serving; requests are counted, not logged.
func serveLog(s streams, c *cli.Context) *slog.Logger {
	level := slog.LevelWarn
	if c.Bool("quiet") {
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// listenersOf are systemd's, or those of the addresses.
func listenersOf(ctx context.Context, c *cli.Context) ([]net.Listener, error) {
	switch {
	case !c.Bool("web.systemd-socket"):
		return listen(ctx, c.StringSlice("web.listen-address"))
	case typedOf(c, "web.listen-address"):
		return nil, usagef("--web.systemd-socket and --web.listen-address: the socket's unit says where to listen; choose one")
	}
	listeners, err := systemd.Listeners()
	if err != nil {
		return nil, err
	}
	// What is no listening socket, a datagram one, is nil.
	if len(listeners) == 0 || slices.Contains(listeners, nil) {
		closeAll(slices.DeleteFunc(listeners, func(l net.Listener) bool { return l == nil }))
		return nil, errors.New("--web.systemd-socket: systemd handed over no listening socket, or another thing too: start it by a .socket unit with ListenStream=")
	}
	return listeners, nil
}

// listen takes all addresses or none.
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

// checkAddress refuses what Go takes: an empty address would be a port at random on all interfaces,
// which is what an unset variable in a unit file makes of it.
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
		return fmt.Errorf("another program listens on %s: end it, or choose another --web.listen-address", address)
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

// printServing says where to look: a port 0 is known only now.
func printServing(s streams, c *cli.Context, listeners []net.Listener) error {
	scheme := "http"
	if c.String("web.config.file") != "" {
		scheme = "http(s)"
	}
	var addresses, urls []string
	for _, l := range listeners {
		addresses = append(addresses, l.Addr().String())
		urls = append(urls, scheme+"://"+l.Addr().String()+"/")
	}
	if c.Bool("json") {
		return ui.Document(s.out, map[string]any{"addresses": addresses, "urls": urls})
	}
	_, err := fmt.Fprintf(s.out, "serving %s; an interrupt ends it\n", strings.Join(urls, " "))
	return err
}

// lowerPriority is of all threads: on Linux a priority is a thread's own, and Go has started
// some. Those that come later inherit it, so a thread that another one is just starting is
// caught by a second look.
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

// server is what serve runs: a handler, and what goes on in the background while it answers.
type server struct {
	handler http.Handler
	runs    []func(context.Context)
	closes  []func() error
}

func (w *server) start(ctx context.Context) {
	for _, run := range w.runs {
		go run(ctx)
	}
}

func (w *server) close() {
	for _, f := range w.closes {
		_ = f() // opened for reading
	}
}

// wireServer makes the server of what the flags name; each is optional.
func wireServer(ctx context.Context, c *cli.Context, log *slog.Logger) (*server, error) {
	lab, err := openLabOf(c)
	if err != nil {
		return nil, err
	}
	costs, err := openCosts(c.StringSlice("cost"), log)
	if err != nil {
		return nil, err
	}
	w := &server{}
	watcher, err := w.openStore(ctx, c, log)
	if err != nil {
		w.close()
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(prom.BuildInfo(), prom.NewCostCollector(costs.metrics))
	prober := &labProber{lab: lab}
	poller := web.NewPoller(prober.all, web.PollOptions{})
	o := web.Options{
		Metrics: registry, Scraped: poller.Scraped, Prober: prober, CostModels: costs.predictors,
		Hosts: servedHosts(c), Version: version.Version, Log: log,
	}
	seen := poller.Latest
	if watcher != nil {
		seen = func() []web.Device { return append(poller.Latest(), computedDevices(watcher.Lab())...) }
		registry.MustRegister(prom.NewCollector(watcher.Lab))
		// Who probes may be the only one who asks.
		now := func() prom.Lab { watcher.Asked(); return watcher.Lab() }
		prober.last = func(device string) *devices.State { return now().Condition(device) }
		prober.timing = func(device string) bool { return now().Timing(device, time.Now()) }
		o.Scraped = func() { poller.Scraped(); watcher.Asked() }
		o.Ready = watcher.Ready
		w.runs = append(w.runs, watcher.Run)
	}
	registry.MustRegister(web.DeviceMetrics(seen, false))
	w.runs = append(w.runs, poller.Run)
	w.handler, err = web.Handler(o)
	return w, err
}

// servedHosts are names that the server answers to over loopback: this machine's own is one, which
// Debian lets point to 127.0.1.1.
func servedHosts(c *cli.Context) []string {
	hosts := c.StringSlice("web.allowed-host")
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	return hosts
}

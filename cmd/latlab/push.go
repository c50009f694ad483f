package main

import (
	"context"
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"latlab/bench/store"
	"latlab/exporters/prom"
	"latlab/internal/ui"
)

// pushMetrics sends the store's metrics to the gateway of --push.url. Everything is stored by
// then, so a failure is only a warning.
func pushMetrics(ctx context.Context, s streams, url string, st *store.Store) {
	if url == "" {
		return
	}
	if err := push(context.WithoutCancel(ctx), url, st); err != nil {
		fmt.Fprintf(s.err, "latlab: WARNING: the metrics were not pushed: %s\n", ui.OneLine(err))
	}
}

func push(ctx context.Context, url string, st *store.Store) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	w := prom.NewWatcher(st, prom.WatcherOptions{})
	w.Read(ctx)
	if err := w.Ready(); err != nil {
		return err
	}
	r := prometheus.NewRegistry()
	for _, collector := range []prometheus.Collector{prom.NewCollector(w.Lab), prom.BuildInfo()} {
		if err := r.Register(collector); err != nil {
			return err
		}
	}
	return prom.Push(ctx, prom.PushOptions{URL: url, Instance: host}, r)
}

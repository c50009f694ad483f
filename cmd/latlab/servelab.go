package main

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/bench/store"
	"latlab/devices"
	"latlab/exporters/prom"
	"latlab/exporters/web"
)

// openStore opens --db for reading, which keeps no writer waiting; nil where there is none.
func (w *server) openStore(ctx context.Context, c *cli.Context, log *slog.Logger) (*prom.Watcher, error) {
	if c.String("db") == "" {
		if c.String("baseline") != "" {
			return nil, usagef("--baseline wants a --db whose latencies are compared with it")
		}
		return nil, nil
	}
	st, err := openLive(ctx, c.String("db"))
	if err != nil {
		return nil, err
	}
	w.closes = append(w.closes, st.Close)
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return nil, err
	}
	baseline, err := readBaseline(ctx, c.String("baseline"), st.Store)
	if baseline != nil && !slices.ContainsFunc(sweeps, baseline.Comparable) {
		// One may yet begin.
		log.Warn("no sweep of the store is of the baseline's device, delegate, threads and precision, so nothing is compared with it",
			"baseline", baseline.Manifest.ID, "device", baseline.Manifest.Device.Name, "precision", baseline.Manifest.Precision)
	}
	return prom.NewWatcher(st, prom.WatcherOptions{
		Baseline: baseline,
		Failed:   func(err error) { log.Warn("the store cannot be read; its metrics stay as they are", "err", err) },
	}), err
}

// computedDevices are the simulators and estimators that the store has sweeps of. Nobody looks
// at them, for they are always there: what is known of them is what their last block said.
func computedDevices(lab prom.Lab) []web.Device {
	var list []web.Device
	for _, s := range lab.Sweeps {
		if d := s.Manifest.Device; d.Kind != devices.Measured {
			list = append(list, web.Device{Info: d, Source: "store", Up: true, Busy: lab.Timing(d.Name, time.Now()), Condition: lab.Condition(d.Name)})
		}
	}
	return list
}

// readBaseline reads the sweep that --baseline names: ID of --db, FILE#ID, or FILE where it
// holds one.
func readBaseline(ctx context.Context, name string, st *store.Store) (*prom.Baseline, error) {
	if name == "" {
		return nil, nil
	}
	file, id, inFile := strings.Cut(name, "#")
	if _, err := os.Stat(file); !inFile && err != nil {
		file, id = "", name
	}
	if file != "" {
		other, err := openRead(ctx, file)
		if err != nil {
			return nil, err
		}
		defer other.Close()
		st = other
	}
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

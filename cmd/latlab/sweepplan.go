package main

import (
	"context"
	"fmt"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/internal/ui"
	"latlab/sampler/model"
)

type sweepPlan struct {
	name    string
	info    devices.Info
	skipped func() int   // lines of a list that cannot be timed; nil where there is no list
	dry     func() error // says what it would cost
	// run is made when the device and the store are open: a list's depends on both.
	run func(ctx context.Context, st bench.Reader, d devices.Info) (bench.Options, error)
}

func (o *sweepOptions) planArchs(ctx context.Context, s streams, info devices.Info) (sweepPlan, error) {
	m, src, err := o.archs(info)
	if err != nil {
		return sweepPlan{}, err
	}
	batch, err := src.Batch(ctx)
	run := bench.Options{Sweep: m, Networks: len(src.Archs), Source: src, BatchLimit: batch}
	return sweepPlan{
		run: func(context.Context, bench.Reader, devices.Info) (bench.Options, error) { return run, nil },
		dry: func() error {
			f, err := src.Forecast()
			if err != nil {
				return withCode(exitUsage, err)
			}
			return o.printForecast(s, m, info, src.Space.Name, f)
		},
	}, err
}

func (o *sweepOptions) archs(info devices.Info) (bench.Sweep, source.Archs, error) {
	src := source.Archs{}
	var err error
	if src.Space, err = requiredSpace(o.space); err != nil {
		return bench.Sweep{}, src, err
	}
	if src.Archs, err = drawArchs(src.Space, o.n, o.seed, o.coverage); err != nil {
		return bench.Sweep{}, src, err
	}
	if src.Form, err = o.deviceForm(info, info.Precisions[0]); err != nil {
		return bench.Sweep{}, src, err
	}
	m, err := o.manifest(src.Form)
	if err != nil {
		return m, src, err
	}
	yaml, err := src.Space.YAML()
	if err != nil {
		return m, src, err
	}
	m.Space, m.SpaceFile, m.Sampling = src.Space.Name, string(yaml), bench.Uniform
	if o.coverage {
		m.Sampling = bench.Coverage
	}
	src.Cache, err = o.cache.open()
	return m, src, err
}

func (o *sweepOptions) planModels(_ context.Context, s streams, info devices.Info) (sweepPlan, error) {
	for _, name := range []string{"space", "n", "coverage", "input"} {
		if o.flags.given(name) {
			return sweepPlan{}, usagef("--models and --%s choose different networks; choose one", name)
		}
	}
	skip := func(err error) { fmt.Fprintf(s.err, "latlab: %s\n", ui.OneLine(err)) }
	l, err := source.ReadModels(o.models, model.Precision(o.precision), info, skip)
	if err != nil {
		return sweepPlan{}, withCode(exitUsage, err)
	}
	m, err := o.manifest(l.Form)
	return sweepPlan{
		skipped: func() int { return l.Skipped },
		dry: func() error {
			return afterSkipping(l.Skipped, o.printForecast(s, m, info, o.models, l.Networks.Forecast()))
		},
		run: func(ctx context.Context, st bench.Reader, d devices.Info) (bench.Options, error) {
			on := m
			on.Device = d
			on, src, err := l.Resume(ctx, st, on, skip)
			return bench.Options{Sweep: on, Networks: len(src), Source: src}, err
		},
	}, err
}

// afterSkipping is exit code 3 where lines were skipped and nothing more severe happened.
func afterSkipping(skipped int, err error) error {
	if skipped > 0 && (err == nil || exitCodeIs(err, exitInvalid)) {
		return exitSilently(exitPartial)
	}
	return err
}

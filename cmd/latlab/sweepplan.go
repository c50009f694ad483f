package main

import (
	"bytes"
	"context"
	"io"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/sampler"
	"latlab/sampler/model"
)

type sweepPlan struct {
	name  string
	info  devices.Info
	space *sampler.Space              // of all its networks, nil if there is none
	dry   func(context.Context) error // says what it would cost
	// run is made when the device and the store are open: a list's depends on both.
	run func(ctx context.Context, st bench.Reader, d devices.Info) (bench.Options, error)
}

// planner returns what makes the plan for a device: of networks that were named, or of sampled ones.
func (o *sweepOptions) planner(s streams) (func(context.Context, devices.Info) (sweepPlan, error), error) {
	o.named.preferTyped()
	by := o.named.first()
	if by == "" {
		return func(ctx context.Context, info devices.Info) (sweepPlan, error) { return o.planArchs(ctx, s, info) }, nil
	}
	for _, name := range []string{"n", "coverage"} {
		if o.flags.typed(name) {
			return nil, usagef("--%s and %s choose different networks; choose one", by, dashed(name))
		}
	}
	if o.named.archs != stdoutPath {
		return func(_ context.Context, info devices.Info) (sweepPlan, error) { return o.planNamed(s, info) }, nil
	}
	lines, err := io.ReadAll(s.in) // once for all devices
	return func(_ context.Context, info devices.Info) (sweepPlan, error) {
		s.in = bytes.NewReader(lines)
		return o.planNamed(s, info)
	}, err
}

func (o *sweepOptions) planArchs(ctx context.Context, s streams, info devices.Info) (sweepPlan, error) {
	m, src, err := o.archs(info)
	if err != nil {
		return sweepPlan{}, err
	}
	if err := o.checkUntil(m, info, len(src.Archs)); err != nil {
		return sweepPlan{}, err
	}
	batch, err := src.Batch(ctx)
	run := bench.Options{Sweep: m, Networks: len(src.Archs), Source: src, BatchLimit: batch}
	return sweepPlan{
		space: src.Space,
		run:   func(context.Context, bench.Reader, devices.Info) (bench.Options, error) { return run, nil },
		dry: func(ctx context.Context) error {
			f, err := src.Forecast()
			if err != nil {
				return withCode(exitUsage, err)
			}
			return o.printForecast(ctx, s, m, info, "of "+src.Space.Name, f, nil)
		},
	}, err
}

func (o *sweepOptions) archs(info devices.Info) (bench.Sweep, source.Archs, error) {
	src := source.Archs{}
	var err error
	if src.Space, err = requiredSpace(o.named.space); err != nil {
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
	if err := setSpace(&m, src.Space); err != nil {
		return m, src, err
	}
	m.Sampling = bench.Uniform
	if o.coverage {
		m.Sampling = bench.Coverage
	}
	src.Cache, err = o.cache.open()
	return m, src, err
}

func setSpace(m *bench.Sweep, sp *sampler.Space) error {
	yaml, err := sp.YAML()
	m.Space, m.SpaceFile = sp.Name, string(yaml)
	return err
}

func (o *sweepOptions) planNamed(s streams, info devices.Info) (sweepPlan, error) {
	l, err := o.gather(s, &o.named, info, model.Call{})
	if err != nil {
		return sweepPlan{}, err
	}
	m, err := o.manifest(l.Form)
	if err != nil {
		return sweepPlan{}, err
	}
	// Points of one space are fitted like sampled ones. A fixture has a name of its own.
	if sp := l.Networks.Space(); sp != nil && len(o.named.fixtures) == 0 {
		if err := setSpace(&m, sp); err != nil {
			return sweepPlan{}, err
		}
	}
	if err := o.checkUntil(m, info, len(l.Networks)); err != nil {
		return sweepPlan{}, err
	}
	cache, err := o.cache.open()
	if err != nil {
		return sweepPlan{}, err
	}
	batch, err := l.Networks.Batch(cache)
	return sweepPlan{
		space: l.Networks.Space(),
		dry: func(ctx context.Context) error {
			f, err := l.Networks.Forecast()
			if err == nil {
				err = o.printForecast(ctx, s, m, info, o.named.words(), f, l.Refused)
			}
			return afterRefusing(l.Refused, err)
		},
		run: func(ctx context.Context, st bench.Reader, d devices.Info) (bench.Options, error) {
			on := m
			on.Device = d
			on, src, err := l.Resume(ctx, st, on)
			return bench.Options{Sweep: on, Networks: len(src), Source: src, BatchLimit: batch, Refused: l.Refused}, err
		},
	}, err
}

// afterRefusing is exit code 3 where networks were refused and nothing more severe happened.
func afterRefusing(refused []bench.Refused, err error) error {
	if len(refused) > 0 && (err == nil || exitCodeIs(err, exitInvalid)) {
		return exitSilently(exitPartial)
	}
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/ui"
)

// fleet is a sweep on its devices while it runs.
type fleet struct {
	s      streams
	o      *sweepOptions
	plans  []sweepPlan
	opened *bench.Opened
	asked  []int // networks of each plan
}

// runPlans runs a sweep on all its devices at once, into one store.
func runPlans(ctx context.Context, s streams, o *sweepOptions, plans []sweepPlan) error {
	var open []bench.Opener
	for _, p := range plans {
		open = append(open, func(ctx context.Context) (devices.Device, error) { return o.openNamed(ctx, p.name) })
	}
	opened, err := bench.OpenAll(ctx, open)
	if err != nil {
		return err
	}
	f := &fleet{s: s, o: o, plans: plans, opened: opened}
	outs, err := f.sweep(ctx)
	if err != nil {
		return err
	}
	return f.print(outs)
}

// sweep measures. It returns an error only where nothing was measured, or after an interrupt.
func (f *fleet) sweep(ctx context.Context) ([]bench.Outcome, error) {
	infos := make([]devices.Info, len(f.plans))
	for i, p := range f.plans {
		infos[i] = f.opened.Info(i, p.info)
	}
	st, err := f.o.openStore(ctx, infos...)
	if err != nil {
		return nil, errors.Join(err, f.opened.Close())
	}
	run := bench.Fleet{}
	var resume string
	for i, p := range f.plans {
		j, err := p.job(ctx, st, infos[i])
		if err != nil {
			return nil, errors.Join(err, f.opened.Close(), st.Close())
		}
		run.Members = append(run.Members, f.member(i, j, st, infos[i]))
		f.asked, resume = append(f.asked, j.n), j.resume
	}
	ctx, stop, done := interruptible(ctx, f.s, f.o.quiet)
	defer done()
	show := ui.NewProgress(f.s.err, f.o.quiet, infos)
	run.Stop, run.Progress, run.Event = stop, show.Update, show.Event
	outs := run.Run(ctx)
	show.Finish()
	pushMetrics(ctx, f.s, f.o.pushURL, st)
	err = storeError(st.Close())
	for _, o := range outs {
		if o.CloseErr != nil {
			fmt.Fprintf(f.s.err, "latlab: WARNING: %s: %s\n", o.Name, ui.OneLine(o.CloseErr))
		}
	}
	for i := range outs {
		if isInterrupt(outs[i].Err) {
			return nil, errors.Join(interrupted(f.s, outs[i].Err, resume), err)
		}
		outs[i].Err = deviceError(outs[i].Err)
	}
	return outs, err
}

func (f *fleet) member(i int, j job, st bench.Store, info devices.Info) bench.Member {
	return bench.Member{
		Name: f.plans[i].name, BackOff: bench.BackOff(info), Open: f.opened.Member(i),
		Sweep: bench.Options{
			Sweep: j.sweep, Networks: j.n, Source: j.source, Store: st,
			BatchLimit: (j.batch + len(f.plans) - 1) / len(f.plans), Flush: flushEvery(info),
		},
	}
}

// print prints the results of each device, then the failures, where they are seen.
func (f *fleet) print(outs []bench.Outcome) error {
	var err error
	var done []sweepSummary
	for i, o := range outs {
		if o.Err == nil {
			done = append(done, summary(f.asked[i], o.Result))
			this := outcome(o.Result)
			if skipped := f.plans[i].skipped; skipped != nil {
				this = afterSkipping(skipped(), this)
			}
			err = moreSevere(err, this)
		}
	}
	if perr := f.printSummaries(done); perr != nil {
		return perr
	}
	for _, o := range outs {
		err = moreSevere(err, f.reportOne(o))
	}
	return err
}

// printSummaries prints one document, whose form depends on the number of devices asked for,
// not on how many of them succeeded.
func (f *fleet) printSummaries(done []sweepSummary) error {
	switch {
	case !f.o.json:
		for _, v := range done {
			printSweep(f.s, f.o.db, v)
		}
		return nil
	case len(f.plans) > 1:
		return ui.Document(f.s.out, map[string]any{"sweeps": done})
	case len(done) == 1:
		return ui.Document(f.s.out, done[0])
	}
	return nil
}

// reportOne prints the error of one of several devices. A single device's error is the command's.
func (f *fleet) reportOne(o bench.Outcome) error {
	if o.Err == nil || len(f.plans) == 1 {
		return o.Err
	}
	reportError(f.s, f.o.json, fmt.Errorf("%s: %w", o.Name, o.Err))
	return exitSilently(exitCode(o.Err))
}

// moreSevere returns the error that decides the exit code of several devices: one that stopped a
// device ranks above failed networks, these above INVALID ones.
func moreSevere(a, b error) error {
	rank := func(err error) int {
		return slices.Index([]int{exitOK, exitInvalid, exitPartial}, exitCodeOf(err))
	}
	ra, rb := rank(a), rank(b)
	if ra < 0 || rb >= 0 && ra >= rb {
		return a
	}
	return b
}

func exitCodeOf(err error) int {
	if err == nil {
		return exitOK
	}
	return exitCode(err)
}

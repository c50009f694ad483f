package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/ui"
)

// fleet is a sweep on its devices while it runs.
type fleet struct {
	s     streams
	o     *sweepOptions
	plans []sweepPlan
	first []devices.Device // opened before the store; nil where that failed
	errs  []error          // why
	asked []int            // networks
}

// runPlans runs a sweep on all its devices at once, into one store.
func runPlans(ctx context.Context, s streams, o *sweepOptions, plans []sweepPlan) error {
	f := &fleet{s: s, o: o, plans: plans, first: make([]devices.Device, len(plans)), errs: make([]error, len(plans))}
	if err := f.open(ctx); err != nil {
		return err
	}
	outs, err := f.sweep(ctx)
	if err != nil {
		return err
	}
	return f.print(outs)
}

// open opens all devices before there is a store: a machine without an agent leaves no empty
// one behind. Devices that are not there do not keep the others from their work, but a mistake
// of the user's is reported before an hour of measuring.
func (f *fleet) open(ctx context.Context) error {
	var wg sync.WaitGroup
	for i, p := range f.plans {
		wg.Go(func() {
			d, err := f.o.openNamed(ctx, p.name)
			if f.errs[i] = err; err == nil {
				f.first[i] = d
			}
		})
	}
	wg.Wait()
	there := slices.ContainsFunc(f.errs, func(err error) bool { return err == nil })
	for _, err := range f.errs {
		if err != nil && (!there || devices.FaultOf(err) == devices.FaultUser) {
			return errors.Join(err, f.closeFirst())
		}
	}
	return nil
}

func (f *fleet) closeFirst() (err error) {
	for i, d := range f.first {
		if d != nil {
			err = errors.Join(err, d.Close())
			f.first[i] = nil
		}
	}
	return err
}

// sweep measures. An error is one before anything was.
func (f *fleet) sweep(ctx context.Context) ([]bench.Outcome, error) {
	infos := make([]devices.Info, len(f.plans))
	for i, p := range f.plans {
		infos[i] = p.info
		if f.first[i] != nil {
			infos[i] = f.first[i].Info()
		}
	}
	st, err := f.o.openStore(ctx, infos...)
	if err != nil {
		return nil, errors.Join(err, f.closeFirst())
	}
	run := bench.Fleet{}
	var resume string
	for i, p := range f.plans {
		j, err := p.job(ctx, st, infos[i])
		if err != nil {
			return nil, errors.Join(err, f.closeFirst(), st.Close())
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
		Name: f.plans[i].name, BackOff: backOff(info),
		Open: func(ctx context.Context) (devices.Device, error) {
			d, err := f.first[i], f.errs[i]
			f.first[i], f.errs[i] = nil, nil
			if d != nil || err != nil {
				return d, err
			}
			return f.o.openNamed(ctx, f.plans[i].name)
		},
		Sweep: bench.Options{
			Sweep: j.sweep, Networks: j.n, Source: j.source, Store: st,
			BatchLimit: (j.batch + len(f.plans) - 1) / len(f.plans), Flush: flushEvery(info),
		},
	}
}

// backOff is for what can go away and come back, a stick in this machine's USB port too. This
// machine itself cannot, nor what is computed on it, and a simulator's absence is over when its own clock says so.
func backOff(info devices.Info) []time.Duration {
	if info.Transport == "" && info.Kind != devices.Simulated && !info.Accelerator {
		return nil
	}
	return bench.DefaultBackOff()
}

// print says what became of each device. Failures come last, where they are seen.
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

// printSummaries prints one document, whose form depends on how many devices were asked for
// and not on how many of them went well.
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

// reportOne prints the error of one device among several; a single one's is the command's.
func (f *fleet) reportOne(o bench.Outcome) error {
	if o.Err == nil || len(f.plans) == 1 {
		return o.Err
	}
	reportError(f.s, f.o.json, fmt.Errorf("%s: %w", o.Name, o.Err))
	return exitSilently(exitCode(o.Err))
}

// moreSevere is the error that decides the exit code of several devices: what stopped one wins over
// doubts about networks.
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

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"latlab/bench"
	"latlab/bench/fleet"
	"latlab/bench/store"
	"latlab/devices"
	"latlab/internal/ui"
)

type fleetSweep struct {
	s      streams
	o      *sweepOptions
	plans  []sweepPlan
	opened *fleet.Opened
	check  *verification // nil without --check
	twins  [][]fleet.Twin
	// Of each plan, the networks asked for, those refused, and the estimates where they are ranked.
	asked   []int
	refused [][]bench.Refused
	ranked  [][]bench.Estimate
}

// runPlans runs a sweep on all its devices at once, into one store.
func runPlans(ctx context.Context, s streams, o *sweepOptions, plans []sweepPlan, check *verification) error {
	var open []fleet.Opener
	var twins [][]fleet.Twin
	for _, p := range plans {
		t, err := o.twinsOf(p.name)
		if err != nil {
			return err
		}
		twins = append(twins, t)
		open = append(open, func(ctx context.Context) (devices.Device, error) { return o.openNamed(ctx, p.name) })
	}
	// Twins go on with a sweep that is stored; a new one needs its own device.
	resumes := check == nil && exists(o.db) && slices.ContainsFunc(twins, func(t []fleet.Twin) bool { return len(t) > 0 })
	opened, err := fleet.OpenAll(ctx, open, resumes)
	if err != nil {
		return err
	}
	if check != nil {
		if err := o.runCheck(ctx, s, check, opened.Device(0)); err != nil {
			return errors.Join(err, opened.Close())
		}
	}
	f := &fleetSweep{s: s, o: o, plans: plans, opened: opened, check: check, twins: twins}
	outs, err := f.sweep(ctx)
	if err != nil {
		return err
	}
	return f.print(outs)
}

// sweep measures. It returns an error only where nothing was measured, or after an interrupt.
func (f *fleetSweep) sweep(ctx context.Context) ([]fleet.Outcome, error) {
	infos := make([]devices.Info, len(f.plans))
	for i, p := range f.plans {
		infos[i] = f.opened.Info(i, p.info)
	}
	st, err := f.o.openStore(ctx, infos...)
	if err != nil {
		return nil, errors.Join(err, f.opened.Close())
	}
	run := fleet.Fleet{}
	for i, p := range f.plans {
		sweep, err := p.run(ctx, st, infos[i])
		if err == nil {
			sweep.Until, err = f.until(ctx, st, sweep, infos[i])
		}
		switch {
		case err == nil && f.o.again:
			sweep.Sweep, err = bench.Again(ctx, st, sweep.Sweep, sweep.Networks, infos[i])
		case err == nil && !f.o.quiet:
			m := sweep.Sweep
			m.Device = infos[i]
			err = noticeUnfinished(ctx, f.s, st, m)
		}
		if err != nil {
			return nil, errors.Join(err, f.opened.Close(), st.Close())
		}
		sweep.Store, sweep.Flush, sweep.Profile = st, flushEvery(infos[i]), f.o.profile
		sweep.BatchLimit = (sweep.BatchLimit + len(f.plans) - 1) / len(f.plans)
		run.Members = append(run.Members, fleet.Member{Name: p.name, BackOff: fleet.BackOff(infos[i]), Open: f.opened.Member(i), Sweep: sweep, Twins: f.twins[i]})
		f.asked, f.refused = append(f.asked, sweep.Networks), append(f.refused, sweep.Refused)
	}
	ctx, stop, done := interruptible(ctx, f.s, f.o.quiet)
	defer done()
	show := ui.NewProgress(f.s.err, ui.ProgressOptions{Quiet: f.o.quiet, JSON: f.o.json}, infos)
	run.Stop, run.Progress, run.Event = stop, show.Update, show.Event
	outs := run.Run(ctx)
	show.Finish()
	pushMetrics(ctx, f.s, f.o.pushURL, st)
	err = errors.Join(f.readRanked(ctx, st, outs), st.Close())
	if wraps[*store.LostError](err) {
		return nil, err // whatever the devices report follows from it
	}
	for _, o := range outs {
		if o.CloseErr != nil {
			fmt.Fprintf(f.s.err, "latlab: WARNING: %s: %s\n", o.Name, ui.OneLine(o.CloseErr))
		}
	}
	for _, o := range outs {
		if isInterrupt(o.Err) {
			return nil, errors.Join(interrupted(f.s, o.Err, true), err)
		}
	}
	return outs, err
}

// until is the target of a sweep that can reach it. It prints what the target needs.
func (f *fleetSweep) until(ctx context.Context, st bench.Reader, sweep bench.Options, info devices.Info) (bench.Until, error) {
	u, err := f.o.readUntil(f.o.seed)
	if err != nil || info.Deterministic {
		return u, err
	}
	m := sweep.Sweep
	m.Device = info
	line, err := outlook(ctx, st, u, m, sweep.Networks)
	if line != "" && !f.o.quiet {
		fmt.Fprintf(f.s.err, "latlab: %s\n", line)
	}
	return u, err
}

// unreached is the exit code of a budget that ended before all networks were measured, or, where precision is
// required, before the target was reached.
func (f *fleetSweep) unreached(r bench.Result, asked int) error {
	switch {
	case r.Reached.EndedBy == "" || r.Reached.EndedBy == bench.EndedByTarget:
		return nil
	case r.Measured+r.Failed < asked:
		return withCode(exitPartial, &silent{"the budget ended before every network had its first blocks"})
	case f.o.requirePrecision:
		return withCode(exitInvalid, &silent{"the sweep ended before its target was reached, which --require-precision does not accept"})
	}
	return nil
}

func (f *fleetSweep) setReached(v *sweepSummary, r bench.Result) {
	u, _ := f.o.readUntil(f.o.seed) // was read before
	v.setReached(u, cmp.Or(u.HalfWidth, r.Sweep.Protocol.HalfWidth), r.Reached)
}

// readRanked reads the estimates of finished sweeps that are small enough to be ranked.
func (f *fleetSweep) readRanked(ctx context.Context, st bench.Reader, outs []fleet.Outcome) error {
	f.ranked = make([][]bench.Estimate, len(outs))
	for i, o := range outs {
		if o.Err != nil || !f.o.ranking.wanted(f.asked[i]) {
			continue
		}
		for e, err := range bench.Estimates(ctx, st, o.Result.Sweep.ID) {
			if err != nil {
				return err
			}
			if e.Blocks = nil; e.Network.Index < f.asked[i] {
				f.ranked[i] = append(f.ranked[i], e)
			}
		}
	}
	return nil
}

// print says what became of each device. Failures come last, where they are seen.
func (f *fleetSweep) print(outs []fleet.Outcome) error {
	var err error
	var done []sweepSummary
	for i, o := range outs {
		if o.Err != nil {
			continue
		}
		v := summary(f.asked[i], f.refused[i], o.Result)
		if f.check != nil {
			v.Check = &f.check.check
		}
		f.setReached(&v, o.Result)
		if perr := f.addRanked(&v, f.ranked[i]); perr != nil {
			return perr
		}
		done = append(done, v)
		err = moreSevere(err, afterRefusing(f.refused[i], f.o.outcome(o.Result)))
		err = moreSevere(err, f.unreached(o.Result, f.asked[i]))
	}
	if perr := f.printSummaries(done); perr != nil {
		return perr
	}
	for _, o := range outs {
		err = moreSevere(err, f.reportOne(o))
	}
	return err
}

// addRanked adds the ranked networks.
func (f *fleetSweep) addRanked(v *sweepSummary, all []bench.Estimate) (err error) {
	v.all = all
	if f.o.json && len(all) > 0 {
		v.Ranked, err = f.o.ranking.document(all, nil)
	}
	return err
}

// printSummaries prints one document, whose form depends on the number of devices asked for,
// not on how many of them succeeded.
func (f *fleetSweep) printSummaries(done []sweepSummary) error {
	switch {
	case !f.o.json:
		for _, v := range done {
			if err := f.o.printSweep(f.s, v); err != nil {
				return err
			}
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
func (f *fleetSweep) reportOne(o fleet.Outcome) error {
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
		return slices.Index([]int{exitOK, exitInvalid, exitPartial}, exitCode(err))
	}
	ra, rb := rank(a), rank(b)
	if ra < 0 || rb >= 0 && ra >= rb {
		return a
	}
	return b
}

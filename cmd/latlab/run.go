package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/bench/store"
	"latlab/devices"
	"latlab/internal/ui"
	"latlab/internal/version"
	"latlab/sampler/model"
)

// manifest is what every verb that times knows of its sweep.
func (o *measureOptions) manifest(form model.Form) (bench.Sweep, error) {
	p, err := o.timing()
	return bench.Sweep{
		Seed: o.seed, Format: form.Format, Precision: form.Precision, Input: form.Input, Protocol: p, Sampling: bench.Listed,
		Tools: map[string]string{"latlab": version.Version, "writer_revision": form.WriterRevision()},
	}, err
}

// timing is the protocol of --protocol, --set and --allow-partial.
func (o *measureOptions) timing() (protocol.Protocol, error) {
	p, err := findProtocol(o.protocol)
	if err == nil && len(o.set) > 0 {
		if p, err = p.Set(o.set); err != nil {
			err = usagef("--set: %w", err)
		}
	}
	p.AllowPartial = p.AllowPartial || o.allowPartial
	return p, err
}

func findProtocol(name string) (protocol.Protocol, error) {
	if protocol.IsFile(name) {
		if isMissing(name) {
			return protocol.Protocol{}, usagef("protocol %s: no such file", name)
		}
		if err := asFile("protocol", name); err != nil {
			return protocol.Protocol{}, err
		}
	}
	return protocol.Find(name)
}

// openStore opens --db for measurements on the devices.
func (o *measureOptions) openStore(ctx context.Context, ds ...devices.Info) (*store.Store, error) {
	real := slices.ContainsFunc(ds, func(d devices.Info) bool { return d.Kind != devices.Simulated })
	st, err := store.Open(ctx, o.db, store.Options{Wait: o.wait, Relaxed: !real})
	return st, inputError(err)
}

func openDB(ctx context.Context, path string) (*store.Store, error) {
	if err := required("db", path); err != nil {
		return nil, err
	}
	return openRead(ctx, path)
}

// openRead opens a store that is an argument, or the flag of which names a sweep in it, to read it.
func openRead(ctx context.Context, path string) (*store.Store, error) {
	if err := asFile("store", path); err != nil {
		return nil, err
	}
	st, err := store.OpenRead(ctx, path)
	return st, inputError(err)
}

// measure runs a sweep on one device. The first interrupt lets the block that is being timed
// finish; the second kills it.
func (o *measureOptions) measure(ctx context.Context, s streams, run bench.Options) (bench.Result, error) {
	ctx, stop, done := interruptible(ctx, s, o.quiet)
	defer done()
	info := run.Device.Info()
	show := ui.NewProgress(s.err, ui.ProgressOptions{Quiet: o.quiet, JSON: o.json}, []devices.Info{info})
	run.Flush, run.Stop, run.Progress = flushEvery(info), stop, func(p bench.Progress) { show.Update(0, p) }
	res, err := bench.Run(ctx, run)
	show.Finish()
	return res, interrupted(s, err, o.db != "")
}

// flushEvery is how many blocks go into one transaction. A simulator computes a thousand blocks a
// second, and repeats those that a kill lost in no time.
func flushEvery(d devices.Info) int {
	if d.Kind == devices.Simulated {
		return 100
	}
	return 1
}

func isInterrupt(err error) bool {
	return errors.Is(err, bench.ErrStopped) || errors.Is(err, context.Canceled)
}

// interrupted prints how to resume where blocks are stored, and gives an interrupt its exit code.
func interrupted(s streams, err error, stored bool) error {
	if !isInterrupt(err) {
		return err
	}
	if stored {
		fmt.Fprintf(s.err, "interrupted; every finished block is stored. To resume, type:\n  %s\n", commandLine())
	}
	return exitSilently(exitInterrupted)
}

// interruptible returns a context that the second interrupt ends and a channel that the
// first closes.
func interruptible(parent context.Context, s streams, quiet bool) (context.Context, <-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(parent)
	stop := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			if !quiet {
				fmt.Fprintln(s.err, "\nfinishing the current block; interrupt again to kill it")
			}
			close(stop)
		case <-ctx.Done():
			return
		}
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, stop, func() {
		signal.Stop(signals)
		cancel()
	}
}

// outcome is the exit code of a run that was not interrupted.
func (o *measureOptions) outcome(res bench.Result) error {
	if res.Failed > 0 {
		return exitSilently(exitPartial)
	}
	return o.verdicts(res.Invalid, res.Imprecise)
}

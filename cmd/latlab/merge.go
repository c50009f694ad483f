package main

import (
	"context"
	"fmt"

	"latlab/bench/store"
	"latlab/internal/ui"
)

type mergeOptions struct {
	stores []string
	outputOptions
}

func (o *mergeOptions) register(f *flagSet) {
	o.outputOptions.register(f, "the new store, a `FILE` that does not exist yet")
	f.arguments(&o.stores, "STORE STORE...")
}

func (o *mergeOptions) run(ctx context.Context, s streams) error {
	if err := required("o", o.out); err != nil {
		return err
	}
	if len(o.stores) < 2 {
		return usagef("merge takes at least two stores")
	}
	for _, path := range o.stores {
		if err := asFile("store", path); err != nil {
			return err
		}
	}
	if o.out == stdoutPath {
		return usagef("a store cannot go to stdout; -o names a file")
	}
	if err := fits("o", o.out, ""); err != nil {
		return err
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	m, err := store.Merge(ctx, o.out, o.stores...)
	if err != nil && ctx.Err() != nil {
		return withCode(exitInterrupted, fmt.Errorf("interrupted; %s was not made", o.out))
	}
	if err != nil {
		return inputError(err)
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"path": o.out, "sweeps": m.Sweeps, "twice": m.Twice, "blocks": m.Blocks})
	}
	text := fmt.Sprintf("%s with %s written to %s", ui.Plural(m.Sweeps, "sweep"), ui.Plural(m.Blocks, "block"), o.out)
	if m.Twice > 0 {
		text += fmt.Sprintf("; %s of several stores written once", ui.Plural(m.Twice, "sweep"))
	}
	_, err = fmt.Fprintln(s.out, text)
	return err
}

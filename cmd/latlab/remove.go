package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/bench/store"
	"latlab/internal/ui"
)

type removeOptions struct {
	db              string
	ids             []string
	yes, wait, json bool
}

func (o *removeOptions) register(f *flagSet) {
	f.db(&o.db)
	f.bool(&o.yes, "yes", "do not ask")
	f.bool(&o.wait, "wait", "wait while another process writes to the store")
	f.json(&o.json)
	f.arguments(&o.ids, "SWEEP...")
}

func (o *removeOptions) run(ctx context.Context, s streams) error {
	if len(o.ids) == 0 {
		return usagef("name the sweeps to remove; `latlab show --db FILE` lists them")
	}
	st, err := openDB(ctx, o.db) // a missing store is not created
	if err != nil {
		return err
	}
	chosen, err := o.chosen(ctx, st)
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	if !o.yes {
		if err := o.ask(s, chosen); err != nil {
			return err
		}
	}
	w, err := store.Open(ctx, o.db, store.Options{Wait: o.wait})
	if err != nil {
		return err
	}
	ids := mapped(chosen, func(m bench.Sweep) string { return m.ID })
	err = w.Remove(ctx, ids...)
	if err == nil {
		// A full disk prevents it; then later sweeps use the space.
		_ = w.Shrink(ctx)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"removed": ids})
	}
	_, err = fmt.Fprintf(s.out, "removed %s from %s: %s\n", ui.Plural(len(ids), "sweep"), o.db, strings.Join(ids, ", "))
	return err
}

func (o *removeOptions) chosen(ctx context.Context, st bench.Reader) ([]bench.Sweep, error) {
	all, err := st.Sweeps(ctx)
	if err != nil {
		return nil, err
	}
	var chosen []bench.Sweep
	for _, id := range o.ids {
		m, err := sweepByID(all, id)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(chosen, func(c bench.Sweep) bool { return c.ID == m.ID }) {
			return nil, usagef("sweep %s is named twice", m.ID)
		}
		chosen = append(chosen, m)
	}
	return chosen, nil
}

// ask returns nil if the user at a terminal agrees.
func (o *removeOptions) ask(s streams, chosen []bench.Sweep) error {
	if f, ok := s.in.(*os.File); !ok || !ui.IsTerminal(f) {
		return usagef("nobody can be asked here whether to remove %s; --yes removes without asking", ui.Plural(len(chosen), "sweep"))
	}
	for _, m := range chosen {
		fmt.Fprint(s.err, ui.Wrap("sweep", strings.Fields(listSweeps([]bench.Sweep{m})), ui.Columns))
	}
	fmt.Fprintf(s.err, "Remove %s with all measurements from %s? [y/N] ", ui.Plural(len(chosen), "sweep"), o.db)
	answer, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was removed")
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"latlab/devices/inventory"
	"latlab/internal/ui"
)

// devicesOptions have three --json documents.
//
// `devices --json` is {"devices": [...]}: each has the fields of devices.Info (name, kind,
// formats, precisions, delegate, threads, ...) and those of inventory.Status: state ("ready",
// "not ready", "offline", "unauthorized", "busy", "hot"), problem and type where it is not
// ready, source ("built-in", "file", "attached"), model, soc, os, build, delegates,
// temperature_celsius, battery_ratio, condition (devices.State). Unknown values are null.
//
// `devices check NAME --json` is {"checks": [...]}: name, state ("ok", "note", "missing"),
// detail, and type: a command that helps. Only the last step can be "missing".
//
// `devices clean NAME --json` is {"device": NAME, "done": [...]}, a line for each action.
type devicesOptions struct {
	labOptions
	cache cacheOptions
	json  bool
	names []string
}

func (o *devicesOptions) register(f *flagSet) {
	o.labOptions.register(f)
	f.json(&o.json)
}

func (o *devicesOptions) device(verb string) (string, error) {
	if len(o.names) != 1 {
		return "", usagef("`latlab devices %s NAME` takes one device", verb)
	}
	return o.names[0], nil
}

func (o *devicesOptions) run(ctx context.Context, s streams) error {
	l, err := o.lab()
	if err != nil {
		return err
	}
	listing, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	rows, err := l.List(listing)
	if err != nil {
		return err
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"devices": rows})
	}
	if err := ui.Table(s.out, deviceTable(rows)); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	for _, r := range rows {
		if words := rowWords(r); len(words) > 0 {
			fmt.Fprint(s.out, ui.Wrap(r.Name+":", words, ui.Columns))
		}
	}
	for _, form := range l.Forms() {
		fmt.Fprintf(s.out, "also %s\n", form)
	}
	if unseen := l.PhonesUnseen(ctx); unseen != nil {
		printProblem(s, "phones on the cable cannot be listed:", unseen.Detail, unseen.Type)
	}
	printProblems(s, rows)
	return nil
}

// printProblems prints each problem once: all accelerators of an estimator share theirs.
func printProblems(s streams, rows []inventory.Status) {
	printed := map[string]bool{}
	for _, r := range rows {
		if r.Problem == "" || printed[r.Problem] {
			continue
		}
		printed[r.Problem] = true
		fmt.Fprintln(s.out)
		printProblem(s, r.Name+":", r.Problem, r.Type)
	}
}

func printProblem(s streams, head, problem, command string) {
	fmt.Fprint(s.out, ui.Wrap(head, strings.Fields(problem), ui.Columns))
	if command != "" {
		ui.Command(s.out, "  ", command)
	}
}

type checkOptions struct{ devicesOptions }

func (o *checkOptions) register(f *flagSet) {
	o.devicesOptions.register(f)
	o.cache.register(f)
	f.arguments(&o.names, "NAME")
}

// run checks what timing needs, in the order in which it can fail.
func (o *checkOptions) run(ctx context.Context, s streams) error {
	name, err := o.device("check")
	if err != nil {
		return err
	}
	// An interrupted check restores the device's settings too.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	checks, err := o.checks(ctx, name)
	if err != nil {
		return err
	}
	if err := printChecks(s, o.json, checks); err != nil {
		return err
	}
	if k := inventory.Failed(checks); k != nil {
		code := exitFailed
		if k.Away {
			code = exitNoDevice
		}
		return withCode(code, fmt.Errorf("device %s is not ready: %s", name, k.Name))
	}
	return nil
}

// cleanTimeout bounds the removal of models and programs, which is slow on some SD cards.
const cleanTimeout = 3 * time.Minute

type cleanOptions struct{ devicesOptions }

func (o *cleanOptions) register(f *flagSet) {
	o.devicesOptions.register(f)
	f.arguments(&o.names, "NAME")
}

func (o *cleanOptions) run(ctx context.Context, s streams) error {
	name, err := o.device("clean")
	if err != nil {
		return err
	}
	l, err := o.lab()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	done, err := l.Clean(ctx, name)
	if err != nil {
		return err
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"device": name, "done": done})
	}
	for _, line := range done {
		fmt.Fprintln(s.out, line)
	}
	return nil
}

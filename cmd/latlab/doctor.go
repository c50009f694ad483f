package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/devices/inventory"
	"latlab/devices/state"
	"latlab/internal/ui"
	"latlab/sampler/model"
)

type doctorOptions struct {
	labOptions
	cache cacheOptions
	json  bool
}

func (o *doctorOptions) register(f *flagSet) {
	o.labOptions.register(f)
	o.cache.registerDir(f)
	f.json(&o.json)
}

func (o *doctorOptions) run(ctx context.Context, s streams) error {
	checks, err := o.hostChecks(ctx)
	if err != nil {
		return err
	}
	if err := printChecks(s, o.json, checks); err != nil {
		return err
	}
	switch k := inventory.Failed(checks); {
	case k == nil:
		return nil
	case k.Name == inventoryStep:
		return usagef("the inventory cannot be used; the list above says why")
	}
	return withCode(exitFailed, errors.New("something is missing; the list above has the commands that install it"))
}

// inventoryStep is the check of the inventory's file.
const inventoryStep = "inventory"

// hostChecks check this machine, the model cache, adb and ssh, the estimators, and whether
// latencies will be stable. A missing thing that only some users need is a note, not a failure.
func (o *doctorOptions) hostChecks(ctx context.Context) ([]inventory.Step, error) {
	to, err := o.options()
	if err != nil {
		return nil, err
	}
	l, err := inventory.New(to)
	var file []inventory.Step
	if err != nil {
		file = []inventory.Step{{Name: inventoryStep, State: inventory.Missing, Detail: ui.OneLine(err)}}
		to.BuiltIn = true
		if l, err = inventory.New(to); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	checks, err := l.Check(ctx, inventory.Local)
	if err != nil {
		return nil, err
	}
	checks = append(checks, cacheCheck(o.cache))
	checks = append(append(checks, file...), l.CheckHost(ctx)...)
	checks = append(checks, estimatorChecks(ctx, l)...)
	return append(checks, inventory.CheckSteady(state.Read("/"))...), nil
}

// estimatorChecks list a step that several estimators share once.
func estimatorChecks(ctx context.Context, l *inventory.Lab) []inventory.Step {
	var checks []inventory.Step
	for _, steps := range l.CheckTools(ctx) {
		for _, k := range steps {
			if k.State == inventory.Missing {
				k.State = inventory.Note
			}
			if !slices.Contains(checks, k) {
				checks = append(checks, k)
			}
		}
	}
	return append(checks, inventory.Step{Name: "simulators", State: inventory.OK, Detail: "need nothing"})
}

func printChecks(s streams, asJSON bool, checks []inventory.Step) error {
	if asJSON {
		return ui.Document(s.out, map[string]any{"checks": checks})
	}
	for _, k := range checks {
		head := fmt.Sprintf("%-8s %s:", k.State, k.Name)
		fmt.Fprint(s.out, ui.WrapIndented(head, strings.Fields(k.Detail), strings.Repeat(" ", 8), ui.Columns))
		if k.Type != "" {
			ui.Command(s.out, strings.Repeat(" ", 9), k.Type)
		}
	}
	return nil
}

// cacheCheck writes a file into the model cache's folder.
func cacheCheck(o cacheOptions) inventory.Step {
	k := inventory.Step{Name: "model cache", State: inventory.OK}
	dir := o.folder()
	free, err := model.CheckCacheDir(dir)
	switch {
	case errors.Is(err, model.ErrFreeUnknown):
		k.State, k.Detail = inventory.Note, err.Error()
		return k
	case err != nil:
		k.State, k.Detail, k.Type = inventory.Missing, err.Error(), "latlab sweep --cache-dir FOLDER ..."
		return k
	}
	k.Detail = fmt.Sprintf("%s, %d MiB free", dir, free>>20)
	if free < 1<<30 {
		k.State, k.Type = inventory.Note, "latlab sweep --cache-size 200M ..."
	}
	return k
}

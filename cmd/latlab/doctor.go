package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/devices/state"
	"latlab/internal/ui"
)

// check is one thing that doctor or devices check looked at.
type check = inventory.Step

const (
	checkOK   = inventory.OK
	checkNote = inventory.Note
	checkBad  = inventory.Missing
)

func newCheck(name string, state inventory.StepState, detail, typed string) check {
	return check{Name: name, State: state, Detail: detail, Type: typed}
}

type doctorOptions struct {
	labOptions
	cache cacheOptions
	json  bool
}

func doctorVerb() *verb {
	o := &doctorOptions{}
	return &verb{
		name: "doctor", usage: "say what this host lacks and what to type",
		register: func(f *flagSet) { o.labOptions.register(f); o.cache.registerDir(f); f.json(&o.json) },
		run:      func(ctx context.Context, s streams) error { return runDoctor(ctx, o, s) },
	}
}

func runDoctor(ctx context.Context, o *doctorOptions, s streams) error {
	checks, err := o.hostChecks(ctx)
	if err != nil {
		return err
	}
	if err := printChecks(s, o.json, checks); err != nil {
		return err
	}
	if inventory.Failed(checks) != nil {
		return withCode(exitFailed, errors.New("something is missing; see above for what to type"))
	}
	return nil
}

// hostChecks are this machine, the model cache, the way to phones and boards, the estimators
// and what numbers will be like. What only some need is a note where it is not there, no
// failure.
func (o *doctorOptions) hostChecks(ctx context.Context) ([]check, error) {
	to, err := o.options()
	if err != nil {
		return nil, err
	}
	l, err := inventory.New(to)
	var file []check
	if err != nil {
		file = []check{newCheck("inventory", checkBad, ui.OneLine(err), "")}
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
	checks = append(append(checks, file...), l.CheckWays(ctx)...)
	checks = append(checks, estimatorChecks(ctx, l)...)
	return append(checks, steadyChecks(state.Read("/"))...), nil
}

// estimatorChecks say each step that several estimators need once.
func estimatorChecks(ctx context.Context, l *inventory.Lab) []check {
	var checks []check
	for _, steps := range l.CheckTools(ctx) {
		for _, k := range steps {
			if k.State == checkBad {
				k.State = checkNote
			}
			if !slices.Contains(checks, k) {
				checks = append(checks, k)
			}
		}
	}
	return append(checks, check{Name: "simulators", State: checkOK, Detail: "need nothing"})
}

func printChecks(s streams, asJSON bool, checks []check) error {
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

// cacheCheck writes a file where models will be written.
func cacheCheck(o cacheOptions) check {
	dir, err := o.folder()
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return newCheck("model cache", checkBad, err.Error(), "latlab sweep --cache-dir FOLDER ...")
	}
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return newCheck("model cache", checkBad, err.Error(), "latlab sweep --cache-dir FOLDER ...")
	}
	f.Close()
	os.Remove(f.Name())
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return newCheck("model cache", checkNote, dir+": free space unknown: "+err.Error(), "")
	}
	free := int64(fs.Bavail) * fs.Bsize
	k := newCheck("model cache", checkOK, fmt.Sprintf("%s, %d MiB free", dir, free>>20), "")
	if free < 1<<30 {
		k.State, k.Type = checkNote, "latlab sweep --cache-size 200M ..."
	}
	return k
}

// steadyChecks are about how steady numbers will be; none forbids measuring.
func steadyChecks(s devices.State) []check {
	checks := []check{loadCheck(s)}
	if s.HottestC() == nil {
		checks = append(checks, newCheck("temperature", checkNote, "no sensor can be read (a virtual machine?): throttling shows only as drift", ""))
	}
	if s.Governor != "" && s.Governor != "performance" {
		checks = append(checks, newCheck("governor", checkNote, s.Governor+" changes the clock with the load", "cpupower frequency-set -g performance"))
	}
	if s.Turbo != nil && *s.Turbo {
		checks = append(checks, newCheck("turbo", checkNote, "the clock depends on the temperature and on the other cores", "echo 0 > /sys/devices/system/cpu/cpufreq/boost"))
	}
	if s.OnBattery != nil && *s.OnBattery {
		checks = append(checks, newCheck("power", checkNote, "on battery; plug it in", ""))
	}
	return checks
}

func loadCheck(s devices.State) check {
	if s.LoadAverage == nil {
		return newCheck("load", checkNote, "unknown", "")
	}
	k := newCheck("load", checkOK, fmt.Sprintf("%.2f on %d CPUs", *s.LoadAverage, runtime.NumCPU()), "")
	if *s.LoadAverage > 0.5*float64(runtime.NumCPU()) {
		k.State, k.Detail = checkNote, k.Detail+": others are working here; expect noise"
	}
	return k
}

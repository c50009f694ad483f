package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/internal/text"
	"latlab/internal/ui"
)

type sweepChoice struct {
	sweep, device string
	flags         *flagSet
}

func (o *sweepChoice) register(f *flagSet, usage string) {
	o.flags = f
	f.string(&o.sweep, "sweep", usage, "")
	f.string(&o.device, "device", "the sweep's device, by `NAME`", "")
}

// one returns the only sweep of a store that matches the flags. If none or several match, the
// error lists the sweeps.
func (o sweepChoice) one(ctx context.Context, st bench.Reader) (bench.Sweep, error) {
	all, err := st.Sweeps(ctx)
	if err != nil {
		return bench.Sweep{}, err
	}
	if o.sweep != "" {
		return o.find(all, o.sweep)
	}
	var left []bench.Sweep
	for _, s := range all {
		if o.device == "" || s.Device.Name == o.device {
			left = append(left, s)
		}
	}
	switch {
	case len(left) == 1:
		return left[0], nil
	case len(all) == 0:
		return bench.Sweep{}, usagef("the store holds no sweep")
	case len(left) == 0:
		return bench.Sweep{}, withCode(exitNoDevice, fmt.Errorf("no sweep is on device %q; the store has: %s", o.device, listSweeps(all)))
	}
	return bench.Sweep{}, usagef("several sweeps match; choose one with --sweep: %s", listSweeps(left))
}

// several returns the sweeps that --sweep lists, or the only one.
func (o sweepChoice) several(ctx context.Context, st bench.Reader) ([]bench.Sweep, error) {
	ids := strings.Split(o.sweep, ",")
	if len(ids) == 1 {
		m, err := o.one(ctx, st)
		return []bench.Sweep{m}, err
	}
	all, err := st.Sweeps(ctx)
	if err != nil {
		return nil, err
	}
	var chosen []bench.Sweep
	for _, id := range ids {
		m, err := o.find(all, strings.TrimSpace(id))
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

// severalOrRuns is several, or without --sweep the newest two runs where some request was measured anew, and how
// many sweeps that leaves out.
func (o sweepChoice) severalOrRuns(ctx context.Context, st bench.Reader) (chosen []bench.Sweep, leftOut int, err error) {
	all, err := st.Sweeps(ctx)
	if err != nil {
		return nil, 0, err
	}
	all = slices.DeleteFunc(all, func(m bench.Sweep) bool { return o.device != "" && m.Device.Name != o.device })
	before, after, found := newestRuns(all)
	if o.sweep != "" || !found {
		chosen, err = o.several(ctx, st)
		return chosen, 0, err
	}
	return []bench.Sweep{before, after}, len(all) - 2, nil
}

// find finds a sweep by its id. If --device is typed too, it must be the sweep's device.
func (o sweepChoice) find(all []bench.Sweep, id string) (bench.Sweep, error) {
	m, err := sweepByID(all, id)
	if err == nil && o.flags.typed("device") && o.device != m.Device.Name {
		err = usagef("sweep %s is on device %s, not on %q; leave --device out", m.ID, m.Device.Name, o.device)
	}
	return m, err
}

func sweepByID(all []bench.Sweep, id string) (bench.Sweep, error) {
	var found []bench.Sweep
	for _, s := range all {
		if strings.HasPrefix(s.ID, id) {
			found = append(found, s)
		}
	}
	switch {
	case id == "": // an unset variable must not remove the only sweep of a store
		return bench.Sweep{}, usagef("the id of a sweep is empty; the store has: %s", listSweeps(all))
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return bench.Sweep{}, usagef("no sweep has the id %q; the store has: %s", id, listSweeps(all))
	}
	return bench.Sweep{}, usagef("several sweeps begin with %q: %s", id, listSweeps(found))
}

// splitName splits the name of a stored sweep: FILE#ID, FILE, or the id of a sweep in db. A file may have a
// # in its name.
func splitName(name, db string) (file, id string) {
	i := strings.LastIndexByte(name, '#')
	switch {
	case isFile(name):
		return name, ""
	case i > 0:
		return name[:i], name[i+1:]
	case db != "":
		return db, name
	}
	return name, ""
}

// onlySweep is the sweep with an id, or without one the only sweep of a store or the newest run of the only
// request.
func onlySweep(ctx context.Context, file string, st bench.Reader, id string) (bench.Sweep, error) {
	all, err := st.Sweeps(ctx)
	switch {
	case err != nil:
		return bench.Sweep{}, err
	case id != "":
		return sweepByID(all, id)
	case len(all) == 0:
		return bench.Sweep{}, usagef("the store %s holds no sweep", file)
	case !runsOfOne(all):
		return bench.Sweep{}, usagef("%s holds several sweeps; name one as %s#ID: %s", file, text.ShellWord(file), listSweeps(all))
	}
	return slices.MaxFunc(all, byRun), nil
}

// runsOfOne reports whether sweeps are runs of one request.
func runsOfOne(sweeps []bench.Sweep) bool {
	return !slices.ContainsFunc(sweeps, func(m bench.Sweep) bool { return m.Request() != sweeps[0].Request() })
}

// newestRuns are the newest run of the request that was measured anew last, and the run before it.
func newestRuns(all []bench.Sweep) (before, after bench.Sweep, found bool) {
	for _, m := range all { // oldest first
		if m.Run > 0 {
			after = m
		}
	}
	for _, m := range all {
		if after.Run > 0 && m.Request() == after.Request() && m.Run < after.Run {
			before, found = m, true
		}
	}
	return before, after, found
}

func byRun(x, y bench.Sweep) int { return cmp.Compare(x.Run, y.Run) }

func listSweeps(sweeps []bench.Sweep) string {
	return cmp.Or(strings.Join(mapped(sweeps, func(s bench.Sweep) string {
		return fmt.Sprintf("%s (%s%s on %s, %s, %s)", s.ID, sweepNetworks(s), runWords(s.Run), s.Device.Name, s.Precision, s.Protocol.Name)
	}), "; "), "none")
}

// sweepNetworks describes a sweep's networks: "300 of tiny", "4 listed models".
func sweepNetworks(s bench.Sweep) string {
	if s.Space == "" {
		return ui.Plural(s.Networks, "listed model")
	}
	return fmt.Sprintf("%s of %s", ui.Thousands(s.Networks), s.Space)
}

// runWords is ", run 2" of a sweep that measures another one anew.
func runWords(run int) string {
	if run == 0 {
		return ""
	}
	return fmt.Sprintf(", run %d", run+1)
}

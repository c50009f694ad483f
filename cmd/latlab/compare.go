package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"latlab/bench"
	"latlab/bench/compare"
	"latlab/bench/store"
	reportwords "latlab/exporters/report/describe"
	"latlab/internal/ui"
)

type compareOptions struct {
	names          []string
	db             string
	failOver       string
	includeInvalid bool
	level          string
	top            int
	all            bool
	json           bool
	flags          *flagSet
}

func (o *compareOptions) register(f *flagSet) {
	o.flags = f
	f.string(&o.db, "db", "a store, an SQLite `FILE`, of which A and B are ids; without them, its newest run and the one before", "")
	f.string(&o.failOver, "fail-over", "exit 5 if B is slower, for sure and by more than a `PERCENT` such as 3%: a network that changed and whose ratio itself is above 1.03, or all together", "")
	f.bool(&o.includeInvalid, "include-invalid", "compare INVALID measurements too")
	f.string(&o.level, "level", "`PERCENT` of unchanged networks accepted among those called changed; intervals have 100 % minus that", "5%")
	f.int(&o.top, "top", "print the `N` networks that changed most", 20)
	f.bool(&o.all, "all", "print all networks")
	f.json(&o.json)
	f.arguments(&o.names, "A B")
}

func (o *compareOptions) run(ctx context.Context, s streams) error {
	level, err := percent("level", o.level)
	if err != nil {
		return err
	}
	limit := math.Inf(1)
	if o.failOver != "" {
		if limit, err = percent("fail-over", o.failOver); err != nil {
			return err
		}
	}
	if o.top < 1 {
		return usagef("--top must be at least 1")
	}
	switch n := len(o.names); {
	case n == 0 && o.db != "":
		o.names = []string{"", ""}
	case n != 2:
		return usagef("compare takes two sweeps, A and B: each FILE#ID, or FILE; or --db FILE with two ids")
	}
	a, before, err := o.open(ctx, o.names[0], true)
	if err != nil {
		return err
	}
	defer before.Close()
	b, after, err := o.open(ctx, o.names[1], false)
	if err != nil {
		return err
	}
	defer after.Close()
	if a.File == b.File && a.Sweep.ID == b.Sweep.ID {
		return usagef("A and B are both sweep %s of %s", a.Sweep.ID, a.File)
	}
	c, err := compare.Sweeps(ctx, a, b, compare.Options{Level: level, IncludeInvalid: o.includeInvalid})
	if err != nil {
		return err
	}
	failed, together := c.Fails(limit)
	if o.json {
		more := map[string]any{"fail_over": nil, "failed": mapped(failed, func(p compare.Pair) string { return p.Network }), "failed_overall": together}
		if o.failOver != "" {
			more["fail_over"] = limit
		}
		err = ui.Document(s.out, c, more)
	} else {
		err = o.print(s, c, limit)
	}
	if err != nil || len(failed) == 0 && !together {
		return err
	}
	return withCode(exitSlower, errors.New(failure(c, failed, together, limit)))
}

// percent reads a flag such as 3%. A number without the sign is refused: 0.03 could mean either.
func percent(flag, value string) (float64, error) {
	number, signed := strings.CutSuffix(value, "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !signed || err != nil || math.IsNaN(x) || x < 0 || x >= 1000 || flag == "level" && (x == 0 || x >= 100) {
		return 0, usagef("--%s %q is not a percentage such as 3%%", flag, value)
	}
	return x / 100, nil
}

func failure(c *compare.Comparison, failed []compare.Pair, together bool, limit float64) string {
	var parts []string
	if len(failed) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s", len(failed), ui.Plural(len(c.Pairs), "network")))
	}
	if together {
		parts = append(parts, "all networks together")
	}
	return fmt.Sprintf("slower by more than %s: %s", reportwords.ChosenPercent(limit), strings.Join(parts, ", and "))
}

// open opens a side's store and finds its sweep. Without a name it is the newest run, and before the one
// before it. The caller closes the store, nil after an error.
func (o *compareOptions) open(ctx context.Context, name string, before bool) (x compare.Side, st *store.Store, err error) {
	var id string
	if x.File, id = splitName(name, o.db); o.flags.typed("db") || name == "" {
		x.File, id = o.db, name
	}
	if st, err = openDB(ctx, x.File); err != nil {
		return x, nil, err
	}
	if name == "" {
		x.Sweep, err = newestRun(ctx, x.File, st, before)
	} else {
		x.Sweep, err = onlySweep(ctx, x.File, st, id)
	}
	if err != nil {
		return x, nil, errors.Join(err, st.Close())
	}
	x.Store = st
	return x, st, nil
}

// newestRun is the later or the earlier of newestRuns.
func newestRun(ctx context.Context, file string, st bench.Reader, earlier bool) (bench.Sweep, error) {
	all, err := st.Sweeps(ctx)
	if err != nil {
		return bench.Sweep{}, err
	}
	before, after, found := newestRuns(all)
	switch {
	case !found:
		return bench.Sweep{}, usagef("no sweep of %s was measured twice; name two: %s", file, listSweeps(all))
	case earlier:
		return before, nil
	}
	return after, nil
}

func (o *compareOptions) print(s streams, c *compare.Comparison, limit float64) error {
	slower, faster := c.Count()
	rows := [][2]string{
		{"A", sideLine(c.A)}, {"B", sideLine(c.B)},
		{"compared", fmt.Sprintf("%s %s", ui.Plural(len(c.Pairs), "network"), ui.Kind(c.A.Sweep.Device.Kind))},
		{"overall", overallLine(c)},
		{"changed", fmt.Sprintf("%d slower, %d faster (Benjamini-Hochberg at %s)", slower, faster, reportwords.ChosenPercent(c.Level))},
	}
	rows = append(rows, leftOutRows(c)...)
	for _, n := range c.Notes {
		rows = append(rows, [2]string{"note", n.Text})
	}
	ui.Facts(s.out, rows)
	most := len(c.Pairs)
	if !o.all {
		most = o.top
	}
	pairs := c.MostChanged(most)
	if err := printPairs(s, pairs, limit); err != nil {
		return err
	}
	if left := len(c.Pairs) - len(pairs); left > 0 {
		fmt.Fprintf(s.out, "and %s that changed less; --all prints them\n", ui.Plural(left, "network"))
	}
	return nil
}

func printPairs(s streams, pairs []compare.Pair, limit float64) error {
	var seconds []float64
	for _, p := range pairs {
		seconds = append(seconds, p.ASeconds, p.BSeconds)
	}
	scale := ui.SecondsScale(seconds...)
	fmt.Fprintln(s.out)
	lines := [][]string{{"NETWORK", "A, " + scale.Unit(), "B, " + scale.Unit(), "B/A", "INTERVAL", "CHANGED"}}
	for _, p := range pairs {
		lines = append(lines, []string{p.Network, scale.Number(p.ASeconds), scale.Number(p.BSeconds), reportwords.Ratio(p.Ratio), ratioBounds(p.Change), change(p, limit)})
	}
	ui.FitNames(lines, 0, s.columns)
	return ui.Table(s.out, lines)
}

func ratioBounds(c compare.Change) string {
	if c.Low == nil {
		return "unknown"
	}
	return reportwords.RatioInterval(c)
}

// change is the word for a network's change, with a mark where it is above the limit.
func change(p compare.Pair, limit float64) string {
	if p.Changed && p.Slower(limit) {
		return p.Word() + ", above " + reportwords.ChosenPercent(limit)
	}
	return p.Word()
}

func sideLine(x compare.Side) string {
	m := x.Sweep
	return fmt.Sprintf("%s#%s: %s on %s, %s, protocol %s, created %s, noise %s", x.File, m.ID, sweepNetworks(m)+runWords(m.Run), m.Device.Name, m.Precision,
		m.Protocol.Name, m.Created.Local().Format(time.DateTime), ui.Optional(x.NoiseCV, ui.Percent))
}

func overallLine(c *compare.Comparison) string {
	x := c.Overall
	word := "not distinguishable"
	switch {
	case x.Low == nil:
		word = "noise unknown"
	case *x.Low > 1:
		word = "B is slower"
	case *x.High < 1:
		word = "B is faster"
	}
	return fmt.Sprintf("%s: geometric mean of B/A %s, %s interval %s", word, reportwords.Ratio(x.Ratio), reportwords.ChosenPercent(1-c.Level), ratioBounds(x))
}

// leftOutRows counts and names the networks that were not compared.
func leftOutRows(c *compare.Comparison) (rows [][2]string) {
	const most = 5
	for _, why := range []string{compare.OnlyA, compare.OnlyB, compare.FailedA, compare.FailedB, compare.FailedBoth, compare.Unfinished, compare.Invalid} {
		var names []string
		for _, l := range c.LeftOut {
			if l.Why == why {
				names = append(names, l.Network)
			}
		}
		if len(names) == 0 {
			continue
		}
		n := len(names)
		if n > most {
			names = append(names[:most], fmt.Sprintf("%d more", n-most))
		}
		hint := ""
		if why == compare.Invalid {
			hint = " (--include-invalid compares them)"
		}
		rows = append(rows, [2]string{"left out", fmt.Sprintf("%s %s%s: %s", ui.Plural(n, "network"), why, hint, strings.Join(names, ", "))})
	}
	return rows
}

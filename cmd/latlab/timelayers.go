package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/bench/profile"
	"latlab/bench/protocol"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/exporters/table"
	"latlab/internal/atomicfile"
	"latlab/internal/ui"
	"latlab/sampler/model"
)

// layersShown is how many rows and positions of a network are printed without --top and --all.
const layersShown = 10

// checkLayers refuses a --csv that must not be written, such as a file among inputs.
func (o *timeOptions) checkLayers(inputs []string) error {
	if !o.layers && o.flags.typed("csv") {
		return usagef("--csv is about the rows of --layers; add --layers or leave it out")
	}
	if o.csv == "" {
		return nil
	}
	if o.csv == stdoutPath {
		return usagef("--csv names a file; stdout has the table, and --json has every row too")
	}
	if err := notOver("csv", o.csv, inputs...); err != nil {
		return err
	}
	return fits("csv", o.csv, "")
}

// opProfiles are the profiles of a run's networks.
type opProfiles struct {
	of     []*profiled // by the network's place in the list; nil = it has none
	failed bench.Unprofiled
}

// profiled is a network's profile, joined with its ops.
type profiled struct {
	one   source.Listed
	info  devices.Info
	p     *devices.Profile
	table profile.Table
}

// profiles profiles networks before they are timed: a device that cannot is found out at once. Where some
// networks cannot be profiled they are timed all the same; the error is that of the first if none can.
func (o *timeOptions) profiles(ctx context.Context, s streams, d devices.Device, networks source.List) (opProfiles, error) {
	all := opProfiles{of: make([]*profiled, len(networks))}
	if !o.layers {
		return all, nil
	}
	if _, ok := d.(devices.Profiler); !ok {
		return all, usagef("--layers: device %s does not report the time of single ops", d.Info().Name)
	}
	p, err := protocol.Named(o.protocol)
	if err != nil {
		return all, err
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	plan, failed := p.For(d.Info()).Plan(o.seed), error(nil)
	for i, one := range networks {
		if !o.quiet && d.Info().Kind != devices.Simulated {
			fmt.Fprintf(s.err, "profiling %s\n", one.Name)
		}
		p, err := profileOf(ctx, d, one.Model, plan)
		if ctx.Err() != nil {
			return all, errors.Join(o.writeCSV(ctx, all), exitSilently(exitInterrupted))
		}
		if err != nil {
			failed = cmp.Or(failed, err)
			if !all.failed.Failed(one.Name, err) {
				break
			}
			continue
		}
		all.failed.Worked()
		ops := profile.Ops(one.Model, cmp.Or(one.Space, profile.Space(one.Model)))
		all.of[i] = &profiled{one: one, info: d.Info(), p: p, table: profile.Join(p, ops)}
	}
	if !slices.ContainsFunc(all.of, func(p *profiled) bool { return p != nil }) {
		return all, failed
	}
	return all, o.writeCSV(ctx, all)
}

func profileOf(ctx context.Context, d devices.Device, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	if p, ok := d.(devices.Preparer); ok {
		if err := p.Prepare(ctx, m); err != nil {
			return nil, err
		}
	}
	return bench.ProfileModel(ctx, d, m, plan)
}

// writeCSV writes --csv.
func (o *timeOptions) writeCSV(ctx context.Context, all opProfiles) error {
	if o.csv == "" {
		return nil
	}
	err := atomicfile.Write(o.csv, func(w io.Writer) error { return table.LayersCSV(w, all.rows()) })
	return outputError(ctx, o.csv, err)
}

func (all opProfiles) rows() iter.Seq2[table.Layer, error] {
	return func(yield func(table.Layer, error) bool) {
		for _, p := range all.of {
			if p == nil {
				continue
			}
			at := timedPointOf(p.one, p.info)
			for _, l := range table.LayersOf(table.LayerOf{
				Network: p.one.Name, Space: at.Space, Indices: at.Indices, Device: at.Device, Kind: string(p.info.Kind),
				Precision: string(p.one.Model.Precision), Runs: int64(p.p.Runs), Overhead: profile.Overhead(p.p),
			}, p.table) {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// layersOf is what --json has of a network's profile.
func (t *timed) layersOf(e bench.Estimate) any {
	if p := t.profile(e); p != nil {
		return p.document()
	}
	return nil
}

// document is what --json has of the profile.
func (p *profiled) document() map[string]any {
	return map[string]any{"layers": p.table.Rows, "profile": profileDocument{
		Runs: p.p.Runs, Seconds: p.table.Seconds, WholeSeconds: p.p.WholeSeconds, PlainSeconds: p.p.PlainSeconds,
		Overhead: profile.Overhead(p.p), Resolution: p.p.ResolutionSeconds, Runtime: p.p.Runtime, Warnings: list(p.p.Warnings),
		ByType: list(p.table.ByType), ByPosition: list(p.table.ByPosition),
	}}
}

type profileDocument struct {
	Runs         int             `json:"runs"`           // inferences that were observed
	Seconds      float64         `json:"layers_seconds"` // sum of the rows
	WholeSeconds *float64        `json:"whole_seconds"`  // median of the observed inferences
	PlainSeconds *float64        `json:"plain_seconds"`  // median of others in between
	Overhead     *float64        `json:"overhead"`       // what observing costs: whole / plain - 1
	Resolution   float64         `json:"resolution_seconds,omitempty"`
	Runtime      string          `json:"runtime"`
	Warnings     []string        `json:"warnings"`
	ByType       []profile.Group `json:"by_type"`
	ByPosition   []profile.Group `json:"by_position"`
}

// printProfiles prints where the time of several networks goes: a line of each, then the rows and sums of each.
func (o *timeOptions) printProfiles(s streams, t timed) error {
	var all []*profiled
	for _, r := range o.ranking.everyone(t.ests) {
		if p := t.profile(r.Estimate); p != nil {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintf(s.out, "\nwhere the time goes, by profiles of the ops; these are not latency measurements\n")
	if err := printOverview(s, all); err != nil {
		return err
	}
	for _, p := range all {
		if err := o.printLayers(s, p); err != nil {
			return err
		}
	}
	fmt.Fprintln(s.out)
	return nil
}

// printOverview prints the slowest row and the slowest type of op of each network.
func printOverview(s streams, all []*profiled) error {
	scale := ui.SecondsScale(mapped(all, func(p *profiled) float64 { return p.table.Seconds })...)
	names := ui.WithoutCommon(mapped(all, func(p *profiled) string { return p.one.Name }))
	slowest := func(name string, share float64) string { return name + " " + ui.Percent(share) }
	return ui.FittingTable(s.out, s.columns, []ui.Column{
		column(names, "NETWORK", 0, func(name string) string { return ui.Middle(name, 24) }),
		column(all, scale.Unit(), 0, func(p *profiled) string { return scale.Number(p.table.Seconds) }),
		column(all, "ROWS", 1, func(p *profiled) string { return ui.Thousands(len(p.table.Rows)) }),
		column(all, "SLOWEST TYPE", 0, func(p *profiled) string {
			g := p.table.ByType[0]
			return slowest(ui.Middle(g.Name, 15), g.Share)
		}),
		column(all, "SLOWEST ROW", 2, func(p *profiled) string {
			r := p.table.Slowest()[0]
			return slowest(ui.Middle(cmp.Or(r.Name, r.Type), 18), r.Share)
		}),
	})
}

// printLayers prints the rows of a network and their sums; of several networks those by position only with --all.
// SUM is the share of a row and all slower ones.
func (o *timeOptions) printLayers(s streams, p *profiled) error {
	all, most := o.ranking.all, o.rows
	fmt.Fprintf(s.out, "\n%s\n", strings.Join(p.head(o.named.one()), "\n"))
	rows := p.table.Slowest()
	title := fmt.Sprintf("the %d slowest of %s; --all prints every row", min(most, len(rows)), ui.Plural(len(rows), "row"))
	switch {
	case all:
		rows, title = p.table.Rows, ui.Plural(len(rows), "row")+" in execution order; SUM % is of a row and all slower ones"
	case len(rows) <= most:
		title = ui.Plural(len(rows), "row") + ", the slowest first"
	default:
		rows = rows[:most]
	}
	fmt.Fprintf(s.out, "\n%s\n", title)
	if err := printRows(s, rows); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "\nby type of op")
	groups := p.table.ByPosition
	if err := printGroups(s, "TYPE", p.table.ByType); err != nil || len(groups) == 0 || !o.named.one() && !all {
		return err
	}
	title = "by position in the space"
	if len(groups) > most && !all {
		title += fmt.Sprintf(", the %d slowest of %d", most, len(groups))
		groups = groups[:most]
	}
	fmt.Fprintf(s.out, "\n%s\n", title)
	return printGroups(s, "POSITION", groups)
}

// head says what the rows are, and what observing them costs.
func (p *profiled) head(alone bool) []string {
	how, what := "median of "+ui.Plural(p.p.Runs, "observed inference"), "times inside observed inferences"
	if p.info.Kind != devices.Measured {
		how, what = ui.Kind(p.info.Kind), "parts of a computed inference"
	}
	total := []string{ui.Seconds(p.table.Seconds) + " together, " + how}
	lines := []string{strings.TrimRight(ui.Wrap("ops of "+p.one.Name+":", total, ui.Columns), "\n")}
	add := func(text string) {
		lines = append(lines, strings.TrimRight(ui.WrapIndented(" ", strings.Fields(text), " ", ui.Columns), "\n"))
	}
	if x := profile.Overhead(p.p); x != nil {
		scale := ui.SecondsScale(*p.p.WholeSeconds, *p.p.PlainSeconds)
		add(fmt.Sprintf("An observed inference takes %s, others in between %s: observing costs %s.",
			scale.Format(*p.p.WholeSeconds), scale.Format(*p.p.PlainSeconds), ui.Overhead(*x)))
	}
	if alone {
		add("These are " + what + ", not latency measurements.")
	}
	for _, w := range p.p.Warnings {
		add("warning: " + w)
	}
	return lines
}

// printUnprofiled says which networks could not be profiled, and why.
func printUnprofiled(s streams, all []string) {
	for _, why := range all {
		fmt.Fprint(s.out, ui.Wrap("WARNING:", strings.Fields("not profiled: "+why), ui.Columns))
	}
}

func printRows(s streams, rows []profile.Row) error {
	units := map[string]bool{}
	for i := range rows {
		if rows[i].InputShape != nil || rows[i].MACs > 0 { // a call's overhead is on the host anyway
			units[rows[i].Where] = true
		}
	}
	scale := ui.SecondsScale(mapped(rows, func(r profile.Row) float64 { return r.Seconds })...)
	on := 1
	if len(units) > 1 {
		on = 9
	}
	return ui.FittingTable(s.out, s.columns, []ui.Column{
		column(rows, "LAYER", 0, func(r profile.Row) string { return ui.Middle(cmp.Or(r.Name, "-"), 24) }),
		column(rows, "OP", 0, func(r profile.Row) string { return ui.Middle(r.Type, 15) }),
		column(rows, "KERNEL", 7, func(r profile.Row) string { return ui.Middle(r.Kernel, 34) }),
		column(rows, "ON", on, func(r profile.Row) string { return ui.Middle(r.Where, 12) }),
		column(rows, "INPUT", 4, func(r profile.Row) string { return optionalShape(r.InputShape) }),
		column(rows, "OUTPUT", 6, func(r profile.Row) string { return optionalShape(r.OutputShape) }),
		column(rows, scale.Unit(), 0, func(r profile.Row) string { return scale.Number(r.Seconds) }),
		column(rows, "%", 0, func(r profile.Row) string { return percentNumber(r.Share) }),
		column(rows, "SUM %", 0, func(r profile.Row) string { return percentNumber(r.Upto) }),
		column(rows, "MMACS", 3, func(r profile.Row) string { return optionalNumber(r.MACs, float64(r.MACs)/1e6) }),
		column(rows, "GMACS/S", 8, func(r profile.Row) string { return rateNumber(r.Rate, 1e9) }),
		column(rows, "MACS/BYTE", 2, func(r profile.Row) string { return rateNumber(r.Intensity, 1) }),
	})
}

func printGroups(s streams, head string, groups []profile.Group) error {
	scale := ui.SecondsScale(mapped(groups, func(g profile.Group) float64 { return g.Seconds })...)
	return ui.FittingTable(s.out, s.columns, []ui.Column{
		column(groups, head, 0, func(g profile.Group) string { return ui.Middle(cmp.Or(g.Name, "(none)"), 24) }),
		column(groups, "KERNEL", 7, func(g profile.Group) string { return ui.Middle(g.Kernel, 34) }),
		column(groups, "ROWS", 6, func(g profile.Group) string { return ui.Thousands(g.Rows) }),
		column(groups, scale.Unit(), 0, func(g profile.Group) string { return scale.Number(g.Seconds) }),
		column(groups, "%", 0, func(g profile.Group) string { return percentNumber(g.Share) }),
		column(groups, "SUM %", 0, func(g profile.Group) string { return percentNumber(g.Upto) }),
		column(groups, "MMACS", 5, func(g profile.Group) string { return optionalNumber(g.MACs, float64(g.MACs)/1e6) }),
		column(groups, "GMACS/S", 8, func(g profile.Group) string { return rateNumber(g.Rate, 1e9) }),
	})
}

func optionalShape(s *[4]int) string {
	if s == nil {
		return ""
	}
	return ui.Shape(*s)
}

func percentNumber(x float64) string { return fmt.Sprintf("%.1f", 100*x) }

func optionalNumber(known int64, x float64) string {
	if known == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", x)
}

func rateNumber(x *float64, unit float64) string {
	if x == nil {
		return ""
	}
	return ui.ThreeDigits(*x / unit)
}

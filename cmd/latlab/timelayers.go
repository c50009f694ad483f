package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"latlab/bench"
	"latlab/bench/profile"
	"latlab/bench/protocol"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/exporters/table"
	"latlab/internal/atomicfile"
	"latlab/internal/ui"
)

// layerOptions choose what `time` prints of a network's ops.
type layerOptions struct {
	layers bool
	csv    string
	flags  *flagSet
}

func (o *layerOptions) register(f *flagSet) {
	o.flags = f
	f.bool(&o.layers, "layers", "also print the time of each op inside inferences, where the device reports it")
	f.result(&o.csv, "csv", "with --layers: write every row to a CSV `FILE`")
}

// check refuses a --csv that must not be written, such as a file among inputs.
func (o *layerOptions) checkCSV(inputs []string) error {
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

// profiled is a network's profile, joined with its ops.
type profiled struct {
	one   source.Listed
	info  devices.Info
	p     *devices.Profile
	table profile.Table
}

// profiles profiles networks before they are timed: a device that cannot is found out at once. The result is
// parallel to the list, of nils without --layers.
func (o *layerOptions) profiles(ctx context.Context, s streams, d devices.Device, list source.List, m measureOptions) ([]*profiled, error) {
	all := make([]*profiled, len(list))
	if !o.layers {
		return all, nil
	}
	if err := bench.NoProfiler(d); err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("--layers: %w", err))
	}
	protocol, err := protocol.Named(m.protocol)
	if err != nil {
		return nil, err
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	for i, one := range list {
		if !m.quiet && d.Info().Kind != devices.Simulated {
			fmt.Fprintf(s.err, "profiling %s\n", one.Name)
		}
		if p, ok := d.(devices.Preparer); ok {
			if err := p.Prepare(ctx, one.Model); err != nil {
				return nil, profileError(ctx, err)
			}
		}
		p, err := bench.ProfileModel(ctx, d, one.Model, protocol.For(d.Info()).Plan(m.seed))
		if err != nil {
			return nil, profileError(ctx, err)
		}
		all[i] = &profiled{one: one, info: d.Info(), p: p, table: profile.Join(p, profile.Ops(one.Model, cmp.Or(one.Space, profile.Space(one.Model))))}
	}
	if o.csv == "" {
		return all, nil
	}
	err = atomicfile.Write(o.csv, func(w io.Writer) error { return table.LayersCSV(w, layerRows(all)) })
	return all, outputError(ctx, o.csv, err)
}

func profileError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitSilently(exitInterrupted)
	}
	return fmt.Errorf("--layers: %w", err)
}

func layerRows(all []*profiled) iter.Seq2[table.Layer, error] {
	return func(yield func(table.Layer, error) bool) {
		for _, p := range all {
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

// layersShown is how many rows and positions are printed without --all.
const layersShown = 10

// print prints the rows and their sums. SUM is the share of a row and all slower ones.
func (p *profiled) print(s streams, all bool) error {
	fmt.Fprintf(s.out, "\n%s\n", strings.Join(p.head(), "\n"))
	rows := p.table.Slowest()
	title := fmt.Sprintf("the %d slowest of %s; --all prints every row", min(layersShown, len(rows)), ui.Plural(len(rows), "row"))
	switch {
	case all:
		rows, title = p.table.Rows, ui.Plural(len(rows), "row")+" in execution order; SUM % is of a row and all slower ones"
	case len(rows) <= layersShown:
		title = ui.Plural(len(rows), "row") + ", the slowest first"
	default:
		rows = rows[:layersShown]
	}
	fmt.Fprintf(s.out, "\n%s\n", title)
	if err := printRows(s, rows); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "\nby type of op")
	if err := printGroups(s, "TYPE", p.table.ByType); err != nil || len(p.table.ByPosition) == 0 {
		return err
	}
	groups := p.table.ByPosition
	title = "by position in the space"
	if len(groups) > layersShown && !all {
		title += fmt.Sprintf(", the %d slowest of %d", layersShown, len(groups))
		groups = groups[:layersShown]
	}
	fmt.Fprintf(s.out, "\n%s\n", title)
	return printGroups(s, "POSITION", groups)
}

// head says what the rows are, and what observing them costs.
func (p *profiled) head() []string {
	how, what := "median of "+ui.Plural(p.p.Runs, "observed inference"), "times inside observed inferences"
	if p.info.Kind != devices.Measured {
		how, what = ui.Kind(p.info.Kind), "parts of a computed inference"
	}
	lines := []string{fmt.Sprintf("ops of %s: %s together, %s", p.one.Name, ui.Seconds(p.table.Seconds), how)}
	add := func(text string) {
		lines = append(lines, strings.TrimRight(ui.WrapIndented(" ", strings.Fields(text), " ", ui.Columns), "\n"))
	}
	if x := profile.Overhead(p.p); x != nil {
		scale := ui.SecondsScale(*p.p.WholeSeconds, *p.p.PlainSeconds)
		add(fmt.Sprintf("An observed inference takes %s, others in between %s: observing costs %s.",
			scale.Format(*p.p.WholeSeconds), scale.Format(*p.p.PlainSeconds), ui.Overhead(*x)))
	}
	add("These are " + what + ", not latency measurements.")
	for _, w := range p.p.Warnings {
		add("warning: " + w)
	}
	return lines
}

func printRows(s streams, rows []profile.Row) error {
	var seconds []float64
	units := map[string]bool{}
	for i := range rows {
		seconds = append(seconds, rows[i].Seconds)
		if rows[i].InputShape != nil || rows[i].MACs > 0 { // a call's overhead is on the host anyway
			units[rows[i].Where] = true
		}
	}
	scale := ui.SecondsScale(seconds...)
	on := 1
	if len(units) > 1 {
		on = 9
	}
	column := func(head string, weight int, cell func(r *profile.Row) string) ui.Column {
		c := ui.Column{Head: head, Weight: weight}
		for i := range rows {
			c.Cells = append(c.Cells, cell(&rows[i]))
		}
		return c
	}
	return ui.FittingTable(s.out, s.columns, []ui.Column{
		column("LAYER", 0, func(r *profile.Row) string { return ui.Middle(cmp.Or(r.Name, "-"), 24) }),
		column("OP", 0, func(r *profile.Row) string { return ui.Middle(r.Type, 15) }),
		column("KERNEL", 7, func(r *profile.Row) string { return ui.Middle(r.Kernel, 34) }),
		column("ON", on, func(r *profile.Row) string { return ui.Middle(r.Where, 12) }),
		column("INPUT", 4, func(r *profile.Row) string { return optionalShape(r.InputShape) }),
		column("OUTPUT", 6, func(r *profile.Row) string { return optionalShape(r.OutputShape) }),
		column(scale.Unit(), 0, func(r *profile.Row) string { return scale.Number(r.Seconds) }),
		column("%", 0, func(r *profile.Row) string { return percentNumber(r.Share) }),
		column("SUM %", 0, func(r *profile.Row) string { return percentNumber(r.Upto) }),
		column("MMACS", 3, func(r *profile.Row) string { return optionalNumber(r.MACs, float64(r.MACs)/1e6) }),
		column("GMACS/S", 8, func(r *profile.Row) string { return rateNumber(r.Rate, 1e9) }),
		column("MACS/BYTE", 2, func(r *profile.Row) string { return rateNumber(r.Intensity, 1) }),
	})
}

func printGroups(s streams, head string, groups []profile.Group) error {
	var seconds []float64
	for _, g := range groups {
		seconds = append(seconds, g.Seconds)
	}
	scale := ui.SecondsScale(seconds...)
	column := func(head string, weight int, cell func(g *profile.Group) string) ui.Column {
		c := ui.Column{Head: head, Weight: weight}
		for i := range groups {
			c.Cells = append(c.Cells, cell(&groups[i]))
		}
		return c
	}
	return ui.FittingTable(s.out, s.columns, []ui.Column{
		column(head, 0, func(g *profile.Group) string { return ui.Middle(cmp.Or(g.Name, "(none)"), 24) }),
		column("KERNEL", 7, func(g *profile.Group) string { return ui.Middle(g.Kernel, 34) }),
		column("ROWS", 6, func(g *profile.Group) string { return ui.Thousands(g.Rows) }),
		column(scale.Unit(), 0, func(g *profile.Group) string { return scale.Number(g.Seconds) }),
		column("%", 0, func(g *profile.Group) string { return percentNumber(g.Share) }),
		column("SUM %", 0, func(g *profile.Group) string { return percentNumber(g.Upto) }),
		column("MMACS", 5, func(g *profile.Group) string { return optionalNumber(g.MACs, float64(g.MACs)/1e6) }),
		column("GMACS/S", 8, func(g *profile.Group) string { return rateNumber(g.Rate, 1e9) }),
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

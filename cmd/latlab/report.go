package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/exporters/report"
	"latlab/exporters/report/card"
	"latlab/exporters/report/charts"
	"latlab/exporters/report/page"
	"latlab/internal/atomicfile"
	"latlab/internal/text"
	"latlab/internal/ui"
)

// reportFormat writes collected data. One of stream and folder is set.
type reportFormat struct {
	name   string
	stream func(w io.Writer, d *report.Data, store string) error
	folder func(dir string, d *report.Data) error
}

func reportFormats() []reportFormat {
	pictures := func(format string) func(string, *report.Data) error {
		return func(dir string, d *report.Data) error { return charts.WriteFiles(dir, format, d) }
	}
	return []reportFormat{
		{name: "html", stream: page.Write},
		{name: "md", stream: card.Write},
		{name: "png", folder: pictures("png")},
		{name: "svg", folder: pictures("svg")},
	}
}

func reportFormatNames() []string {
	return mapped(reportFormats(), func(f reportFormat) string { return f.name })
}

type reportOptions struct {
	db string
	sweepChoice
	costs           []string
	format          string
	leaveOutInvalid bool
	quiet           bool
	outputOptions
}

func (o *reportOptions) register(f *flagSet) {
	f.db(&o.db)
	o.sweepChoice.register(f, "which sweep of the store, by `ID`; several, with commas, go into one report; default: the only one, or the newest two runs")
	f.strings(&o.costs, "cost", "cost model with a sweep's device, kind and space, a JSON `FILE`; may be repeated")
	f.string(&o.format, "format", "`FORMAT` "+text.Or(reportFormatNames()), reportFormats()[0].name)
	f.bool(&o.leaveOutInvalid, "leave-out-invalid", "omit INVALID networks from charts and tables; they are still counted")
	f.quiet(&o.quiet)
	o.outputOptions.register(f, "`PATH` to write: a file, - for stdout, or for png and svg a folder")
}

func (o *reportOptions) run(ctx context.Context, s streams) error {
	if err := required("o", o.out); err != nil {
		return err
	}
	format, err := findReportFormat(o.format)
	if err != nil {
		return err
	}
	folder := ""
	if format.folder != nil {
		folder = "format " + format.name
	}
	out, err := outPath(o.outputOptions, folder, append(slices.Clone(o.costs), o.db)...)
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	d, err := o.collect(ctx, s)
	if err == nil {
		err = o.write(ctx, s, d, format, out)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return outputError(ctx, out, err)
	case err != nil || out == stdoutPath:
		return err
	}
	return o.print(s, d, out)
}

func (o *reportOptions) write(ctx context.Context, s streams, d *report.Data, format reportFormat, out string) error {
	if format.folder != nil {
		return outputError(ctx, out, format.folder(out, d))
	}
	stream := func(w io.Writer) error {
		return format.stream(endingWriter{ctx, w}, d, shownPath(o.db))
	}
	if out == stdoutPath {
		return stream(s.out)
	}
	return outputError(ctx, out, atomicfile.Write(out, stream))
}

// shownPath makes a path valid UTF-8, as a page needs it.
func shownPath(path string) string { return strings.ToValidUTF8(path, "\uFFFD") }

func findReportFormat(name string) (reportFormat, error) {
	formats := reportFormats()
	if i := slices.Index(reportFormatNames(), name); i >= 0 {
		return formats[i], nil
	}
	return reportFormat{}, unknownFormat(name, "reports", reportFormatNames()...)
}

func (o *reportOptions) collect(ctx context.Context, s streams) (*report.Data, error) {
	st, err := openDB(ctx, o.db)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	sweeps, leftOut, err := o.severalOrRuns(ctx, st)
	if err != nil {
		return nil, err
	}
	if leftOut > 0 && !o.quiet {
		fmt.Fprintf(s.err, "latlab: the report is of the newest two runs, sweeps %s and %s; %s left out, which --sweep can name\n",
			sweeps[0].ID, sweeps[1].ID, ui.Plural(leftOut, "other sweep"))
	}
	costs, err := o.loadCosts(sweeps)
	if err != nil {
		return nil, err
	}
	return report.Collect(ctx, st, sweeps, costs, report.Options{Now: time.Now(), LeaveOutInvalid: o.leaveOutInvalid})
}

// loadCosts reads the cost models. It refuses one that belongs to none of the sweeps, because its
// predictions would stand beside latencies of a different device.
func (o *reportOptions) loadCosts(sweeps []bench.Sweep) ([]report.Cost, error) {
	var costs []report.Cost
	for _, path := range o.costs {
		m, sp, err := loadCost(path)
		if err != nil {
			return nil, err
		}
		cost := report.Cost{File: shownPath(path), Model: m, Space: sp}
		if info, err := os.Stat(path); err == nil {
			cost.Modified = info.ModTime()
		}
		if err := belongs(cost, sweeps); err != nil {
			return nil, usagef("cost model %s does not belong to %s: %w", path, sweepWords(sweeps), err)
		}
		costs = append(costs, cost)
	}
	return costs, nil
}

func sweepWords(sweeps []bench.Sweep) string {
	if len(sweeps) == 1 {
		return "the sweep"
	}
	return "any of the sweeps"
}

// belongs returns nil if the model belongs to a sweep, else why it does not belong to the first.
func belongs(cost report.Cost, sweeps []bench.Sweep) error {
	var first error
	for _, m := range sweeps {
		err := report.Belongs(cost, m)
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return first
}

func (o *reportOptions) print(s streams, d *report.Data, out string) error {
	networks, imprecise, invalid, failed, refused := 0, 0, 0, 0, 0
	ids := []string{}
	for i := range d.Sweeps {
		t := d.Sweeps[i].Tally
		networks, failed, refused = networks+t.Measured, failed+t.Failed, refused+len(d.Sweeps[i].Refused)
		imprecise, invalid = imprecise+t.Imprecise, invalid+t.Invalid
		ids = append(ids, d.Sweeps[i].Manifest.ID)
	}
	kinds := append([]devices.Kind{}, d.Kinds()...)
	if o.json {
		return ui.Document(s.out, map[string]any{
			"path": out, "format": o.format, "sweeps": ids, "kinds": kinds, "cost_models": len(d.Fits),
			"measured": networks, "imprecise": imprecise, "invalid": invalid, "failed": failed, "refused": refused,
		})
	}
	counts := fmt.Sprintf("%d INVALID, %d failed", invalid, failed)
	if imprecise > 0 {
		counts = fmt.Sprintf("%d IMPRECISE, ", imprecise) + counts
	}
	if refused > 0 {
		counts += fmt.Sprintf(", %d refused", refused)
	}
	_, err := fmt.Fprintf(s.out, "written to %s: %s %s, %s, %s\n", out, ui.Plural(networks, "network"),
		strings.Join(mapped(kinds, ui.Kind), " and "), counts, ui.Plural(len(d.Fits), "cost model"))
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"latlab/bench"
	"latlab/devices"
	reportwords "latlab/exporters/report/describe"
	"latlab/internal/atomicfile"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/observe"
)

type fitOptions struct {
	db string
	sweepChoice
	method         string
	train          int
	curve          bool
	absolute       bool
	nonNegative    bool
	includeInvalid bool
	csv, target    string
	features       string
	seed           uint64
	quiet          bool
	outputOptions
}

func (o *fitOptions) register(f *flagSet) {
	f.db(&o.db)
	o.sweepChoice.register(f, "which sweep of the store, by `ID`; several, with commas, are fitted together")
	f.string(&o.method, "method", "`METHOD` ops, profile, indicator or macs; for listed models features, ops or macs", string(regress.Ops))
	f.int(&o.train, "train", "train on `N` networks in each held-out split, test on the rest; default: 80 %", 0)
	f.bool(&o.curve, "curve", "print how good each method is on 5, 10, 20, 50, ... networks, instead of a cost model")
	f.bool(&o.absolute, "absolute", "indicator only: minimize errors in seconds, as the paper's ridge does, instead of relative errors")
	f.bool(&o.nonNegative, "non-negative", "indicator only: set negative weights to zero and fit the others again")
	f.bool(&o.includeInvalid, "include-invalid", "use INVALID measurements too")
	f.string(&o.csv, "csv", "fit a table of other measurements instead of a sweep: a `FILE`, .csv or .csv.gz", "")
	f.string(&o.target, "target", "--csv only: the `COLUMN` of latencies", "")
	f.string(&o.features, "features", "--csv only: the categorical `COLUMNS`, with commas; default: all that can be categorical", "")
	f.seed(&o.seed)
	f.quiet(&o.quiet)
	o.outputOptions.register(f, "cost model to write, a JSON `FILE`, or - for stdout, with the figures on stderr")
}

// What fit can read, as errors name it.
const (
	fitOfSweep   = "a sweep (--db)"
	fitOfForeign = "a table (--csv)"
)

// fitFlags are the flags that apply to only one of them.
var fitFlags = map[string]string{
	"sweep": fitOfSweep, "device": fitOfSweep, "include-invalid": fitOfSweep, "curve": fitOfSweep,
	"target": fitOfForeign, "features": fitOfForeign,
}

func (o *fitOptions) refuseUnused(here string) error {
	return o.flags().refuseUnused(here, func(flag string) string {
		if of := fitFlags[flag]; of != here {
			return of
		}
		return ""
	})
}

func (o *fitOptions) flags() *flagSet { return o.outputOptions.flags }

func (o *fitOptions) regress() regress.Options {
	return regress.Options{Method: regress.Method(o.method), Seed: o.seed, Train: o.train, Absolute: o.absolute, NonNegative: o.nonNegative}
}

func (o *fitOptions) run(ctx context.Context, s streams) error {
	out, err := outPath(o.outputOptions, "", o.db, o.csv)
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	f := &fitJob{fitOptions: o, s: s, path: out}
	source := o.flags().oneSource("db", "csv")
	if source == "" && o.csv != "" {
		return usagef("fit takes one of --db FILE (a sweep) and --csv FILE (a table)")
	}
	if source == "csv" {
		err = f.foreign(ctx)
	} else {
		err = f.sweeps(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return outputError(ctx, out, err)
	}
	return err
}

type fitJob struct {
	*fitOptions
	s    streams
	path string // "" = nowhere
}

// save writes the model. If it goes to stdout, figures then go to stderr.
func (f *fitJob) save(ctx context.Context, write func(io.Writer) error) error {
	switch f.path {
	case "":
		return nil
	case stdoutPath:
		err := write(f.s.out)
		if f.s.out = f.s.err; f.quiet {
			f.s.out = io.Discard
		}
		return err
	}
	return outputError(ctx, f.path, atomicfile.Write(f.path, func(to io.Writer) error {
		return write(endingWriter{ctx, to})
	}))
}

func (f *fitJob) sweeps(ctx context.Context) error {
	if err := f.refuseUnused(fitOfSweep); err != nil {
		return err
	}
	st, err := openDB(ctx, f.db)
	if err != nil {
		return err
	}
	defer st.Close()
	sweeps, err := f.several(ctx, st)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(sweeps, func(m bench.Sweep) bool { return m.Space != "" }) {
		return f.listedModels(ctx, st, sweeps)
	}
	o, err := observe.Sampled(ctx, st, sweeps, observe.Options{WithInvalid: f.includeInvalid, Profiles: f.method == string(regress.Profile) || f.curve && !f.flags().given("method"), Now: time.Now()})
	if err != nil {
		return ofSweeps(sweeps, err)
	}
	f.printInvalid(o.Invalid)
	if f.curve {
		return f.fewValid(o.Invalid, f.learningCurve(ctx, o.Data))
	}
	m, err := regress.Fit(ctx, o.Data, f.regress())
	if err != nil {
		return f.fewValid(o.Invalid, err)
	}
	m.Warnings = append(m.Warnings, f.invalidWarning(o.Invalid, len(o.Observations))...)
	if err := f.save(ctx, m.Write); err != nil {
		return err
	}
	return f.print(fitted{m.Method, m.Space, m.Device, m.Kind, m.Figures, m.MeasuredUntil, list(m.Warnings)}, m.Space, nil)
}

// ofSweeps adds to the error of sweeps that cannot be mixed which they are, and on which device each is.
func ofSweeps(sweeps []bench.Sweep, err error) error {
	if !wraps[*regress.MixedError](err) {
		return err
	}
	each := mapped(sweeps, func(m bench.Sweep) string { return m.ID + " on " + m.Device.Name })
	return fmt.Errorf("sweeps %s: %w", strings.Join(each, ", "), err)
}

func (f *fitJob) printInvalid(invalid int) {
	if invalid > 0 && !f.includeInvalid && !f.quiet {
		fmt.Fprintf(f.s.err, "latlab: %s omitted; --include-invalid uses them\n", ui.Plural(invalid, "INVALID measurement"))
	}
}

// invalidWarning is stored in the cost model, because its figures are doubtful if measurements
// are, and the flag is soon forgotten.
func (f *fitJob) invalidWarning(invalid, all int) []string {
	if invalid == 0 || !f.includeInvalid {
		return nil
	}
	return []string{fmt.Sprintf("%d of the %d measurements fitted are INVALID (--include-invalid)", invalid, all)}
}

// fewValid explains a TooFewError by the INVALID measurements that were omitted.
func (f *fitJob) fewValid(invalid int, err error) error {
	few, isFew := errors.AsType[*regress.TooFewError](err)
	if isFew && invalid > 0 && !f.includeInvalid {
		return usagef("%d networks are VALID or IMPRECISE and a fit needs at least %d; %d more are INVALID (`latlab show` prints why, --include-invalid uses them)", few.Have, few.Need, invalid)
	}
	return err
}

// fitted is the document of fit --json for sweeps and listed models.
type fitted struct {
	Method string       `json:"method"`
	Space  string       `json:"space"` // empty for listed models
	Device string       `json:"device"`
	Kind   devices.Kind `json:"kind"`
	regress.Figures
	MeasuredUntil *time.Time `json:"measured_until"` // null = not known
	Warnings      []string   `json:"warnings"`
}

// print prints a cost model of networks, with weights where there are some to print.
func (f *fitJob) print(m fitted, networks string, weights func(io.Writer) error) error {
	if f.json {
		return ui.Document(f.s.out, m)
	}
	of := fmt.Sprintf("%s on %s (%s),", networks, m.Device, ui.Kind(m.Kind))
	fmt.Fprint(f.s.out, ui.Wrap("cost model of", []string{of, "method " + m.Method}, ui.Columns))
	if err := printFigures(f.s.out, m.Figures, ui.Seconds, latenciesUntil(m.MeasuredUntil)...); err != nil {
		return err
	}
	if weights != nil {
		if err := weights(f.s.out); err != nil {
			return err
		}
	}
	printWarnings(f.s.out, m.Warnings)
	if f.path != "" && f.path != stdoutPath {
		fmt.Fprintf(f.s.out, "  written to %s\n", f.path)
	}
	return nil
}

func printWarnings(w io.Writer, warnings []string) {
	for _, text := range warnings {
		fmt.Fprint(w, ui.Wrap("  warning:", strings.Fields(text), ui.Columns))
	}
}

// latenciesUntil is the row with the time of the last measurement, none where it is unknown.
func latenciesUntil(until *time.Time) [][]string {
	if until == nil {
		return nil
	}
	return [][]string{{"  latencies until", until.UTC().Format("2006-01-02 15:04:05 UTC")}}
}

// printFigures prints held-out figures and more rows; unit formats the RMSE.
func printFigures(w io.Writer, f regress.Figures, unit func(float64) string, more ...[]string) error {
	rows := [][]string{
		{"  fitted on", "all " + ui.Plural(f.Networks(), "network")}, {"  figures by", f.Rule()},
		{"  r2", ui.Optional(f.R2, ui.Fixed4) + ", adjusted " + ui.Optional(f.AdjustedR2, ui.Fixed4)},
		{"  MAPE", ui.Optional(f.MAPE, ui.Percent) + ", RMSPE " + ui.Optional(f.RMSPE, ui.Percent)},
		{"  RMSE", ui.Optional(f.RMSESeconds, unit)},
		{"  within 5 %, 10 %", reportwords.Share(f, f.Within5) + ", " + reportwords.Share(f, f.Within10)},
		{"  Spearman, Kendall", ui.Optional(f.Spearman, ui.Fixed4) + ", " + ui.Optional(f.Kendall, ui.Fixed4)},
	}
	r2, mape := reportwords.Ceiling(f)
	if f.NoiseCeiling == nil {
		rows = append(rows, []string{"  noise ceiling", r2})
	} else {
		rows = append(rows, []string{"  noise ceiling", "r2 " + r2}, []string{"", "MAPE " + mape})
	}
	return ui.Table(w, append(rows, more...))
}

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/bench/store"
	"latlab/devices"
	"latlab/exporters"
	"latlab/internal/ui"
	"latlab/regress"
)

func fitCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "fit",
		Usage: "fit a cost model to a sweep and say how good it is",
		Flags: []cli.Flag{
			dbFlag(), stringFlag("device", "the sweep's device, by `NAME`", ""),
			stringFlag("sweep", "which sweep of the store, by `ID`; several, with commas, are joined", ""),
			&cli.StringFlag{Name: "o", Usage: "cost model to write, a JSON `FILE`; - for stdout, the figures then go to stderr"},
			stringFlag("method", "ops, indicator or macs; of listed models features, ops or macs", string(regress.Ops)),
			intFlag("train", "train on `N` networks in each held-out split, test on the rest; 0 = 80 %", 0),
			boolFlag("absolute", "indicator only: weigh errors in seconds, as the paper's ridge does, not relative ones"),
			boolFlag("include-invalid", "use INVALID measurements too"),
			stringFlag("csv", "fit a foreign table instead of a sweep: a `FILE`, .csv or .csv.gz", ""),
			stringFlag("target", "the foreign table's column of latencies", ""),
			stringFlag("features", "the foreign table's categorical `COLUMNS`, with commas; all that can be, unless told", ""),
			seedFlag(), quietFlag(), jsonFlag(),
		},
		Action: func(c *cli.Context) error { return fit(s, c) },
	}
}

func fit(s streams, c *cli.Context) error {
	if err := noArgumentsOf(c); err != nil {
		return err
	}
	out, err := outPathOf(c, "", c.String("db"), c.String("csv"))
	if err != nil {
		return err
	}
	defer untilInterrupted(c)()
	w := fitWriter{s, c, out}
	source := oneSourceOf(c, "db", "csv")
	if source == "" && c.String("csv") != "" {
		return usagef("fit takes one of --db FILE (a sweep) and --csv FILE (a foreign table)")
	}
	fitIt := fitSweeps
	if source == "csv" {
		fitIt = fitCSV
	}
	err = fitIt(w)
	if err != nil && c.Err() != nil {
		return outputError(c, out, err)
	}
	return err
}

// fitWriter is where a fit goes: the model to a path, its figures to people.
type fitWriter struct {
	s   streams
	c   *cli.Context
	out string // "" = nowhere
}

// save writes the model. Its figures go where it does not: to stderr where it is on stdout.
func (w *fitWriter) save(write func(io.Writer) error) error {
	switch w.out {
	case "":
		return nil
	case stdoutPath:
		err := write(w.s.out)
		if w.s.out = w.s.err; w.c.Bool("quiet") {
			w.s.out = io.Discard
		}
		return err
	}
	return outputError(w.c, w.out, exporters.WriteFile(w.out, func(to io.Writer) error {
		return write(endingWriter{w.c.Context, to})
	}))
}

func fitSweeps(w fitWriter) error {
	s, c := w.s, w.c
	if err := refuseIdleFit(c, fitOfSweep); err != nil {
		return err
	}
	st, err := openDB(c)
	if err != nil {
		return err
	}
	defer st.Close()
	sweeps, err := chooseSweeps(c, st)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(sweeps, func(m bench.Sweep) bool { return m.Space != "" }) {
		return fitModels(w, st, sweeps)
	}
	o, err := regress.Observe(c.Context, st, sweeps, c.Bool("include-invalid"))
	if err != nil {
		return fitError(err)
	}
	sayInvalid(s, c, o.Invalid)
	m, err := regress.Fit(c.Context, o.Data, fitOptions(c))
	if err != nil {
		return fewValid(c, o.Invalid, err)
	}
	m.Warnings = append(m.Warnings, warnInvalid(c, o.Invalid, len(o.Observations))...)
	if err := w.save(m.Write); err != nil {
		return err
	}
	return printFit(w, m)
}

func fitOptions(c *cli.Context) regress.Options {
	return regress.Options{
		Method: regress.Method(c.String("method")), Seed: c.Uint64("seed"), Train: c.Int("train"), Absolute: c.Bool("absolute"),
	}
}

func sayInvalid(s streams, c *cli.Context, invalid int) {
	if invalid > 0 && !c.Bool("include-invalid") && !c.Bool("quiet") {
		fmt.Fprintf(s.err, "latlab: %d INVALID measurements are left out; --include-invalid uses them\n", invalid)
	}
}

// warnInvalid goes with the cost model wherever it goes: figures of doubtful measurements are
// doubtful, and the flag that let them in is soon forgotten.
func warnInvalid(c *cli.Context, invalid, all int) []string {
	if invalid == 0 || !c.Bool("include-invalid") {
		return nil
	}
	return []string{fmt.Sprintf("%d of the %d measurements fitted are INVALID (--include-invalid)", invalid, all)}
}

// fitError gives the mistakes that are the user's their exit code.
func fitError(err error) error {
	var few *regress.TooFewError
	var mixed *regress.MixedError
	var bad *regress.ObservationError
	var option *regress.OptionError
	var feature *regress.FeatureError
	if errors.As(err, &few) || errors.As(err, &mixed) || errors.As(err, &bad) || errors.As(err, &option) || errors.As(err, &feature) {
		return withCode(exitUsage, err)
	}
	return err
}

func chooseSweeps(c *cli.Context, st *store.Store) ([]bench.Sweep, error) {
	ids := strings.Split(c.String("sweep"), ",")
	if len(ids) == 1 {
		m, err := chooseSweep(c.Context, c, st)
		return []bench.Sweep{m}, err
	}
	all, err := st.Sweeps(c.Context)
	if err != nil {
		return nil, err
	}
	var chosen []bench.Sweep
	for _, id := range ids {
		m, err := namedSweep(c, all, strings.TrimSpace(id))
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

// fitted is what fit --json prints, whatever was fitted.
type fitted struct {
	Method string `json:"method"`
	Space  string `json:"space"` // empty for listed models
	Device string `json:"device"`
	Kind   string `json:"kind"`
	regress.Figures
	MeasuredUntil *time.Time `json:"measured_until"` // null = not known
	Warnings      []string   `json:"warnings"`
}

// printFit prints the figures; --json has exactly DESIGN's keys and the model's own.
func printFit(w fitWriter, m *regress.CostModel) error {
	s, c, f := w.s, w.c, m.Figures
	if c.Bool("json") {
		return ui.Document(s.out, fitted{m.Method, m.Space, m.Device, m.Kind, f, m.MeasuredUntil, append([]string{}, m.Warnings...)})
	}
	of := fmt.Sprintf("%s on %s (%s)", m.Space, m.Device, ui.Kind(devices.Kind(m.Kind)))
	printFitted(s, of, m.Method)
	if err := printFigures(s.out, f, ui.Seconds, latenciesUntil(m.MeasuredUntil)...); err != nil {
		return err
	}
	w.printNotes(m.Warnings)
	return nil
}

// printFitted says of what a cost model is. Of a built-in space on a simulator of long name it
// is two lines.
func printFitted(s streams, of, method string) {
	fmt.Fprint(s.out, ui.Wrap("cost model of", []string{of + ",", "method " + method}, ui.Columns))
}

// latenciesUntil is the row of how old the measurements are, none where that is not known.
func latenciesUntil(until *time.Time) [][]string {
	if until == nil {
		return nil
	}
	return [][]string{{"  latencies until", until.UTC().Format("2006-01-02 15:04:05 UTC")}}
}

func (w fitWriter) printNotes(warnings []string) {
	for _, text := range warnings {
		fmt.Fprint(w.s.out, ui.Wrap("  warning:", strings.Fields(text), ui.Columns))
	}
	if w.out != "" && w.out != stdoutPath {
		fmt.Fprintf(w.s.out, "  written to %s\n", w.out)
	}
}

// printFigures prints held-out figures and more rows; unit formats the RMSE.
func printFigures(w io.Writer, f regress.Figures, unit func(float64) string, more ...[]string) error {
	rows := [][]string{
		{"  trained on", fmt.Sprintf("%d networks, tested on %d held out", f.NTrain, f.NTest)},
		{"  r2", ui.Optional(f.R2, ui.Fixed4) + ", adjusted " + ui.Optional(f.AdjustedR2, ui.Fixed4)},
		{"  MAPE", ui.Optional(f.MAPE, ui.Percent) + ", RMSPE " + ui.Optional(f.RMSPE, ui.Percent)},
		{"  RMSE", ui.Optional(f.RMSESeconds, unit)},
		{"  within 5 %, 10 %", ui.Optional(f.Within5, ui.Percent) + ", " + ui.Optional(f.Within10, ui.Percent)},
		{"  Spearman, Kendall", ui.Optional(f.Spearman, ui.Fixed4) + ", " + ui.Optional(f.Kendall, ui.Fixed4)},
		{"  noise ceiling", ui.Optional(f.NoiseCeilingR2, ui.Fixed4)},
	}
	return ui.Table(w, append(rows, more...))
}

package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/exporters"
	"latlab/exporters/lut"
	"latlab/exporters/table"
	"latlab/exporters/tunas"
	"latlab/sampler"
	"latlab/sampler/graph"
)

func exportCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write a cost model, a sweep's measurements or tables of layers in a format",
		Flags: []cli.Flag{
			costFlag(), dbFlag(), sweepIDFlag(), stringFlag("device", "the sweep's device, by `NAME`", ""),
			stringFlag("layers", "per-layer tables, a `FILE` of lines that time --layers --json printed", ""), spaceFlag(),
			stringFlag("format", "of coefficients json, csv, tunas, lut or nnmeter; of measurements csv; of layers nnmeter", ""),
			boolFlag("unreachable", "csv of coefficients: entries that no network can use, too"),
			stringFlag("dialect", "lut: `WHOSE` keys, ofa or proxylessnas", string(lut.OFA)),
			&cli.StringFlag{Name: "o", Usage: "`PATH` to write: a file, or for tunas, lut and nnmeter a folder"},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error { return export(s, c) },
	}
}

func export(s streams, c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	format, err := required(c, "format")
	if err != nil {
		return err
	}
	out, err := required(c, "o")
	if err != nil {
		return err
	}
	notes, err := exportFrom(c, format, out)
	if err != nil {
		return err
	}
	return printExported(s, c, exported{Format: format, Path: out}, notes)
}

// exportFrom exports the one source that was named. The notes are empty where the format
// carries all that there is.
func exportFrom(c *cli.Context, format, out string) (exporters.Notes, error) {
	cost, db, layers := c.String("cost") != "", c.String("db") != "", c.String("layers") != ""
	switch {
	case cost && !db && !layers:
		return exportCost(c, format, out)
	case db && !cost && !layers:
		return exporters.Notes{}, exportMeasurements(c, format, out)
	case layers && !cost && !db:
		return exportLayers(c, format, out)
	}
	return exporters.Notes{}, usagef("export takes one of --cost COST.json (coefficients), --db FILE (measurements) and --layers FILE (tables of layers)")
}

type exported struct {
	Format string   `json:"format"`
	Path   string   `json:"path"`
	Notes  string   `json:"notes,omitempty"` // the side file
	Lost   []string `json:"lost,omitempty"`  // what the format cannot carry; the notes say why
}

// printExported says what was written, and warns of what the format could not carry.
func printExported(s streams, c *cli.Context, e exported, notes exporters.Notes) error {
	for _, l := range notes.Lost {
		e.Lost = append(e.Lost, l.What)
	}
	if len(e.Lost) > 0 {
		e.Notes = filepath.Join(e.Path, notesFile)
		fmt.Fprintf(s.err, "latlab: warning: format %s cannot carry all (%s); %s says what and why\n", e.Format, strings.Join(e.Lost, "; "), e.Notes)
	}
	if c.Bool("json") {
		return printDoc(s.out, e)
	}
	_, err := fmt.Fprintf(s.out, "written to %s\n", e.Path)
	return err
}

// notesFile is the side file in the folder of a format that has several files.
const notesFile = "notes.json"

func exportCost(c *cli.Context, format, out string) (notes exporters.Notes, err error) {
	m, sp, err := loadCost(c)
	if err != nil {
		return notes, err
	}
	switch format {
	case "json":
		err = exporters.WriteFile(out, func(w io.Writer) error { return table.JSON(w, m) })
	case "csv":
		o := table.Options{Unreachable: c.Bool("unreachable")}
		err = exporters.WriteFile(out, func(w io.Writer) error { return table.Coefficients(w, m, sp, o) })
	case "tunas":
		notes, err = tunas.Notes(sp), tunas.Write(out, m, sp)
	case "lut":
		notes, err = exportLUT(c, m, sp, out)
	case "nnmeter":
		notes, err = exportPrices(m, sp, out)
	default:
		err = unknownFormat(format, "coefficients", "json", "csv", "tunas", "lut", "nnmeter")
	}
	return notes, writeError(out, err)
}

func unknownFormat(format, what string, known ...string) error {
	return usagef("no format of %s is named %q; there is %s", what, format, strings.Join(known, ", "))
}

func exportMeasurements(c *cli.Context, format, out string) error {
	if format != "csv" {
		return unknownFormat(format, "measurements", "csv")
	}
	st, err := openDB(c)
	if err != nil {
		return err
	}
	defer st.Close()
	m, err := chooseSweep(c.Context, c, st)
	if err != nil {
		return err
	}
	return writeError(out, exporters.WriteFile(out, func(w io.Writer) error {
		return table.Measurements(w, measurementRows(c.Context, st, m))
	}))
}

// measurementRows streams a sweep's networks: memory does not grow with it.
func measurementRows(ctx context.Context, st bench.Reader, m bench.Sweep) iter.Seq2[table.Measurement, error] {
	return func(yield func(table.Measurement, error) bool) {
		var sp *sampler.Space
		if m.SpaceFile != "" {
			var err error
			if sp, err = sampler.Load([]byte(m.SpaceFile), m.Space+".yaml"); err != nil {
				yield(table.Measurement{}, err)
				return
			}
		}
		for e, err := range bench.Estimates(ctx, st, m.ID) {
			if err != nil {
				yield(table.Measurement{}, err)
				return
			}
			if !yield(measurementRow(m, sp, e), nil) {
				return
			}
		}
	}
}

func measurementRow(m bench.Sweep, sp *sampler.Space, e bench.Estimate) table.Measurement {
	row := table.Measurement{
		Sweep: m.ID, Space: e.Network.Space, Indices: e.Network.Indices, Model: e.Network.Name,
		Device: m.Device.Name, Kind: string(m.Device.Kind), Precision: string(m.Precision),
	}
	if sp != nil {
		addGraph(&row, sp, e.Network.Indices)
	}
	if e.M == nil {
		return row
	}
	row.Estimator, row.Verdict = e.M.Estimator, string(e.M.Verdict)
	row.LatencySeconds, row.LowSeconds, row.HighSeconds = &e.M.Seconds, e.M.Low, e.M.High
	row.Blocks, row.Samples = e.M.Blocks, e.M.Samples
	row.Reasons, row.Warnings = doubtTexts(e.M.Reasons), doubtTexts(e.M.Warnings)
	return row
}

func addGraph(row *table.Measurement, sp *sampler.Space, indices string) {
	a, err := sp.ParseArch(indices)
	if err != nil {
		return
	}
	row.ID, row.Model = a.ID(), ""
	if g, err := graph.Lower(sp, a); err == nil {
		macs, params := g.TotalMACs(), g.TotalParams()
		row.MACs, row.Params = &macs, &params
	}
}

func doubtTexts(doubts []bench.Doubt) []string {
	var texts []string
	for _, d := range doubts {
		texts = append(texts, d.Text)
	}
	return texts
}

package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/exporters"
	"latlab/exporters/table"
	"latlab/exporters/tunas"
	"latlab/sampler"
	"latlab/sampler/graph"
)

func exportCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write a cost model or a sweep's measurements in a format",
		Flags: []cli.Flag{
			costFlag(), dbFlag(), sweepIDFlag(), stringFlag("device", "the sweep's device, by `NAME`", ""),
			stringFlag("format", "of coefficients json, csv or tunas; of measurements csv", ""),
			boolFlag("unreachable", "csv of coefficients: entries that no network can use, too"),
			&cli.StringFlag{Name: "o", Usage: "`PATH` to write: a file, or for tunas a folder"},
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
	cost, db := c.String("cost"), c.String("db")
	switch {
	case (cost == "") == (db == ""):
		return usagef("export takes --cost COST.json (coefficients) or --db FILE (measurements)")
	case cost != "":
		err = exportCost(c, format, out)
	default:
		err = exportMeasurements(c, format, out)
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printDoc(s.out, map[string]string{"format": format, "path": out})
	}
	_, err = fmt.Fprintf(s.out, "written to %s\n", out)
	return err
}

func exportCost(c *cli.Context, format, out string) error {
	m, sp, err := loadCost(c)
	if err != nil {
		return err
	}
	switch format {
	case "json":
		return writeError(out, exporters.WriteFile(out, func(w io.Writer) error { return table.JSON(w, m) }))
	case "csv":
		o := table.Options{Unreachable: c.Bool("unreachable")}
		return writeError(out, exporters.WriteFile(out, func(w io.Writer) error { return table.Coefficients(w, m, sp, o) }))
	case "tunas":
		return writeError(out, tunas.Write(out, m, sp))
	}
	return unknownFormat(format, "coefficients", "json", "csv", "tunas")
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

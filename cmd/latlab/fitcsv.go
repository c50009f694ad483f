package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/internal/ui"
	"latlab/regress"
)

// fitCSV fits a table that somebody else measured: categories in, latency out. Only the
// indicator method needs nothing but categories.
func fitCSV(w fitWriter) error {
	c := w.c
	if err := refuseIdleFit(c, fitOfForeign); err != nil {
		return err
	}
	if typedOf(c, "method") && c.String("method") != string(regress.Indicator) {
		return usagef("--csv is fitted by --method indicator only: a table of categories has no ops")
	}
	target, err := requiredOf(c, "target")
	if err != nil {
		return err
	}
	t, err := readForeign(c.String("csv"), target, c.String("features"))
	if err != nil {
		return err
	}
	m, err := regress.FitForeign(c.Context, t, regress.Options{Method: regress.Indicator, Seed: c.Uint64("seed"), Train: c.Int("train"), Absolute: c.Bool("absolute")})
	if err != nil {
		return fitError(err)
	}
	if err := w.save(func(to io.Writer) error { return ui.JSON(to, m) }); err != nil {
		return err
	}
	return printForeign(w.s, c, m)
}

// readForeign opens a .csv or .csv.gz. The names of columns are separated by commas.
func readForeign(path, target, columns string) (*regress.Foreign, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, usagef("%s: %v", path, err)
		}
	}
	var features []string
	if columns != "" {
		features = strings.Split(columns, ",")
	}
	t, err := regress.ReadForeign(r, path, target, features)
	var bad *regress.TableError
	if errors.As(err, &bad) {
		err = withCode(exitUsage, err)
	}
	return t, err
}

func printForeign(s streams, c *cli.Context, m *regress.ForeignModel) error {
	if c.Bool("json") {
		return ui.Document(s.out, struct {
			Method string `json:"method"`
			Target string `json:"target"`
			regress.Figures
			RMSE     *float64          `json:"rmse"` // in the column's unit
			LeftOut  []regress.LeftOut `json:"left_out"`
			Warnings []string          `json:"warnings"`
		}{m.Method, m.Target, m.Figures, m.RMSE, append([]regress.LeftOut{}, m.LeftOut...), append([]string{}, m.Warnings...)})
	}
	by := fmt.Sprintf("of %d networks by %d categorical columns,", m.Networks, len(m.Columns))
	fmt.Fprint(s.out, ui.Wrap(m.Target, []string{by, "method " + m.Method}, ui.Columns))
	for _, l := range m.LeftOut {
		fmt.Fprint(s.out, ui.Wrap("  left out:", strings.Fields("column "+l.Column+", "+l.Reason), ui.Columns))
	}
	for _, w := range m.Warnings {
		fmt.Fprint(s.out, ui.Wrap("  warning:", strings.Fields(w), ui.Columns))
	}
	f := m.Figures
	f.RMSESeconds = m.RMSE // the unit is the column's, which may be unknown
	return printFigures(s.out, f, func(x float64) string { return ui.Digits(x, 4) + " in the column's unit" })
}

package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/csvtable"
)

// foreign fits a table that was measured elsewhere: categorical columns and a latency. Only the
// indicator method needs nothing else.
func (f *fitJob) foreign(ctx context.Context) error {
	if err := f.refuseUnused(fitOfForeign); err != nil {
		return err
	}
	if f.flags().typed("method") && f.method != string(regress.Indicator) {
		return usagef("--csv needs --method indicator: a table of categories has no ops")
	}
	if err := required("target", f.target); err != nil {
		return err
	}
	t, err := readForeign(f.csv, f.target, f.features)
	if err != nil {
		return err
	}
	o := f.regress()
	o.Method = regress.Indicator
	m, err := regress.FitTable(ctx, t, o)
	if err != nil {
		return err
	}
	if err := f.save(ctx, func(to io.Writer) error { return ui.JSON(to, m) }); err != nil {
		return err
	}
	return printForeign(f.s, f.json, m)
}

// readForeign opens a .csv or .csv.gz. The names of columns are separated by commas.
func readForeign(path, target, columns string) (*csvtable.Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	defer f.Close()
	if err := text.CheckKind(f, text.Table); err != nil {
		return nil, withCode(exitUsage, err)
	}
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
	return csvtable.Read(r, path, target, features)
}

func printForeign(s streams, asJSON bool, m *regress.TableModel) error {
	if asJSON {
		return ui.Document(s.out, struct {
			Method string `json:"method"`
			Target string `json:"target"`
			regress.Figures
			RMSE     *float64           `json:"rmse"` // in the column's unit
			LeftOut  []csvtable.LeftOut `json:"left_out"`
			Skipped  []csvtable.Skipped `json:"skipped"`
			Warnings []string           `json:"warnings"`
		}{m.Method, m.Target, m.Figures, m.RMSE, list(m.LeftOut), list(m.Skipped), list(m.Warnings)})
	}
	by := fmt.Sprintf("of %d networks by %d categorical columns,", m.Networks, len(m.Columns))
	fmt.Fprint(s.out, ui.Wrap(m.Target, []string{by, "method " + m.Method}, ui.Columns))
	for _, l := range m.LeftOut {
		fmt.Fprint(s.out, ui.Wrap("  omitted:", strings.Fields("column "+l.Column+", "+l.Reason), ui.Columns))
	}
	printWarnings(s.out, m.Warnings)
	f := m.Figures
	f.RMSESeconds = m.RMSE // the unit is the column's, which may be unknown
	return printFigures(s.out, f, func(x float64) string { return ui.Digits(x, 4) + " in the column's unit" })
}

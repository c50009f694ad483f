package main

import (
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"latlab/exporters"
	"latlab/exporters/lut"
	"latlab/exporters/nnmeter"
	"latlab/regress"
	"latlab/sampler"
)

func exportLUT(c *cli.Context, m *regress.CostModel, sp *sampler.Space, out string) (exporters.Notes, error) {
	d := lut.Dialect(c.String("dialect"))
	if !slices.Contains(lut.Dialects(), d) {
		return exporters.Notes{}, usagef("dialect %q is not known; there are %s", d, words(lut.Dialects()))
	}
	return lut.Write(out, m, sp, d)
}

// exportPrices refuses a cost model that knows no ops as bad input: another fit can be had.
func exportPrices(m *regress.CostModel, sp *sampler.Space, out string) (exporters.Notes, error) {
	k, err := nnmeter.Priced(m, sp)
	if errors.Is(err, regress.ErrNoOps) {
		err = withCode(exitUsage, err)
	}
	if err != nil {
		return exporters.Notes{}, err
	}
	return k.Write(out)
}

func exportLayers(c *cli.Context, format, out string) (exporters.Notes, error) {
	if format != "nnmeter" {
		return exporters.Notes{}, unknownFormat(format, "layers", "nnmeter")
	}
	tables, err := readLayerTables(c, c.String("layers"))
	if err != nil {
		return exporters.Notes{}, err
	}
	k, err := nnmeter.Timed(tables)
	if err != nil {
		return exporters.Notes{}, withCode(exitUsage, err)
	}
	notes, err := k.Write(out)
	return notes, writeError(out, err)
}

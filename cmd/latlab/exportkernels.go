package main

import (
	"errors"
	"slices"

	"latlab/exporters"
	"latlab/exporters/lut"
	"latlab/exporters/nnmeter"
	"latlab/internal/ui"
	"latlab/regress"
)

func exportLUT(j *exportJob) (exporters.Notes, error) {
	d := lut.Dialect(j.c.String("dialect"))
	if !slices.Contains(lut.Dialects(), d) {
		return exporters.Notes{}, usagef("dialect %q is not known; there are %s", d, ui.Or(lut.Dialects()))
	}
	return lut.Write(j.out, j.cost, j.space, d)
}

// exportPrices refuses a cost model that knows no ops as bad input: another fit can be had.
func exportPrices(j *exportJob) (exporters.Notes, error) {
	k, err := nnmeter.Priced(j.cost, j.space)
	if errors.Is(err, regress.ErrNoOps) {
		err = withCode(exitUsage, err)
	}
	if err != nil {
		return exporters.Notes{}, err
	}
	return k.Write(j.out)
}

func exportLayers(j *exportJob) (exporters.Notes, error) {
	k, err := nnmeter.Timed(j.layers)
	if err != nil {
		return exporters.Notes{}, withCode(exitUsage, err)
	}
	return k.Write(j.out)
}

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/ui"
	"latlab/regress"
)

// fitModels fits sweeps of a user's own files, which are points of no space: by the
// features that the list gave, or by those of their ops.
func fitModels(w fitWriter, st bench.Reader, sweeps []bench.Sweep) error {
	s, c := w.s, w.c
	data, err := regress.ObserveFeatures(c.Context, st, sweeps, c.Bool("include-invalid"))
	if err != nil {
		return fitError(err)
	}
	sayInvalid(s, c, data.Invalid)
	o := fitOptions(c)
	if !c.IsSet("method") {
		o.Method = "" // the features that there are decide
	}
	m, err := regress.FitFeatures(c.Context, data.FeatureData, o)
	if err != nil {
		return fewValid(c, data.Invalid, err)
	}
	m.Warnings = append(m.Warnings, warnInvalid(c, data.Invalid, len(data.Rows))...)
	if err := w.save(m.Write); err != nil {
		return err
	}
	return printFeatureFit(w, m)
}

// shownWeights are on the screen; the file has all.
const shownWeights = 12

// weightColumns leaves room in 80 columns for a latency and for a feature's range.
const weightColumns = 32

func printFeatureFit(w fitWriter, m *regress.FeatureModel) error {
	s, c := w.s, w.c
	if c.Bool("json") {
		return ui.Document(s.out, fitted{m.Method, "", m.Device, m.Kind, m.Figures, m.MeasuredUntil, append([]string{}, m.Warnings...)})
	}
	of := fmt.Sprintf("%s on %s (%s)", ui.Plural(m.Networks, "listed model"), m.Device, ui.Kind(devices.Kind(m.Kind)))
	printFitted(s, of, m.Method)
	if err := printFigures(s.out, m.Figures, ui.Seconds, latenciesUntil(m.MeasuredUntil)...); err != nil {
		return err
	}
	if err := printWeights(s.out, m); err != nil {
		return err
	}
	w.printNotes(m.Warnings)
	return nil
}

// printWeights shows what weighs most over the range that each feature was seen in.
func printWeights(w io.Writer, m *regress.FeatureModel) error {
	weights := slices.DeleteFunc(slices.Clone(m.Weights), func(f regress.FeatureWeight) bool { return f.Weight == 0 })
	share := func(f regress.FeatureWeight) float64 { return math.Abs(f.Weight * (f.High - f.Low)) }
	slices.SortStableFunc(weights, func(a, b regress.FeatureWeight) int {
		switch x, y := share(a), share(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	shown := weights[:min(len(weights), shownWeights)]
	seconds := []float64{m.Bias}
	for _, f := range shown {
		seconds = append(seconds, share(f))
	}
	scale := ui.SecondsScale(seconds...)
	rows := [][]string{{"  bias", scale.Format(m.Bias), ""}}
	for _, f := range shown {
		rows = append(rows, []string{"  " + ui.Middle(strings.TrimPrefix(f.Name, regress.OpPrefix), weightColumns), scale.Format(f.Weight * (f.High - f.Low)),
			fmt.Sprintf("from %s to %s", ui.Digits(f.Low, 4), ui.Digits(f.High, 4))})
	}
	if more := len(weights) - shownWeights; more > 0 {
		rows = append(rows, []string{fmt.Sprintf("  and %d more", more)})
	}
	return ui.Table(w, rows)
}

// fewValid says it where INVALID measurements are what is missing.
func fewValid(c *cli.Context, invalid int, err error) error {
	var few *regress.TooFewError
	if errors.As(err, &few) && invalid > 0 && !c.Bool("include-invalid") {
		return usagef("%d networks are VALID and a fit needs at least %d; %d more are INVALID (`latlab show` says why, --include-invalid uses them)", few.Have, few.Need, invalid)
	}
	return fitError(err)
}

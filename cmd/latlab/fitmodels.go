package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/observe"
)

// listedModels fits sweeps of a user's own files, which are not in any search space, by the
// features of the list or of their ops.
func (f *fitJob) listedModels(ctx context.Context, st bench.Reader, sweeps []bench.Sweep) error {
	data, err := observe.Listed(ctx, st, sweeps, observe.Options{WithInvalid: f.includeInvalid})
	if err != nil {
		return err
	}
	f.printInvalid(data.Invalid)
	o := f.regress()
	if !f.flags().given("method") {
		o.Method = "" // chosen by the features at hand
	}
	m, err := regress.FitFeatures(ctx, data.FeatureData, o)
	if err != nil {
		return f.fewValid(data.Invalid, err)
	}
	m.Warnings = append(m.Warnings, f.invalidWarning(data.Invalid, len(data.Rows))...)
	if err := f.save(ctx, m.Write); err != nil {
		return err
	}
	return f.printFeatures(m)
}

// shownWeights is how many weights are printed; the file has all.
const shownWeights = 12

// weightColumns limits a feature's name, so that a line fits into 80 columns.
const weightColumns = 32

func (f *fitJob) printFeatures(m *regress.FeatureModel) error {
	if f.json {
		return ui.Document(f.s.out, fitted{m.Method, "", m.Device, m.Kind, m.Figures, m.MeasuredUntil, append([]string{}, m.Warnings...)})
	}
	of := fmt.Sprintf("%s on %s (%s)", ui.Plural(m.Networks, "listed model"), m.Device, ui.Kind(m.Kind))
	printFitted(f.s, of, m.Method)
	if err := printFigures(f.s.out, m.Figures, ui.Seconds, latenciesUntil(m.MeasuredUntil)...); err != nil {
		return err
	}
	if err := printWeights(f.s.out, m); err != nil {
		return err
	}
	f.printNotes(m.Warnings)
	return nil
}

// printWeights prints the features with the largest effect over their observed range.
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

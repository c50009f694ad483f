package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"latlab/bench"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/features"
	"latlab/regress/observe"
)

// listedModels fits sweeps of a user's own files, which are not in any search space, by the
// features of the list or of their ops.
func (f *fitJob) listedModels(ctx context.Context, st bench.Reader, sweeps []bench.Sweep) error {
	if f.curve {
		return usagef("--curve needs networks of a space; these are listed models")
	}
	data, err := observe.Listed(ctx, st, sweeps, observe.Options{WithInvalid: f.includeInvalid, Now: time.Now()})
	if err != nil {
		return ofSweeps(sweeps, err)
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
	v := fitted{m.Method, "", m.Device, m.Kind, m.Figures, m.MeasuredUntil, list(m.Warnings)}
	return f.print(v, ui.Plural(m.Networks, "listed model"), func(w io.Writer) error { return printWeights(w, m) })
}

// shownWeights is how many weights are printed; the file has all.
const shownWeights = 12

// weightColumns limits a feature's name, so that a line fits into 80 columns.
const weightColumns = 32

// printWeights prints the features with the largest effect over their observed range.
func printWeights(w io.Writer, m *regress.FeatureModel) error {
	weights := slices.DeleteFunc(slices.Clone(m.Weights), func(f regress.FeatureWeight) bool { return f.Weight == 0 })
	share := func(f regress.FeatureWeight) float64 { return math.Abs(f.Weight * (f.High - f.Low)) }
	slices.SortStableFunc(weights, func(a, b regress.FeatureWeight) int { return cmp.Compare(share(b), share(a)) })
	shown := weights[:min(len(weights), shownWeights)]
	scale := ui.SecondsScale(append(mapped(shown, share), m.Bias)...)
	rows := [][]string{{"  bias", scale.Format(m.Bias), ""}}
	for _, f := range shown {
		rows = append(rows, []string{"  " + ui.Middle(strings.TrimPrefix(f.Name, features.Prefix), weightColumns), scale.Format(f.Weight * (f.High - f.Low)),
			fmt.Sprintf("from %s to %s", ui.Digits(f.Low, 4), ui.Digits(f.High, 4))})
	}
	if more := len(weights) - shownWeights; more > 0 {
		rows = append(rows, []string{fmt.Sprintf("  and %d more", more)})
	}
	return ui.Table(w, rows)
}

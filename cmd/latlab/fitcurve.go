package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"latlab/internal/ui"
	"latlab/regress"
)

// learningCurve shows how good each method is by the number of networks, instead of a fit.
func (f *fitJob) learningCurve(ctx context.Context, d regress.Data) error {
	switch {
	case f.path != "":
		return usagef("--curve fits no cost model that -o could write; choose one")
	case f.train != 0:
		return usagef("--curve trains on 5, 10, 20, 50, ... networks, --train on one number; choose one")
	}
	methods := regress.Methods()
	switch {
	case f.flags().given("method"):
		methods = []regress.Method{regress.Method(f.method)}
	case len(d.Profiles) < regress.MinProfiles:
		methods = slices.DeleteFunc(methods, func(m regress.Method) bool { return m == regress.Profile })
	}
	c, err := regress.Curve(ctx, d, methods, f.regress())
	if err != nil {
		return err
	}
	if f.json {
		return ui.Document(f.s.out, c)
	}
	fmt.Fprint(f.s.out, ui.Wrap("learning curve", []string{
		fmt.Sprintf("of %s on %s (%s),", d.Space.Name, d.Device, ui.Kind(d.Kind)),
		fmt.Sprintf("%s:", ui.Plural(c.Networks, "network")),
		fmt.Sprintf("mean of %d random splits (lowest to highest), tested on all others", c.Points[0].Splits),
	}, ui.Columns))
	return printCurve(f.s.out, c)
}

func printCurve(w io.Writer, c *regress.LearningCurve) error {
	rows := [][]string{{"FIT ON", "METHOD", "R2", "MAPE, %", "SPEARMAN"}}
	before := 0
	for _, p := range c.Points {
		size := ""
		if p.Train != before {
			size, before = strconv.Itoa(p.Train), p.Train
		}
		rows = append(rows, []string{size, string(p.Method), spread(p.R2, 1, 3), spread(p.MAPE, 100, 1), ui.Optional(p.Spearman.Mean, fixed3)})
	}
	if c.NoiseCeiling != nil {
		n := c.NoiseCeiling
		rows = append(rows, []string{"", "noise ceiling",
			spread(regress.Spread{Mean: &n.R2, Low: &n.R2Low, High: &n.R2High}, 1, 3),
			spread(regress.Spread{Mean: &n.MAPE, Low: &n.MAPELow, High: &n.MAPEHigh}, 100, 1), ""})
	}
	return ui.Table(w, rows)
}

func fixed3(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }

// spread prints a figure times a factor with so many decimals.
func spread(s regress.Spread, factor float64, decimals int) string {
	if s.Mean == nil {
		return ui.NotComputed
	}
	text := func(x *float64) string { return strconv.FormatFloat(factor**x, 'f', decimals, 64) }
	return fmt.Sprintf("%s (%s to %s)", text(s.Mean), text(s.Low), text(s.High))
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/choose"
)

// boundOptions bound the latencies that a cost model predicts.
type boundOptions struct{ cost, below, above string }

func (o *boundOptions) register(f *flagSet) {
	f.cost(&o.cost)
	f.string(&o.below, "below", "only networks with a latency predicted by --cost below a `DURATION` such as 20ms", "")
	f.string(&o.above, "above", "only networks with a latency predicted by --cost above a `DURATION` such as 15ms", "")
}

func (o boundOptions) given() bool { return o != boundOptions{} }

// predictedArch is a line of `sample --cost`. Readers of networks ignore the additional fields.
type predictedArch struct {
	point
	Seconds float64      `json:"latency_seconds"` // predicted
	Device  string       `json:"device"`
	Kind    devices.Kind `json:"kind"` // of the latencies that the model is fitted to
}

func (o *sampleOptions) predicted(ctx context.Context, s streams) error {
	if o.coverage {
		return usagef("--coverage chooses networks for a fit; --cost, --below and --above choose them by a fit: use one or the other")
	}
	m, sp, err := loadCost(o.bounds.cost)
	if err != nil {
		return err
	}
	if err := sameSpace(o.space, m); err != nil {
		return err
	}
	if err := requiredCount(o.n); err != nil {
		return err
	}
	b, err := o.bounds.budget()
	if err != nil {
		return err
	}
	p, err := regress.NewPredictor(m, sp)
	if err != nil {
		return err
	}
	archs, err := choose.Within(ctx, p, m, sp, b, o.n, o.seed)
	few, isFew := errors.AsType[*choose.BudgetError](err)
	switch {
	case isFew:
		return budgetError(few)
	case err != nil && ctx.Err() == nil:
		return withCode(exitUsage, err)
	case err != nil:
		return err
	}
	out := bufio.NewWriter(s.out)
	for _, a := range archs {
		line := predictedArch{pointOf(a), p.Predict(a.Indices), m.Device, m.Kind}
		if err := printLine(out, line, o.json); err != nil {
			return err
		}
	}
	return out.Flush()
}

func printLine(w *bufio.Writer, line any, versioned bool) error {
	if versioned {
		return ui.Document(w, line)
	}
	return ui.JSON(w, line)
}

// sameSpace refuses a --space that is not the cost model's. It may be missing.
func sameSpace(space string, m *regress.CostModel) error {
	if space == "" {
		return nil
	}
	sp, err := findSpace(space)
	if err != nil {
		return err
	}
	return withCode(exitUsage, m.CheckSpace(sp))
}

func (o boundOptions) budget() (choose.Budget, error) {
	above, err := readBound("above", o.above, math.Inf(-1))
	if err != nil {
		return choose.Budget{}, err
	}
	below, err := readBound("below", o.below, math.Inf(1))
	if err == nil && above >= below {
		err = usagef("--above %s and --below %s leave nothing between them", o.above, o.below)
	}
	return choose.Budget{Above: above, Below: below}, err
}

func readBound(name, value string, none float64) (float64, error) {
	if value == "" {
		return none, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return 0, usagef("--%s %q is not a duration; write a number and its unit, such as 20ms", name, text.Clip(value))
	}
	return d.Seconds(), nil
}

// budgetError explains which latencies are possible, or were found, outside of the budget.
func budgetError(few *choose.BudgetError) error {
	if few.Rare == nil {
		return usagef("no network of %s has a predicted latency %s; the range is %s", few.Space, budgetText(few.Budget), ui.SecondsRange(few.Least, few.Greatest))
	}
	return usagef("predicted %s: %w, the fastest %s, the slowest %s; change the bounds or ask for fewer",
		budgetText(few.Budget), few.Rare, ui.Seconds(few.Least), ui.Seconds(few.Greatest))
}

// budgetText is "below 20 ms", "above 15 ms" or "above 15 ms and below 20 ms".
func budgetText(b choose.Budget) string {
	above, below := "above "+ui.Seconds(b.Above), "below "+ui.Seconds(b.Below)
	switch {
	case math.IsInf(b.Above, -1):
		return below
	case math.IsInf(b.Below, 1):
		return above
	}
	return fmt.Sprintf("%s and %s", above, below)
}

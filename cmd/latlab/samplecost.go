package main

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/internal/ui"
	"latlab/regress"
	"latlab/sampler"
)

func boundFlags() []cli.Flag {
	return []cli.Flag{
		costFlag(),
		stringFlag("below", "only networks that --cost predicts to be faster: a `DURATION` such as 20ms", ""),
		stringFlag("above", "only networks that --cost predicts to be slower: a `DURATION` such as 15ms", ""),
	}
}

// predicting reports whether sample is asked for more than networks.
func predicting(c *cli.Context) bool {
	return c.String("cost") != "" || c.String("below") != "" || c.String("above") != ""
}

// predictedArch is a line of `sample --cost`: one of sampler.WriteJSONL with a latency that
// a cost model predicts. Readers of networks let the further fields pass.
type predictedArch struct {
	ID      string  `json:"id"`
	Space   string  `json:"space"`
	Indices string  `json:"indices"`
	Seconds float64 `json:"latency_seconds"` // predicted
	Device  string  `json:"device"`
	Kind    string  `json:"kind"` // of the latencies that the model was fitted to
}

func samplePredicted(s streams, c *cli.Context) error {
	if c.Bool("coverage") {
		return usagef("--coverage chooses networks for a fit and --cost, --below and --above by what a fit says: give one or the other")
	}
	m, sp, err := loadCost(c.String("cost"))
	if err != nil {
		return err
	}
	if err := sameSpace(c, m); err != nil {
		return err
	}
	n, err := requiredCountOf(c)
	if err != nil {
		return err
	}
	b, err := readBudget(c)
	if err != nil {
		return err
	}
	p, err := regress.NewPredictor(m, sp)
	if err != nil {
		return err
	}
	archs, err := regress.SampleWithin(c.Context, p, m, sp, b, n, c.Uint64("seed"))
	var few *regress.BudgetError
	switch {
	case errors.As(err, &few):
		return budgetError(few)
	case err != nil && c.Err() == nil:
		return withCode(exitUsage, err)
	case err != nil:
		return err
	}
	out := bufio.NewWriter(s.out)
	for _, a := range archs {
		line := predictedArch{a.ID(), a.Space, a.String(), p.Predict(a.Indices), m.Device, m.Kind}
		if err := printLine(out, line, c.Bool("json")); err != nil {
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

// sameSpace refuses a --space that the cost model is not of; without one it is the model's.
func sameSpace(c *cli.Context, m *regress.CostModel) error {
	if c.String("space") == "" {
		return nil
	}
	sp, err := findSpace(c.String("space"))
	if err != nil {
		return err
	}
	return withCode(exitUsage, m.CheckSpace(sp))
}

// readBudget reads --above and --below.
func readBudget(c *cli.Context) (regress.Budget, error) {
	above, err := readBound(c, "above", math.Inf(-1))
	if err != nil {
		return regress.Budget{}, err
	}
	below, err := readBound(c, "below", math.Inf(1))
	if err == nil && above >= below {
		err = usagef("--above %s and --below %s leave nothing between them", c.String("above"), c.String("below"))
	}
	return regress.Budget{Above: above, Below: below}, err
}

func readBound(c *cli.Context, name string, none float64) (float64, error) {
	text := c.String(name)
	if text == "" {
		return none, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usagef("--%s %q is no duration; write a number and its unit, such as 20ms", name, sampler.Clip(text))
	}
	return d.Seconds(), nil
}

// budgetError says which latencies there are where too few networks are within the budget.
func budgetError(few *regress.BudgetError) error {
	if few.Rare == nil {
		return usagef("no network of %s is predicted %s: they are from %s", few.Space, budgetText(few.Budget), ui.SecondsRange(few.Least, few.Greatest))
	}
	return usagef("predicted %s: %w, the fastest %s, the slowest %s; move the bounds or ask for fewer",
		budgetText(few.Budget), few.Rare, ui.Seconds(few.Least), ui.Seconds(few.Greatest))
}

// budgetText is "below 20 ms", "above 15 ms" or "above 15 ms and below 20 ms".
func budgetText(b regress.Budget) string {
	above, below := "above "+ui.Seconds(b.Above), "below "+ui.Seconds(b.Below)
	switch {
	case math.IsInf(b.Above, -1):
		return below
	case math.IsInf(b.Below, 1):
		return above
	}
	return fmt.Sprintf("%s and %s", above, below)
}

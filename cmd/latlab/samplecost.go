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
	m, sp, err := loadCost(c)
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
	b, err := readBand(c)
	if err != nil {
		return err
	}
	p, err := regress.NewPredictor(m, sp)
	if err != nil {
		return err
	}
	archs, err := b.draw(c, m, sp, p, n)
	if err != nil {
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

// band is the predicted latencies that are asked for, in seconds, its ends left out.
type band struct{ above, below float64 }

func readBand(c *cli.Context) (band, error) {
	above, err := readBound(c, "above", math.Inf(-1))
	if err != nil {
		return band{}, err
	}
	below, err := readBound(c, "below", math.Inf(1))
	if err == nil && above >= below {
		err = usagef("--above %s and --below %s leave nothing between them", c.String("above"), c.String("below"))
	}
	return band{above, below}, err
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

// draw says at once where no network of the space can be within the band, and after
// sampler.MaxDrawn networks where too few are.
func (b band) draw(c *cli.Context, m *regress.CostModel, sp *sampler.Space, p *regress.Predictor, n int) ([]sampler.Arch, error) {
	least, greatest, err := m.Range(sp)
	if err != nil {
		return nil, err
	}
	// Not to the last bit: the range was added up in another order.
	if slack := 1e-9 * math.Abs(greatest); least-slack >= b.below || greatest+slack <= b.above {
		return nil, usagef("no network of %s is predicted %s: they are from %s", sp.Name, b, ui.SecondsRange(least, greatest))
	}
	fastest, slowest := math.Inf(1), math.Inf(-1)
	archs, err := sampler.SampleWhere(c.Context, sp, n, c.Uint64("seed"), func(indices []int) bool {
		y := p.Predict(indices)
		fastest, slowest = min(fastest, y), max(slowest, y)
		return b.above < y && y < b.below
	})
	var rare *sampler.RareError
	if errors.As(err, &rare) {
		return nil, usagef("predicted %s: %w, the fastest %s, the slowest %s; move the bounds or ask for fewer", b, err, ui.Seconds(fastest), ui.Seconds(slowest))
	}
	if err != nil && c.Err() == nil {
		err = withCode(exitUsage, err)
	}
	return archs, err
}

// String is "below 20 ms", "above 15 ms" or "above 15 ms and below 20 ms".
func (b band) String() string {
	above, below := "above "+ui.Seconds(b.above), "below "+ui.Seconds(b.below)
	switch {
	case math.IsInf(b.above, -1):
		return below
	case math.IsInf(b.below, 1):
		return above
	}
	return fmt.Sprintf("%s and %s", above, below)
}

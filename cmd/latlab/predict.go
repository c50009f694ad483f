package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
)

func predictCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "predict",
		Usage: "predict latencies from indices; without --arch, of JSON lines from stdin",
		Flags: []cli.Flag{
			costFlag(), &cli.StringSliceFlag{Name: "arch", Usage: "`INDICES` such as 0:3:1; may be given again"},
			boolFlag("rank", "the fastest first, instead of the order of the input"),
			stringFlag("rank-by", "rank by `WHAT`: latency, the fastest first, or macs, the one with most MACs first", ""),
			intFlag("top", "rank, and print the first `N` only", 0),
			boolFlag("macs", "say each network's MACs, too: some 0.1 ms a network, where a prediction takes 1 us; --rank-by macs says them"),
			jsonFlag(),
		},
		ArgsUsage: "[INDICES...]",
		Action:    func(c *cli.Context) error { return predict(s, c) },
	}
}

// prediction has the keys of measurements. Bounds are null: no method computes them yet.
type prediction struct {
	ID      string   `json:"id"`
	Space   string   `json:"space"`
	Indices string   `json:"indices"`
	Seconds float64  `json:"latency_seconds"`
	Low     *float64 `json:"low_seconds"`
	High    *float64 `json:"high_seconds"`
	MACs    int64    `json:"macs,omitempty"` // with --macs; every network has some
	Device  string   `json:"device"`
	Kind    string   `json:"kind"`           // of the latencies that the model was fitted to
	Rank    int      `json:"rank,omitempty"` // from 1, with --rank
}

func predict(s streams, c *cli.Context) error {
	m, sp, err := loadCost(c)
	if err != nil {
		return err
	}
	p := predictor{
		model: m, space: sp, json: c.Bool("json"),
		macs: c.Bool("macs") || c.String("rank-by") == rankByMACs,
	}
	if p.Predictor, err = regress.NewPredictor(m, sp); err != nil {
		return err
	}
	k, err := readRanking(c)
	if err != nil {
		return err
	}
	if k == nil {
		return predictAll(s, c, sp, func(a sampler.Arch) error {
			r, err := p.predict(a)
			if err != nil {
				return err
			}
			return p.print(s, a, r, 0)
		})
	}
	err = predictAll(s, c, sp, func(a sampler.Arch) error {
		r, err := p.predict(a)
		if err == nil {
			r.Indices = a.String()
			k.Add(r)
		}
		return err
	})
	if err != nil && !exitCodeIs(err, exitPartial) {
		return err
	}
	if bad := printRanking(s, k, p); bad != nil {
		return bad
	}
	return err
}

// predictor is a cost model and how its predictions are printed.
type predictor struct {
	*regress.Predictor
	model *regress.CostModel
	space *sampler.Space
	macs  bool // are said
	json  bool
}

// predict leaves the indices' text out: who ranks wants it, who prints makes it.
func (p predictor) predict(a sampler.Arch) (regress.Prediction, error) {
	r := regress.Prediction{Seconds: p.Predict(a.Indices)}
	if !p.macs {
		return r, nil
	}
	g, err := graph.Lower(p.space, a)
	if err != nil {
		return r, err
	}
	r.MACs = g.TotalMACs()
	return r, nil
}

// print prints one network's line; rank is 0 where there is none.
func (p predictor) print(s streams, a sampler.Arch, r regress.Prediction, rank int) error {
	if p.json {
		return ui.Document(s.out, prediction{
			ID: a.ID(), Space: a.Space, Indices: a.String(), Seconds: r.Seconds, MACs: r.MACs,
			Device: p.model.Device, Kind: p.model.Kind, Rank: rank,
		})
	}
	says := fmt.Sprintf("%-8s", ui.Seconds(r.Seconds)) // most have 8 letters; columns stand under each other
	if k := devices.Kind(p.model.Kind); k != devices.Measured {
		says += " " + ui.Kind(k)
	}
	if p.macs {
		says += "  " + ui.Count(r.MACs) + " MACs"
	}
	_, err := fmt.Fprintf(s.out, "%s  %s  %s\n", a.ID(), says, a)
	return err
}

func loadCost(c *cli.Context) (*regress.CostModel, *sampler.Space, error) {
	path, err := requiredOf(c, "cost")
	if err != nil {
		return nil, nil, err
	}
	return loadCostFile(path)
}

// loadCostFile gives the mistakes that are the user's their exit code.
func loadCostFile(path string) (*regress.CostModel, *sampler.Space, error) {
	m, sp, err := regress.Load(path)
	return m, sp, costError(err)
}

func costError(err error) error {
	var file *regress.FileError
	if errors.As(err, &file) || errors.Is(err, fs.ErrNotExist) {
		return withCode(exitUsage, err)
	}
	return err
}

package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"latlab/regress"
	"latlab/sampler"
)

func predictCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:      "predict",
		Usage:     "predict latencies from indices; without --arch, of JSON lines from stdin",
		Flags:     []cli.Flag{costFlag(), &cli.StringSliceFlag{Name: "arch", Usage: "`INDICES` such as 0:3:1; may be given again"}, jsonFlag()},
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
}

func predict(s streams, c *cli.Context) error {
	m, sp, err := loadCost(c)
	if err != nil {
		return err
	}
	p, err := regress.NewPredictor(m, sp)
	if err != nil {
		return err
	}
	show := func(a sampler.Arch) error { return printPrediction(s, c, a, p.Predict(a.Indices)) }
	archs := append(c.StringSlice("arch"), c.Args().Slice()...)
	for _, text := range archs {
		a, err := sp.ParseArch(text)
		if err != nil {
			return withCode(exitUsage, err)
		}
		if err := show(a); err != nil {
			return err
		}
	}
	if len(archs) > 0 {
		return nil
	}
	return eachLine(s, s.in, "stdin", onlySpace(sp), show)
}

func printPrediction(s streams, c *cli.Context, a sampler.Arch, seconds float64) error {
	if c.Bool("json") {
		return printDoc(s.out, prediction{ID: a.ID(), Space: a.Space, Indices: a.String(), Seconds: seconds})
	}
	_, err := fmt.Fprintf(s.out, "%s  %s  %s\n", a.ID(), millis(seconds), a)
	return err
}

func loadCost(c *cli.Context) (*regress.CostModel, *sampler.Space, error) {
	path, err := required(c, "cost")
	if err != nil {
		return nil, nil, err
	}
	m, sp, err := regress.Load(path)
	var file *regress.FileError
	if errors.As(err, &file) && regress.IsFeatureModel(path) {
		err = fmt.Errorf("%s is of listed models: it weighs features (docs/models.md) and has no table; that takes a sweep of --space", path)
	}
	if file != nil || errors.Is(err, fs.ErrNotExist) {
		err = withCode(exitUsage, err)
	}
	return m, sp, err
}

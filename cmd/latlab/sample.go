package main

import (
	"bufio"
	"io"

	"github.com/urfave/cli/v2"

	"latlab/internal/ui"
	"latlab/sampler"
)

func sampleCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "sample",
		Usage: "draw random networks of a space, as JSON lines",
		Flags: join([]cli.Flag{spaceFlag(), countFlag(), seedFlag(), coverageFlag()}, boundFlags(), []cli.Flag{jsonFlag()}),
		Action: func(c *cli.Context) error {
			if err := noArgumentsOf(c); err != nil {
				return err
			}
			if predicting(c) {
				return samplePredicted(s, c)
			}
			return sample(s, c)
		},
	}
}

func sample(s streams, c *cli.Context) error {
	sp, err := requiredSpaceOf(c)
	if err != nil {
		return err
	}
	n, err := requiredCountOf(c)
	if err != nil {
		return err
	}
	archs, err := drawArchs(sp, n, c.Uint64("seed"), c.Bool("coverage"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printArchs(s.out, archs)
	}
	return sampler.WriteJSONL(s.out, archs)
}

func drawArchs(sp *sampler.Space, n int, seed uint64, coverage bool) ([]sampler.Arch, error) {
	if err := requiredCount(n); err != nil {
		return nil, err
	}
	draw := sampler.Sample
	if coverage {
		draw = sampler.SampleCoverage
	}
	archs, err := draw(sp, n, seed)
	return archs, withCode(exitUsage, err)
}

// printArchs writes the lines of sampler.WriteJSONL, each with its schema_version.
func printArchs(w io.Writer, archs []sampler.Arch) error {
	b := bufio.NewWriter(w)
	for _, a := range archs {
		line := struct {
			ID      string `json:"id"`
			Space   string `json:"space"`
			Indices string `json:"indices"`
		}{a.ID(), a.Space, a.String()}
		if err := ui.Document(b, line); err != nil {
			return err
		}
	}
	return b.Flush()
}

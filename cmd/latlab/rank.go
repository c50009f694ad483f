package main

import (
	"bufio"

	"github.com/urfave/cli/v2"

	"latlab/regress"
	"latlab/sampler"
)

// What --rank-by names.
const (
	rankByLatency = "latency"
	rankByMACs    = "macs"
)

// readRanking is nil where predictions keep the order of the input.
func readRanking(c *cli.Context) (*regress.Ranking, error) {
	k := &regress.Ranking{Top: c.Int("top"), Compare: regress.ByLatency}
	by := c.String("rank-by")
	switch {
	case typed(c, "top") && k.Top < 1:
		return nil, usagef("--top must be at least 1")
	case by == rankByMACs:
		k.Compare = regress.ByMACs
	case by != "" && by != rankByLatency:
		return nil, usagef("--rank-by %q is not known; there are %s and %s", by, rankByLatency, rankByMACs)
	}
	if k.Top < 1 && by == "" && !c.Bool("rank") {
		return nil, nil
	}
	return k, nil
}

// printRanking prints the ranking with the predictor's own lines.
func printRanking(s streams, k *regress.Ranking, p predictor) error {
	out := bufio.NewWriter(s.out)
	s.out = out
	for i, r := range k.Sorted() {
		a, err := p.space.ParseArch(r.Indices)
		if err != nil {
			return err
		}
		if err := p.print(s, a, r, i+1); err != nil {
			return err
		}
	}
	return out.Flush()
}

// predictAll gives f every network of --arch, the arguments or stdin.
func predictAll(s streams, c *cli.Context, sp *sampler.Space, f func(sampler.Arch) error) error {
	archs := append(c.StringSlice("arch"), c.Args().Slice()...)
	for _, text := range archs {
		a, err := sp.ParseArch(text)
		if err != nil {
			return withCode(exitUsage, err)
		}
		if err := f(a); err != nil {
			return err
		}
	}
	if len(archs) > 0 {
		return nil
	}
	return eachLine(s, s.in, "stdin", onlySpace(sp), f)
}

package main

import (
	"bufio"
	"context"
	"io"

	"latlab/internal/ui"
	"latlab/sampler"
)

type sampleOptions struct {
	space    string
	n        int
	seed     uint64
	coverage bool
	bounds   boundOptions
	json     bool
}

func (o *sampleOptions) register(f *flagSet) {
	f.space(&o.space)
	f.count(&o.n)
	f.seed(&o.seed)
	f.coverage(&o.coverage)
	o.bounds.register(f)
	f.json(&o.json)
}

func (o *sampleOptions) run(ctx context.Context, s streams) error {
	if o.bounds.given() {
		return o.predicted(ctx, s)
	}
	sp, err := requiredSpace(o.space)
	if err != nil {
		return err
	}
	archs, err := drawArchs(sp, o.n, o.seed, o.coverage)
	if err != nil {
		return err
	}
	if o.json {
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
		if err := ui.Document(b, pointOf(a)); err != nil {
			return err
		}
	}
	return b.Flush()
}

// point has the fields of sampler.WriteJSONL.
type point struct {
	ID      string `json:"id"`
	Space   string `json:"space"`
	Indices string `json:"indices"`
}

func pointOf(a sampler.Arch) point { return point{a.ID(), a.Space, a.String()} }

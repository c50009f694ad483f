package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"

	"latlab/devices"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/choose"
	"latlab/sampler"
)

type predictOptions struct {
	cost         string
	archs, words []string
	rank         bool
	rankBy       string
	top          int
	macs, json   bool
	flags        *flagSet
}

const (
	rankByLatency = "latency"
	rankByMACs    = "macs"
)

func (o *predictOptions) register(f *flagSet) {
	o.flags = f
	f.cost(&o.cost)
	f.several(&o.archs, "arch", "`INDICES` such as 0:3:1; may be repeated")
	f.bool(&o.rank, "rank", "print the fastest first instead of keeping the order of the input")
	f.string(&o.rankBy, "rank-by", "rank by `WHAT`: latency, the fastest first, or macs, the largest first", "")
	f.int(&o.top, "top", "rank, and print only the first `N`", 0)
	f.bool(&o.macs, "macs", "also print each network's MACs; implied by --rank-by macs")
	f.json(&o.json)
	f.arguments(&o.words, "[INDICES...]")
}

// prediction has the keys of measurements. Bounds are null: no method computes them yet.
type prediction struct {
	point
	Seconds float64      `json:"latency_seconds"`
	Low     *float64     `json:"low_seconds"`
	High    *float64     `json:"high_seconds"`
	MACs    int64        `json:"macs,omitempty"` // with --macs; never 0 then
	Device  string       `json:"device"`
	Kind    devices.Kind `json:"kind"`           // of the latencies that the model is fitted to
	Rank    int          `json:"rank,omitempty"` // from 1, with --rank
}

func (o *predictOptions) run(ctx context.Context, s streams) error {
	m, sp, err := loadCost(o.cost)
	if err != nil {
		return err
	}
	p, err := o.predictor(ctx, m, sp)
	if err != nil {
		return err
	}
	ranking, err := o.ranking()
	if err != nil {
		return err
	}
	err = o.each(s, sp, func(a sampler.Arch) error {
		r := p.predict(a)
		if ranking == nil {
			return p.print(s, a, r, 0)
		}
		r.Indices = a.String()
		ranking.Add(r)
		return nil
	})
	if ranking == nil || err != nil && !exitCodeIs(err, exitPartial) {
		return err
	}
	if bad := printRanking(s, ranking, p); bad != nil {
		return bad
	}
	return err
}

// ranking returns nil where predictions keep the order of the input.
func (o *predictOptions) ranking() (*choose.Ranking, error) {
	r := &choose.Ranking{Top: o.top, Compare: choose.ByLatency}
	switch {
	case o.flags.typed("top") && o.top < 1:
		return nil, usagef("--top must be at least 1")
	case o.rankBy == rankByMACs:
		r.Compare = choose.ByMACs
	case o.rankBy != "" && o.rankBy != rankByLatency:
		return nil, usagef("unknown --rank-by %q; known: %s, %s", o.rankBy, rankByLatency, rankByMACs)
	}
	if o.top < 1 && o.rankBy == "" && !o.rank {
		return nil, nil
	}
	return r, nil
}

// each calls f for every network of --arch, of the arguments or of stdin.
func (o *predictOptions) each(s streams, sp *sampler.Space, f func(sampler.Arch) error) error {
	archs := slices.Concat(o.archs, o.words)
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
	in, name, err := openInput(s, "-")
	if err != nil {
		return err
	}
	defer in.Close()
	return eachLine(s, in, name, onlySpace(sp), f)
}

// predictor is a cost model and how its predictions are printed.
type predictor struct {
	*regress.Predictor
	model    *regress.CostModel
	space    *sampler.Space
	seconds  ui.Scale           // of all predictions of the space
	width    int                // of the slowest one's text
	macScale ui.Scale           // of the first network printed
	macs     *regress.Predictor // nil where MACs are not printed
	json     bool
}

func (o *predictOptions) predictor(ctx context.Context, m *regress.CostModel, sp *sampler.Space) (*predictor, error) {
	p := &predictor{model: m, space: sp, json: o.json}
	var err error
	if p.Predictor, err = regress.NewPredictor(m, sp); err != nil {
		return nil, err
	}
	if o.macs || o.rankBy == rankByMACs {
		if p.macs, err = regress.NewMACs(ctx, sp); err != nil {
			return nil, err
		}
	}
	least, greatest, err := m.Range(sp)
	p.seconds = ui.SecondsScale(least, greatest)
	p.width = len(p.seconds.Format(greatest))
	return p, err
}

// predict leaves Indices empty: only a ranking needs their text.
func (p *predictor) predict(a sampler.Arch) choose.Prediction {
	r := choose.Prediction{Seconds: p.Predict(a.Indices)}
	if p.macs != nil {
		r.MACs = int64(p.macs.Predict(a.Indices))
	}
	return r
}

// print prints one network's line; rank is 0 without a ranking.
func (p *predictor) print(s streams, a sampler.Arch, r choose.Prediction, rank int) error {
	if p.json {
		return ui.Document(s.out, prediction{
			point: pointOf(a), Seconds: r.Seconds, MACs: r.MACs,
			Device: p.model.Device, Kind: p.model.Kind, Rank: rank,
		})
	}
	line := fmt.Sprintf("%*s", p.width, p.seconds.Format(r.Seconds))
	if k := p.model.Kind; k != devices.Measured {
		line += " " + ui.Kind(k)
	}
	if p.macs != nil {
		if p.macScale == (ui.Scale{}) {
			p.macScale = ui.CountScale(float64(r.MACs))
		}
		line += "  " + p.macScale.Format(float64(r.MACs)) + " MACs"
	}
	_, err := fmt.Fprintf(s.out, "%s  %s  %s\n", a.ID(), line, a)
	return err
}

func printRanking(s streams, k *choose.Ranking, p *predictor) error {
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

func loadCost(path string) (*regress.CostModel, *sampler.Space, error) {
	if err := required("cost", path); err != nil {
		return nil, nil, err
	}
	m, sp, err := regress.Load(path)
	return m, sp, inputError(err)
}

package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"latlab/bench"
	"latlab/internal/text"
	"latlab/internal/ui"
)

// rankedAtOnce is up to how many networks a sweep and show print all; of more, show prints the first few.
const (
	rankedAtOnce = 50
	rankedFew    = 10
)

// rankOptions choose which of the ranked networks are printed, and in which order.
type rankOptions struct {
	top   int
	sort  string
	all   bool
	flags *flagSet
}

// register adds the flags; rows says what else --top counts.
func (o *rankOptions) register(f *flagSet, rows string) {
	o.flags = f
	f.int(&o.top, "top", "print only the first `N` of the ranked networks"+rows, 0)
	f.string(&o.sort, "sort", "order of the ranked networks: `ORDER` "+text.Or(bench.RankOrders()), string(bench.ByLatency))
	f.bool(&o.all, "all", "print every row of the table, however many there are")
}

func (o *rankOptions) check() error {
	orders := texts(bench.RankOrders())
	switch {
	case o.flags.typed("top") && o.top < 1:
		return usagef("--top must be at least 1")
	case !slices.Contains(orders, o.sort):
		return usagef("unknown --sort %q%s; known: %s", text.Clip(o.sort), text.DidYouMean(o.sort, orders), text.Or(orders))
	case o.flags.typed("top") && o.flags.typed("all"):
		return usagef("--top and --all print different numbers of rows; choose one")
	}
	return nil
}

// wanted reports whether a ranking of so many networks is printed without being asked for.
func (o *rankOptions) wanted(networks int) bool {
	return networks <= rankedAtOnce || o.all || o.top > 0
}

// rank ranks the networks that have a latency, in the order of --sort.
func (o *rankOptions) rank(all []bench.Estimate) []bench.Ranked {
	ranked := bench.Rank(all)
	bench.RankOrder(o.sort).Sort(ranked)
	return ranked
}

// everyone is the ranked networks, then those without a latency.
func (o *rankOptions) everyone(all []bench.Estimate) []bench.Ranked {
	rows := o.rank(all)
	for _, e := range all {
		if e.M == nil || e.Network.Status == bench.Failed {
			rows = append(rows, bench.Ranked{Estimate: e})
		}
	}
	return rows
}

// print prints the table; most is how many networks it has unless --top or --all asks for others, 0 = all.
func (o *rankOptions) print(s streams, all []bench.Estimate, most int) error {
	ranked := o.rank(all)
	shown := ranked
	switch {
	case o.all:
	case o.top > 0:
		shown = ranked[:min(len(ranked), o.top)]
	case most > 0 && len(ranked) > rankedAtOnce:
		shown = ranked[:most]
	}
	if len(shown) == 0 {
		return nil
	}
	if err := ui.Ranking(s.out, shown, bench.RankOrder(o.sort), s.columns); err != nil || len(shown) == len(ranked) {
		return err
	}
	first := "first"
	if o.sort == string(bench.ByLatency) {
		first = "fastest"
	}
	_, err := fmt.Fprintf(s.out, "the %s %d of %s; --all prints all\n", first, len(shown), ui.Plural(len(ranked), "network"))
	return err
}

// document is the ranked networks in the order of --sort, then those without a latency. --top holds for
// it too. more, which may be nil, has further fields of a network.
func (o *rankOptions) document(all []bench.Estimate, more func(bench.Estimate) any) ([]json.RawMessage, error) {
	if more == nil {
		more = func(bench.Estimate) any { return nil }
	}
	rows := o.everyone(all)
	if o.top > 0 {
		rows = rows[:min(len(rows), o.top)]
	}
	objects := make([]json.RawMessage, len(rows))
	for i, r := range rows {
		var err error
		if objects[i], err = ui.RankedJSON(r, more(r.Estimate)); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

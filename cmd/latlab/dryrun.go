package main

import (
	"context"
	"fmt"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/internal/ui"
)

// printForecast prints what a sweep would cost. networks says where they come from: "of tiny".
func (o *sweepOptions) printForecast(ctx context.Context, s streams, m bench.Sweep, d devices.Info, networks string, f source.Forecast, refused []bench.Refused) error {
	p := m.Protocol
	outlook, err := o.dryOutlook(ctx, m, d, f.Networks)
	if err != nil {
		return err
	}
	f.Profiled = min(o.profile, f.Networks)
	least, most := f.Duration(p, d)
	blocks, maxBlocks := f.Networks*p.MinBlocks, f.Networks*p.MaxBlocks
	if d.Deterministic {
		blocks, maxBlocks = f.Networks, f.Networks
	}
	if d.Kind == devices.Simulated {
		f.Written = 0 // a simulator needs no model file
	}
	var atMost any = maxBlocks
	count := span(ui.Thousands(blocks), ui.Thousands(maxBlocks))
	if u, err := o.readUntil(o.seed); err != nil {
		return err
	} else if u.Budget > 0 && !d.Deterministic { // it takes the place of max_blocks
		count, atMost = ui.Thousands(blocks)+" or more", nil
		if d.Kind == devices.Measured {
			most = max(least, u.Budget)
		}
		if d.Kind == devices.Measured && u.Budget < least {
			outlook = "the budget ends before every network has its first blocks"
		}
	}
	v := map[string]any{
		"networks": f.Networks, "device": d.Name, "kind": d.Kind, "blocks": blocks, "max_blocks": atMost, "profile_blocks": f.Profiled,
		"model_bytes": f.Written, "mean_macs": f.MeanMACs(),
		"least_seconds": least.Seconds(), "most_seconds": most.Seconds(), "refused": list(refused),
	}
	if outlook != "" {
		v["outlook"] = outlook
	}
	if o.json {
		return ui.Document(s.out, v)
	}
	macs := ""
	if mean := f.MeanMACs(); mean != nil {
		macs = fmt.Sprintf(", %s MACs on average", ui.Count(*mean))
	}
	fmt.Fprint(s.out, ui.Wrap(ui.Plural(f.Networks, "network"), []string{networks + macs + ",", fmt.Sprintf("%s on %s", d.Kind, d.Name)}, ui.Columns))
	total := "blocks in total"
	if f.Profiled > 0 {
		total += fmt.Sprintf(" and %s of profiles", ui.Thousands(f.Profiled))
	}
	fmt.Fprint(s.out, ui.Wrap(count,
		[]string{total + ";", source.Assumption(d), "about " + span(ui.Duration(least), ui.Duration(most))}, ui.Columns))
	if f.Written > 0 {
		fmt.Fprintf(s.out, "%d MiB of models written, through a cache of %s\n", f.Written>>20, o.cache.size)
	}
	if outlook != "" {
		printUnder(s.out, "target:", outlook)
	}
	printRefused(s, refused)
	return nil
}

// span is "2 min 05 s to 7 min 10 s", or only one where both are equal.
func span(least, most string) string {
	if least == most {
		return least
	}
	return least + " to " + most
}

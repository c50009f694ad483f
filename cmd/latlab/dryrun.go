package main

import (
	"fmt"
	"strconv"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/internal/ui"
)

// printForecast says what a sweep would cost. networks is what they are of: a space or a file.
func (o *sweepOptions) printForecast(s streams, m bench.Sweep, d devices.Info, networks string, f source.Forecast) error {
	p := m.Protocol
	least, most := f.Duration(p, d)
	blocks, maxBlocks := f.Networks*p.MinBlocks, f.Networks*p.MaxBlocks
	if d.Deterministic {
		blocks, maxBlocks = f.Networks, f.Networks
	}
	if d.Kind == devices.Simulated {
		f.Written = 0 // a simulator looks at the graph
	}
	v := map[string]any{
		"networks": f.Networks, "device": d.Name, "kind": d.Kind, "blocks": blocks, "max_blocks": maxBlocks,
		"model_bytes": f.Written, "mean_macs": f.MeanMACs(),
		"least_seconds": least.Seconds(), "most_seconds": most.Seconds(),
	}
	if o.json {
		return ui.Document(s.out, v)
	}
	macs := ""
	if mean := f.MeanMACs(); mean != nil {
		macs = fmt.Sprintf(", %s MACs on average", ui.Count(*mean))
	}
	fmt.Fprint(s.out, ui.Wrap(ui.Plural(f.Networks, "network"), []string{"of " + networks + macs + ",", fmt.Sprintf("%s on %s", d.Kind, d.Name)}, ui.Columns))
	fmt.Fprint(s.out, ui.Wrap(span(strconv.Itoa(blocks), strconv.Itoa(maxBlocks)),
		[]string{"blocks from the beginning;", source.Assumption(d), "some " + span(ui.Duration(least), ui.Duration(most))}, ui.Columns))
	if f.Written > 0 {
		fmt.Fprintf(s.out, "%d MiB of models written, through a cache of %s\n", f.Written>>20, o.cache.size)
	}
	return nil
}

// span is "2 min 05 s to 7 min 10 s", and the one where both are the same.
func span(least, most string) string {
	if least == most {
		return least
	}
	return least + " to " + most
}

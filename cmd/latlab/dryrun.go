package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/ui"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// forecast is what a sweep's networks are, before anything runs.
type forecast struct {
	what     string // "tiny"
	networks int
	written  int64 // bytes of models to be written; 0 for a user's own files
	macs     int64 // of those whose ops are known
	known    int   // how many those are
}

func forecastArchs(src archSource, sp *sampler.Space, archs []sampler.Arch) (forecast, error) {
	f := forecast{what: sp.Name, networks: len(archs), known: len(archs)}
	for _, a := range archs {
		g, err := graph.Lower(sp, a)
		if err != nil {
			return f, withCode(exitUsage, err)
		}
		m, err := model.New(g, src.form, nil)
		if err != nil {
			return f, withCode(exitUsage, err)
		}
		n, err := m.Size()
		if err != nil {
			return f, err
		}
		f.written += n
		f.macs += g.TotalMACs()
	}
	return f, nil
}

func forecastModels(l *modelList) forecast {
	f := forecast{what: l.file, networks: len(l.usable)}
	for _, one := range l.usable {
		if one.model.Graph != nil {
			f.macs += one.model.Graph.TotalMACs()
			f.known++
		}
	}
	return f
}

func dryRunModels(s streams, c *cli.Context, m bench.Sweep, d devices.Info, l *modelList) error {
	return dryRun(s, c, m, d, forecastModels(l))
}

// meanMACs is nil where no network's ops are known.
func (f forecast) meanMACs() *int64 {
	if f.known == 0 {
		return nil
	}
	return new(f.macs / int64(f.known))
}

// dryRun says what a sweep would cost.
func dryRun(s streams, c *cli.Context, m bench.Sweep, d devices.Info, f forecast) error {
	p := m.Protocol
	least, most := f.duration(p, d)
	blocks, maxBlocks := f.networks*p.MinBlocks, f.networks*p.MaxBlocks
	if d.Deterministic {
		blocks, maxBlocks = f.networks, f.networks
	}
	if d.Kind == devices.Simulated {
		f.written = 0 // a simulator looks at the graph
	}
	v := map[string]any{
		"networks": f.networks, "device": d.Name, "kind": d.Kind, "blocks": blocks, "max_blocks": maxBlocks,
		"model_bytes": f.written, "mean_macs": f.meanMACs(),
		"least_seconds": least.Seconds(), "most_seconds": most.Seconds(),
	}
	if c.Bool("json") {
		return ui.Document(s.out, v)
	}
	macs := ""
	if mean := f.meanMACs(); mean != nil {
		macs = fmt.Sprintf(", %s MACs on average", ui.Count(*mean))
	}
	fmt.Fprint(s.out, ui.Wrap(ui.Plural(f.networks, "network"), []string{"of " + f.what + macs + ",", fmt.Sprintf("%s on %s", d.Kind, d.Name)}, ui.Columns))
	fmt.Fprint(s.out, ui.Wrap(span(strconv.Itoa(blocks), strconv.Itoa(maxBlocks)),
		[]string{"blocks from the beginning;", assumption(d), "some " + span(ui.Duration(least), ui.Duration(most))}, ui.Columns))
	if f.written > 0 {
		fmt.Fprintf(s.out, "%d MiB of models written, through a cache of %s\n", f.written>>20, c.String("cache-size"))
	}
	return nil
}

// What is assumed before anything was timed.
const (
	// assumedMACsPerSecond is what one core of a server CPU was seen to do in float32 on
	// MobileDet-space networks (20 to 50 billion).
	assumedMACsPerSecond = 25e9
	// phoneMACsPerSecond is a phone's CPU and acceleratorMACsPerSecond an EdgeTPU, as MobileDets
	// were published: half a billion MACs in 113 ms on a Pixel 1, one and a half in 14.75 ms on
	// a Coral stick (fixtures).
	phoneMACsPerSecond       = 4e9
	acceleratorMACsPerSecond = 100e9
	// blockOverheadSeconds is process start, model load and first inference, seen to be 0.1
	// to 0.6 s for MobileDet-space networks.
	blockOverheadSeconds = 0.3
	// estimateSeconds is a vendor's compiler on a whole network: 0.6 to 1.6 s were seen.
	estimateSeconds = 1.5
	// simulateSeconds is a simulator's network, the store included: 1,000 a second.
	simulateSeconds = 1e-3
	// assumedSeconds is a network's latency where its ops are not known.
	assumedSeconds = 0.02
)

func assumption(d devices.Info) string {
	switch d.Kind {
	case devices.Simulated:
		return "at a thousand networks a second"
	case devices.Estimated:
		return fmt.Sprintf("at %.1f s a network, %d at once,", estimateSeconds, max(d.Parallel, 1))
	}
	return fmt.Sprintf("at %.0f billion MACs a second", macsPerSecond(d)/1e9)
}

func macsPerSecond(d devices.Info) float64 {
	switch {
	case d.Accelerator:
		return acceleratorMACsPerSecond
	case d.Transport != "":
		return phoneMACsPerSecond
	}
	return assumedMACsPerSecond
}

func (f forecast) duration(p bench.Protocol, d devices.Info) (least, most time.Duration) {
	seconds := func(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }
	switch d.Kind {
	case devices.Simulated:
		least = seconds(float64(f.networks) * simulateSeconds)
		return least, least
	case devices.Estimated:
		least = seconds(float64(f.networks) * estimateSeconds / float64(max(d.Parallel, 1)))
		return least, least
	}
	latency := assumedSeconds
	if f.known > 0 {
		latency = float64(f.macs) / float64(f.known) / macsPerSecond(d)
	}
	least = p.Forecast(f.networks, latency, blockOverheadSeconds)
	return least, least * time.Duration(p.MaxBlocks) / time.Duration(p.MinBlocks)
}

// span is "2 min 05 s to 7 min 10 s", and the one where both are the same.
func span(least, most string) string {
	if least == most {
		return least
	}
	return least + " to " + most
}

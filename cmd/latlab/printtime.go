package main

import (
	"fmt"
	"io"
	"strconv"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/internal/ui"
)

// timedPoint says what was timed and where, for readers of a per-layer table. The user's own
// files have no space and indices.
type timedPoint struct {
	Device  string `json:"device"`
	Space   string `json:"space,omitempty"`
	Indices string `json:"indices,omitempty"`
}

func timedPointOf(l source.Listed, d devices.Info) timedPoint {
	p := timedPoint{Device: d.Name}
	if l.Space != nil {
		p.Space, p.Indices = l.Space.Name, l.Arch.String()
	}
	return p
}

// timed is what became of the networks of a run.
type timed struct {
	info devices.Info
	*source.Named
	ests     []bench.Estimate
	profiles opProfiles
}

// profile is that of a network, nil where it has none.
func (t *timed) profile(e bench.Estimate) *profiled { return t.profiles.of[e.Network.Index] }

// printOne prints what became of the only network.
func (o *timeOptions) printOne(s streams, t timed) error {
	e, one, prof := t.ests[0], t.Networks[0], t.profile(t.ests[0])
	switch {
	case e.M == nil && prof == nil:
	case o.json:
		parts := []any{map[string]string{"name": one.Name}, timedPointOf(one, t.info)}
		if e.M != nil {
			parts = append(parts, e.M)
		}
		if prof != nil {
			parts = append(parts, prof.document())
		}
		if err := ui.Document(s.out, parts...); err != nil {
			return err
		}
	default:
		if e.M != nil {
			if err := printMeasurement(s.out, one, t.info, e.M); err != nil {
				return err
			}
		}
		if prof != nil {
			if err := o.printLayers(s, prof); err != nil {
				return err
			}
		}
	}
	if e.M == nil {
		return exitSilently(exitPartial)
	}
	n := bench.NewTally()
	n.Add(e)
	return o.verdicts(n.Invalid, n.Imprecise)
}

// printRanked prints several networks, the fastest first.
func (o *timeOptions) printRanked(s streams, t timed) error {
	n := bench.NewTally()
	for _, e := range t.ests {
		n.Add(e)
	}
	if o.json {
		ranked, err := o.ranking.document(t.ests, t.layersOf)
		if err != nil {
			return err
		}
		document := map[string]any{
			"device": t.info.Name, "kind": t.info.Kind, "asked": t.Asked(), "measured": n.Measured, "failed": n.Failed, "invalid": n.Invalid, "imprecise": n.Imprecise,
			"ranked": ranked, "refused": list(t.Refused),
		}
		if o.layers {
			document["unprofiled"] = list(t.profiles.failed.Why)
		}
		if err := ui.Document(s.out, document); err != nil {
			return err
		}
	} else if err := o.printTable(s, t, n); err != nil {
		return err
	}
	if n.Failed+len(t.Refused)+len(t.profiles.failed.Why) > 0 {
		return exitSilently(exitPartial)
	}
	return o.verdicts(n.Invalid, n.Imprecise)
}

// printTable prints the ranking and, with --layers, where the time of each network goes. What went wrong comes
// last, where it is seen.
func (o *timeOptions) printTable(s streams, t timed, n bench.Tally) error {
	if err := o.ranking.print(s, t.ests, 0); err != nil {
		return err
	}
	if err := o.printProfiles(s, t); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s\n", countsLine(n.Measured, t.Asked(), t.info.Kind, " on "+t.info.Name, n.Failed, len(t.Refused)))
	if line := kindSentence(t.info.Kind, t.info.Harness); line != "" {
		fmt.Fprintf(s.out, "  %s\n", line)
	}
	printVerdicts(s, n)
	printRefused(s, t.Refused)
	printUnprofiled(s, t.profiles.failed.Why)
	return nil
}

func printMeasurement(w io.Writer, one source.Listed, d devices.Info, m *verdict.Measurement) error {
	fmt.Fprintf(w, "%s  %s  %s  %s\n", one.Name, ui.Seconds(m.Seconds), interval(m), m.Verdict)
	if line := kindSentence(m.Kind, d.Harness); line != "" {
		fmt.Fprintf(w, "  %s\n", line)
	}
	rows := [][]string{{"  blocks, samples", fmt.Sprintf("%d, %d", m.Blocks, m.Samples)}}
	if m.Samples == 0 { // the tool reports none
		rows = [][]string{{"  blocks", strconv.Itoa(m.Blocks)}}
	}
	if stats.IsPercentile(m.Estimator) {
		rows = append(rows, []string{"  estimator", m.Estimator})
	}
	rows = append(rows, percentileRow("  p90 of samples", m.P90Seconds, m.P90Low, m.P90High)...)
	rows = append(rows, percentileRow("  p99 of samples", m.P99Seconds, m.P99Low, m.P99High)...)
	if !d.Deterministic {
		rows = append(rows, []string{"  noise between blocks", ui.Optional(m.NoiseCV, ui.Percent)})
	}
	for _, f := range []struct {
		name    string
		seconds float64
	}{{"  first inference", m.FirstSeconds}, {"  init", m.InitSeconds}} {
		if f.seconds > 0 {
			rows = append(rows, []string{f.name, ui.Seconds(f.seconds)})
		}
	}
	if m.PeakMemoryBytes > 0 {
		rows = append(rows, []string{"  peak memory", fmt.Sprintf("%d MiB", m.PeakMemoryBytes>>20)})
	}
	if m.Bounds != nil {
		rows = append(rows, []string{"  bounds by the tool", ui.SecondsRange(m.Bounds.Low, m.Bounds.High)})
	}
	rows = append(rows, counterRows(m.Counters)...)
	if in := d.Compute[one.Model.Precision]; in != "" {
		rows = append(rows, []string{"  computed in", in})
	}
	if m.Signature != "" {
		rows = append(rows, []string{"  signature", m.Signature})
	}
	rows = append(rows, []string{"  delegated", delegationLine(m.Delegation)}, []string{"  runtime", m.Runtime})
	if err := ui.Table(w, rows); err != nil {
		return err
	}
	for _, why := range m.Delegation.Why {
		printUnder(w, "  not delegated:", why)
	}
	return printDoubts(w, m)
}

// percentileRow is no row where there are too few samples.
func percentileRow(name string, seconds, low, high *float64) [][]string {
	switch {
	case seconds == nil:
		return nil
	case low == nil || high == nil:
		return [][]string{{name, ui.Seconds(*seconds) + " (no interval)"}}
	}
	return [][]string{{name, fmt.Sprintf("%s (%s)", ui.Seconds(*seconds), ui.SecondsRange(*low, *high))}}
}

// counterRows are the counters that people compare networks by: cycles, the clock and the bytes
// moved by each memory. --json has all of a tool's dozens.
func counterRows(counters map[string]float64) [][]string {
	count := func(x float64) string { return ui.Thousands(int(x)) }
	megahertz := func(x float64) string { return ui.Digits(x/1e6, 6) + " MHz" }
	var rows [][]string
	for _, k := range []struct {
		key, name string
		format    func(float64) string
	}{
		{"cycles", "cycles", count}, {"cycles_total", "cycles", count},
		{"clock_hz", "clock", megahertz}, {"core_clock_hz", "clock", megahertz},
		{"sram_used_bytes", "SRAM used", ui.Bytes}, {"sram_total_bytes", "SRAM read and written", ui.Bytes},
		{"dram_total_bytes", "DRAM read and written", ui.Bytes},
		{"on_chip_flash_total_bytes", "on-chip flash read", ui.Bytes}, {"off_chip_flash_total_bytes", "off-chip flash read", ui.Bytes},
		{"input_fill_bytes", "inputs filled", ui.Bytes}, {"intermediate_fill_bytes", "intermediates filled", ui.Bytes},
		{"intermediate_spill_bytes", "intermediates spilled", ui.Bytes}, {"output_spill_bytes", "outputs spilled", ui.Bytes},
	} {
		if x, ok := counters[k.key]; ok {
			rows = append(rows, []string{"  " + k.name, k.format(x)})
		}
	}
	if more := len(counters) - len(rows); more > 0 {
		rows = append(rows, []string{"  further counters", fmt.Sprintf("%d, printed by --json", more)})
	}
	return rows
}

func delegationLine(d devices.Delegation) string {
	if d.Name == "" {
		return fmt.Sprintf("no delegate, %d nodes", d.Nodes)
	}
	return fmt.Sprintf("%d of %d nodes to %s, %s", d.Delegated, d.Nodes, d.Name, ui.Plural(d.Partitions, "partition"))
}

// kindSentence explains a latency that was not measured; empty for a measured one.
func kindSentence(k devices.Kind, harness string) string {
	switch k {
	case devices.Simulated:
		return "SIMULATED: computed by " + harness + " from the network's ops, never measured"
	case devices.Estimated:
		return "ESTIMATED: by " + harness + ", the vendor's own tool, never measured"
	}
	return ""
}

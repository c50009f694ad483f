package main

import (
	"fmt"
	"io"
	"strconv"

	"latlab/bench"
	"latlab/bench/source"
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

// print prints what became of a network; prof is nil without --layers.
func (o *timeOptions) print(s streams, d devices.Info, one source.Listed, e bench.Estimate, prof *profiled) error {
	if o.json {
		parts := []any{map[string]string{"name": one.Name}, e.M, timedPointOf(one, d)}
		if prof != nil {
			parts = append(parts, prof.document())
		}
		return ui.Document(s.out, parts...)
	}
	if err := printMeasurement(s.out, one, d, e.M); err != nil || prof == nil {
		return err
	}
	return prof.print(s, o.ranking.all)
}

// printRanked prints several networks, the fastest first.
func (o *timeOptions) printRanked(s streams, d devices.Info, ests []bench.Estimate, refused []bench.Refused) error {
	t := bench.NewTally()
	for _, e := range ests {
		t.Add(e)
	}
	asked := len(ests) + len(refused)
	if o.json {
		ranked, err := o.ranking.document(ests)
		if err != nil {
			return err
		}
		if err := ui.Document(s.out, map[string]any{
			"device": d.Name, "kind": d.Kind, "asked": asked, "measured": t.Measured, "failed": t.Failed, "invalid": t.Invalid,
			"ranked": ranked, "refused": list(refused),
		}); err != nil {
			return err
		}
	} else if err := o.printTable(s, d, ests, refused, t); err != nil {
		return err
	}
	switch {
	case t.Failed+len(refused) > 0:
		return exitSilently(exitPartial)
	case t.Invalid > 0:
		return exitSilently(exitInvalid)
	}
	return nil
}

func (o *timeOptions) printTable(s streams, d devices.Info, ests []bench.Estimate, refused []bench.Refused, t bench.Tally) error {
	if err := o.ranking.print(s, ests, 0); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s\n", countsLine(t.Measured, len(ests)+len(refused), d.Kind, " on "+d.Name, t.Failed, len(refused)))
	if line := kindSentence(d.Kind, d.Harness); line != "" {
		fmt.Fprintf(s.out, "  %s\n", line)
	}
	printCounts(s, "INVALID", t.Reasons, t.Sentences)
	printCounts(s, "warning", t.Warnings, t.Sentences)
	printRefused(s, refused)
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

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/internal/ui"
	"latlab/sampler/model"
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

// readLayers returns the table that the tool printed with a block, or else asks the device. It is
// nil, and null in JSON, where the device has none.
func readLayers(ctx context.Context, d devices.Device, m *model.Model, blocks []devices.Block) ([]devices.Layer, error) {
	for _, b := range slices.Backward(blocks) {
		if len(b.Layers) > 0 {
			return b.Layers, nil
		}
	}
	l, ok := d.(devices.Profiler)
	if !ok {
		return nil, nil
	}
	p, err := l.Profile(ctx, m, devices.Plan{WarmUpRuns: 3, MinRuns: 20, MaxRuns: 20, Timeout: 5 * time.Minute})
	if err != nil {
		return nil, err
	}
	return p.Layers, nil
}

func (o *timeOptions) print(ctx context.Context, s streams, d devices.Device, one source.Listed, e bench.Estimate) error {
	var layers []devices.Layer
	if o.layers {
		var err error
		if layers, err = readLayers(ctx, d, one.Model, e.Blocks); err != nil {
			return err
		}
	}
	if o.json {
		parts := []any{map[string]string{"name": one.Name}, e.M, timedPointOf(one, d.Info())}
		if o.layers {
			parts = append(parts, map[string]any{"layers": layers})
		}
		return ui.Document(s.out, parts...)
	}
	if err := printMeasurement(s.out, one, d.Info(), e.M); err != nil || !o.layers {
		return err
	}
	if layers == nil {
		_, err := fmt.Fprintf(s.out, "  device %s has no per-layer table\n", d.Info().Name)
		return err
	}
	return printLayers(s.out, layers)
}

func printMeasurement(w io.Writer, one source.Listed, d devices.Info, m *bench.Measurement) error {
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

// printLayers prints a table that fits in 100 columns.
func printLayers(w io.Writer, rows []devices.Layer) error {
	total := 0.0
	var seconds []float64
	for _, l := range rows {
		total += l.Seconds
		seconds = append(seconds, l.Seconds)
	}
	scale := ui.SecondsScale(seconds...)
	lines := [][]string{{"LAYER", "OP", "ON", "TIME", "SHARE", "MMACS"}}
	for _, l := range rows {
		share, macs := "", ""
		if total > 0 {
			share = ui.Percent(l.Seconds / total)
		}
		if l.MACs > 0 {
			macs = fmt.Sprintf("%.3f", float64(l.MACs)/1e6)
		}
		lines = append(lines, []string{ui.Middle(l.Name, 40), ui.Middle(l.Op, 18), l.Where, scale.Format(l.Seconds), share, macs})
	}
	if err := ui.Table(w, lines); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d rows, %s together\n", len(rows), ui.Seconds(total))
	return err
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

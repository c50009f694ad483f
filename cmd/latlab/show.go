package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/bench/store"
	"latlab/bench/verdict"
	reportwords "latlab/exporters/report/describe"
	"latlab/internal/ui"
)

type showOptions struct {
	db      string
	ranking rankOptions
	json    bool
	ids     []string
}

func (o *showOptions) register(f *flagSet) {
	f.db(&o.db)
	o.ranking.register(f, "")
	f.json(&o.json)
	f.arguments(&o.ids, "[SWEEP]")
}

func (o *showOptions) run(ctx context.Context, s streams) error {
	if err := o.ranking.check(); err != nil {
		return err
	}
	st, err := openDB(ctx, o.db)
	if err != nil {
		return err
	}
	defer st.Close()
	switch len(o.ids) {
	case 0:
		return o.list(ctx, s, st)
	case 1:
		return o.show(ctx, s, st, o.ids[0])
	}
	return usagef("show takes one sweep")
}

func (o *showOptions) list(ctx context.Context, s streams, st *store.Store) error {
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return err
	}
	type row struct {
		bench.Sweep
		bench.Tally
		Refused int `json:"refused"` // named, but not among the sweep's networks
	}
	rows := []row{}
	for _, m := range sweeps {
		t, err := bench.Count(ctx, st, m.ID)
		if err != nil {
			return err
		}
		refused, err := bench.RefusedOf(ctx, st, m.ID)
		if err != nil {
			return err
		}
		rows = append(rows, row{m, t, len(refused)})
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"sweeps": rows})
	}
	lines := [][]string{{"SWEEP", "DONE", "FAILED", "IMPRECISE", "INVALID", "KIND", "CREATED"}}
	of := []string{""}
	for _, r := range rows {
		lines = append(lines, []string{r.ID, ui.Thousands(r.Measured), ui.Thousands(r.Failed), ui.Thousands(r.Imprecise), ui.Thousands(r.Invalid),
			ui.Kind(r.Device.Kind), r.Created.Local().Format(time.DateTime)})
		r.Space = versionedSpace(sweeps, r.Sweep)
		what, err := networkWords(ctx, st, r.Sweep)
		if err != nil {
			return err
		}
		if r.Refused > 0 {
			what += fmt.Sprintf(" (%s refused)", ui.Thousands(r.Refused))
		}
		of = append(of, ui.Wrap(" ", strings.Fields(fmt.Sprintf("%s%s on %s, %s, protocol %s, seed %d",
			what, runWords(r.Run), r.Device.Name, r.Precision, r.Protocol.Name, r.Seed)), ui.Columns))
	}
	return ui.TableWithNotes(s.out, lines, of)
}

// networkWords describes a sweep's networks. A single listed network is described by its name,
// because `time` stores many such sweeps on one device.
func networkWords(ctx context.Context, st bench.Reader, m bench.Sweep) (string, error) {
	if m.Space != "" || m.Networks != 1 {
		return sweepNetworks(m), nil
	}
	for n, err := range st.Networks(ctx, m.ID) {
		return n.Name, err
	}
	return sweepNetworks(m), nil
}

func (o *showOptions) show(ctx context.Context, s streams, st *store.Store, id string) error {
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return err
	}
	m, err := sweepByID(sweeps, id)
	if err != nil {
		return err
	}
	t := bench.NewTally()
	var all []bench.Estimate
	var spans bench.HarnessOf
	for e, err := range bench.Estimates(ctx, st, m.ID) {
		if err != nil {
			return err
		}
		t.Add(e)
		spans.Add(e.Blocks)
		e.Blocks = nil // raw samples of a large sweep
		all = append(all, e)
	}
	runs, err := bench.RunsOf(ctx, st, m.ID)
	if err != nil {
		return err
	}
	harness := spans.Harness(m.Device, m.Protocol, runs)
	failures, err := bench.OpenFailures(ctx, st, m.ID)
	if err != nil {
		return err
	}
	refused, err := bench.RefusedOf(ctx, st, m.ID)
	if err != nil {
		return err
	}
	profiled := 0
	for _, err := range st.Profiles(ctx, m.ID) {
		if err != nil {
			return err
		}
		profiled++
	}
	if o.json {
		ranked, err := o.ranking.document(all, nil)
		if err != nil {
			return err
		}
		return ui.Document(s.out, map[string]any{
			"manifest": m, "tally": t, "reasons": t.Reasons, "warnings": t.Warnings, "failures": failures,
			"refused": refused, "ranked": ranked, "profiled": profiled,
			"harness": harness,
		})
	}
	m.Space = versionedSpace(sweeps, m)
	printSweepDetail(s, m, t, profiled, failures, refused, harness)
	fmt.Fprintln(s.out)
	return o.ranking.print(s, all, rankedFew)
}

// printVerdicts prints how many networks have each doubt, with an example.
func printVerdicts(s streams, t bench.Tally) {
	printCounts(s, "INVALID", t.Reasons, t.Sentences)
	if t.Imprecise > 0 {
		printCounts(s, "IMPRECISE", map[string]int{verdict.ReasonPrecision: t.Imprecise}, t.Sentences)
	}
	printCounts(s, "warning", t.Warnings, t.Sentences)
}

func impreciseToo(t bench.Tally) string {
	if t.Imprecise == 0 {
		return ""
	}
	return fmt.Sprintf(", %s IMPRECISE", ui.Thousands(t.Imprecise))
}

func printSweepDetail(s streams, m bench.Sweep, t bench.Tally, profiled int, failures []bench.Failure, refused []bench.Refused, harness *bench.Harness) {
	rows := [][2]string{
		{"sweep", m.ID}, {"networks", fmt.Sprintf("%s, %s, seed %d", sweepNetworks(m), m.Sampling, m.Seed)},
		{"model", fmt.Sprintf("%s %s", m.Format, m.Precision)},
		{"device", fmt.Sprintf("%s (%s by %s)", m.Device.Name, ui.Kind(m.Device.Kind), m.Device.Harness)},
		{"settings", deviceSettings(m)},
		{"protocol", protocolLine(m.Protocol)}, {"created", m.Created.Local().Format(time.DateTime)},
		{string(m.Device.Kind), fmt.Sprintf("%s, %s, %s failed, %s INVALID%s%s", ui.Plural(t.Measured, "network"), ui.Plural(t.Blocks, "block"), ui.Thousands(t.Failed), ui.Thousands(t.Invalid), impreciseToo(t), refusedToo(refused))},
		{"noise", noiseLine(m, t)},
	}
	if t.UndisturbedShare != nil {
		rows = append(rows, [2]string{"undisturbed", undisturbedLine(t)})
	}
	if t.Clock != nil {
		rows = append(rows, [2]string{"clock", fmt.Sprintf("%s, measured in %s", reportwords.Clock(t.Clock), ui.Plural(t.Clock.Blocks, "block"))})
	}
	if t.Levels != nil {
		rows = append(rows, [2]string{"drift", reportwords.Levels(t.Levels)})
	}
	if m.Run > 0 {
		rows = append(rows, [2]string{"run", fmt.Sprintf("%d of sweep %s", m.Run+1, m.Request())})
	}
	if t.Measured > 0 {
		rows = append(rows, [2]string{"latency", ui.SecondsRange(t.Fastest, t.Slowest)})
	}
	if profiled > 0 {
		rows = append(rows, [2]string{"profiled", ui.Plural(profiled, "network")})
	}
	if harness != nil {
		rows = append(rows, [2]string{"harness", harnessLine(harness)})
	}
	for _, k := range slices.Sorted(maps.Keys(m.Device.Fingerprint)) {
		rows = append(rows, [2]string{"  " + k, m.Device.Fingerprint[k]})
	}
	for _, k := range slices.Sorted(maps.Keys(m.Tools)) {
		rows = append(rows, [2]string{"  " + k, m.Tools[k]})
	}
	ui.Facts(s.out, rows)
	printVerdicts(s, t)
	for _, f := range failures {
		word := "failed"
		if !f.Final {
			word = "tried"
		}
		text := fmt.Sprintf("%s, fault of the %s (%s): %s", f.Name, f.Fault, f.Reason, f.Message)
		fmt.Fprint(s.out, ui.Wrap(word+":", strings.Fields(text), ui.Columns))
		printOutput(s.out, strings.TrimSpace(f.Output))
	}
	printRefused(s, refused)
}

func refusedToo(refused []bench.Refused) string {
	if len(refused) == 0 {
		return ""
	}
	return fmt.Sprintf(", %s refused", ui.Thousands(len(refused)))
}

func printCounts(s streams, word string, counts map[string]int, sentences map[string]string) {
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		text := fmt.Sprintf("%s, %s, for example: %s", ui.Plural(counts[code], "network"), code, sentences[code])
		fmt.Fprint(s.out, ui.Wrap(word+":", strings.Fields(text), ui.Columns))
	}
}

func noiseLine(m bench.Sweep, t bench.Tally) string {
	if m.Device.Deterministic {
		return "none: every block would be the same"
	}
	return ui.Optional(t.NoiseCV, ui.Percent) + " between blocks"
}

func undisturbedLine(t bench.Tally) string {
	text := ui.Percent(*t.UndisturbedShare) + " of the samples"
	if t.DisturbedBlocks > 0 {
		text += fmt.Sprintf("; too few in %s, not used", ui.Plural(t.DisturbedBlocks, "block"))
	}
	return text
}

// harnessLine says what share of the time was spent on no inference, and its parts of half a percent and more. The
// share of the first inferences follows, for a reader who counts them as the harness's.
func harnessLine(h *bench.Harness) string {
	var parts []string
	for _, p := range h.Parts() {
		if p.Ratio >= 0.005 {
			parts = append(parts, fmt.Sprintf("%s %s", p.Name, ui.Percent(p.Ratio)))
		}
	}
	text := ui.Percent(h.Ratio) + " of the time"
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text + "; first inferences, not counted in it, " + ui.Percent(h.First/h.Seconds)
}

func deviceSettings(m bench.Sweep) string {
	text := fmt.Sprintf("%s, delegate %s", ui.Plural(m.Device.Threads, "thread"), cmp.Or(m.Device.Delegate, "none"))
	if len(m.Device.CPUs) > 0 {
		text += fmt.Sprintf(", CPUs %v", m.Device.CPUs)
	}
	return text
}

func protocolLine(p protocol.Protocol) string {
	return fmt.Sprintf("%s: %d to %d blocks of %d to %d runs, until the interval is within %s", p.Name, p.MinBlocks, p.MaxBlocks, p.MinRuns, p.MaxRuns, ui.Percent(p.HalfWidth)) + p.Statistic()
}

// Package card writes a report as a model card: Markdown with the sections of Hugging Face's
// template where they fit, and its metadata in front (https://huggingface.co/docs/hub/model-cards).
// A licence is the user's to choose, so none is named; what does not apply to a latency table
// (language, base model, carbon) is left out. Without a cost model it is a card of the data.
//
// Names come from files and devices and are hostile here too: escaped in text, in a fence
// longer than any of theirs in commands, and left to a YAML encoder in the metadata.
package card

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
	"latlab/internal/version"
	"latlab/sampler"
)

// Write writes the card. store is the store's file as its commands name it; empty = lab.db.
func Write(w io.Writer, d *report.Data, store string) error {
	front, err := frontMatter(d)
	if err != nil {
		return err
	}
	if store == "" {
		store = "lab.db"
	}
	c := &card{data: d, store: store}
	c.raw("---\n" + front + "---\n")
	c.raw("\n# Model card: " + escaped(describe.Title(d)) + "\n")
	for _, k := range d.Kinds() {
		c.line("> **%s**: %s.", word(describe.Kind(k)), describe.KindMeaning(k))
	}
	if len(d.Fits) == 0 {
		c.line("No cost model was given, so this card describes the data alone. Add a cost model with `--cost`.")
	}
	for i := range d.Fits {
		c.model(&d.Fits[i])
	}
	c.heading(2, "Data")
	for i := range d.Sweeps {
		c.sweep(&d.Sweeps[i])
	}
	for _, r := range d.Runs {
		c.runs(r)
	}
	c.line("Written by latlab %s%s.", version.Version, c.made())
	_, err = io.WriteString(w, c.text.String())
	return err
}

func (c *card) model(f *report.Fit) {
	m := f.Model
	c.heading(2, "Model details: %s", word(filepath.Base(f.File)))
	c.line("An additive table of latencies: the predicted latency of a network is the bias plus one entry for each of its layers. Fitted by the method %s to **%s** latencies of networks of %s on %s.",
		word(m.Method), word(describe.Kind(m.Kind)), word(m.Space), word(m.Device))
	c.fields(append(describe.CostFacts(f), describe.CostVersions(f.Model)...))
	c.uses(f)
	c.heading(3, "How to get started")
	c.commands("latlab sample --space "+spaceWord(m.Space)+" -n 1000 --json | latlab predict --cost "+describe.Quoted(f.File)+" --top 10",
		fmt.Sprintf("latlab export --cost %s --format csv -o table.csv", describe.Quoted(f.File)))
	c.limits(f)
	c.training(f)
	c.evaluation(f)
	c.reproduce(f)
}

func (c *card) uses(f *report.Fit) {
	m := f.Model
	c.heading(3, "Uses")
	c.line("**Direct use.** To rank networks of the space %s by latency, and to keep a search within a latency, on %s with the settings above.", word(m.Space), word(m.Device))
	c.line("**Downstream use.** As the latency term of an architecture search, by `latlab export`.")
	c.line("**Out of scope.** Another device, runtime, number of threads, precision or space; batches; several networks at once; energy and memory; promises to users about a single run.")
	if k := m.Kind; k != devices.Measured {
		c.line("**Not for statements about a real device**: these latencies are %s, %s.", word(m.Kind), describe.KindMeaning(k))
	}
}

// limits lists the limitations of the table.
func (c *card) limits(f *report.Fit) {
	c.heading(3, "Risks and limitations")
	items := []string{
		"The table is additive: effects between neighbouring layers (fused operations, caches, memory) are spread over the entries or missed.",
		"The training networks are spread over the space; a search ends in a region that holds few of them.",
		"Latencies hold for the conditions of the sweep; they differ on a hotter phone, with other firmware or on a busy device.",
	}
	reachable, never, unreachable, known := 0, 0, 0, len(f.Heat) > 0
	for _, h := range f.Heat {
		unreachable += h.Unreachable
		reachable += len(h.Choices) * len(h.Columns)
		known = known && h.Seen != nil
		never += neverSeen(h)
	}
	switch {
	case known:
		items = append(items, fmt.Sprintf("**Never seen:** %s of %s that a network can use were in no training network: their values are implied by related entries, not observed. By position:",
			ui.Thousands(never), describe.Number(reachable, "entry", "entries")))
	default:
		items = append(items, "Never-seen entries: "+ui.NotComputed+", the model does not record which entries its training networks used.")
	}
	c.list(append(c.escapedWarnings(f), items...)...)
	if known {
		var rows [][]string
		for _, h := range f.Heat {
			rows = append(rows, []string{h.Position, ui.Thousands(len(h.Choices) * len(h.Columns)), ui.Thousands(neverSeen(h))})
		}
		c.table([]string{"position", "entries", "never seen"}, rows...)
	}
	if unreachable > 0 {
		c.line("%s that no network can use are not counted.", describe.Number(unreachable, "entry", "entries"))
	}
}

func (c *card) escapedWarnings(f *report.Fit) []string {
	var all []string
	for _, w := range f.Model.Warnings {
		all = append(all, c.format("**Warning of the fit:** %s", word(w)))
	}
	return all
}

// neverSeen counts the entries of a position that no training network used.
func neverSeen(h report.Heat) int {
	n := 0
	for _, row := range h.Seen {
		for _, seen := range row {
			if seen == 0 {
				n++
			}
		}
	}
	return n
}

func (c *card) training(f *report.Fit) {
	m := f.Model
	c.heading(3, "Training")
	c.fields(describe.TrainingFacts(m))
	for _, on := range f.On {
		c.line("Sweep %s: %s", word(c.data.Sweeps[on.Sweep].Manifest.ID), describe.Training(on.Training))
	}
	for _, a := range f.Apart {
		c.line("Not compared with sweep %s: %s.", word(c.data.Sweeps[a.Sweep].Manifest.ID), word(a.Why))
	}
}

func (c *card) evaluation(f *report.Fit) {
	c.heading(3, "Evaluation")
	c.line("On held-out networks, by the rule above; latencies are %s.", word(describe.Kind(f.Model.Kind)))
	var rows [][]string
	for _, x := range describe.Figures(f.Model.Figures) {
		if x.Name != "networks" && x.Name != "held-out rule" { // said under Training
			rows = append(rows, []string{x.Name, x.Value})
		}
	}
	c.table([]string{"figure", "value"}, rows...)
	rows = nil
	for _, on := range f.On {
		s := &c.data.Sweeps[on.Sweep]
		rows = append(rows, []string{s.Manifest.ID, ui.Thousands(on.Networks), describe.Signed(on.Mean), ui.Percent(on.MeanAbsolute), string(on.Training)})
	}
	if len(rows) > 0 {
		c.line("On the VALID networks of whole sweeps (relative error: (predicted - measured) / measured):")
		c.table([]string{"sweep", "networks", "mean error", "mean absolute error", "training"}, rows...)
	}
	rows = nil
	var seconds []float64
	for _, x := range f.Fixtures {
		seconds = append(seconds, x.Seconds) // 0 without a prediction
	}
	latency := ui.SecondsScale(seconds...)
	for _, x := range f.Fixtures {
		row := []string{x.Name, latency.Format(x.Seconds), ""}
		if x.Why != "" {
			row[1], row[2] = "none", x.Why
		} else if len(x.Layers) > 0 {
			l := x.Layers[0]
			row[2] = fmt.Sprintf("%s: %s, %d to %d channels, %s", l.Position, l.Choice, l.In, l.Out, ui.Seconds(l.Seconds))
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		c.line("Predictions for known networks:")
		c.table([]string{"network", "predicted", "slowest layer, or why there is no prediction"}, rows...)
	}
}

// reproduce prints the commands, as far as they are stored; flags that are not part of a sweep's
// identity are not stored.
func (c *card) reproduce(f *report.Fit) {
	c.heading(3, "How to reproduce")
	var lines, ids []string
	for _, on := range f.On {
		m := &c.data.Sweeps[on.Sweep].Manifest
		ids = append(ids, m.ID)
		lines = append(lines, sweepCommand(m, c.store))
	}
	if len(ids) == 0 {
		c.line("No sweep here belongs to the model; the data hash above identifies the data that it was fitted on.")
		return
	}
	lines = append(lines,
		fmt.Sprintf("latlab fit --db %s --sweep %s --method %s -o %s", describe.Quoted(c.store), strings.Join(ids, ","), describe.Quoted(f.Model.Method), describe.Quoted(f.File)),
		fmt.Sprintf("latlab report --db %s --sweep %s --cost %s --format md -o card.md", describe.Quoted(c.store), strings.Join(ids, ","), describe.Quoted(f.File)))
	c.commands(lines...)
	c.line("The same data hash means the same data. A sweep on a real device gives other latencies each time, and so another hash. The seed of the fit, `--train` and `--include-invalid` are not stored in the model: repeat those that you used.")
}

// spaceWord is what --space takes; a user's own space is a file, whose text the cost model
// holds (space_file).
func spaceWord(name string) string {
	if slices.Contains(sampler.BuiltinNames(), name) {
		return describe.Quoted(name)
	}
	return describe.Quoted(name + ".yaml")
}

func sweepCommand(m *bench.Sweep, store string) string {
	words := []string{"latlab sweep --device", describe.Quoted(m.Device.Name), "--space", spaceWord(m.Space), "-n", fmt.Sprint(m.Networks), "--seed", fmt.Sprint(m.Seed)}
	if m.Sampling == bench.Coverage {
		words = append(words, "--coverage")
	}
	words = append(words, "--precision", describe.Quoted(string(m.Precision)))
	for _, word := range m.Protocol.Arguments() {
		words = append(words, describe.Quoted(word))
	}
	if m.Device.Threads > 1 {
		words = append(words, "--threads", fmt.Sprint(m.Device.Threads))
	}
	words = append(words, "--db", describe.Quoted(store))
	if m.Run > 0 {
		words = append(words, "--again")
	}
	return strings.Join(words, " ")
}

func (c *card) sweep(s *report.Sweep) {
	t := s.Tally
	c.heading(3, "Sweep %s: %s, %s", word(s.Manifest.ID), word(describe.Sweep(s)), word(describe.Kind(s.Manifest.Device.Kind)))
	c.fields(append(describe.SweepFacts(s), describe.SweepVersions(s)...))
	var rows [][]string
	for _, x := range describe.Verdicts(t) {
		rows = append(rows, []string{x.Name, ui.Thousands(x.Networks), ""})
	}
	for _, r := range t.Reasons {
		rows = append(rows, []string{"INVALID: " + r.Words, ui.Thousands(r.Networks), r.Example})
	}
	for _, r := range t.Warnings {
		rows = append(rows, []string{"warning: " + r.Words, ui.Thousands(r.Networks), r.Example})
	}
	for _, x := range t.Failures {
		rows = append(rows, []string{fmt.Sprintf("failure: %s, %s", x.Fault, x.Reason), ui.Thousands(x.Final), x.Example})
	}
	c.table([]string{"verdict or reason", "networks", "for example"}, rows...)
	if t.LeftOut > 0 {
		c.line("%s INVALID and left out below (--leave-out-invalid).", describe.Number(t.LeftOut, "network is", "networks are"))
	}
	facts := []string{
		fmt.Sprintf("Latencies, %s: %s.", describe.Kind(s.Manifest.Device.Kind), describe.Span(s.Networks.Latencies())+doubtfulWords(&s.Networks)),
		fmt.Sprintf("Noise between blocks: %s.", describe.Noise(s)),
	}
	if used := describe.Undisturbed(s); used != "" {
		facts = append(facts, "Undisturbed samples: "+used+".")
	}
	if t.HottestC != nil {
		facts = append(facts, fmt.Sprintf("Hottest sensor: %s °C.", ui.Digits(*t.HottestC, 3)))
	}
	facts = append(facts, describe.Missing(s)...)
	for i := range facts {
		facts[i] = escaped(facts[i])
	}
	c.list(facts...)
	c.profiles(s)
}

// typesNamed is how many types of op the card names of a profiled network.
const typesNamed = 3

// profiles says where the time of profiled networks goes; the rows are in an export.
func (c *card) profiles(s *report.Sweep) {
	if len(s.Profiles) == 0 {
		return
	}
	c.heading(4, "Where the time goes")
	c.line("The device's own report of its ops inside observed inferences (sweep --profile), not latency measurements.%s", describe.ProfilesShown(s))
	var rows [][]string
	for i := range s.Profiles {
		p := &s.Profiles[i]
		part := func(name string, share float64) string { return describe.Clip(name, 60) + " " + ui.Percent(share) }
		var types []string
		for _, g := range p.Table.ByType[:min(typesNamed, len(p.Table.ByType))] {
			types = append(types, part(g.Name, g.Share))
		}
		slowest := p.Table.Slowest()[0]
		rows = append(rows, []string{
			describe.ProfileName(s, p), ui.Seconds(p.Table.Seconds), ui.Thousands(p.Runs), ui.Optional(p.Overhead, ui.Overhead),
			strings.Join(types, ", "), part(cmp.Or(slowest.Name, slowest.Type), slowest.Share),
		})
	}
	c.table([]string{"network", "ops together", "observed inferences", "observing costs", "slowest types of op", "slowest op"}, rows...)
	c.line("Every row:")
	c.commands(fmt.Sprintf("latlab export --db %s --sweep %s --profiles --format csv -o profiles.csv", describe.Quoted(c.store), s.Manifest.ID))
}

// runs compares two runs.
func (c *card) runs(r report.Runs) {
	c.heading(3, "%s", word(describe.Runs(c.data, r)))
	if r.Comparison == nil {
		c.line("Not compared: %s.", word(r.Why))
		return
	}
	c.fields(describe.RunsFacts(c.data, r))
	var notes []string
	for _, n := range r.Comparison.Notes {
		notes = append(notes, escaped(n.Text))
	}
	if len(notes) > 0 {
		c.list(notes...)
	}
	var rows [][]string
	for _, p := range r.Comparison.MostChanged(10) {
		rows = append(rows, []string{p.Network, ui.Seconds(p.ASeconds), ui.Seconds(p.BSeconds), describe.Ratio(p.Ratio), describe.RatioInterval(p.Change), p.Word()})
	}
	c.table([]string{"network", "A", "B", "B/A", "interval", "changed"}, rows...)
}

// doubtfulWords are the numbers of IMPRECISE and INVALID networks as text.
func doubtfulWords(n *report.Networks) (words string) {
	for _, v := range []verdict.Verdict{verdict.Imprecise, verdict.Invalid} {
		if k := len(n.Latencies(v)); k > 0 {
			words += fmt.Sprintf(", %s of them %s", ui.Thousands(k), v)
		}
	}
	return words
}

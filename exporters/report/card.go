package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/version"
	"latlab/sampler"
)

// Card writes a model card: Markdown with the sections of Hugging Face's template where they
// fit, and its metadata in front, as https://huggingface.co/docs/hub/model-cards tells. A
// licence is the user's to choose, so none is named; what a latency table has none of
// (language, base model, carbon) is left out. Without a cost model it is a card of the data.
//
// Names are hostile here too: escaped in text, in a fence longer than any of theirs in
// commands, and left to a YAML encoder in the metadata.
func Card(w io.Writer, d *Data, o PageOptions) error {
	front, err := frontMatter(d)
	if err != nil {
		return err
	}
	c := &card{data: d, options: o}
	c.raw("---\n" + front + "---\n")
	c.raw("\n# Model card: " + escaped(newView(d).title()) + "\n")
	for _, k := range d.Kinds() {
		c.line("> **%s**: %s.", word(KindWord(k)), KindMeaning(k))
	}
	if len(d.Fits) == 0 {
		c.line("No cost model was given: this is a card of the data alone. A cost model comes with `--cost`.")
	}
	for i := range d.Fits {
		c.model(&d.Fits[i])
	}
	c.heading(2, "Data")
	for i := range d.Sweeps {
		c.sweep(&d.Sweeps[i])
	}
	c.line("Written by latlab %s%s.", version.Version, c.made())
	_, err = io.WriteString(w, c.text.String())
	return err
}

func (c *card) model(f *Fit) {
	m := f.Model
	c.heading(2, "Model details: %s", word(filepath.Base(f.File)))
	c.line("An additive table of latencies: a network is predicted to take the bias and one entry for each of its layers. Fitted by the method %s to **%s** latencies of networks of %s on %s.",
		word(m.Method), word(KindWord(m.Kind)), word(m.Space), word(m.Device))
	c.fields(append(costIdentity(f), costPrints(f.Model)...))
	c.uses(f)
	c.heading(3, "How to get started")
	c.commands("latlab sample --space "+spaceWord(m.Space)+" -n 1000 --json | latlab predict --cost "+quoted(f.File)+" --top 10",
		fmt.Sprintf("latlab export --cost %s --format csv -o table.csv", quoted(f.File)))
	c.limits(f)
	c.training(f)
	c.evaluation(f)
	c.reproduce(f)
}

func (c *card) uses(f *Fit) {
	m := f.Model
	c.heading(3, "Uses")
	c.line("**Direct use.** To rank networks of the space %s by latency, and to keep a search within a latency, on %s with the settings above.", word(m.Space), word(m.Device))
	c.line("**Downstream use.** As the latency term of an architecture search, by `latlab export`.")
	c.line("**Out of scope.** Another device, runtime, number of threads, precision or space; batches; several networks at once; energy and memory; promises to users about a single run.")
	if k := m.Kind; k != devices.Measured {
		c.line("**Not for statements about a real device**: these latencies are %s, %s.", word(m.Kind), KindMeaning(k))
	}
}

// limits says what a user of the table must not overlook.
func (c *card) limits(f *Fit) {
	c.heading(3, "Risks and limitations")
	items := []string{
		"The table adds up: what a layer costs because of its neighbours (fused operations, caches, memory) is spread over the entries or missed.",
		"The training networks are spread over the space; a search ends in a corner of it, where few of them are.",
		"Latencies are those of the sweep's conditions; a hotter phone, another firmware or a busy device differ.",
	}
	entries, never, unreachable, known := 0, 0, 0, len(f.Heat) > 0
	for _, h := range f.Heat {
		unreachable += h.Unreachable
		entries += len(h.Choices) * len(h.Columns)
		known = known && h.Seen != nil
		never += neverSeen(h)
	}
	switch {
	case known:
		items = append(items, fmt.Sprintf("**Never seen:** %s of %s that a network can use were in no training network: their values are implied by their relatives, not observed. By position:",
			thousands(never), plural(entries, "entry", "entries")))
	default:
		items = append(items, "Never-seen entries: "+NotComputed+", the model does not say which entries its training networks used.")
	}
	c.list(append(c.escapedWarnings(f), items...)...)
	if known {
		var rows [][]string
		for _, h := range f.Heat {
			rows = append(rows, []string{h.Position, thousands(len(h.Choices) * len(h.Columns)), thousands(neverSeen(h))})
		}
		c.table([]string{"position", "entries", "never seen"}, rows...)
	}
	if unreachable > 0 {
		c.line("%s of the table that no network can use are not counted.", plural(unreachable, "entry", "entries"))
	}
}

func (c *card) escapedWarnings(f *Fit) []string {
	var all []string
	for _, w := range f.Model.Warnings {
		all = append(all, c.format("**Warning of the fit:** %s", word(w)))
	}
	return all
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + more
}

// neverSeen counts the entries of a position that no training network used.
func neverSeen(h Heat) int {
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

func (c *card) training(f *Fit) {
	m := f.Model
	c.heading(3, "Training")
	c.fields([]field{
		{"networks", fmt.Sprintf("trained on %s, tested on %s", thousands(m.Figures.NTrain), thousands(m.Figures.NTest))},
		{"held-out rule", orNone(m.Figures.Split)}, {"method", m.Method}, {"a network's value", orNone(m.Estimator)},
		{"data hash (sha256)", orNone(m.DataHash)},
	})
	for _, on := range f.On {
		c.line("Sweep %s: %s", word(c.data.Sweeps[on.Sweep].Manifest.ID), on.Training.Words())
	}
	for _, a := range f.Apart {
		c.line("Not set beside sweep %s: %s.", word(c.data.Sweeps[a.Sweep].Manifest.ID), word(a.Why))
	}
}

func (c *card) evaluation(f *Fit) {
	c.heading(3, "Evaluation")
	c.line("Of held-out networks, by the rule above; latencies are %s.", word(KindWord(f.Model.Kind)))
	var rows [][]string
	for _, x := range costFigures(f.Model.Figures) {
		if x.Name != "networks" && x.Name != "held-out rule" { // said under Training
			rows = append(rows, []string{x.Name, x.Value})
		}
	}
	c.table([]string{"figure", "value"}, rows...)
	rows = nil
	for _, on := range f.On {
		s := &c.data.Sweeps[on.Sweep]
		rows = append(rows, []string{s.Manifest.ID, thousands(on.Networks), signed(on.Mean), percent(on.MeanAbsolute), string(on.Training)})
	}
	if len(rows) > 0 {
		c.line("On the VALID networks of whole sweeps (relative error: prediction over latency, less 1):")
		c.table([]string{"sweep", "networks", "mean error", "mean absolute error", "training"}, rows...)
	}
	rows = nil
	for _, x := range f.Fixtures {
		row := []string{x.Name, millis(x.Seconds), ""}
		if x.Why != "" {
			row[1], row[2] = "–", x.Why
		} else if len(x.Layers) > 0 {
			l := x.Layers[0]
			row[2] = fmt.Sprintf("%s: %s, %d to %d channels, %s ms", l.Position, l.Choice, l.In, l.Out, millis(l.Seconds))
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		c.line("Known networks, by the model:")
		c.table([]string{"network", "predicted, ms", "slowest layer, or why there is no prediction"}, rows...)
	}
}

// reproduce gives the commands as far as the data tell; what a sweep's flags were beyond its
// identity is not kept.
func (c *card) reproduce(f *Fit) {
	c.heading(3, "How to reproduce")
	store := c.options.Store
	if store == "" {
		store = "lab.db"
	}
	var lines, ids []string
	for _, on := range f.On {
		m := &c.data.Sweeps[on.Sweep].Manifest
		ids = append(ids, m.ID)
		lines = append(lines, sweepCommand(m, store))
	}
	if len(ids) == 0 {
		c.line("None of the sweeps here is the model's; its data hash above tells which data it was fitted on.")
		return
	}
	lines = append(lines,
		fmt.Sprintf("latlab fit --db %s --sweep %s --method %s -o %s", quoted(store), strings.Join(ids, ","), quoted(f.Model.Method), quoted(f.File)),
		fmt.Sprintf("latlab report --db %s --sweep %s --cost %s --format md -o card.md", quoted(store), strings.Join(ids, ","), quoted(f.File)))
	c.commands(lines...)
	c.line("The same data hash tells that the data are the same. A sweep on a real device gives other latencies each time, and so another hash. The seed of the fit, `--train` and `--include-invalid` are not kept in the model: give those that you gave.")
}

// spaceWord is what --space takes; a user's own space is a file, whose text the cost model
// holds (space_file).
func spaceWord(name string) string {
	if slices.Contains(sampler.BuiltinNames(), name) {
		return quoted(name)
	}
	return quoted(name + ".yaml")
}

func sweepCommand(m *bench.Sweep, store string) string {
	words := []string{"latlab sweep --device", quoted(m.Device.Name), "--space", spaceWord(m.Space), "-n", fmt.Sprint(m.Networks), "--seed", fmt.Sprint(m.Seed)}
	if m.Sampling == bench.Coverage {
		words = append(words, "--coverage")
	}
	words = append(words, "--precision", quoted(string(m.Precision)), "--protocol", quoted(m.Protocol.Name))
	if m.Device.Threads > 1 {
		words = append(words, "--threads", fmt.Sprint(m.Device.Threads))
	}
	return strings.Join(append(words, "--db", quoted(store)), " ")
}

func (c *card) sweep(s *Sweep) {
	t := s.Tally
	c.heading(3, "Sweep %s: %s, %s", word(s.Manifest.ID), word(sweepName(s)), word(KindWord(s.Manifest.Device.Kind)))
	c.fields(append(identity(s), fingerprint(s)...))
	var rows [][]string
	for _, x := range shares(t) {
		rows = append(rows, []string{x.Word, thousands(x.N), ""})
	}
	for _, r := range t.Reasons {
		rows = append(rows, []string{"INVALID: " + r.Words, thousands(r.Networks), r.Example})
	}
	for _, r := range t.Warnings {
		rows = append(rows, []string{"warning: " + r.Words, thousands(r.Networks), r.Example})
	}
	for _, x := range t.Failures {
		rows = append(rows, []string{fmt.Sprintf("failure: %s, %s", x.Fault, x.Reason), thousands(x.Final), x.Example})
	}
	c.table([]string{"verdict or reason", "networks", "for example"}, rows...)
	if t.LeftOut > 0 {
		c.line("%s INVALID left out of what follows, as asked.", plural(t.LeftOut, "network is", "networks are"))
	}
	valid, invalid := byVerdict(&s.Networks)
	facts := []string{
		fmt.Sprintf("Latencies, %s: %s.", KindWord(s.Manifest.Device.Kind), spanWords(slices.Concat(valid, invalid))+invalidWords(len(invalid))),
		fmt.Sprintf("Noise between blocks: %s.", noise(s)),
	}
	if t.HottestC != nil {
		facts = append(facts, fmt.Sprintf("Hottest sensor: %s °C.", digits(*t.HottestC, 3)))
	}
	facts = append(facts, missing(s)...)
	for i := range facts {
		facts[i] = escaped(facts[i])
	}
	c.list(facts...)
}

// invalidWords says how many of a span's networks nobody should quote.
func invalidWords(n int) string {
	if n == 0 {
		return ""
	}
	return ", " + thousands(n) + " of them INVALID"
}

package describe

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/devices"
	"latlab/exporters/report"
	"latlab/internal/ui"
	"latlab/regress"
)

// Fact is a name and a value in words.
type Fact struct{ Name, Value string }

// Sweep names a sweep: its device and how it is used. A sweep of one listed network has the
// network in front: of networks timed by name there are many on one device.
func Sweep(s *report.Sweep) string {
	if n := &s.Networks; s.Manifest.Space == "" && n.Len() == 1 {
		return Clip(n.Label(0), 60) + " on " + Device(s)
	}
	return Device(s)
}

// SweepAndKind names a sweep where it stands beside others.
func SweepAndKind(s *report.Sweep) string {
	return fmt.Sprintf("%s (%s, sweep %s)", Sweep(s), Kind(s.Manifest.Device.Kind), s.Manifest.ID)
}

// Device names a sweep's device with its delegate, threads and precision, and its run if it measures another
// sweep anew.
func Device(s *report.Sweep) string {
	if run := s.Manifest.Run; run > 0 {
		return fmt.Sprintf("%s, run %d", request(s), run+1)
	}
	return request(s)
}

// request is what all runs of a sweep are called.
func request(s *report.Sweep) string {
	m := &s.Manifest
	title := m.Device.Name
	if m.Device.Delegate != "" {
		title += ", " + m.Device.Delegate
	}
	if m.Device.Threads > 1 {
		title += fmt.Sprintf(", %d threads", m.Device.Threads)
	}
	return title + ", " + string(m.Precision)
}

// requested counts the networks that were refused too: "10 requested, 7 refused".
func requested(s *report.Sweep) string {
	words := ui.Thousands(s.Manifest.Networks+len(s.Refused)) + " requested"
	if len(s.Refused) > 0 {
		words += ", " + ui.Thousands(len(s.Refused)) + " refused"
	}
	return words
}

// SweepFacts identify a sweep.
func SweepFacts(s *report.Sweep) []Fact {
	m := &s.Manifest
	d := &m.Device
	all := []Fact{
		{"sweep", m.ID}, {"device", d.Name}, {"kind", Kind(d.Kind)}, {"timed by", d.Harness},
		{"space", cmp.Or(m.Space, "listed models (no space)")}, {"networks", fmt.Sprintf("%s, %s, seed %d", requested(s), m.Sampling, m.Seed)},
		{"model", fmt.Sprintf("%s %s", m.Format, m.Precision)},
		{"settings", settings(*d)}, {"protocol", blocksAndRuns(m.Protocol)},
		{"estimator", OrNone(s.Estimator)}, {"created", Time(m.Created)}, {"first block", Time(s.Tally.First)}, {"last block", lastBlock(s)},
		{"blocks", fmt.Sprintf("%s with %s", ui.Plural(s.Tally.Blocks, "block"), ui.Plural(s.Tally.Samples, "sample"))},
	}
	for _, f := range []Fact{{"undisturbed samples", Undisturbed(s)}, {"measured clock", Clock(s.Tally.Clock)}, {"drift", Levels(s.Tally.Levels)}} {
		if f.Value != "" {
			all = append(all, f)
		}
	}
	return all
}

// lastBlock may be later than the page: a simulator has a clock of its own.
func lastBlock(s *report.Sweep) string {
	if s.Manifest.Device.Kind == devices.Simulated && !s.Tally.Last.IsZero() {
		return Time(s.Tally.Last) + ", simulated time"
	}
	return Time(s.Tally.Last)
}

func settings(d devices.Info) string {
	text := fmt.Sprintf("%s, delegate %s", ui.Plural(d.Threads, "thread"), OrNone(d.Delegate))
	if len(d.CPUs) > 0 {
		text += fmt.Sprintf(", CPUs %v", d.CPUs)
	}
	return text
}

func blocksAndRuns(p protocol.Protocol) string {
	return fmt.Sprintf("%s: %d to %d blocks of %d to %d runs, until the interval is within %s", p.Name, p.MinBlocks, p.MaxBlocks, p.MinRuns, p.MaxRuns, ChosenPercent(p.HalfWidth)) + p.Statistic()
}

// SweepVersions are the fingerprint of a sweep's device and the versions of its tools.
func SweepVersions(s *report.Sweep) []Fact {
	return append(facts(s.Manifest.Device.Fingerprint), facts(s.Manifest.Tools)...)
}

func facts(m map[string]string) []Fact {
	var all []Fact
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, Fact{k, m[k]})
	}
	return all
}

// Missing says in sentences what a sweep does not have and why.
func Missing(s *report.Sweep) []string {
	var words []string
	switch t := &s.Tally; {
	case t.Blocks > 0:
	case t.Failed > 0 && t.Failed == t.Networks:
		words = append(words, "Every network failed, so there is nothing to draw. The table of failures says why.")
	case t.Failed > 0:
		words = append(words, fmt.Sprintf("No network has a block, and %s failed, so there is nothing to draw.", ui.Thousands(t.Failed)))
	default:
		words = append(words, "No block of this sweep has been run, so there is nothing to draw.")
	}
	if s.Manifest.Space == "" {
		words = append(words, "These networks are in no search space, so no cost model of a space applies to them.")
	}
	for _, r := range s.Refused {
		words = append(words, fmt.Sprintf("Refused, and not among the %s: %s: %s.", ui.Plural(s.Manifest.Networks, "network"), Plain(r.Name), Plain(r.Reason)))
	}
	if s.Tally.Measured > 0 && s.Tally.Valid == 0 {
		if s.Tally.Imprecise > 0 {
			words = append(words, "No network is VALID: quote the latencies of IMPRECISE ones with their intervals only.")
		} else {
			words = append(words, "No network is VALID: do not quote a latency of this sweep. The table of verdicts gives the reasons.")
		}
	}
	return words
}

// Planned says how many of the networks that were requested have their blocks; a sweep that was
// stopped has fewer.
func Planned(s *report.Sweep) string {
	t := &s.Tally
	if requested := s.Manifest.Networks; t.Networks < requested || t.Measured < requested {
		return fmt.Sprintf("Of %s requested, %s planned and %s all blocks.", ui.Plural(requested, "network"), Number(t.Networks, "was", "were"), Number(t.Measured, "has", "have"))
	}
	if t.Measured == 1 {
		return "The network has all its blocks."
	}
	return fmt.Sprintf("All %s have all their blocks.", ui.Plural(t.Measured, "network"))
}

// Noise is a sweep's noise between blocks.
func Noise(s *report.Sweep) string {
	if s.Manifest.Device.Deterministic {
		return "none, the device is deterministic"
	}
	return ui.Optional(s.Tally.NoiseCV, ui.Percent)
}

// Undisturbed is which share of a sweep's samples was used; empty if the device does not show it.
func Undisturbed(s *report.Sweep) string {
	t := &s.Tally
	if t.UndisturbedShare == nil {
		return ""
	}
	text := ui.Percent(*t.UndisturbedShare)
	if t.DisturbedBlocks > 0 {
		text += ", " + ui.Plural(t.DisturbedBlocks, "block") + " without enough"
	}
	return text
}

// Clock is the range of measured clocks and the cores; empty if nil.
func Clock(c *stats.Clock) string {
	if c == nil {
		return ""
	}
	text := ui.HertzRange(c.LowHz, c.HighHz)
	switch len(c.CPUs) {
	case 0:
		return text
	case 1:
		return fmt.Sprintf("%s, core %d", text, c.CPUs[0])
	}
	return fmt.Sprintf("%s, cores %s", text, strings.ReplaceAll(strings.Trim(fmt.Sprint(c.CPUs), "[]"), " ", ", "))
}

// Levels is how the level of a device changed over a sweep; empty if nil.
func Levels(l *stats.Levels) string {
	if l == nil {
		return ""
	}
	text := "none"
	if low, high := Signed(l.Low-1), Signed(l.High-1); low != high {
		text = fmt.Sprintf("from %s to %s over the sweep, corrected", low, high)
	}
	for _, s := range l.Steps {
		text += fmt.Sprintf("; %s in blocks %s to %s, which are not used", Signed(s.Level-1), ui.Thousands(s.First+1), ui.Thousands(s.Last+1))
	}
	return text
}

// Ceiling is the noise ceiling of a fit: its r2 and its MAPE with their intervals.
func Ceiling(g regress.Figures) (r2, mape string) {
	c := g.NoiseCeiling
	if c == nil {
		return ui.Optional(g.NoiseCeilingR2, ui.Fixed4), ui.NotComputed
	}
	return fmt.Sprintf("%s (%s to %s)", ui.Fixed4(c.R2), ui.Fixed4(c.R2Low), ui.Fixed4(c.R2High)),
		fmt.Sprintf("%s (%s to %s)", ui.Percent(c.MAPE), ui.Percent(c.MAPELow), ui.Percent(c.MAPEHigh))
}

// CostFacts identify a cost model.
func CostFacts(f *report.Fit) []Fact {
	m := f.Model
	all := []Fact{
		{"file", f.File}, {"device", m.Device}, {"kind", Kind(m.Kind)}, {"space", m.Space},
		{"precision", string(m.Precision)}, {"method", m.Method}, {"estimator", OrNone(m.Estimator)},
		{"bias", ui.Seconds(m.Bias)},
	}
	if m.MeasuredUntil != nil {
		all = append(all, Fact{"latencies until", Time(*m.MeasuredUntil)})
	}
	if !f.Modified.IsZero() {
		all = append(all, Fact{"written", Time(f.Modified)})
	}
	return all
}

// CostTitle names a cost model by its file.
func CostTitle(f *report.Fit) string { return filepath.Base(f.File) + ": " + f.Model.Method }

// CostVersions are the hash of a cost model's data and the fingerprint of its device.
func CostVersions(m *regress.CostModel) []Fact {
	return append([]Fact{{"data hash", OrNone(m.DataHash)}}, facts(m.Fingerprint)...)
}

// Figures are those of a fit's held-out networks.
func Figures(g regress.Figures) []Fact {
	r2, mape := Ceiling(g)
	return []Fact{
		{"r2, held out", ui.Optional(g.R2, ui.Fixed4)}, {"r2, adjusted", ui.Optional(g.AdjustedR2, ui.Fixed4)},
		{"r2, noise ceiling", r2},
		{"MAPE", ui.Optional(g.MAPE, ui.Percent)}, {"MAPE, noise ceiling", mape}, {"RMSPE", ui.Optional(g.RMSPE, ui.Percent)},
		{"RMSE", ui.Optional(g.RMSESeconds, ui.Seconds)},
		{"within 5 %", Share(g, g.Within5)}, {"within 10 %", Share(g, g.Within10)},
		{"Spearman", ui.Optional(g.Spearman, ui.Fixed4)}, {"Kendall", ui.Optional(g.Kendall, ui.Fixed4)},
		{"intervals of predictions", ui.NotComputed}, {"drift since the fit", ui.NotComputed},
		{"networks", Fitted(g)}, {"held-out rule", OrNone(g.Split)},
	}
}

// Fitted says what a model is fitted on and where its figures come from.
func Fitted(g regress.Figures) string {
	return fmt.Sprintf("fitted on all %s; figures by %s", ui.Plural(g.Networks(), "network"), g.Rule())
}

// fewNetworks is up to how many networks a share is printed as a count: a decimal of a percentage would
// promise more than they can say.
const fewNetworks = 40

// Share is a share of the networks that the figures cover: a mean over repeats, so that counts may be
// fractions.
func Share(g regress.Figures, share *float64) string {
	n := g.Judged()
	if n == 0 || n > fewNetworks {
		return ui.Optional(share, ui.Percent)
	}
	return ui.Optional(share, func(x float64) string { return fmt.Sprintf("%s of %d", ui.Digits(x*float64(n), 3), n) })
}

// TrainingFacts are what a cost model was fitted on, and how.
func TrainingFacts(m *regress.CostModel) []Fact {
	return []Fact{
		{"networks", Fitted(m.Figures)}, {"held-out rule", OrNone(m.Figures.Split)}, {"method", m.Method}, {"estimator", OrNone(m.Estimator)},
		{"data hash (sha256)", OrNone(m.DataHash)},
	}
}

// Training says whether a sweep's networks were held out of a fit.
func Training(t report.Training) string {
	if t == report.Trained {
		return "These networks are not held out: the model was fitted on exactly them (the hash of its data agrees), so the errors shown here are too small. The held-out figures are not affected."
	}
	return "The model was not fitted on exactly these networks (the hash of its data differs), but some of them may be in its training data: the errors shown here are not held-out errors."
}

// Quartiles are the minimum, the quartiles and the maximum of at least one value.
func Quartiles(values []float64) [5]float64 {
	v := slices.Sorted(slices.Values(values))
	var q [5]float64
	for i := range q {
		p := float64(i) / 4 * float64(len(v)-1)
		low := int(p)
		q[i] = v[low] + (p-float64(low))*(v[min(low+1, len(v)-1)]-v[low])
	}
	return q
}

// Span is how many latencies there are and their range and median.
func Span(seconds []float64) string {
	if len(seconds) == 0 {
		return "nothing measured"
	}
	q := Quartiles(seconds)
	u := ui.SecondsScale(q[0], q[4])
	if len(seconds) == 1 {
		return "1 network, " + u.Format(q[0])
	}
	return fmt.Sprintf("%s from %s, median %s", ui.Plural(len(seconds), "network"), u.Range(q[0], q[4]), u.Format(q[2]))
}

// Verdict is how many networks ended how; Class is its colour.
type Verdict struct {
	Class, Name string
	Networks    int
}

// Verdicts are all networks of a sweep, each in one.
func Verdicts(t report.Tally) []Verdict {
	return []Verdict{{"dot", "VALID", t.Valid}, {"imprecise", "IMPRECISE", t.Imprecise}, {"bad", "INVALID", t.Invalid}, {"failed", "failed", t.Failed}, {"rest", "not finished", t.Unfinished}}
}

// LayerScale is the scale of a fixture's slowest layers.
func LayerScale(layers []report.LayerCost) ui.Scale {
	var seconds []float64
	for _, l := range layers {
		seconds = append(seconds, l.Seconds)
	}
	return ui.SecondsScale(seconds...)
}

// Ranges are the ranges of MACs of bands, in one unit; their bounds are round numbers.
func Ranges(bands []report.Band) []string {
	var bounds []float64
	for _, b := range bands {
		bounds = append(bounds, b.LowMACs, b.HighMACs)
	}
	scale := ui.CountScale(bounds...)
	var all []string
	for _, b := range bands {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s to %s %s", ui.Digits(b.LowMACs/scale.Factor(), 6), ui.Digits(b.HighMACs/scale.Factor(), 6), scale.Unit())))
	}
	return all
}

// Title names a report by its devices.
func Title(d *report.Data) string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range d.Sweeps {
		add(d.Sweeps[i].Manifest.Device.Name)
	}
	for i := range d.Fits {
		add(d.Fits[i].Model.Device)
	}
	if len(names) == 0 {
		return "Latency"
	}
	return "Latency on " + strings.Join(names, ", ")
}
